// Where pages' entries were put in the hash table, by address space and page: four bits each.
//
// Pages of an address space lie together, so that these are kept in blocks of them, each for a
// stretch of addresses, which are few. Not thread-safe.
#ifndef MMUSIM_ARCH_PPC64_HINTS_H_
#define MMUSIM_ARCH_PPC64_HINTS_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "arch/ppc64/formats.h"
#include "base/types.h"

namespace mmusim::ppc64 {

class Hints {
 public:
  // `page`: the base page, in which hints are kept.
  explicit Hints(PageShift page) : page_(page) {}

  [[nodiscard]] std::optional<unsigned> find(Context context, VirtAddr va) const {
    const Block* const block = find_block(key_of(context, va));
    if (block == nullptr) return std::nullopt;
    const uint8_t hint = block->hints[place_of(va)];
    return hint == kNone ? std::nullopt : std::optional<unsigned>(hint);
  }
  void set(Context context, VirtAddr va, unsigned hint) {
    const Key key = key_of(context, va);
    Block* block = find_block(key);
    if (block == nullptr) {
      block = (blocks_[key] = std::make_unique<Block>()).get();
      latest_ = {key, block};
    }
    uint8_t& known = block->hints[place_of(va)];
    if (known == kNone) ++block->count;
    known = static_cast<uint8_t>(hint);
  }
  void erase(Context context, VirtAddr va) {
    const Key key = key_of(context, va);
    Block* const block = find_block(key);
    if (block == nullptr) return;
    uint8_t& known = block->hints[place_of(va)];
    if (known == kNone) return;
    known = kNone;
    if (--block->count != 0) return;
    latest_ = {};
    blocks_.erase(key);
  }

  // Pages of [begin, end) that have one, ascending.
  [[nodiscard]] std::vector<VirtAddr> pages(Context context, VirtRange range) const {
    std::vector<VirtAddr> found;
    if (range.empty()) return found;
    const VirtAddr first = align_up(range.begin, page_);
    const VirtAddr last = range.end - 1;
    const auto end = blocks_.upper_bound(key_of(context, last));
    for (auto at = blocks_.lower_bound(key_of(context, first)); at != end; ++at) {
      const bool begins = at->first == key_of(context, first);
      const bool ends = at->first == key_of(context, last);
      each_of(*at, begins ? place_of(first) : 0, ends ? place_of(last) : kBlock - 1,
              [&found](VirtAddr va, unsigned /*hint*/) { found.push_back(va); });
    }
    return found;
  }
  // visit(context, page, hint) for all, by address space and address.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& block : blocks_)
      each_of(block, 0, kBlock - 1,
              [&](VirtAddr va, unsigned hint) { visit(block.first.first, va, hint); });
  }

 private:
  static constexpr unsigned kBlockBits = 9;
  static constexpr size_t kBlock = size_t{1} << kBlockBits;  // pages
  static constexpr uint8_t kNone = 0xff;
  struct Block {
    Block() { hints.fill(kNone); }
    std::array<uint8_t, kBlock> hints{};
    unsigned count = 0;  // that are not kNone
  };
  using Key = std::pair<Context, uint64_t>;  // and the address above a block's pages
  using Blocks = std::map<Key, std::unique_ptr<Block>>;
  struct Latest {
    Key key{};
    Block* block = nullptr;
  };

  [[nodiscard]] Key key_of(Context context, VirtAddr va) const {
    return {context, va.value() >> (page_.log2() + kBlockBits)};
  }
  [[nodiscard]] size_t place_of(VirtAddr va) const {
    return va.value() >> page_.log2() & (kBlock - 1);
  }
  [[nodiscard]] Block* find_block(const Key& key) const {
    if (latest_.block != nullptr && latest_.key == key) return latest_.block;
    const auto found = blocks_.find(key);
    if (found == blocks_.end()) return nullptr;
    latest_ = {key, found->second.get()};
    return latest_.block;
  }
  // From one place to another.
  template <class Visit>
  void each_of(const Blocks::value_type& block, size_t first, size_t last, Visit visit) const {
    for (size_t i = first; i <= last; ++i)
      if (block.second->hints[i] != kNone)
        visit(VirtAddr((block.first.second << kBlockBits | i) << page_.log2()),
              block.second->hints[i]);
  }

  PageShift page_;
  Blocks blocks_;
  mutable Latest latest_;  // the block used last; null: not known
};

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_HINTS_H_
