// Random statements about processes.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_PROCESSES_H_
#define MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_PROCESSES_H_

#include <string>

#include "tests/differential/random_script/access.h"
#include "tests/differential/random_script/state.h"

namespace mmusim::differential {

inline constexpr size_t kMostProcesses = 5;

// A child, which stays; or one that does something at once and ends.
inline std::string fork(State& state, const std::string& who) {
  if (state.chance(4)) {
    Segments& segments = state.processes[who];
    return segments.empty() ? "fork { }" : "fork { " + touch(state, segments) + " }";
  }
  if (state.processes.size() >= kMostProcesses) return "";
  const std::string child = state.new_process();
  state.processes[child] = state.processes[who];
  state.parents[child] = who;
  return "fork " + child;
}

// A child that does this and that to its parent's memory, and then exits, or execs and stays.
inline std::string vfork(State& state, const std::string& who) {
  Segments& segments = state.processes[who];
  const bool stays = state.chance(2) && state.processes.size() < kMostProcesses;
  const std::string child = stays ? state.new_process() : "";
  std::string text = "vfork " + child + " {\n";
  for (uint64_t left = state.below(4); left > 0; --left)
    text += state.measured(memory_statement(state, segments)) + "\n";
  if (stays || state.chance(2)) {
    text += state.measured("exec") + "\n";
    Segments own;
    for (uint64_t left = state.below(4); left > 0; --left)
      text += state.measured(memory_statement(state, own)) + "\n";
    if (stays) {
      state.processes[child] = own;
      state.parents[child] = who;
    }
  }
  return text + "}";
}

inline std::string wait(State& state, const std::string& who) {
  for (const auto& [child, parent] : state.parents) {
    if (parent != who) continue;
    bool has_children = false;
    for (const auto& [other, its] : state.parents)
      has_children = has_children || its == child;
    if (has_children) continue;
    const std::string gone = child;
    state.processes.erase(gone);
    state.parents.erase(gone);
    return "wait " + gone;
  }
  return "";
}

inline bool is_child(const State& /*state*/, const std::string& who) {
  return who != "main";
}

inline std::string exec(State& state, const std::string& who) {
  state.processes[who].clear();
  return "exec";
}

}  // namespace mmusim::differential

#endif  // MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_PROCESSES_H_
