// Random statements that change files while they may be mapped.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_FILES_H_
#define MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_FILES_H_

#include <algorithm>
#include <string>

#include "tests/differential/random_script/access.h"
#include "tests/differential/random_script/state.h"

namespace mmusim::differential {

inline bool may_change_files(const State& state, const Segments& /*segments*/) {
  return state.abilities.change_files;
}

// Shorter or longer, by a little or to anywhere.
inline std::string truncate(State& state, Segments& /*segments*/) {
  auto& [file, pages] = *state.some(state.files);
  if (state.chance(2)) {
    pages = state.below(pages + 100);
  } else {
    const uint64_t by = state.below(40);
    pages = state.chance(2) ? pages + by : pages - std::min(by, pages);
  }
  return fmt::format("truncate {} {}K", file, State::kib(pages));
}

inline std::string hole(State& state, Segments& /*segments*/) {
  const auto& [file, pages] = *state.some(state.files);
  const uint64_t first = state.below(pages + 3);
  return fmt::format("hole {} {}K {}K", file, State::kib(first), State::kib(state.some_pages()));
}

inline std::string sync(State& state, Segments& segments) {
  return "sync " + some_part(state, segments) + (state.chance(4) ? " async" : "");
}

inline std::string remove(State& state, Segments& segments) {
  return "advise " + some_part(state, segments) + " remove";
}

}  // namespace mmusim::differential

#endif  // MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_FILES_H_
