// What simulate.h offers, for one architecture.
#ifndef MMUSIM_SIM_WORKLOAD_SIMULATOR_H_
#define MMUSIM_SIM_WORKLOAD_SIMULATOR_H_

#include <vector>

#include "base/error.h"
#include "base/interrupt.h"
#include "kernel/linux_abi.h"
#include "kernel/syscalls.h"
#include "kernel/system.h"
#include "sim/machine.h"
#include "sim/replay.h"
#include "sim/replay_loop.h"
#include "sim/workload/simulate.h"

namespace mmusim::sim::workload {

template <class Arch>
class Simulator {
 public:
  Simulator(const config::Config& config, const Plan& plan)
      : plan_(plan),
        machine_(config),
        loop_(machine_.cpu(), machine_.kernel(), machine_.sink(), machine_.checker(), Arch::kPage),
        mode_(mode_of(machine_.checker() != nullptr, machine_.sink().has_caches())) {
    for (const Plan::File& file : plan.files)
      files_.push_back(
          machine_.kernel().syscalls().open(file.name, file.bytes, kernel::FileKind::Shmem));
    machine_.kernel().run(kCpu, thread_of(0));
  }

  Simulated run() {
    result_.outcome.measures.resize(plan_.measures.size());
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      if (i % 1024 == 0) check_interrupt();
      const Step& step = plan_.steps[i];
      machine_.kernel().run(kCpu, thread_of(step.process));
      const int64_t result = perform(step);
      if (result != 0) result_.outcome.failures.push_back({i, result});
      if (machine_.checker() != nullptr) machine_.checker()->check_everything();
    }
    report_totals(totals_, result_.report);
    loop_.counters().report(result_.report);
    machine_.report(result_.report);
    machine_.shut_down();
    return std::move(result_);
  }

 private:
  static constexpr CpuId kCpu{0};
  static trace::ThreadId thread_of(unsigned process) {
    return {Pid(process + 1), Tid(process + 1)};
  }

  // 0, or what went wrong.
  int64_t perform(const Step& step) {
    kernel::Syscalls& sys = machine_.kernel().syscalls();
    const trace::ThreadId thread = thread_of(step.process);
    const VirtAddr start = step.range.begin;
    const uint64_t bytes = step.range.bytes();
    switch (step.kind) {
      case Step::Kind::Map: {
        const kernel::FileId file = step.file == 0 ? kernel::FileId(0) : files_[step.file - 1];
        const int64_t at = sys.mmap(thread, start, bytes, step.prot,
                                    step.flags | kernel::abi::kMapFixedNoReplace, file, 0);
        return at < 0 ? at : 0;
      }
      case Step::Kind::Unmap:
        return sys.munmap(thread, start, bytes);
      case Step::Kind::Touch:
        return touch(step);
      case Step::Kind::Protect:
        return sys.mprotect(thread, start, bytes, step.prot);
      case Step::Kind::Advise:
        return sys.madvise(thread, start, bytes, step.advice);
      case Step::Kind::Remap: {
        const bool moves = step.target.begin != start;
        const uint32_t flags =
            moves ? uint32_t{kernel::abi::kRemapMayMove} | kernel::abi::kRemapFixed : 0;
        const int64_t at =
            sys.mremap(thread, start, bytes, step.target.bytes(), flags, step.target.begin);
        return at < 0 ? at : 0;
      }
      case Step::Kind::Fork:
        return sys.fork(thread, thread_of(step.other)) < 0 ? -kernel::abi::kENOMEM : 0;
      case Step::Kind::Wait:
        sys.exit(thread_of(step.other), 0);
        sys.wait(thread, Pid(step.other + 1));
        return 0;
      case Step::Kind::Begin:
        result_.outcome.measures[step.other] = count(step.process);
        return 0;
      case Step::Kind::End: {
        Counted& measure = result_.outcome.measures[step.other];
        const Counted now = count(step.process);
        measure = {now.minor_faults - measure.minor_faults, now.anonymous - measure.anonymous,
                   now.file - measure.file, now.tables - measure.tables, now.areas - measure.areas};
        return 0;
      }
    }
    return 0;
  }

  int64_t touch(const Step& step) {
    const uint64_t before = loop_.counters().refused;
    const AccessKind kind = step.write ? AccessKind::Store : AccessKind::Load;
    for_each_touch(step, [&](VirtAddr va) {
      ++(step.write ? totals_.stores : totals_.loads);
      if (mode_ == ReplayMode::Full)
        loop_.template access<ReplayMode::Full>(va, kind, kTouchBytes);
      else
        loop_.template access<ReplayMode::Fast>(va, kind, kTouchBytes);
    });
    return static_cast<int64_t>(loop_.counters().refused - before);
  }

  Counted count(unsigned process) {
    const kernel::Process& p = machine_.kernel().system().processes().at(thread_of(process).pid);
    const auto kib = [](uint64_t pages) {
      return static_cast<int64_t>(pages * Arch::kPage.bytes() / 1024);
    };
    using kernel::PageKind;
    return {static_cast<int64_t>(p.faults.minor), kib(p.mm->rss(PageKind::Anonymous)),
            kib(p.mm->rss(PageKind::File) + p.mm->rss(PageKind::Shmem)),
            static_cast<int64_t>(p.mm->page_table_bytes() / 1024),
            static_cast<int64_t>(p.mm->vmas.size())};
  }

  static constexpr unsigned kTouchBytes = 1;

  const Plan& plan_;
  Machine<Arch> machine_;
  ReplayLoop<typename Arch::Cpu> loop_;
  ReplayMode mode_;
  std::vector<kernel::FileId> files_;
  trace::Totals totals_;
  Simulated result_;
};

template <class Arch>
Simulated simulate_on(const config::Config& config, const Plan& plan) {
  return Simulator<Arch>(config, plan).run();
}

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_SIMULATOR_H_
