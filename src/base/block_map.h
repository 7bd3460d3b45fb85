// A map from 64-bit numbers to small values, ascending, for numbers that tend to lie together, as
// pages do: they are kept in blocks of 512, each an array of values, of which there are as many as
// have one.
//
// To find or set a value reads a place of a table of blocks and the value's own. The table knows
// blocks by a hash of their number, each place one; it has several times as many places as there
// are blocks, so that nearly all are in it, and the rest are found in a tree. Not thread-safe, not
// even for reading.
#ifndef MMUSIM_BASE_BLOCK_MAP_H_
#define MMUSIM_BASE_BLOCK_MAP_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace mmusim {

// kNone: what no number's value is.
template <class Value, Value kNone>
class BlockMap {
 public:
  [[nodiscard]] bool empty() const { return blocks_.empty(); }
  // kNone: it has none.
  [[nodiscard]] Value find(uint64_t number) const {
    const Block* const block = find_block(number / kBlock);
    return block == nullptr ? kNone : block->values[number % kBlock];
  }
  void set(uint64_t number, Value value) {
    Block* block = find_block(number / kBlock);
    if (block == nullptr) block = &add_block(number / kBlock);
    Value& known = block->values[number % kBlock];
    if (known == kNone) ++block->count;
    known = value;
  }
  void erase(uint64_t number) {
    Block* const block = find_block(number / kBlock);
    if (block == nullptr) return;
    Value& known = block->values[number % kBlock];
    if (known == kNone) return;
    known = kNone;
    if (--block->count != 0) return;
    place_of(number / kBlock) = {};
    blocks_.erase(number / kBlock);
  }
  void clear() {
    blocks_.clear();
    places_.assign(kFewPlaces, {});
  }

  // Whether (number, value) -> bool is true for all from `first` to `last`, which are asked for,
  // ascending, up to the first for which it is not.
  template <class Predicate>
  [[nodiscard]] bool all_of(uint64_t first, uint64_t last, Predicate predicate) const {
    if (first > last) return true;
    if (first / kBlock == last / kBlock) {
      const Block* const block = find_block(first / kBlock);
      return block == nullptr || all_of_block(first / kBlock, *block, first, last, predicate);
    }
    const auto end = blocks_.upper_bound(last / kBlock);
    for (auto at = blocks_.lower_bound(first / kBlock); at != end; ++at)
      if (!all_of_block(at->first, *at->second, first, last, predicate)) return false;
    return true;
  }
  // visit(number, value) for all from `first` to `last`, ascending.
  template <class Visit>
  void for_each(uint64_t first, uint64_t last, Visit visit) const {
    static_cast<void>(all_of(first, last, [&visit](uint64_t number, Value value) {
      visit(number, value);
      return true;
    }));
  }

 private:
  static constexpr size_t kBlock = 512;
  static constexpr size_t kFewPlaces = 16;
  static constexpr size_t kPlacesPerBlock = 4;  // at least
  struct Block {
    Block() { values.fill(kNone); }
    std::array<Value, kBlock> values;
    size_t count = 0;  // that are not kNone
  };
  struct Place {
    uint64_t number = 0;
    Block* block = nullptr;  // null: of none
  };

  // all_of() of one block's.
  template <class Predicate>
  static bool all_of_block(uint64_t number, const Block& block, uint64_t first, uint64_t last,
                           Predicate& predicate) {
    const uint64_t begin = number * kBlock;
    const size_t from = first > begin ? first - begin : 0;
    const size_t to = last - begin < kBlock ? last - begin : kBlock - 1;
    for (size_t i = from; i <= to; ++i)
      if (block.values[i] != kNone && !predicate(begin + i, block.values[i])) return false;
    return true;
  }
  // Numbers that lie together come to lie apart, and evenly (Fibonacci hashing).
  [[nodiscard]] Place& place_of(uint64_t number) const {
    constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;
    return places_[number * kGolden >> (64 - std::countr_zero(places_.size()))];
  }
  [[nodiscard]] Block* find_block(uint64_t number) const {
    Place& place = place_of(number);
    if (place.block != nullptr && place.number == number) [[likely]]
      return place.block;
    const auto found = blocks_.find(number);
    if (found == blocks_.end()) return nullptr;
    place = {number, found->second.get()};
    return place.block;
  }
  Block& add_block(uint64_t number) {
    Block& added = *(blocks_[number] = std::make_unique<Block>());
    if (places_.size() < kPlacesPerBlock * blocks_.size()) places_.assign(2 * places_.size(), {});
    place_of(number) = {number, &added};
    return added;
  }

  std::map<uint64_t, std::unique_ptr<Block>> blocks_;  // by number / kBlock
  mutable std::vector<Place> places_ = std::vector<Place>(kFewPlaces);
};

}  // namespace mmusim

#endif  // MMUSIM_BASE_BLOCK_MAP_H_
