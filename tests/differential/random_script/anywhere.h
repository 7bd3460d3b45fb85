// Random segments that the kernel places: where it puts them is compared too.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_ANYWHERE_H_
#define MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_ANYWHERE_H_

#include <string>

#include "tests/differential/random_script/pool.h"
#include "tests/differential/random_script/state.h"

namespace mmusim::differential {

inline bool may_map_anywhere(const State& state, const Segments& /*segments*/) {
  return state.abilities.anywhere;
}

// Whole huge pages, nearly so, or small; of memory, of a file, or of the pool; stacks, below which
// a gap stays.
inline std::string map_anywhere(State& state, Segments& segments) {
  const std::string name = state.new_segment();
  uint64_t pages = state.some_pages();
  if (state.chance(2)) pages = (1 + state.below(3)) * 512 + (state.chance(3) ? state.below(3) : 0);
  std::string text = fmt::format("map {} {}K anywhere", name, State::kib(pages));
  const bool pool = state.abilities.pool && state.chance(5);
  const bool file = !pool && state.chance(3) && !state.files.empty();
  Segment segment{.pages = pages, .pool = pool, .elsewhere = true};
  if (pool) {
    text += " hugetlb";
  } else if (file) {
    text += " file " + state.some(state.files)->first;
    if (state.chance(2)) text += fmt::format(" offset {}K", State::kib(state.below(1200)));
  }
  if (state.chance(3)) {
    text += " shared";
  } else if (!pool && !file && state.chance(5)) {
    text += " growsdown";
    segment.grows_down = true;
  }
  segments[name] = segment;
  return text + " " + (state.chance(4) ? state.rights() : std::string("read write"));
}

}  // namespace mmusim::differential

#endif  // MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_ANYWHERE_H_
