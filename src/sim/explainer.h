// What explain.h offers, for one architecture.
#ifndef MMUSIM_SIM_EXPLAINER_H_
#define MMUSIM_SIM_EXPLAINER_H_

#include <fmt/format.h>
#include <string>

#include "base/error.h"
#include "mmu/miss_path.h"
#include "sim/explain.h"
#include "sim/inspector.h"

namespace mmusim::sim {

// Writes down what it hears.
class Scribe final : public mmu::Narrator {
 public:
  explicit Scribe(Explanation& explanation) : explanation_(explanation) {}

  void step(const mmu::Step& step) override {
    Told& told = add(Told::Kind::Step, step.what);
    told.step = step.name;
    told.instructions = step.instructions;
    told.trap = step.trap;
    last_step_ = explanation_.told.size() - 1;
  }
  void more_instructions(uint64_t instructions) override {
    explanation_.told.at(last_step_).instructions += instructions;
  }
  void resume(const mmu::Step& step) override {
    for (size_t at = explanation_.told.size(); at-- > 0;) {
      const Told& told = explanation_.told[at];
      if (told.kind != Told::Kind::Step || told.step != step.name) continue;
      last_step_ = at;
      break;
    }
    remark(fmt::format("back in: {}", step.what));
  }
  void reference(const mmu::Seen& seen) override {
    Told& told = add(Told::Kind::Reference, seen.what);
    told.write = seen.write;
    told.by = seen.origin == mem::Origin::Walker ? "walker" : "handler";
    told.address = seen.address;
    told.through = seen.through;
    told.bytes = seen.bytes;
    told.words.assign(seen.words.begin(), seen.words.end());
    told.decoded = seen.decoded;
    told.served = seen.served;
  }
  void remark(const std::string& text) override { add(Told::Kind::Remark, text); }

 private:
  Told& add(Told::Kind kind, std::string text) {
    Told told;
    told.kind = kind;
    told.text = std::move(text);
    return explanation_.told.emplace_back(std::move(told));
  }

  Explanation& explanation_;
  size_t last_step_ = 0;
};

template <class Arch>
Explanation explain_on(const config::Config& config, const Moment& moment, const Question& question,
                       const ReplayOptions& options) {
  Inspector<Arch> inspector(config, moment.script, options);
  inspector.play([&](const Moment& now) { return now.steps == moment.steps; });
  Machine<Arch>& machine = inspector.machine();
  const VirtAddr va = moment.script == nullptr
                          ? question.va
                          : workload::Placement(machine.layout()).at(question.va);
  kernel::Kernel& kernel = machine.kernel();
  const auto& processes = kernel.system().processes();
  const auto found = processes.find(moment.pid);
  MMUSIM_ASSERT(found != processes.end() && !found->second.threads.empty());
  const CpuId id = kernel.turn({moment.pid, *found->second.threads.begin()});

  constexpr unsigned kMostFaults = 8;
  Explanation explanation;
  Scribe scribe(explanation);
  auto& cpu = machine.tlbs().mmu(id);
  cpu.count(question.kind, 1);
  cpu.narrate(&scribe);
  mmu::Translation& outcome = explanation.outcome;
  outcome = cpu.access(va, question.kind, /*retry=*/false);
  while (!outcome.ok() && explanation.faults < kMostFaults) {
    ++explanation.faults;
    const uint64_t before = machine.sink().total(mem::Origin::Kernel);
    const kernel::FaultOutcome fixed = kernel.fault(id, va, question.kind, outcome.fault);
    const char* const says = fixed == kernel::FaultOutcome::Fixed ? "fixes it"
                             : fixed == kernel::FaultOutcome::Refused
                                 ? "refuses it: the program has no right to this access"
                             : fixed == kernel::FaultOutcome::Gate
                                 ? "answers it: its gate page, whose translation is its own"
                                 : "has no memory for it";
    scribe.remark(fmt::format("page fault ({}): the kernel {}, with {} table references of its own",
                              mmu::name_of(outcome.fault), says,
                              machine.sink().total(mem::Origin::Kernel) - before));
    if (fixed != kernel::FaultOutcome::Fixed) break;
    outcome = cpu.access(va, question.kind, /*retry=*/true);
  }
  cpu.narrate(nullptr);
  return explanation;
}

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_EXPLAINER_H_
