// What inspect.h offers, for one architecture (architectures.h).
#ifndef MMUSIM_SIM_INSPECTOR_H_
#define MMUSIM_SIM_INSPECTOR_H_

#include <optional>
#include <utility>

#include "base/error.h"
#include "base/interrupt.h"
#include "kernel/system.h"
#include "sim/machine.h"
#include "sim/moment.h"
#include "sim/page_set.h"
#include "sim/relocation/trace_source.h"
#include "sim/replay_loop.h"
#include "sim/run_options.h"
#include "sim/workload/script_config.h"
#include "sim/workload/simulator.h"

namespace mmusim::sim {

// Replays a trace on a machine of its own.
template <SimulatedArchitecture Arch>
class TracePlayer {
 public:
  TracePlayer(const config::Config& config, const ReplayOptions& options)
      : options_(options),
        machine_(config),
        source_(TraceRoute::of(config, Arch::kName, machine_.layout(), machine_.huge())),
        loop_(machine_.tlbs(), machine_.kernel(), machine_.sink(), machine_.checker(),
              machine_.page()) {}

  // Replays until `stop(batch)`, asked after each batch, says so, or to the end.
  template <class Stop>
  void play(Stop stop) {
    trace::Batch batch;
    trace::Totals totals;
    while (source_.next(batch)) {
      loop_.template run<ReplayMode::Fast>(batch);
      totals += batch.totals;
      check_interrupt();
      if (options_.progress)
        options_.progress({totals.references(), totals.instructions, source_.reader().position(),
                           source_.reader().file_bytes()});
      if (stop(batch)) return;
    }
  }

  [[nodiscard]] Machine<Arch>& machine() { return machine_; }
  [[nodiscard]] ReplayLoop<typename Arch::Tlbs>& loop() { return loop_; }
  // Where the machine has an address of the recording now.
  [[nodiscard]] VirtAddr placed(Pid pid, VirtAddr va, AccessKind kind) {
    return source_.placed(pid, va, kind);
  }

 private:
  ReplayOptions options_;
  Machine<Arch> machine_;
  TraceSource source_;
  ReplayLoop<typename Arch::Tlbs> loop_;
};

// Plays a trace or a script on a machine of its own.
template <SimulatedArchitecture Arch>
class Inspector {
 public:
  Inspector(const config::Config& config, const workload::Plan* script,
            const ReplayOptions& options) {
    now_.script = script;
    if (script != nullptr)
      script_.emplace(workload::script_config(config, *script), *script);
    else
      trace_.emplace(config, options);
  }

  // Plays until `stop(now)` says so, or to the end.
  template <class Stop>
  void play(Stop stop) {
    if (script_)
      script_->play([&](uint64_t steps) {
        now_.steps = steps;
        return stop(now_);
      });
    else
      trace_->play([&](const trace::Batch& batch) {
        now_.instructions += batch.totals.instructions;
        ++now_.steps;
        return stop(now_);
      });
  }

  // The process to look at now; nothing if there is none with a page.
  std::optional<Moment> best(std::optional<Pid> wanted) {
    std::optional<Moment> found;
    for (const auto& [pid, process] : machine().kernel().system().processes()) {
      if (process.mm == nullptr || (wanted && pid != *wanted)) continue;
      uint64_t pages = 0;
      for (unsigned kind = 0; kind < kernel::kPageKinds; ++kind)
        pages += process.mm->rss(static_cast<kernel::PageKind>(kind));
      if (pages == 0 || (found && pages <= found->pages)) continue;
      found = now_;
      found->pid = pid;
      found->pages = pages;
    }
    return found;
  }

  void show(Pid pid, const Inspection& look) {
    const auto& processes = machine().kernel().system().processes();
    const auto found = processes.find(pid);
    MMUSIM_ASSERT(found != processes.end() && found->second.mm != nullptr);
    look({.table = *found->second.mm->table,
          .format = machine().format(),
          .allocator = machine().tables(),
          .common_bytes = machine().page_tables().common_bytes(),
          .page = machine().page(),
          .everything = {VirtAddr(0), machine().layout().top}});
  }

  [[nodiscard]] Machine<Arch>& machine() {
    return script_ ? script_->machine() : trace_->machine();
  }
  [[nodiscard]] ReplayLoop<typename Arch::Tlbs>& loop() {
    return script_ ? script_->loop() : trace_->loop();
  }
  // Where the machine has an address of the recording, or of the script, now.
  [[nodiscard]] VirtAddr placed(Pid pid, VirtAddr va, AccessKind kind) {
    return script_ ? script_->placement().at(va) : trace_->placed(pid, va, kind);
  }
  [[nodiscard]] const Moment& now() const { return now_; }

 private:
  std::optional<TracePlayer<Arch>> trace_;
  std::optional<workload::Simulator<Arch>> script_;
  Moment now_;
};

template <SimulatedArchitecture Arch>
Moment find_moment_on(const config::Config& config, const Choice& choice,
                      const ReplayOptions& options) {
  Inspector<Arch> inspector(config, choice.script, options);
  std::optional<Moment> found;
  inspector.play([&](const Moment& now) {
    if (choice.at) return (now.script != nullptr ? now.steps : now.instructions) >= *choice.at;
    const auto here = inspector.best(choice.pid);
    if (here && (!found || here->pages > found->pages)) found = here;
    return false;
  });
  if (choice.at) found = inspector.best(choice.pid);
  if (found) return *found;
  throw Error(choice.script != nullptr ? choice.script->name() : RunOptions::from(config).trace,
              choice.pid ? fmt::format("process {} has no pages there", choice.pid->value())
                         : "no process has pages there");
}

template <SimulatedArchitecture Arch>
void inspect_on(const config::Config& config, const Moment& moment, const ReplayOptions& options,
                const Inspection& look) {
  Inspector<Arch> inspector(config, moment.script, options);
  inspector.play([&](const Moment& now) { return now.steps == moment.steps; });
  inspector.show(moment.pid, look);
}

template <SimulatedArchitecture Arch>
void inspect_set_on(const config::Config& config, const PageSet& set, const Inspection& look) {
  Machine<Arch> machine(config);
  const VirtAddr end = machine.layout().top;
  const auto table = machine.page_tables().create(MmId(1));
  const auto out_of_memory = [&] {
    throw Error(set.text, "simulated memory is exhausted by the page table",
                "give the machine more with mem.bytes");
  };
  if (table == nullptr) out_of_memory();
  const PageShift page = machine.page();
  uint64_t pfn = 0;
  for (const VirtAddr va : addresses_of(set, page, end)) {
    const pt::Slot slot = table->ensure(va, page);
    if (slot.status == pt::Status::NoMemory) out_of_memory();
    if (slot.status != pt::Status::Ok)
      throw UsageError(set.text, fmt::format("the page table cannot map {:#x}", va.value()));
    const pt::Entry leaf = machine.format().make_leaf(
        {.pfn = Pfn(++pfn),
         .size = page,
         .rights = Rights(Rights::kRead | Rights::kWrite | Rights::kUser)});
    const pt::Status status = table->install(slot.handle, slot.entry, leaf);
    MMUSIM_ASSERT(status == pt::Status::Ok);
    if ((pfn & 0xffff) == 0) check_interrupt();
  }
  look({.table = *table,
        .format = machine.format(),
        .allocator = machine.tables(),
        .common_bytes = machine.page_tables().common_bytes(),
        .page = page,
        .everything = {VirtAddr(0), end}});
}

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_INSPECTOR_H_
