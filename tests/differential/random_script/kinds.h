// What random scripts are made of: all kinds of statements with their weights, and the files they
// map. A new kind is a function in a header of this folder, and a line here.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_KINDS_H_
#define MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_KINDS_H_

#include <span>
#include <string>

#include "tests/differential/random_script/access.h"
#include "tests/differential/random_script/anywhere.h"
#include "tests/differential/random_script/files.h"
#include "tests/differential/random_script/mapping.h"
#include "tests/differential/random_script/pool.h"
#include "tests/differential/random_script/processes.h"
#include "tests/differential/random_script/state.h"

namespace mmusim::differential {

// Files the scripts may map: how they are declared, and what a script must be allowed for it (null:
// nothing).
struct FileKind {
  const char* name;
  uint64_t pages;
  const char* where;
  bool Abilities::*allowed;
};
inline constexpr FileKind kFileKinds[] = {
    {"f0", 5, "memory", nullptr},          {"f1", 64, "memory", nullptr},
    {"f2", 700, "memory", nullptr},        {"f3", 1100, "memory", nullptr},
    {"d0", 5, "disk", &Abilities::disk},   {"d1", 300, "disk", &Abilities::disk},
    {"d2", 700, "disk", &Abilities::disk}, {"d3", 1280, "disk", &Abilities::disk},
};

inline constexpr ProcessKind kProcessKinds[] = {
    {"fork", 6, nullptr, fork},
    {"vfork", 3, nullptr, vfork},
    {"wait", 4, nullptr, wait},
    {"exec", 1, is_child, exec},
};
inline constexpr unsigned kMemoryWeight = 86;  // of all kinds of memory statements together

inline constexpr MemoryKind kMemoryKinds[] = {
    {"map", 140, has_room_for_more, map},

    {"unmap", 50, has_mapped, unmap},

    {"resize", 50, has_mapped, resize},

    {"move", 70, has_mapped, move},

    {"brk", 20, may_brk, brk},

    {"touch", 290, nullptr, touch},

    {"protect", 100, nullptr, protect},

    {"advise", 120, nullptr, advise},

    {"collapse", 200, may_collapse, collapse},

    {"lock", 30, may_lock, lock},

    {"truncate", 40, may_change_files, truncate},
    {"hole", 40, may_change_files, hole},
    {"sync", 20, may_change_files, sync},
    {"remove", 20, may_change_files, remove},

    {"map anywhere", 250, may_map_anywhere, map_anywhere},

    {"map pool", 120, may_use_pool, map_pool},

    {"move pool", 80, may_use_pool, move_pool},
};

// One of the kinds that are possible now, by weight; null where none is chosen out of `more` that
// weigh so much together.
template <class Kind, class What>
const Kind* choose(State& state, std::span<const Kind> kinds, const What& what, unsigned more = 0) {
  const auto is_possible = [&](const Kind& kind) {
    return kind.possible == nullptr || kind.possible(state, what);
  };
  unsigned all = more;
  for (const Kind& kind : kinds)
    all += is_possible(kind) ? kind.weight : 0;
  uint64_t left = state.below(all);
  for (const Kind& kind : kinds) {
    if (!is_possible(kind)) continue;
    if (left < kind.weight) return &kind;
    left -= kind.weight;
  }
  return nullptr;
}

inline std::string memory_statement(State& state, Segments& segments) {
  if (segments.empty()) return map(state, segments);
  return choose<MemoryKind>(state, kMemoryKinds, segments)->make(state, segments);
}

inline std::string statement(State& state, const std::string& who) {
  if (state.processes[who].empty()) return map(state, state.processes[who]);
  const ProcessKind* kind = choose<ProcessKind>(state, kProcessKinds, who, kMemoryWeight);
  return kind != nullptr ? kind->make(state, who) : memory_statement(state, state.processes[who]);
}

}  // namespace mmusim::differential

#endif  // MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_KINDS_H_
