// The batches of a trace, and the records of a batch one by one, in the order in which they
// happened.
#ifndef MMUSIM_TRACE_EXPORT_BATCH_WALK_H_
#define MMUSIM_TRACE_EXPORT_BATCH_WALK_H_

#include "base/interrupt.h"
#include "trace/exporter.h"
#include "trace/part.h"
#include "trace/reader.h"

namespace mmusim::trace {

// Calls each(batch) for all that `reader` has not yet given, and says how far it is. Errors: Error
// as Reader gives.
template <class Each>
void for_each_batch(Reader& reader, const ExportOptions& options, Each each) {
  for (Batch batch; reader.next(batch);) {
    each(batch);
    check_interrupt();
    if (options.progress) options.progress(reader.position(), reader.file_bytes());
  }
}

// Calls instruction(address, bytes) and, for each of its data accesses, access(kind, address,
// bytes). REQUIRES: the batch is a run of blocks.
template <class Instruction, class Access>
void walk(const Batch& batch, Instruction instruction, Access access) {
  const uint64_t* address = batch.addresses;
  for (const uint32_t number : batch.blocks)
    walk_block(
        batch.table[number], address,
        [&](unsigned, VirtAddr pc, unsigned bytes) { instruction(pc.value(), bytes); },
        [&](unsigned, const MemOp& op, VirtAddr to) { access(op.kind, to.value(), op.bytes); });
}

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_EXPORT_BATCH_WALK_H_
