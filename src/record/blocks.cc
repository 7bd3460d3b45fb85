#include "record/blocks.h"

#include <algorithm>

#include "base/error.h"

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

Join join_of(const Access& last, uint64_t last_address, const Access& next, uint64_t address) {
  constexpr uint64_t kMostJoined = 64;  // bytes: the widest vector
  constexpr uint64_t kPart = 8;         // QEMU reports wider accesses in such parts
  if (last.instruction != next.instruction) return Join::None;
  if (last.kind == next.kind)
    return next.bytes == kPart && last.bytes % kPart == 0 && address == last_address + last.bytes &&
                   last.bytes + kPart <= kMostJoined
               ? Join::Longer
               : Join::None;
  // Read and written back: one access.
  const bool written_back = last.kind == static_cast<uint16_t>(AccessKind::Load) &&
                            next.kind == static_cast<uint16_t>(AccessKind::Store) &&
                            last.bytes == next.bytes && last_address == address;
  return written_back ? Join::Modify : Join::None;
}

bool join_usual(const UsualBlock& block, const uint64_t* words, uint64_t* addresses) {
  const size_t count = block.words;
  const std::vector<Access>& accesses = block.shape->accesses;
  size_t out = 0;
  Access last;
  for (size_t i = 0; i < count; ++i) {
    const Access next = access_of(words[i]);
    const Join join =
        out == 0 ? Join::None : join_of(last, addresses[out - 1], next, address_of(words[i]));
    if (join == Join::None) {
      if ((out != 0 && !(last == accesses[out - 1])) || out == accesses.size()) return false;
      addresses[out++] = address_of(words[i]);
      last = next;
    } else if (join == Join::Longer) {
      last.bytes += next.bytes;
    } else {
      last.kind = static_cast<uint16_t>(AccessKind::Modify);
    }
  }
  return out == accesses.size() && (out == 0 || last == accesses[out - 1]);
}

void Shape::make_usual() {
  if (!plain || pieces.size() != 1 || words.size() > UINT16_MAX) return;
  const size_t bytes = sizeof(UsualBlock) + words.size() * sizeof(uint16_t);
  usual = std::make_unique<uint64_t[]>((bytes + 7) / 8);
  auto* const block = new (usual.get()) UsualBlock;
  block->words = static_cast<uint16_t>(words.size());
  block->accesses = static_cast<uint8_t>(accesses.size());
  block->shape = this;
  for (size_t i = 0; i < std::min(words.size(), kWordsAtOnce); ++i) {
    block->first_low |= uint64_t{words[i]} << (16 * i);
    block->first_mask |= uint64_t{0xffff} << (16 * i);
  }
  for (size_t i = 1; i < words.size(); ++i)
    block->joins |= access_of(words[i - 1]).instruction == access_of(words[i]).instruction;
  std::copy(words.begin(), words.end(), reinterpret_cast<uint16_t*>(block + 1));
}

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
  if (instructions == 0 || instructions > kMostInstructions || number != by_number_.size())
    throw InternalError("the plug-in's definitions of blocks make no sense");
  if (words.size() < count) return 0;
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
  by_number_.push_back({&definition, nullptr});
  return count;
}

Definitions Definitions::copy() {
  shared_ = true;
  return *this;
}

}  // namespace mmusim::record
