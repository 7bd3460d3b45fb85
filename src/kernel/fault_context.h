// What all kinds of page fault share: who makes one, and the steps each of them has.
#ifndef MMUSIM_KERNEL_FAULT_CONTEXT_H_
#define MMUSIM_KERNEL_FAULT_CONTEXT_H_

#include <cstdint>

#include "base/error.h"
#include "base/types.h"
#include "kernel/core.h"

namespace mmusim::kernel {

// The faults of one process, as getrusage() gives them.
struct FaultCounts {
  uint64_t minor = 0;
  uint64_t major = 0;
};

struct FaultContext {
  Core& core;
  AddressSpace& mm;
  FaultCounts& account;  // of the process the fault is charged to
  CpuId cpu;             // where the access was made
  // Who makes it: a reference; a system call (populate), which begins anew where it had to wait; or
  // one that goes on with the same fault (MADV_POPULATE_*).
  enum class Maker : uint8_t { Reference, Call, Advice };
  Maker maker = Maker::Reference;
};

// Counts a fault that is done.
inline void finish_fault(FaultContext& c, FaultCause cause, bool major) {
  ++c.core.counters.cause[cause];
  if (major) {
    ++c.core.counters.major;
    ++c.account.major;
  } else {
    ++c.core.counters.minor;
    ++c.account.minor;
  }
  c.core.accounts.note_tables();
}

// Replaces the entry at `handle`. REQUIRES: the handle is fresh and holds `expected`.
inline void put_leaf(FaultContext& c, const pt::Handle& handle, pt::Entry expected,
                     pt::Entry next) {
  // Nothing happens between taking the handle and using it, so it cannot be stale.
  const pt::Status status = c.mm.table->install(handle, expected, next);
  MMUSIM_ASSERT(status == pt::Status::Ok);
}

// An area gets its anon_vma with its first private page; a neighbour's is shared where the two
// could become one area again (Linux: find_mergeable_anon_vma).
void prepare_anon(Core& core, AddressSpace& mm, Vma& vma);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_FAULT_CONTEXT_H_
