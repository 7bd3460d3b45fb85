// What simulate.h offers, for one architecture.
#ifndef MMUSIM_SIM_WORKLOAD_SIMULATOR_H_
#define MMUSIM_SIM_WORKLOAD_SIMULATOR_H_

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/linux_abi.h"
#include "kernel/syscalls.h"
#include "kernel/system.h"
#include "sim/machine.h"
#include "sim/replay.h"
#include "sim/replay_loop.h"
#include "sim/workload/outcome.h"
#include "sim/workload/placement.h"
#include "sim/workload/places.h"
#include "sim/workload/step_events.h"
#include "sim/workload/touch.h"

namespace mmusim::sim::workload {

// Tells a profiler, if there is one, what a machine's accesses and system calls are of.
template <SimulatedArchitecture Arch>
class StepProfile {
 public:
  // All must outlive it. `profiler` may be null.
  StepProfile(Profiler* profiler, Machine<Arch>& machine, ReplayLoop<typename Arch::Tlbs>& loop)
      : profiler_(profiler), meter_(machine, loop.counters()) {
    if (profiler == nullptr) return;
    follow(*profiler, meter_, machine);
    profiler->follow(machine.page());
    loop.watch(profiler);
  }

  void before(const Step& step) {
    if (profiler_ != nullptr && is_call(step)) profiler_->before_event();
  }
  void behind(const Plan& plan, const Step& placed, VirtAddr heap, int64_t returned) {
    if (profiler_ == nullptr || !is_call(placed)) return;
    const trace::ThreadId thread = thread_of(placed.process);
    const std::optional<trace::Event> event =
        placed.kind == Step::Kind::Exec ? exec_of(plan, heap) : event_of(plan, placed, returned);
    if (!event) return;
    profiler_->recorded(thread, *event);
    profiler_->after_event(thread, *event);
  }
  // Known without having been a step.
  void happened(trace::ThreadId thread, const trace::Event& event) {
    if (profiler_ != nullptr) profiler_->recorded(thread, event);
  }
  void end() {
    if (profiler_ != nullptr) profiler_->end();
  }

 private:
  static bool is_call(const Step& step) {
    return step.kind != Step::Kind::Touch && step.kind != Step::Kind::Begin &&
           step.kind != Step::Kind::End;
  }

  Profiler* profiler_;
  MeterOf<Arch> meter_;
};

template <SimulatedArchitecture Arch>
class Simulator {
 public:
  // `profiler` may be null.
  Simulator(const config::Config& config, const Plan& plan, Profiler* profiler = nullptr)
      : plan_(plan),
        machine_(config),
        placement_(machine_.layout()),
        loop_(machine_.tlbs(), machine_.kernel(), machine_.sink(), machine_.checker(),
              machine_.page()),
        mode_(mode_of(machine_.checker() != nullptr, machine_.sink().has_caches())),
        profile_(profiler, machine_, loop_) {
    for (const Plan::File& file : plan.files)
      files_.push_back(machine_.kernel().syscalls().open(
          file.name, file.bytes,
          file.on_disk ? kernel::FileKind::Regular : kernel::FileKind::Shmem));
    alive_.assign(plan.processes, false);
    alive_[0] = true;
    spurious_.assign(plan.processes, 0);
    places_.resize(plan.processes);
    places_[0] = std::make_shared<Places>(plan);
    loop_.take_turn(thread_of(0));
    machine_.kernel().syscalls().place_break(thread_of(0), placement_.heap());
    furnish(0);
    profile_.happened(thread_of(0), exec_of(plan_, placement_.heap()));
  }

  // Runs the script until `stop(steps done)`, asked after each step, says so, or to its end.
  template <class Stop>
  void play(Stop stop) {
    result_.outcome.measures.resize(plan_.measures.size());
    uint64_t number = 0;
    bool stopped = false;
    for_each_step(plan_, [&](const Step& step) {
      if (stopped) return;
      if (++number % 1024 == 0) check_interrupt();
      if (alive_[step.process]) take(step, number);  // else its fork failed
      stopped = stop(number);
    });
  }

  Simulated run() {
    play([](uint64_t) { return false; });
    report_totals(totals_, result_.report);
    loop_.counters().report(result_.report);
    machine_.report(result_.report);
    profile_.end();
    machine_.shut_down();
    return std::move(result_);
  }

  [[nodiscard]] Machine<Arch>& machine() { return machine_; }
  [[nodiscard]] ReplayLoop<typename Arch::Tlbs>& loop() { return loop_; }
  [[nodiscard]] const Placement& placement() const { return placement_; }

 private:
  void take(const Step& step, uint64_t number) {
    machine_.kernel().syscalls().on(loop_.take_turn(thread_of(step.process)));
    profile_.before(step);
    const Step placed =
        step.anywhere ? step : places_[step.process]->placed(placement_.placed(step));
    const Came came = step.anywhere ? map_anywhere(step, number) : perform(placed);
    profile_.behind(plan_, placed, placement_.heap(), came.returned);
    if (came.wrong != 0) result_.outcome.add({number, step.kind, step.at, came.wrong});
    if (machine_.checker() != nullptr) machine_.checker()->check_after_event();
  }

  // What came of a step: 0, or what went wrong; and what its system call returned, which is the
  // same where a call says no more than that.
  struct Came {
    Came(int64_t result) : wrong(result), returned(result) {}
    Came(int64_t what, int64_t call) : wrong(what), returned(call) {}
    // Of a call that returns more. An address may have its highest bit set.
    static Came of(int64_t result) { return {abi::failed(result) ? result : 0, result}; }

    int64_t wrong;
    int64_t returned;
  };

  Came perform(const Step& step) {
    kernel::Syscalls& sys = machine_.kernel().syscalls();
    const trace::ThreadId thread = thread_of(step.process);
    const VirtAddr start = step.range.begin;
    const uint64_t bytes = step.range.bytes();
    switch (step.kind) {
      case Step::Kind::Map:
        return Came::of(map(step, start));
      case Step::Kind::Unmap:
        return sys.munmap(thread, start, bytes);
      case Step::Kind::Touch:
        return touch(step);
      case Step::Kind::Protect:
        return sys.mprotect(thread, start, bytes, step.prot);
      case Step::Kind::Advise:
        return sys.madvise(thread, start, bytes, step.advice);
      case Step::Kind::Lock:
        return sys.mlock(thread, start, bytes);
      case Step::Kind::Unlock:
        return sys.munlock(thread, start, bytes);
      case Step::Kind::Truncate:
        return sys.ftruncate(thread, files_[step.file - 1], step.offset);
      case Step::Kind::Hole:
        return sys.fallocate(thread, files_[step.file - 1],
                             abi::kFallocPunchHole | abi::kFallocKeepSize, step.offset, step.bytes);
      case Step::Kind::Sync:
        return sys.msync(thread, start, bytes, step.flags);
      case Step::Kind::LockAll:
        return sys.mlockall(thread, step.flags);
      case Step::Kind::UnlockAll:
        return sys.munlockall(thread);
      case Step::Kind::Thp:
        return sys.disable_thp(thread, step.off ? 1 : 0, step.flags);
      case Step::Kind::AdviseOther:
        return Came::of(
            sys.process_madvise(thread, thread_of(step.other).pid, start, bytes, step.advice));
      case Step::Kind::Remap:
        return Came::of(
            sys.mremap(thread, start, bytes, step.target.bytes(), step.flags, step.target.begin));
      case Step::Kind::Break: {
        const auto wanted = static_cast<int64_t>(step.range.end.value());
        const int64_t end = sys.brk(thread, step.range.end);
        return {end == wanted ? 0 : -abi::kENOMEM, end};
      }
      case Step::Kind::Fork:
      case Step::Kind::Vfork:
      case Step::Kind::Thread: {
        using namespace abi;
        // A thread of a script is a process that shares memory: its faults are its own.
        const uint64_t flags = step.kind == Step::Kind::Fork     ? 0
                               : step.kind == Step::Kind::Thread ? uint64_t{kCloneVm}
                                                                 : kCloneVm | kCloneVfork;
        const int64_t result = sys.clone(thread, thread_of(step.other), flags);
        spurious_[step.other] = 0;
        alive_[step.other] = result >= 0;
        places_[step.other] = step.kind == Step::Kind::Fork
                                  ? std::make_shared<Places>(*places_[step.process])
                                  : places_[step.process];
        return Came::of(result);
      }
      case Step::Kind::Exec: {
        // The script maps what the new program has.
        trace::ExecEvent image;
        image.brk = placement_.heap();
        sys.exec(thread, image);
        places_[step.process] = std::make_shared<Places>(plan_);
        furnish(step.process);
        return 0;
      }
      case Step::Kind::Exit:
        return sys.exit(thread, 0);
      case Step::Kind::Pin: {
        const int64_t result = sys.pin(thread, step.other);
        if (result == 0) sys.on(loop_.take_turn(thread));
        return result;
      }
      case Step::Kind::Wait:
        if (alive_[step.other]) sys.wait(thread, Pid(step.other + 1));
        alive_[step.other] = false;
        return 0;
      case Step::Kind::Begin:
        memory_of(step.process).start_peak();
        result_.outcome.measures[step.other] = count(step.process);
        return 0;
      case Step::Kind::End: {
        Counted& measure = result_.outcome.measures[step.other];
        measure = count(step.process) - measure;
        return 0;
      }
    }
    return 0;
  }

  // A program's own, with kernel.aslr.
  [[nodiscard]] VirtAddr mmap_base(unsigned process) {
    return machine_.kernel().system().processes().at(thread_of(process).pid).mm->mmap_base;
  }

  // Where the kernel places segments something lies above them, as a program's libraries do, so
  // that upper tables there are not freed with what the script maps.
  void furnish(unsigned process) {
    if (plan_.anywhere == 0 || machine_.layout().mmap_upward) return;
    using namespace abi;
    machine_.kernel().syscalls().mmap(
        thread_of(process), mmap_base(process), machine_.page().bytes(), 0,
        kMapShared | kMapAnonymous | kMapFixedNoReplace | kMapNoReserve);
  }

  int64_t map(const Step& step, VirtAddr start) {
    const kernel::FileId file = step.file == 0 ? kernel::FileId(0) : files_[step.file - 1];
    return machine_.kernel().syscalls().mmap(thread_of(step.process), start, step.range.bytes(),
                                             step.prot, step.flags, file, step.offset);
  }

  Came map_anywhere(const Step& step, uint64_t number) {
    const int64_t result = map(step, VirtAddr(0));
    if (abi::failed(result)) return result;
    const VirtAddr start(static_cast<uint64_t>(result));
    places_[step.process]->put(step.range, start);
    result_.outcome.places.push_back(
        {number, step.at, static_cast<int64_t>(start.value() - mmap_base(step.process).value())});
    return Came::of(result);
  }

  int64_t touch(const Step& step) {
    const uint64_t before = loop_.counters().refused;
    const uint64_t spurious_before = spurious();
    const AccessKind kind = step.access;
    uint64_t& total = kind == AccessKind::Fetch  ? totals_.instructions
                      : kind == AccessKind::Load ? totals_.loads
                                                 : totals_.stores;
    for_each_touch(step, [&](VirtAddr va) {
      if (++total % (1 << 16) == 0) check_interrupt();
      if (mode_ == ReplayMode::Full)
        loop_.template access<ReplayMode::Full>(va, kind, kTouchBytes);
      else
        loop_.template access<ReplayMode::Fast>(va, kind, kTouchBytes);
    });
    spurious_[step.process] += static_cast<int64_t>(spurious() - spurious_before);
    return static_cast<int64_t>(loop_.counters().refused - before);
  }

  [[nodiscard]] uint64_t spurious() {
    return machine_.kernel().system().core.counters.cause[kernel::FaultCause::Spurious];
  }

  Counted count(unsigned process) {
    const kernel::Process& p = machine_.kernel().system().processes().at(thread_of(process).pid);
    const auto kib = [this](uint64_t pages) {
      return static_cast<int64_t>(pages * machine_.page().bytes() / 1024);
    };
    using kernel::PageKind;
    return {static_cast<int64_t>(p.faults.minor) - spurious_[process],
            kib(p.mm->rss(PageKind::Anonymous)),
            kib(p.mm->rss(PageKind::File) + p.mm->rss(PageKind::Shmem)),
            static_cast<int64_t>(p.mm->page_table_bytes() / 1024),
            static_cast<int64_t>(p.mm->vmas.size()),
            kib(p.mm->hugetlb_pages),
            static_cast<int64_t>(p.faults.major),
            kib(p.mm->swapped),
            kib(p.mm->peak())};
  }

  kernel::AddressSpace& memory_of(unsigned process) {
    return *machine_.kernel().system().processes().at(thread_of(process).pid).mm;
  }

  static constexpr unsigned kTouchBytes = 1;

  const Plan& plan_;
  Machine<Arch> machine_;
  Placement placement_;
  ReplayLoop<typename Arch::Tlbs> loop_;
  ReplayMode mode_;
  StepProfile<Arch> profile_;
  std::vector<kernel::FileId> files_;
  // By process: faults that only a stale TLB entry made. A measure leaves them out, since they tell
  // of the processor's TLB and not of the kernel.
  std::vector<int64_t> spurious_;
  std::vector<std::shared_ptr<Places>> places_;  // by process
  std::vector<bool> alive_;                      // by process: not where a fork failed
  trace::Totals totals_;
  Simulated result_;
};

template <SimulatedArchitecture Arch>
Simulated simulate_on(const config::Config& config, const Plan& plan, Profiler* profiler) {
  return Simulator<Arch>(config, plan, profiler).run();
}

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_SIMULATOR_H_
