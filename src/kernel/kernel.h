// The simulated kernel: processes and address spaces, page faults and the system calls that change
// them.
//
// Acts as Linux does in what page tables and TLBs can see: which faults happen, what fork copies,
// when tables are freed, what is flushed. Minor faults, RSS and page-table bytes count as Linux
// counts them (/proc/PID/stat, /proc/PID/status). It works on page tables through the PTI only, and
// on TLBs through TlbMaintenance only. Not thread-safe. Deterministic.
#ifndef MMUSIM_KERNEL_KERNEL_H_
#define MMUSIM_KERNEL_KERNEL_H_

#include <memory>

#include "base/types.h"
#include "config/schema.h"
#include "kernel/platform.h"
#include "stats/report.h"
#include "trace/record.h"

namespace mmusim::kernel {

class AddressSpace;
class Syscalls;
class System;

class Kernel {
 public:
  static void declare(config::Schema& schema);  // kernel.* keys
  Kernel(const config::Config& config, const Platform& platform);
  ~Kernel();

  // It is the thread's turn: it goes on on the CPU returned, where the scheduler puts it
  // (kernel/scheduler.h). Makes what is unknown, as run().
  CpuId turn(trace::ThreadId thread);
  // Thread `thread` goes on on CPU `cpu`; makes process and thread if unknown (a trace may start in
  // mid-life). Switches address space when it is another than the CPU's current one.
  void run(CpuId cpu, trace::ThreadId thread);

  // A system call or the like of a thread, with the result the recording saw.
  void apply(CpuId cpu, trace::ThreadId thread, const trace::Event& event);

  // A page fault of the thread running on `cpu`.
  FaultOutcome fault(CpuId cpu, VirtAddr va, AccessKind kind, mmu::FaultReason reason);

  // Whether stores must be told: each page stored to, by who runs on the CPU, after the store and
  // before the next call of apply(). Again for the same page does no harm.
  [[nodiscard]] bool tracks_stores() const;
  void note_store(CpuId cpu, VirtAddr va);

  // Whether time must be told, and TLB misses (kernel.superpage.policy): so many instructions more
  // were executed, at the end of a batch; an access missed in the last level of the CPU's TLBs, and
  // has succeeded since. Either may flush.
  [[nodiscard]] bool keeps_time() const;
  void ran(CpuId cpu, uint64_t instructions);
  [[nodiscard]] bool counts_misses() const;
  void missed(CpuId cpu, VirtAddr va);

  // System calls with Linux's own placement and results, for workload scripts (kernel/syscalls.h).
  [[nodiscard]] Syscalls& syscalls();
  // Processes and address spaces, for reports and tests (kernel/system.h).
  [[nodiscard]] const System& system() const;

  // The running address space of a CPU; null before the first run().
  [[nodiscard]] const AddressSpace* current(CpuId cpu) const;
  // The page table of an address space that is alive; null otherwise. For checks.
  [[nodiscard]] const pt::PageTable* table_of(MmId mm) const;
  // The page table that translates this address on a CPU: that of current(cpu), or the kernel's
  // own.
  [[nodiscard]] const pt::PageTable* table_for(CpuId cpu, VirtAddr va) const;

  // Ends every process still alive (as exit would), so that leaks show.
  void shut_down();

  void report(stats::Report& report) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_KERNEL_H_
