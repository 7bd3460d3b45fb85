// From statements to steps: the script as a whole, and its blocks.
#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <utility>

#include "config/nearest.h"
#include "sim/workload/unroller.h"

namespace mmusim::sim::workload {

namespace {

constexpr size_t kMostMeasures = 100'000;
constexpr unsigned kMostCalls = 200;
constexpr uint64_t kMostHugePages = uint64_t{1} << 30;

}  // namespace

void Unroller::run() {
  block(plan_.script.statements, 0, 0);
  plan_.processes = static_cast<unsigned>(processes_.size());
  plan_.steps = steps_;
}

void Unroller::emit(Step step, Step::Kind kind, unsigned process, Position at) {
  if (++steps_ > most_steps_)
    fail(at, fmt::format("more than {} steps", most_steps_), "repeat less");
  step.kind = kind;
  step.process = process;
  step.at = at;
  visit_(step);
}

void Unroller::count_run(Position at) {
  constexpr uint64_t kEach = 3;
  if (++run_ > kEach * most_steps_)
    fail(at, fmt::format("more than {} statements and blocks are run", kEach * most_steps_),
         "repeat less");
}

void Unroller::measure(const Statement& s, unsigned process, unsigned depth) {
  if (plan_.measures.size() >= kMostMeasures)
    fail(s.at, fmt::format("more than {} measures", kMostMeasures),
         "put 'repeat' into 'measure' instead of around it");
  Step step;
  step.other = static_cast<unsigned>(plan_.measures.size());
  plan_.measures.push_back({complete(s.name, s.at), processes_[process].name});
  emit(step, Step::Kind::Begin, process, s.at);
  block(s.body, process, depth + 1);
  if (processes_[process].exited) fail(s.at, "the process exits in the middle of this measure");
  emit(step, Step::Kind::End, process, s.at);
}

void Unroller::repeat(const Statement& s, unsigned process, unsigned depth) {
  const uint64_t times = number(process, s.value, 0, kMostSteps);
  auto outer = variables_.extract(s.as);  // a variable of the same name around this one
  for (uint64_t i = 0; i < times; ++i) {
    if (!s.as.empty()) variables_[s.as] = static_cast<int64_t>(i);
    block(s.body, process, depth + 1);
  }
  if (s.as.empty()) return;
  variables_.erase(s.as);
  if (outer) variables_.insert(std::move(outer));
}

void Unroller::run_block(const Statement& s, unsigned process, unsigned depth) {
  const auto found = blocks_.find(s.name);
  if (found == blocks_.end())
    fail(s.at, fmt::format("no block '{}' has been defined", s.name),
         config::suggestion(s.name, names_of(blocks_)));
  block(found->second->body, process, depth + 1);
}

void Unroller::block(const std::vector<Statement>& statements, unsigned process, unsigned depth) {
  if (depth > kMostCalls && !statements.empty())
    fail(statements.front().at, "blocks are nested too deeply", "does a block do itself?");
  count_run(statements.empty() ? Position{1, 1} : statements.front().at);
  for (const Statement& s : statements) {
    count_run(s.at);
    const Process& p = processes_[process];
    if (p.exited) fail(s.at, fmt::format("process '{}' has exited", p.name));
    if (p.waits_for != 0)
      fail(s.at, fmt::format("process '{}' waits until '{}' has called exec or exit", p.name,
                             processes_[p.waits_for].name));
    one(s, process, depth);
  }
}

void Unroller::one(const Statement& s, unsigned process, unsigned depth) {
  switch (s.verb) {
    case Verb::Map:
      return map(s, process);
    case Verb::Unmap:
      return unmap(s, process);
    case Verb::Touch:
      return touch(s, process);
    case Verb::Protect:
      return simple(Step::Kind::Protect, s, process);
    case Verb::Advise:
      return advise(s, process);
    case Verb::Truncate:
    case Verb::Hole:
      return change_file(s, process);
    case Verb::Sync:
      return simple(Step::Kind::Sync, s, process);
    case Verb::LockAll:
      plan_.locks = true;
      return whole(Step::Kind::LockAll, s, process);
    case Verb::UnlockAll:
      return whole(Step::Kind::UnlockAll, s, process);
    case Verb::Thp:
      return whole(Step::Kind::Thp, s, process);
    case Verb::Lock:
      plan_.locks = true;
      return simple(Step::Kind::Lock, s, process);
    case Verb::Unlock:
      return simple(Step::Kind::Unlock, s, process);
    case Verb::Resize:
      return resize(s, process);
    case Verb::Move:
      return move(s, process);
    case Verb::Duplicate:
      return duplicate(s, process);
    case Verb::Brk:
      return brk(s, process);
    case Verb::File:
      return declare_file(s, process);
    case Verb::Fork:
      return fork(s, process, depth);
    case Verb::Vfork:
      return fork_and_wait(s, process, depth);
    case Verb::Thread:
      return thread(s, process, depth);
    case Verb::In:
      return block(s.body, this->process(s.name, s.at), depth + 1);
    case Verb::Exec:
      return exec(s, process);
    case Verb::Exit:
      return exit(process, s.at);
    case Verb::Wait:
      return wait_for(this->process(s.name, s.at), process, s.at);
    case Verb::HugePages:
      plan_.huge_pages = std::max(plan_.huge_pages, number(process, s.value, 1, kMostHugePages));
      return;
    case Verb::Pin:
      return pin(s, process);
    case Verb::Let:
      variables_[s.name] = number(process, s.value);
      return;
    case Verb::Define:
      blocks_[s.name] = &s;
      return;
    case Verb::Do:
      return run_block(s, process, depth);
    case Verb::Repeat:
      return repeat(s, process, depth);
    case Verb::Measure:
      return measure(s, process, depth);
  }
}

const char* name_of(Step::Kind kind) {
  static constexpr const char* kNames[] = {
      "map",  "unmap",   "touch",     "protect", "advise", "lock",    "unlock", "move",     "brk",
      "fork", "vfork",   "thread",    "exec",    "exit",   "wait",    "pin",    "truncate", "hole",
      "sync", "lockall", "unlockall", "thp",     "advise", "measure", "measure"};
  return kNames[static_cast<size_t>(kind)];
}

Plan unroll(Script script, uint64_t most_steps) {
  Plan plan;
  plan.script = std::move(script);
  Unroller(
      plan, [](const Step&) {}, most_steps)
      .run();
  return plan;
}

void for_each_step(const Plan& plan, const std::function<void(const Step&)>& visit) {
  // Finds again what the plan says already.
  Plan again;
  again.script = plan.script;
  again.files = plan.files;
  for (Plan::File& file : again.files)
    file.bytes = 0;
  Unroller(again, visit, kMostSteps).run();
}

}  // namespace mmusim::sim::workload
