// The references of the shipped trace one by one, for models that have no replay loop.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_TRACE_REFERENCES_H_
#define MMUSIM_TESTS_DIFFERENTIAL_TRACE_REFERENCES_H_

#include <cstdint>
#include <gtest/gtest.h>

#include "trace/reader.h"

namespace mmusim::testing {

// The first `most` of them: touch(pid, address, kind), where kind is 'f', 'l' or 's' (also for an
// atomic update). Ends early when the test has failed.
template <class Touch>
void each_reference(uint64_t most, Touch touch) {
  trace::Reader reader(MMUSIM_SOURCE_DIR "/workloads/traces/pipeline.mmt");
  trace::Batch batch;
  uint64_t made = 0;
  while (made < most && !::testing::Test::HasFailure() && reader.next(batch)) {
    if (batch.event != nullptr) continue;
    const uint32_t pid = batch.thread.pid.value();
    const uint64_t* address = batch.addresses;
    for (const uint32_t number : batch.blocks) {
      const trace::StaticBlock& block = batch.table[number];
      uint64_t pc = block.start.value();
      unsigned op = 0;
      for (unsigned i = 0; i < block.instructions; ++i) {
        touch(pid, pc, 'f');
        ++made;
        for (; op < block.mem_ops && block.ops[op].instruction == i; ++op) {
          touch(pid, *address++, block.ops[op].kind == AccessKind::Load ? 'l' : 's');
          ++made;
        }
        pc += block.lengths[i];
      }
      if (::testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace mmusim::testing

#endif  // MMUSIM_TESTS_DIFFERENTIAL_TRACE_REFERENCES_H_
