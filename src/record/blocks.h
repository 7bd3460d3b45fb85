// The blocks of the recorded processes: what QEMU translated, and the pieces a trace has of them.
//
// One Definition is a block of QEMU's, by its number in its process. What it does differs from
// execution to execution (a conditional load, a gather): for each pattern of accesses seen there is
// a Shape, cut into blocks as a trace wants them. A child of fork begins with its parent's
// definitions.
#ifndef MMUSIM_RECORD_BLOCKS_H_
#define MMUSIM_RECORD_BLOCKS_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "record/ring.h"
#include "trace/writer.h"

namespace mmusim::record {

// One access of a block, without its address: which instruction, what, how much.
struct Access {
  uint16_t instruction = 0;
  uint16_t kind = 0;  // AccessKind
  uint32_t bytes = 0;
  bool operator==(const Access&) const = default;
};

// Of a word with an access (ring.h).
inline uint64_t address_of(uint64_t word) {
  return static_cast<uint64_t>(static_cast<int64_t>(word) >> kAddressShift);
}
inline Access access_of(uint64_t word) {
  const AccessKind kind = (word & 1) != 0 ? AccessKind::Store : AccessKind::Load;
  return {static_cast<uint16_t>(index_of(word)), static_cast<uint16_t>(kind),
          uint32_t{1} << ((word & kTagMask) >> 1)};
}

struct Shape;

// So many words are looked at at once, whether a block has as many or not: how many it has is hard
// to predict.
inline constexpr size_t kWordsAtOnce = 4;

// A shape of one piece, as the fast path wants it: all in one place, most of it in one line of a
// cache.
struct UsualBlock {
  uint64_t chunk = 0;      // as in trace::KnownBlock
  uint64_t first_low = 0;  // of the first words what is not address, the first in the lowest bits
  uint64_t first_mask = 0;
  uint32_t number = 0;
  uint16_t words = 0;    // of an execution, behind the first
  uint8_t accesses = 0;  // that they are
  bool joins = false;    // some of them are joined to one access, or may be
  Shape* shape = nullptr;
  // Behind it: the words, without their addresses.
  [[nodiscard]] const uint16_t* low() const { return reinterpret_cast<const uint16_t*>(this + 1); }
};

struct Shape {
  std::vector<Access> accesses;
  // The words of an execution that does just this, without their addresses; `plain`: there are
  // such.
  std::vector<uint16_t> words;
  bool plain = false;
  std::vector<trace::MemOp> ops;          // of all pieces
  std::vector<trace::KnownBlock> pieces;  // in order
  std::unique_ptr<uint64_t[]> usual;      // a UsualBlock; null: it has no such form

  [[nodiscard]] UsualBlock* as_usual() { return reinterpret_cast<UsualBlock*>(usual.get()); }
  void make_usual();
};

struct Definition {
  uint64_t start = 0;
  uint64_t flags = 0;  // BlockFlags
  std::vector<uint8_t> lengths;
  std::deque<Shape> shapes;
  [[nodiscard]] uint64_t last_instruction() const {
    uint64_t at = start;
    for (size_t i = 0; i + 1 < lengths.size(); ++i)
      at += lengths[i];
    return at;
  }
};

// For a block with joined accesses: makes the addresses of the words those of the accesses. False:
// they are not joined as usual.
bool join_usual(const UsualBlock& block, const uint64_t* words, uint64_t* addresses);

// The addresses of the accesses that `words` are, which begin with the first access; false if they
// are not what `block` is. REQUIRES: as many words as it has, and kWordsAtOnce, can be read and as
// many addresses written.
inline bool read_usual(const UsualBlock& block, const uint64_t* words, uint64_t* addresses) {
  uint64_t low = 0;
  for (size_t i = 0; i < kWordsAtOnce; ++i) {
    low |= (words[i] & 0xffff) << (16 * i);
    addresses[i] = address_of(words[i]);
  }
  uint64_t different = (low ^ block.first_low) & block.first_mask;
  for (size_t i = kWordsAtOnce; i < block.words; ++i) {
    different |= (words[i] ^ block.low()[i]) & 0xffff;
    addresses[i] = address_of(words[i]);
  }
  if (different != 0) return false;
  return !block.joins || join_usual(block, words, addresses);
}

// Executions of usual blocks, to be written together. All but the last have numbers in the chunk.
struct AgainBlocks {
  static constexpr size_t kMost = 256;
  std::array<UsualBlock*, kMost> blocks;
  std::array<uint32_t, kMost> numbers;
  std::vector<uint64_t> addresses = std::vector<uint64_t>(kMost * kWordsAtOnce);
  size_t count = 0;
  size_t accesses = 0;

  // For any block of so many words.
  void make_room(size_t words) {
    words = 2 * std::max(words, kWordsAtOnce);
    if (addresses.size() < words) addresses.resize(words);
  }
  [[nodiscard]] bool has_room(const UsualBlock& block) const {
    return count != kMost &&
           addresses.size() - accesses >= std::max<size_t>(block.words, kWordsAtOnce);
  }
  void add(UsualBlock& block) {
    blocks[count] = &block;
    numbers[count] = block.number;
    ++count;
    accesses += block.accesses;
  }
};

// What may be said of two reports after one another by the same instruction.
enum class Join : uint8_t { None, Longer, Modify };
Join join_of(const Access& last, uint64_t last_address, const Access& next, uint64_t address);

// Shapes of one block beyond this are made anew each time.
inline constexpr size_t kMostShapes = 16;

// Cuts a block with these accesses into pieces that keep the limits of a trace; only its first
// `instructions`, if a trap ended it. The shape refers to `definition`.
void cut(const Definition& definition, std::span<const Access> accesses, Shape& shape,
         size_t instructions = SIZE_MAX);

class Definitions {
 public:
  // Words as the plug-in writes them (ring.h). Returns how many were used; 0: not all are there.
  // Errors: Error if they make no sense.
  size_t add(std::span<const uint64_t> words);

  // Null: not known.
  [[nodiscard]] Definition* find(uint64_t number) const {
    return number < by_number_.size() ? by_number_[number].definition : nullptr;
  }
  // What the block did last, if it has such a form and repeats nothing; else null.
  [[nodiscard]] UsualBlock* usual(uint64_t number) const {
    return number < by_number_.size() ? by_number_[number].usual : nullptr;
  }
  void prefetch(uint64_t number) const {
    if (number < by_number_.size()) __builtin_prefetch(&by_number_[number]);
  }
  // Of a block that is known.
  void set_usual(uint64_t number, UsualBlock* usual) { by_number_[number].usual = usual; }

  // Only those with lower numbers: a child does not have what its parent added after the fork.
  void keep(uint64_t below) {
    if (below < by_number_.size()) by_number_.resize(below);
  }

  // For the child of a fork. From here on the two do not see what the other adds.
  [[nodiscard]] Definitions copy();

 private:
  using Store = std::deque<Definition>;
  std::vector<std::shared_ptr<Store>> stores_;  // the last one grows, unless it is shared
  bool shared_ = true;
  struct Entry {
    Definition* definition;
    UsualBlock* usual;
  };
  std::vector<Entry> by_number_;
};

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_BLOCKS_H_
