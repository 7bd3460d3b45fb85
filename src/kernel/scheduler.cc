#include "kernel/scheduler.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

#include "base/error.h"
#include "config/keys.h"

namespace mmusim::kernel {

const config::Keys<SchedulerOptions>& SchedulerOptions::keys() {
  static const config::Keys<SchedulerOptions> kKeys =
      config::Keys<SchedulerOptions>()
          .flag("sched.affinity", &SchedulerOptions::affinity,
                "Threads go on where they ran last; false: on the next CPU at each turn.")
          .flag("sched.recorded", &SchedulerOptions::heeds_records,
                "With several CPUs, threads go on where the trace says they did, if it does (its "
                "CPU, modulo the number there is); false: where the scheduler puts them.")
          .choice("sched.between", &SchedulerOptions::sleeps_between,
                  {{"busy", false}, {"idle", true}},
                  "With several CPUs, what a thread does between two of its turns: it runs on, "
                  "and flushes interrupt it; or it sleeps, and its CPU idles in lazy TLB mode.");
  return kKeys;
}

Scheduler::Scheduler(const SchedulerOptions& options, unsigned cpus)
    : affinity_(options.affinity),
      heeds_records_(options.heeds_records),
      sleeps_between_(cpus > 1 && options.sleeps_between),
      load_(cpus),
      turns_(cpus) {
  MMUSIM_ASSERT(cpus > 0);
}

uint32_t Scheduler::emptiest() const {
  return static_cast<uint32_t>(std::min_element(load_.begin(), load_.end()) - load_.begin());
}

uint32_t Scheduler::choose(const State& state) const {
  if (state.pinned) return state.pinned->value();
  if (state.recorded) return state.recorded->value();
  if (!state.placed) return emptiest();
  const uint32_t last = state.cpu.value();
  if (!affinity_) return (last + 1) % cpus();
  const uint32_t other = emptiest();
  if (state.asleep) return load_[last] == 0 ? last : other;
  return load_[last] >= load_[other] + 2 ? other : last;
}

CpuId Scheduler::turn(trace::ThreadId thread) {
  State& state = threads_[thread];
  const CpuId chosen(choose(state));
  ++turns_[chosen.value()];
  if (state.placed && !state.asleep) --load_[state.cpu.value()];
  ++load_[chosen.value()];
  if (!state.placed)
    ++placed_;
  else if (chosen != state.cpu && state.last_turn != 0)
    ++moved_;
  state.cpu = chosen;
  state.placed = true;
  state.asleep = false;
  state.last_turn = ++turn_;
  return chosen;
}

void Scheduler::pin(trace::ThreadId thread, CpuId cpu) {
  MMUSIM_ASSERT(cpu.value() < cpus());
  threads_[thread].pinned = cpu;
}

bool Scheduler::recorded(trace::ThreadId thread, CpuId cpu) {
  if (!heeds_records_) return false;
  State& state = threads_[thread];
  state.recorded = CpuId(cpu.value() % cpus());
  return !state.placed || choose(state) != state.cpu.value();
}

void Scheduler::forked(trace::ThreadId parent, trace::ThreadId child) {
  const auto found = threads_.find(parent);
  if (found != threads_.end() && found->second.pinned) pin(child, *found->second.pinned);
  if (found != threads_.end() && found->second.placed) place(threads_[child]);
}

void Scheduler::place_beside(trace::ThreadId running, trace::ThreadId fresh) {
  const auto found = threads_.find(running);
  if (found == threads_.end() || found->second.asleep) return;
  State& state = threads_[fresh];
  if (!state.placed) place(state);
}

// It is awake on its CPU from now on, and waits for its turn.
void Scheduler::place(State& state) {
  if (state.placed) return;
  state.cpu = CpuId(choose(state));
  state.placed = true;
  ++load_[state.cpu.value()];
  ++placed_;
}

std::optional<trace::ThreadId> Scheduler::waiting_on(CpuId cpu) const {
  std::optional<trace::ThreadId> longest;
  uint64_t since = ~uint64_t{0};
  if (load_[cpu.value()] == 0) return longest;
  for (const auto& [thread, state] : threads_) {
    if (state.cpu != cpu || !state.placed || state.asleep || state.last_turn == 0) continue;
    if (state.last_turn >= since) continue;
    since = state.last_turn;
    longest = thread;
  }
  return longest;
}

void Scheduler::sleeps(trace::ThreadId thread) {
  const auto found = threads_.find(thread);
  if (found == threads_.end() || !found->second.placed || found->second.asleep) return;
  found->second.asleep = true;
  --load_[found->second.cpu.value()];
}

void Scheduler::ended(trace::ThreadId thread) {
  sleeps(thread);
  threads_.erase(thread);
}

void Scheduler::report(stats::Report& report) const {
  if (cpus() == 1) return;
  const uint64_t turns = std::accumulate(turns_.begin(), turns_.end(), uint64_t{0});
  report.state("sched.cpus", cpus(), "CPUs", "CPUs of the machine.");
  report.add("sched.turns", turns, "turns",
             "Times that another thread than before went on, here or elsewhere.");
  for (uint32_t cpu = 0; cpu < cpus(); ++cpu)
    report.add(fmt::format("sched.turns.cpu{}", cpu), turns_[cpu], "turns", "... on that CPU.",
               "sched.turns");
  report.add("sched.placed", placed_, "threads", "Threads given a CPU for the first time.");
  report.add("sched.moved", moved_, "turns", "Turns on another CPU than the thread's last.",
             "sched.turns");
}

}  // namespace mmusim::kernel
