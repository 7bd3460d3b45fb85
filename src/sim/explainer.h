// What explain.h offers, for one architecture.
#ifndef MMUSIM_SIM_EXPLAINER_H_
#define MMUSIM_SIM_EXPLAINER_H_

#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "mmu/miss_path.h"
#include "mmu/summary.h"
#include "sim/explanation.h"
#include "sim/inspector.h"
#include "sim/run_options.h"

namespace mmusim::sim {

// Parts of mmu.cycles: of the kernel's references and flushes, and of all else.
struct Charged {
  int64_t kernel = 0;
  int64_t miss = 0;
};

// What the machine has been charged so far.
template <SimulatedArchitecture Arch>
requires PricedTlbs<typename Arch::Tlbs> Charged charged(Machine<Arch>& machine) {
  const mmu::Cycles cycles = mmu::cycles_of(machine.tlbs().summary(), machine.sink());
  return {.kernel = static_cast<int64_t>(cycles.kernel_work()),
          .miss = static_cast<int64_t>(cycles.misses() + cycles.faults)};
}

// Writes down what it hears, and what the machine was charged meanwhile.
//
// Each event's own price is known. What the machine was charged beside them is the kernel's, who is
// told of by the next remark; or it belongs to the step that is being taken (a walk begun, code
// fetched, a reference whose cache nobody tells). Remarks are made while a look-up is not yet
// counted whole, so that only steps and references, and the end, settle that.
class Scribe final : public mmu::Narrator {
 public:
  using Meter = std::function<Charged()>;

  Scribe(Explanation& explanation, const mem::ReferenceSink& sink, Meter meter)
      : explanation_(explanation), sink_(sink), meter_(std::move(meter)) {}

  void begin() { known_ = meter_(); }
  void end() {
    settle({});
    settle_kernel(meter_());
    for (const Told& told : explanation_.told)
      explanation_.cycles += static_cast<uint64_t>(told.cycles);
  }

  void step(const mmu::Step& step) override {
    const mem::CostTable& costs = sink_.costs();
    const uint64_t cycles = step.instructions * costs.instruction + (step.trap ? costs.trap : 0);
    settle({.kernel = 0, .miss = static_cast<int64_t>(cycles)});
    Told& told = add(Told::Kind::Step, step.what);
    told.step = &step;
    told.instructions = step.instructions;
    told.trap = step.trap;
    told.cycles = static_cast<int64_t>(cycles);
    last_step_ = explanation_.told.size() - 1;
  }
  void more_instructions(uint64_t instructions) override {
    explanation_.told.at(*last_step_).instructions += instructions;
  }
  void resume(const mmu::Step& step) override {
    for (size_t at = explanation_.told.size(); at-- > 0;) {
      const Told& told = explanation_.told[at];
      if (told.kind != Told::Kind::Step || told.step != &step) continue;
      last_step_ = at;
      break;
    }
    remark(fmt::format("back in: {}", step.what));
  }
  void reference(const mmu::Seen& seen) override {
    const bool by_kernel = seen.origin == mem::Origin::Kernel;
    const mem::CostTable& costs = sink_.costs();
    const auto price = static_cast<int64_t>(seen.served          ? sink_.cost_of(*seen.served)
                                            : sink_.has_caches() ? 0
                                                                 : costs.uncached(seen.origin));
    // Of those made at the same time the slowest is charged.
    const int64_t covered = seen.beside ? slowest_ : 0;
    const int64_t cycles = std::max<int64_t>(price - covered, 0);
    slowest_ = std::max(price, covered);
    settle({.kernel = by_kernel ? cycles : 0, .miss = by_kernel ? 0 : cycles});
    Told& told = add(Told::Kind::Reference, seen.what);
    told.cycles = cycles;
    told.write = seen.write;
    told.by = by_kernel || seen.origin == mem::Origin::Walker ? seen.origin : mem::Origin::Handler;
    told.address = seen.address;
    told.through = seen.through;
    told.bytes = seen.bytes;
    told.words.assign(seen.words.begin(), seen.words.end());
    told.decoded = seen.decoded;
    told.served = seen.served;
    told.beside = seen.beside;
  }
  // What the kernel has done since the last one is what it is about.
  void remark(const std::string& text) override {
    add(Told::Kind::Remark, text);
    last_remark_ = explanation_.told.size() - 1;
    settle_kernel(meter_());
  }

 private:
  // What is new since the last time, but for `own` of the event about to be told.
  void settle(const Charged& own) {
    const Charged now = meter_();
    const int64_t more = now.miss - known_.miss - own.miss;
    if (const auto to = last_step_ ? last_step_ : last_remark_)
      explanation_.told[*to].cycles += more;
    known_.miss = now.miss;
    known_.kernel += own.kernel;
  }
  void settle_kernel(const Charged& now) {
    if (last_remark_) explanation_.told[*last_remark_].cycles += now.kernel - known_.kernel;
    known_.kernel = now.kernel;
  }

  Told& add(Told::Kind kind, std::string text) {
    Told told;
    told.kind = kind;
    told.text = std::move(text);
    return explanation_.told.emplace_back(std::move(told));
  }

  Explanation& explanation_;
  const mem::ReferenceSink& sink_;
  Meter meter_;
  Charged known_;
  std::optional<size_t> last_step_;
  std::optional<size_t> last_remark_;
  int64_t slowest_ = 0;  // price of the references made at the same time as the last
};

// Hears whether an access gets as far as the miss path.
class Ear final : public mmu::Narrator {
 public:
  void step(const mmu::Step& /*step*/) override { heard = true; }
  void more_instructions(uint64_t /*instructions*/) override {}
  void resume(const mmu::Step& /*step*/) override {}
  void reference(const mmu::Seen& /*seen*/) override {}
  void remark(const std::string& /*text*/) override {}

  bool heard = false;
};

// The fields of an address, as what is indexed by them: of a radix table each level's index, else
// the page number; then the offset.
template <SimulatedArchitecture Arch>
std::vector<std::string> parts_of(Machine<Arch>& machine, VirtAddr va) {
  std::vector<std::string> parts;
  const unsigned offset_bits = machine.page().log2();
  if (const pt::RadixGeometry* const levels = machine.page_tables().hardware_walkable();
      levels != nullptr) {
    for (size_t level = levels->size(); level-- > 0;) {
      const pt::RadixLevel& one = (*levels)[level];
      const unsigned bits = one.index_bits - one.region_bits;
      const uint64_t index = (va.value() >> one.shift) & ((uint64_t{1} << bits) - 1);
      if (one.region_bits > 1)
        parts.push_back(fmt::format("region {}", va.value() >> (64 - one.region_bits)));
      parts.push_back(fmt::format("level {} index {:#x} (bits {} to {})", level + 1, index,
                                  one.shift, one.shift + bits - 1));
    }
  } else {
    parts.push_back(fmt::format("page {:#x} (bits {} up)", va.value() >> offset_bits, offset_bits));
  }
  parts.push_back(fmt::format("offset {:#x}", va.value() & machine.page().offset_mask()));
  return parts;
}

inline const char* what_the_kernel_does(kernel::FaultOutcome outcome) {
  switch (outcome) {
    case kernel::FaultOutcome::Fixed:
      return "fixes it";
    case kernel::FaultOutcome::Refused:
      return "refuses it: the program has no right to this access";
    case kernel::FaultOutcome::Gate:
      return "answers it: its gate page, whose translation is its own";
    case kernel::FaultOutcome::NoMemory:
      break;
  }
  return "has no memory for it";
}

// One access is written down: from begin() to end().
template <SimulatedArchitecture Arch>
class Writer {
 public:
  explicit Writer(Machine<Arch>& machine)
      : machine_(machine),
        scribe_(explanation_, machine.sink(), [&machine] { return charged(machine); }) {}

  void begin(CpuId cpu, VirtAddr va, AccessKind kind) {
    cpu_ = cpu;
    explanation_.va = va;
    explanation_.kind = kind;
    explanation_.parts = parts_of(machine_, va);
    machine_.tlbs().mmu(cpu).narrate(&scribe_);
    kernel_references_ = machine_.sink().total(mem::Origin::Kernel);
    count(-1);
    scribe_.begin();
  }
  void fault(mmu::FaultReason reason, kernel::FaultOutcome outcome) {
    ++explanation_.faults;
    const uint64_t now = machine_.sink().total(mem::Origin::Kernel);
    scribe_.remark(
        fmt::format("page fault ({}): the kernel {}, with {} table references of its own",
                    mmu::name_of(reason), what_the_kernel_does(outcome), now - kernel_references_));
    kernel_references_ = now;
  }
  Explanation end(const mmu::Translation& outcome) {
    machine_.tlbs().mmu(cpu_).narrate(nullptr);
    explanation_.outcome = outcome;
    scribe_.end();
    count(1);
    return std::move(explanation_);
  }

 private:
  // The references made so far, added or taken off.
  void count(int sign) {
    const auto add = [&](uint64_t& sum, mem::Origin who) {
      const uint64_t made = machine_.sink().total(who);
      sum = sign < 0 ? sum - made : sum + made;
    };
    add(explanation_.by_walker, mem::Origin::Walker);
    add(explanation_.by_handler, mem::Origin::Handler);
    add(explanation_.by_kernel, mem::Origin::Kernel);
  }

  Machine<Arch>& machine_;
  Explanation explanation_;
  Scribe scribe_;
  CpuId cpu_{0};
  uint64_t kernel_references_ = 0;
};

template <SimulatedArchitecture Arch>
Explanation explain_on(const config::Config& config, const Moment& moment, const Question& question,
                       const ReplayOptions& options) {
  Inspector<Arch> inspector(config, moment.script, options);
  inspector.play([&](const Moment& now) { return now.steps == moment.steps; });
  Machine<Arch>& machine = inspector.machine();
  const VirtAddr va =
      question.placed ? question.va : inspector.placed(moment.pid, question.va, question.kind);
  kernel::Kernel& kernel = machine.kernel();
  const auto& processes = kernel.system().processes();
  const auto found = processes.find(moment.pid);
  MMUSIM_ASSERT(found != processes.end() && !found->second.threads.empty());
  const CpuId id = kernel.turn({moment.pid, *found->second.threads.begin()});

  constexpr unsigned kMostFaults = 8;
  auto& cpu = machine.tlbs().mmu(id);
  cpu.count(question.kind, 1);
  Writer<Arch> writer(machine);
  writer.begin(id, va, question.kind);
  mmu::Translation outcome = cpu.access(va, question.kind, /*retry=*/false);
  for (unsigned faults = 0; !outcome.ok() && faults < kMostFaults; ++faults) {
    const kernel::FaultOutcome fixed = kernel.fault(id, va, question.kind, outcome.fault);
    writer.fault(outcome.fault, fixed);
    if (fixed != kernel::FaultOutcome::Fixed) break;
    outcome = cpu.access(va, question.kind, /*retry=*/true);
  }
  return writer.end(outcome);
}

// Numbers the accesses that are no plain hits, and finds the one a MissQuestion means.
template <SimulatedArchitecture Arch>
class MissFinder final : public AccessWatcher {
 public:
  struct Found {
    uint64_t access = 0;  // its number
    uint64_t misses = 0;  // so far, or of its page
    Pid pid;
  };
  struct Enough {};  // thrown when it is known

  MissFinder(Machine<Arch>& machine, const MissQuestion& question)
      : machine_(machine), question_(question) {}

  void before(const WatchedAccess& access) override {
    cpu_ = access.cpu;
    page_ = {access.thread.pid, access.va.value() >> machine_.page().log2()};
    ear_.heard = false;
    machine_.tlbs().mmu(cpu_).narrate(&ear_);
  }
  void fault(mmu::FaultReason /*reason*/, kernel::FaultOutcome /*outcome*/) override {}
  void after(const mmu::Translation& /*translation*/) override {
    machine_.tlbs().mmu(cpu_).narrate(nullptr);
    ++accesses_;
    if (!ear_.heard || (question_.pid && page_.first != *question_.pid)) return;
    ++misses_;
    if (!question_.hot) {
      if (misses_ != question_.number) return;
      found_ = {accesses_, misses_, page_.first};
      throw Enough{};
    }
    Found& page = pages_[page_];
    page = {accesses_, page.misses + 1, page_.first};
    if (page.misses >= found_.misses) found_ = page;
  }

  // Without misses: nobody asked for that many.
  [[nodiscard]] const Found& found() const { return found_; }
  [[nodiscard]] uint64_t misses() const { return misses_; }

 private:
  using Page = std::pair<Pid, uint64_t>;

  Machine<Arch>& machine_;
  const MissQuestion& question_;
  Ear ear_;
  CpuId cpu_{0};
  Page page_;
  uint64_t accesses_ = 0;
  uint64_t misses_ = 0;
  std::map<Page, Found> pages_;
  Found found_;
};

// Writes down access `number`, then ends the replay.
template <SimulatedArchitecture Arch>
class AccessWriter final : public AccessWatcher {
 public:
  AccessWriter(Machine<Arch>& machine, uint64_t number) : writer_(machine), left_(number) {}

  void before(const WatchedAccess& access) override {
    if (--left_ == 0) writer_.begin(access.cpu, access.va, access.kind);
  }
  void fault(mmu::FaultReason reason, kernel::FaultOutcome outcome) override {
    if (left_ == 0) writer_.fault(reason, outcome);
  }
  void after(const mmu::Translation& translation) override {
    if (left_ == 0) throw writer_.end(translation);
  }

 private:
  Writer<Arch> writer_;
  uint64_t left_;
};

template <SimulatedArchitecture Arch>
Explanation explain_miss_on(const config::Config& config, const workload::Plan* script,
                            const MissQuestion& question, const ReplayOptions& options,
                            Moment& moment) {
  using Finder = MissFinder<Arch>;
  typename Finder::Found found;
  uint64_t misses = 0;
  {
    Inspector<Arch> inspector(config, script, options);
    Finder finder(inspector.machine(), question);
    inspector.loop().watch(&finder);
    try {
      inspector.play([](const Moment&) { return false; });
    } catch (const typename Finder::Enough&) {
    }
    inspector.loop().watch(nullptr);
    found = finder.found();
    misses = finder.misses();
  }
  if (found.access == 0)
    throw Error(script != nullptr ? script->name() : RunOptions::from(config).trace,
                fmt::format("has only {} accesses that miss in all TLBs", misses),
                question.pid ? "of this process" : "");
  Inspector<Arch> inspector(config, script, options);
  AccessWriter<Arch> writer(inspector.machine(), found.access);
  inspector.loop().watch(&writer);
  try {
    inspector.play([](const Moment&) { return false; });
  } catch (Explanation& explanation) {
    moment = inspector.now();
    moment.script = script;
    moment.pid = found.pid;
    explanation.misses = found.misses;
    return std::move(explanation);
  }
  throw Error("", "the second replay went another way", "this is a defect of the simulator");
}

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_EXPLAINER_H_
