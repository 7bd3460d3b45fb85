// Parts of a trace, by instruction number, and the walk through a block that all tools share.
//
// Instructions are numbered from 0 over the whole trace, whatever thread they belong to. A data
// access has the number of its instruction; an event the number of the instruction that follows it
// in the file, which is how many came before. Header only; values.
#ifndef MMUSIM_TRACE_PART_H_
#define MMUSIM_TRACE_PART_H_

#include <algorithm>
#include <cstdint>

#include "trace/record.h"
#include "trace/writer.h"

namespace mmusim::trace {

// The instructions [from, to), and the events of these numbers.
struct InstructionRange {
  uint64_t from = 0;
  uint64_t to = UINT64_MAX;

  [[nodiscard]] constexpr bool contains(uint64_t number) const {
    return from <= number && number < to;
  }
  // Which instructions of a block whose first has the number `at` are in the range: [begin, end).
  struct Slice {
    unsigned begin;
    unsigned end;
  };
  [[nodiscard]] constexpr Slice slice(uint64_t at, unsigned instructions) const {
    const uint64_t begin = from <= at ? 0 : std::min<uint64_t>(from - at, instructions);
    const uint64_t end = to <= at ? 0 : std::min<uint64_t>(to - at, instructions);
    return {static_cast<unsigned>(begin), static_cast<unsigned>(std::max(begin, end))};
  }
  constexpr bool operator==(const InstructionRange&) const = default;
};

// Calls `fetch(instruction, address, bytes)` for each instruction of the block and, right behind
// it, `access(instruction, op, address)` for each of its data accesses, whose addresses `addresses`
// points to and is moved behind.
template <class Fetch, class Access>
void walk_block(const StaticBlock& block, const uint64_t*& addresses, Fetch fetch, Access access) {
  VirtAddr pc = block.start;
  unsigned op = 0;
  for (unsigned i = 0; i < block.instructions; ++i) {
    fetch(i, pc, unsigned{block.lengths[i]});
    pc += block.lengths[i];
    for (; op < block.mem_ops && block.ops[op].instruction == i; ++op)
      access(i, block.ops[op], VirtAddr(*addresses++));
  }
}

// Writes a slice of a block; `addresses` is moved behind those of all of it.
inline void write_slice(Writer& writer, const StaticBlock& block, const uint64_t*& addresses,
                        InstructionRange::Slice slice) {
  walk_block(
      block, addresses,
      [&](unsigned i, VirtAddr pc, unsigned bytes) {
        if (slice.begin <= i && i < slice.end) writer.instruction(pc, bytes);
      },
      [&](unsigned i, const MemOp& op, VirtAddr to) {
        if (slice.begin <= i && i < slice.end) writer.access(op.kind, to, op.bytes);
      });
}

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_PART_H_
