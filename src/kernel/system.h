// Processes, threads, CPUs and address spaces, and how they come and go.
//
// A process shares its address space with its threads, and with other processes after vfork. A
// process that ended stays as a zombie (its numbers only) until it is waited for or its id is used
// again. Nothing here looks at the trace or chooses addresses. Not thread-safe.
#ifndef MMUSIM_KERNEL_SYSTEM_H_
#define MMUSIM_KERNEL_SYSTEM_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/types.h"
#include "kernel/core.h"
#include "kernel/fault_context.h"
#include "kernel/scheduler.h"
#include "trace/record.h"

namespace mmusim::kernel {

struct Process {
  Pid pid;
  bool zombie = false;
  int32_t status = 0;
  AddressSpace* mm = nullptr;  // null: zombie, or no memory was left to make one
  std::set<Tid> threads;
  FaultCounts faults;    // survive exec, as in Linux
  FaultCounts children;  // of those waited for, and theirs
};

class System {
 public:
  System(const config::Config& config, const Platform& platform);

  Core core;
  Scheduler scheduler;

  // --- CPUs. Errors: Error when there is no memory for the root of an unknown process.
  // Where the scheduler puts the thread, it goes on.
  CpuId turn(trace::ThreadId thread);
  void run(CpuId cpu, trace::ThreadId thread);
  // It waits for somebody (vfork): its CPU idles.
  void sleep(trace::ThreadId thread);
  // It runs on that CPU only. REQUIRES: there is such a CPU.
  void pin(trace::ThreadId thread, CpuId cpu);
  // The recording saw the thread go on on this CPU.
  void recorded(trace::ThreadId thread, CpuId cpu);
  // Null where nothing runs.
  [[nodiscard]] Process* running(CpuId cpu);
  [[nodiscard]] AddressSpace* current(CpuId cpu) const;
  [[nodiscard]] AddressSpace* space(MmId id) const;

  // --- Processes
  // Null if unknown.
  [[nodiscard]] Process* find(Pid pid);
  // Whether this thread of a living process is known.
  [[nodiscard]] bool knows(trace::ThreadId thread) const;
  // Made if unknown, with thread and empty address space. Errors: as run().
  Process& process_of(trace::ThreadId thread);
  [[nodiscard]] const std::map<Pid, Process>& processes() const { return processes_; }

  // fork, vfork, clone. The child's pid is neither the parent's (a new thread then) nor alive.
  // -ENOMEM: no memory for the copy; the child is not made.
  int64_t fork(Process& parent, trace::ThreadId child, bool shares_memory);
  int64_t add_thread(Process& process, Tid tid);
  // A process whose memory could not be copied; it gets an empty one when it runs.
  void adopt_without_memory(trace::ThreadId child);

  // A new, empty address space for the process, and its other threads gone. Running on `cpu`.
  // Errors: Error when there is no memory for its root.
  AddressSpace& replace_space(CpuId cpu, trace::ThreadId thread);

  // One thread ends, and with the last one the process.
  void exit_thread(trace::ThreadId thread, int32_t status);
  void exit_process(Process& process, int32_t status);
  // Takes a zombie away, adding its faults to the parent's children.
  void reap(Process& parent, Pid child);

  // Ends everybody and drops the page cache.
  void shut_down();

  [[nodiscard]] FaultContext context(Process& process, CpuId cpu) {
    return {core, *process.mm, process.faults, cpu};
  }

 private:
  struct Cpu {
    trace::ThreadId thread;
    Process* process = nullptr;
    AddressSpace* mm = nullptr;
    bool idle = false;  // with mm loaded
  };
  static constexpr uint32_t kMaxCpus = 65536;

  Cpu& cpu_slot(CpuId cpu);
  AddressSpace* new_space();
  AddressSpace& new_space_or_error(Pid pid);
  void put_space(AddressSpace* mm);
  void end(Process& process, int32_t status);
  // Whoever ran here does so no longer.
  void go_idle(uint32_t cpu);
  // Where a thread has left and others are awake, one of them goes on.
  void let_others_go_on();
  void put_on(CpuId cpu, trace::ThreadId thread);
  void stop(const Process& process);
  void stop(trace::ThreadId thread);
  void end_turn(trace::ThreadId thread);
  void tell_sharing(const Process& process);

  std::map<MmId, std::unique_ptr<AddressSpace>> spaces_;
  std::map<Pid, Process> processes_;
  std::vector<Cpu> cpus_;
  std::optional<trace::ThreadId> turn_;  // whose it is
  CpuId turn_cpu_;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_SYSTEM_H_
