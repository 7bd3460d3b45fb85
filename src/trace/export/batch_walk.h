// The records of a batch one by one, in the order in which they happened.
#ifndef MMUSIM_TRACE_EXPORT_BATCH_WALK_H_
#define MMUSIM_TRACE_EXPORT_BATCH_WALK_H_

#include "trace/record.h"

namespace mmusim::trace {

// Calls instruction(address, bytes) and, for each of its data accesses, access(kind, address,
// bytes). REQUIRES: the batch is a run of blocks.
template <class Instruction, class Access>
void walk(const Batch& batch, Instruction instruction, Access access) {
  const uint64_t* address = batch.addresses;
  for (const uint32_t number : batch.blocks) {
    const StaticBlock& block = batch.table[number];
    uint64_t pc = block.start.value();
    unsigned op = 0;
    for (unsigned i = 0; i < block.instructions; ++i) {
      instruction(pc, block.lengths[i]);
      pc += block.lengths[i];
      for (; op < block.mem_ops && block.ops[op].instruction == i; ++op)
        access(block.ops[op].kind, *address++, block.ops[op].bytes);
    }
  }
}

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_EXPORT_BATCH_WALK_H_
