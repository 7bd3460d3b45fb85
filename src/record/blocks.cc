#include "record/blocks.h"

#include <algorithm>

#include "base/error.h"
#include "record/ring.h"

namespace mmusim::record {
namespace {

using trace::kMaxInstructions;
using trace::kMaxMemOps;

constexpr uint64_t kPageMask = ~trace::kBlockPage.offset_mask();

// Puts instructions and accesses into pieces one by one.
class Cutter {
 public:
  Cutter(const Definition& definition, Shape& shape)
      : definition_(definition), shape_(shape), start_(definition.start), end_(definition.start) {}

  void instruction(size_t index) {
    if (instructions_ == kMaxInstructions || (end_ & kPageMask) != (start_ & kPageMask))
      end_piece();
    if (instructions_ == 0) first_ = index;
    ++instructions_;
    end_ += definition_.lengths[index];
  }
  // Of the last instruction. One that makes more than fit is repeated.
  void access(const Access& access) {
    if (ops_ == kMaxMemOps) repeat_last();
    shape_.ops.push_back({static_cast<uint8_t>(instructions_ - 1),
                          static_cast<AccessKind>(access.kind),
                          static_cast<uint16_t>(access.bytes)});
    ++ops_;
  }
  void end_piece() {
    if (instructions_ == 0) return;
    trace::StaticBlock block{};
    block.start = VirtAddr(start_);
    block.bytes = static_cast<uint32_t>(end_ - start_);
    block.instructions = static_cast<uint8_t>(instructions_);
    block.mem_ops = static_cast<uint8_t>(ops_);
    block.crosses_page = ((end_ - 1) & kPageMask) != (start_ & kPageMask);
    block.lengths = definition_.lengths.data() + first_;
    shape_.pieces.emplace_back(block);
    start_ = end_;
    instructions_ = 0;
    ops_ = 0;
  }

 private:
  void repeat_last() {
    const size_t last = first_ + instructions_ - 1;
    end_piece();
    end_ -= definition_.lengths[last];
    start_ = end_;
    instruction(last);
  }

  const Definition& definition_;
  Shape& shape_;
  uint64_t start_;
  uint64_t end_;
  size_t first_ = 0;  // its first instruction
  unsigned instructions_ = 0;
  unsigned ops_ = 0;
};

}  // namespace

void cut(const Definition& definition, std::span<const Access> accesses, Shape& shape,
         size_t instructions) {
  shape.accesses.assign(accesses.begin(), accesses.end());
  shape.ops.clear();
  shape.pieces.clear();
  Cutter cutter(definition, shape);
  size_t next = 0;
  for (size_t i = 0; i < std::min(instructions, definition.lengths.size()); ++i) {
    cutter.instruction(i);
    for (; next < accesses.size() && accesses[next].instruction <= i; ++next)
      cutter.access(accesses[next]);
  }
  cutter.end_piece();
  size_t op = 0;
  for (trace::KnownBlock& piece : shape.pieces) {
    piece.block.ops = shape.ops.data() + op;
    op += piece.block.mem_ops;
    piece.hash = trace::hash_of(piece.block);
  }
}

size_t Definitions::add(std::span<const uint64_t> words) {
  if (words.empty()) return 0;
  const uint64_t number = static_cast<uint32_t>(words[0]);
  const uint64_t instructions = words[0] >> 48;
  const uint64_t count = definition_words(instructions);
  if (instructions == 0 || instructions > kMostInstructions || number > by_number_.size())
    throw InternalError("the plug-in's definitions of blocks make no sense");
  if (words.size() < count) return 0;
  // A child's first one may take the number of one that its parent added after the fork.
  by_number_.resize(number);
  if (shared_) {
    stores_.push_back(std::make_shared<Store>());
    shared_ = false;
  }
  Definition& definition = stores_.back()->emplace_back();
  definition.start = words[1];
  definition.flags = (words[0] >> 32) & 0xffff;
  const auto* lengths = reinterpret_cast<const uint8_t*>(words.data() + 2);
  definition.lengths.assign(lengths, lengths + instructions);
  for (uint8_t& length : definition.lengths)
    length = static_cast<uint8_t>(std::clamp<unsigned>(length, 1, trace::kMaxInstructionBytes));
  by_number_.push_back(&definition);
  return count;
}

Definitions Definitions::copy() {
  shared_ = true;
  return *this;
}

}  // namespace mmusim::record
