// Random statements about huge pages of the kernel's pool: segments that are whole huge pages or
// not, and calls on the grid and off it, alone and with ordinary segments beside them.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_POOL_H_
#define MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_POOL_H_

#include <string>

#include "tests/differential/random_script/mapping.h"
#include "tests/differential/random_script/state.h"

namespace mmusim::differential {

inline bool may_use_pool(const State& state, const Segments& /*segments*/) {
  return state.abilities.pool;
}

// In pages: mostly near multiples of a huge page.
inline uint64_t some_pool_length(State& state) {
  const uint64_t huge = state.abilities.pool_page;
  const uint64_t whole = (1 + state.below(4)) * huge;
  if (state.chance(2)) return whole;
  return state.chance(2) ? whole - state.below(huge) : whole + 1 - state.below(3);
}
inline uint64_t some_pool_place(State& state, const Segments& segments, uint64_t pages) {
  const uint64_t start = state.some_place(segments, pages);
  const uint64_t huge = state.abilities.pool_page;
  return state.chance(8) ? start : start / huge * huge;
}

inline std::string map_pool(State& state, Segments& segments) {
  const std::string name = state.new_segment();
  const uint64_t pages = some_pool_length(state);
  const uint64_t start = some_pool_place(state, segments, pages);
  std::string text =
      fmt::format("map {} {}K at {}K hugetlb", name, State::kib(pages), State::kib(start));
  if (state.abilities.pool_page != kHugePage)
    text += fmt::format(" {}K", State::kib(state.abilities.pool_page));
  if (state.chance(3)) text += " shared";
  if (state.chance(4)) text += " noreserve";
  if (state.chance(4)) text += " over";
  if (state.chance(8)) text += " populate";
  if (state.abilities.lock && state.chance(12)) text += " locked";
  segments[name] = {.start = start, .pages = pages, .pool = true};
  return text + " " + (state.chance(4) ? state.rights() : std::string("read write"));
}

// Of any segment, to where huge pages may lie, with lengths of theirs.
inline std::string move_pool(State& state, Segments& segments) {
  const auto at = some_mapped(state, segments);
  const std::string name = at->first;
  const std::string as = state.new_segment();
  const uint64_t pages = state.chance(2) ? at->second.pages : some_pool_length(state);
  const uint64_t start = some_pool_place(state, segments, pages);
  std::string text = fmt::format("move {} as {}", name, as);
  if (pages != at->second.pages) text += fmt::format(" size {}K", State::kib(pages));
  const bool pool = at->second.pool;
  segments.erase(at);
  segments[as] = {.start = start, .pages = pages, .pool = pool};
  return text + fmt::format(" to {}K", State::kib(start));
}

}  // namespace mmusim::differential

#endif  // MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_POOL_H_
