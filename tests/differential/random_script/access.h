// Random statements that use segments, and say what may be done with them and how they are used.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_ACCESS_H_
#define MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_ACCESS_H_

#include <string>
#include <vector>

#include "tests/differential/random_script/state.h"

namespace mmusim::differential {

inline std::string some_part(State& state, const Segments& segments) {
  const auto at = state.some(segments);
  return state.part(at->first, at->second);
}

inline std::string touch(State& state, Segments& segments) {
  std::string text = "touch " + some_part(state, segments) + (state.chance(2) ? " write" : " read");
  if (state.chance(12)) return text.substr(0, text.rfind(' ')) + " exec";
  if (state.chance(5)) text += fmt::format(" stride {}K", State::kib(1 + state.below(40)));
  if (state.chance(6))
    text += fmt::format(" random {} count {}", state.below(1000), 1 + state.below(60));
  else if (state.chance(8))
    text += " backwards";
  else if (state.chance(8))
    text += fmt::format(" permuted {} count {}", state.below(1000), 1 + state.below(400));
  return text;
}

inline std::string protect(State& state, Segments& segments) {
  return "protect " + some_part(state, segments) + " " + state.rights();
}

// Advice, and how often it is given where the script may give it (null: always).
struct AdviceKind {
  const char* name;
  unsigned weight;
  bool Abilities::*allowed;
};
inline constexpr AdviceKind kAdviceKinds[] = {
    {"dontneed", 4, nullptr},
    {"dontneed-locked", 1, nullptr},
    {"dontfork", 1, nullptr},
    {"dofork", 1, nullptr},
    {"wipeonfork", 1, nullptr},
    {"keeponfork", 1, nullptr},
    {"populate-read", 1, nullptr},
    {"populate-write", 1, nullptr},
    {"random", 1, nullptr},
    {"normal", 1, nullptr},
    {"sequential", 1, nullptr},
    {"cold", 1, nullptr},
    {"willneed", 1, nullptr},
    {"dontdump", 1, nullptr},
    {"dodump", 1, nullptr},
    {"nohugepage", 1, nullptr},
    {"free", 1, &Abilities::free},
    {"pageout", 2, &Abilities::free},
    {"guard-install", 3, &Abilities::guards},
    {"guard-remove", 1, &Abilities::guards},
    {"hugepage", 8, &Abilities::huge},
    {"collapse", 4, &Abilities::collapse},
    {"free", 3, &Abilities::huge},
    {"cold", 2, &Abilities::huge},
    {"pageout", 3, &Abilities::huge},
};

inline std::string advise(State& state, Segments& segments) {
  std::vector<const char*> choice;
  for (const AdviceKind& kind : kAdviceKinds)
    if (kind.allowed == nullptr || state.abilities.*kind.allowed)
      choice.insert(choice.end(), kind.weight, kind.name);
  const std::string part = some_part(state, segments);
  return "advise " + part + " " + choice[state.below(choice.size())];
}

inline bool may_collapse(const State& state, const Segments& /*segments*/) {
  return state.abilities.huge_files;
}

// A whole segment, or a part of whole blocks.
inline std::string collapse(State& state, Segments& segments) {
  const auto at = state.some(segments);
  const uint64_t blocks = at->second.pages / 512;
  if (blocks < 2 || state.chance(2)) return "advise " + at->first + " collapse";
  const uint64_t from = state.below(blocks);
  return fmt::format("advise {}[{}K..{}K] collapse", at->first, State::kib(512 * from),
                     State::kib(512 * (from + 1)));
}

inline bool may_lock(const State& state, const Segments& /*segments*/) {
  return state.abilities.lock;
}

inline std::string lock(State& state, Segments& segments) {
  return (state.chance(3) ? "unlock " : "lock ") + some_part(state, segments);
}

}  // namespace mmusim::differential

#endif  // MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_ACCESS_H_
