// Which CPU each thread runs on.
//
// A recording, and a script, say who goes on when; with one CPU nothing is left to decide. With
// several the scheduler says where, by a few rules after those of Linux's fair scheduler
// (kernel/sched/fair.c: select_task_rq_fair, load_balance), by counts of threads alone:
//
//  - a new thread goes where the fewest threads are (of several such CPUs, the lowest): a forked
//    one at the fork, when its parent's CPU is taken; one nobody forked when its turn comes, when
//    that of whoever went before is;
//  - a thread goes on where it ran last, unless that CPU has at least two threads more than
//  another:
//    then it moves to where the fewest are. Without affinity (sched.affinity=false) it goes to the
//    next CPU in a circle each time its turn comes;
//  - a thread that slept goes where it ran last if nobody else is there, else as a new one;
//  - a pinned thread, and the children it has from then on, run on that CPU only;
//  - a thread of which a recording says on which CPU it goes on (a switch record) goes on there
//    until it says otherwise (sched.recorded=false: as any other).
//
// A thread's turn lasts until another thread's record comes. What a CPU does between two turns of a
// thread no recording of one CPU tells: sched.between says whether the thread is taken to run on
// (busy: flushes must interrupt it), or to sleep (idle: lazy TLB mode). Where it ran on and leaves,
// the one of its CPU's threads goes on that has waited longest.
//
// Not thread-safe. Deterministic.
#ifndef MMUSIM_KERNEL_SCHEDULER_H_
#define MMUSIM_KERNEL_SCHEDULER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/types.h"
#include "config/forward.h"
#include "stats/report.h"
#include "trace/record.h"

namespace mmusim::kernel {

// The keys sched.*, but for who makes turns of his own (sched.quantum, sim/time_slices.h).
struct SchedulerOptions {
  bool affinity = true;
  bool heeds_records = true;
  bool sleeps_between = false;

  static const config::Keys<SchedulerOptions>& keys();
};

class Scheduler {
 public:
  // REQUIRES: cpus > 0.
  Scheduler(const SchedulerOptions& options, unsigned cpus);

  // It is the thread's turn: where it goes on. Wakes it; places one that is not known.
  CpuId turn(trace::ThreadId thread);
  // From its next turn on. REQUIRES: there is such a CPU.
  void pin(trace::ThreadId thread, CpuId cpu);
  // A recording saw it go on on this CPU; where there are fewer CPUs, modulo their number. Whether
  // that is another than it is on.
  bool recorded(trace::ThreadId thread, CpuId cpu);
  void forked(trace::ThreadId parent, trace::ThreadId child);
  // A thread is new, and this other one runs now.
  void place_beside(trace::ThreadId running, trace::ThreadId fresh);
  // It is in no CPU's way until its next turn.
  void sleeps(trace::ThreadId thread);
  void ended(trace::ThreadId thread);

  // Who of those that ran on the CPU, are awake and not elsewhere, has waited longest.
  [[nodiscard]] std::optional<trace::ThreadId> waiting_on(CpuId cpu) const;

  [[nodiscard]] unsigned cpus() const { return static_cast<unsigned>(load_.size()); }
  // What a thread whose turn is over does.
  [[nodiscard]] bool sleeps_between() const { return sleeps_between_; }

  // Nothing where there is one CPU.
  void report(stats::Report& report) const;

 private:
  struct State {
    CpuId cpu;  // where it runs, or ran last
    bool placed = false;
    bool asleep = false;
    uint64_t last_turn = 0;  // 0: none yet
    std::optional<CpuId> pinned;
    std::optional<CpuId> recorded;
  };

  [[nodiscard]] uint32_t emptiest() const;
  void place(State& state);
  [[nodiscard]] uint32_t choose(const State& state) const;

  bool affinity_;
  bool heeds_records_;
  bool sleeps_between_;
  std::map<trace::ThreadId, State> threads_;
  std::vector<uint64_t> load_;   // threads, by CPU
  std::vector<uint64_t> turns_;  // by CPU
  uint64_t turn_ = 0;
  uint64_t placed_ = 0;
  uint64_t moved_ = 0;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_SCHEDULER_H_
