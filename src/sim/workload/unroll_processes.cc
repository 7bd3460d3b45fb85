// Statements about processes, as steps.
#include <algorithm>
#include <fmt/format.h>
#include <memory>

#include "mmu/mmu.h"
#include "sim/workload/unroller.h"

namespace mmusim::sim::workload {

namespace {

constexpr size_t kMostProcesses = 256;

}  // namespace

// The number of a process that is not there yet.
unsigned Unroller::new_process(const Statement& s, const std::string& name) {
  unsigned child = 0;
  for (unsigned i = 0; i < processes_.size(); ++i) {
    if (!processes_[i].exists) {
      if (child == 0) child = i;
    } else if (processes_[i].name == name && !s.name.empty()) {
      fail(s.at, fmt::format("process '{}' exists already", name), "wait for it first");
    }
  }
  if (child != 0) return child;
  if (processes_.size() == kMostProcesses)
    fail(s.at, fmt::format("more than {} processes at once", kMostProcesses),
         "wait for some of them");
  processes_.emplace_back();
  return static_cast<unsigned>(processes_.size() - 1);
}

unsigned Unroller::new_child(const Statement& s, unsigned parent) {
  const std::string name = s.name.empty() ? "(child)" : complete(s.name, s.at);
  const unsigned child = new_process(s, name);
  processes_[child] = processes_[parent];
  processes_[child].name = name;
  processes_[child].parent = parent;
  processes_[child].children = 0;
  processes_[child].is_thread = false;
  ++processes_[parent].children;
  return child;
}

void Unroller::fork(const Statement& s, unsigned parent, unsigned depth) {
  const unsigned child = new_child(s, parent);
  processes_[child].memory = std::make_shared<Memory>(*processes_[parent].memory);
  Step step;
  step.other = child;
  emit(step, Step::Kind::Fork, parent, s.at);
  if (s.has_body) block(s.body, child, depth + 1);
  if (s.name.empty()) wait_for(child, parent, s.at);
}

void Unroller::fork_and_wait(const Statement& s, unsigned parent, unsigned depth) {
  if (shares_with_thread(parent))
    fail(s.at, fmt::format("'{}' shares its memory with a thread: it cannot vfork",
                           processes_[parent].name));
  const unsigned child = new_child(s, parent);
  processes_[parent].waits_for = child;
  plan_.vforks = std::max(plan_.vforks, ++vforks_);
  Step step;
  step.other = child;
  emit(step, Step::Kind::Vfork, parent, s.at);
  block(s.body, child, depth + 1);
  if (!s.name.empty() && processes_[parent].waits_for == child)
    fail(s.at,
         fmt::format("'{}' calls neither exec nor exit, and its parent waits",
                     processes_[child].name),
         "'exec' or 'exit' at the end of its block");
  if (s.name.empty()) wait_for(child, parent, s.at);
}

bool Unroller::shares_with_thread(unsigned process) const {
  const Process& p = processes_[process];
  return std::any_of(processes_.begin(), processes_.end(), [&p](const Process& other) {
    return other.exists && !other.exited && other.is_thread && other.memory == p.memory;
  });
}

void Unroller::thread(const Statement& s, unsigned parent, unsigned depth) {
  if (parent != 0 && processes_[processes_[parent].parent].waits_for == parent)
    fail(s.at, fmt::format("'{}' has its parent's memory: it cannot have threads",
                           processes_[parent].name));
  const unsigned child = new_child(s, parent);
  processes_[child].is_thread = true;
  plan_.threads.resize(std::max<size_t>(plan_.threads.size(), child + size_t{1}));
  plan_.threads[child] = true;
  Step step;
  step.other = child;
  emit(step, Step::Kind::Thread, parent, s.at);
  if (s.has_body) block(s.body, child, depth + 1);
  if (s.name.empty()) wait_for(child, parent, s.at);
}

// What its memory was is not its any more: a parent that waited for that goes on.
void Unroller::leave_memory(unsigned process) {
  processes_[process].memory = std::make_shared<Memory>();
  unsigned& waits_for = processes_[processes_[process].parent].waits_for;
  if (process == 0 || waits_for != process) return;
  waits_for = 0;
  --vforks_;
}

void Unroller::exec(const Statement& s, unsigned process) {
  if (shares_with_thread(process))
    fail(s.at,
         fmt::format("'{}' shares its memory with a thread: it cannot exec",
                     processes_[process].name),
         "end the thread first");
  leave_memory(process);
  emit({}, Step::Kind::Exec, process, s.at);
}

void Unroller::exit(unsigned process, Position at) {
  Process& p = processes_[process];
  if (process == 0) fail(at, "the first process exits at the end of the script");
  if (p.children != 0) {
    const auto child = std::find_if(processes_.begin(), processes_.end(), [&](const Process& c) {
      return c.exists && c.parent == process && &c != &p;
    });
    fail(at,
         fmt::format("'{}' has a child, '{}', that has not been waited for", p.name, child->name));
  }
  p.exited = true;
  leave_memory(process);
  emit({}, Step::Kind::Exit, process, at);
}

void Unroller::pin(const Statement& s, unsigned process) {
  Step step;
  step.other = static_cast<unsigned>(number(process, s.value, 0, mmu::kMostCpus - 1));
  plan_.cpus = std::max(plan_.cpus, step.other + 1);
  emit(step, Step::Kind::Pin, process, s.at);
}

void Unroller::wait_for(unsigned child, unsigned parent, Position at) {
  if (child == 0 || processes_[child].parent != parent)
    fail(at,
         fmt::format("'{}' is no child of '{}'", processes_[child].name, processes_[parent].name));
  if (!processes_[child].exited) exit(child, at);
  processes_[child] = Process{};
  --processes_[parent].children;
  Step step;
  step.other = child;
  emit(step, Step::Kind::Wait, parent, at);
}

}  // namespace mmusim::sim::workload
