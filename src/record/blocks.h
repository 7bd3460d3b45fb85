// The blocks of the recorded processes: what QEMU translated, and the pieces a trace has of them.
//
// One Definition is a block of QEMU's, by its number in its process. What it does differs from
// execution to execution (a conditional load, a gather): for each pattern of accesses seen there is
// a Shape, cut into blocks as a trace wants them. A child of fork begins with its parent's
// definitions.
#ifndef MMUSIM_RECORD_BLOCKS_H_
#define MMUSIM_RECORD_BLOCKS_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "trace/writer.h"

namespace mmusim::record {

// One access of a block, without its address: which instruction, what, how much.
struct Access {
  uint16_t instruction = 0;
  uint8_t kind = 0;   // AccessKind
  uint8_t parts = 1;  // how many reports of QEMU's were joined to one
  uint32_t bytes = 0;
  bool operator==(const Access&) const = default;
};

struct Shape {
  std::vector<Access> accesses;
  std::vector<trace::MemOp> ops;          // of all pieces
  std::vector<trace::KnownBlock> pieces;  // in order
};

struct Definition {
  uint64_t start = 0;
  uint64_t flags = 0;  // BlockFlags
  std::vector<uint8_t> lengths;
  std::deque<Shape> shapes;  // the first is the usual one
  [[nodiscard]] uint64_t last_instruction() const {
    uint64_t at = start;
    for (size_t i = 0; i + 1 < lengths.size(); ++i)
      at += lengths[i];
    return at;
  }
};

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
    return number < by_number_.size() ? by_number_[number] : nullptr;
  }

  // For the child of a fork. From here on the two do not see what the other adds.
  [[nodiscard]] Definitions copy();

 private:
  using Store = std::deque<Definition>;
  std::vector<std::shared_ptr<Store>> stores_;  // the last one grows, unless it is shared
  bool shared_ = true;
  std::vector<Definition*> by_number_;
};

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_BLOCKS_H_
