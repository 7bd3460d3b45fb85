// Random statements that make, move and take away segments.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_MAPPING_H_
#define MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_MAPPING_H_

#include <string>

#include "tests/differential/random_script/state.h"

namespace mmusim::differential {

// Whole huge pages of a file, or of memory nobody else can name, where they could be huge.
inline std::string map_huge_file(State& state, Segments& segments) {
  const std::string name = state.new_segment();
  Segment s{0, 512 * (1 + state.below(3))};
  for (int tries = 0; tries < 50; ++tries) {
    s.start = 512 * state.below(12);
    if (state.is_free(segments, s.start, s.pages)) break;
  }
  if (state.chance(4)) s.pages += state.below(200);
  std::string text =
      fmt::format("map {} {}K at {}K", name, State::kib(s.pages), State::kib(s.start));
  const bool shared = !state.chance(4);
  if (shared) text += " shared";
  if (!shared || !state.chance(4)) {
    const auto& [file, pages] = *state.some(state.files);
    text += " file " + file;
    if (state.chance(3)) text += fmt::format(" offset {}K", State::kib(512 * state.below(3)));
  }
  if (state.chance(8)) text += " populate";
  text += " " + (state.chance(6) ? state.rights() : std::string("read write"));
  segments[name] = s;
  return text;
}

inline std::string map(State& state, Segments& segments) {
  if (state.abilities.huge_files && !state.chance(4)) return map_huge_file(state, segments);
  const std::string name = state.new_segment();
  Segment s{0, state.some_pages()};
  if (state.abilities.huge && state.chance(2)) s.pages = 512 * (1 + state.below(3));
  const bool over = state.chance(5);
  s.start = over ? state.any_place(segments, s.pages) : state.some_place(segments, s.pages);
  std::string text =
      fmt::format("map {} {}K at {}K", name, State::kib(s.pages), State::kib(s.start));
  text += state.chance(3) ? " shared" : "";
  const bool prefers_files = state.abilities.disk && state.chance(2);
  if ((prefers_files || state.chance(3)) && !state.files.empty()) {
    const auto& [file, pages] = *state.some(state.files);
    text += " file " + file;
    if (state.chance(2)) text += fmt::format(" offset {}K", State::kib(state.below(pages + 3)));
  } else if (state.chance(12)) {
    text += " growsdown";
    s.grows_down = true;
  }
  if (over) text += " over";
  if (state.chance(8)) text += " populate";
  if (state.chance(8)) text += " noreserve";
  if (state.abilities.lock && state.chance(16)) text += " locked";
  text += " " + (state.chance(3) ? state.rights() : std::string("read write"));
  segments[name] = s;
  if (state.abilities.huge && state.chance(2)) text += "\nadvise " + name + " hugepage";
  return text;
}

inline bool has_room_for_more(const State& /*state*/, const Segments& segments) {
  return segments.size() < 10;
}

inline bool may_brk(const State& state, const Segments& /*segments*/) {
  return state.abilities.brk;
}

inline std::string brk(State& state, Segments& segments) {
  const uint64_t pages = state.chance(5) ? 0 : state.some_pages();
  segments.erase("heap");
  if (pages != 0) segments["heap"] = {0, pages};
  return fmt::format("brk {}K", State::kib(pages));
}

// Segments that are not the heap's.
inline bool has_mapped(const State& /*state*/, const Segments& segments) {
  return segments.size() > segments.count("heap");
}

inline Segments::iterator some_mapped(State& state, Segments& segments) {
  Segments::iterator at;
  do
    at = state.some(segments);
  while (at->first == "heap");
  return at;
}

inline std::string unmap(State& state, Segments& segments) {
  const auto at = some_mapped(state, segments);
  const std::string name = at->first;
  const std::string gone = state.part(name, at->second);
  if (gone == name) segments.erase(at);
  return "unmap " + gone;
}

inline std::string resize(State& state, Segments& segments) {
  const auto at = some_mapped(state, segments);
  // Behind one that the kernel placed lies what is not the script's.
  Segment& s = at->second;
  s.pages = s.elsewhere ? 1 + state.below(s.pages) : state.some_pages();
  return fmt::format("resize {} {}K", at->first, State::kib(at->second.pages));
}

inline std::string move(State& state, Segments& segments) {
  const auto at = some_mapped(state, segments);
  const std::string name = at->first;
  const Segment s = at->second;
  const std::string as = state.new_segment();
  // Of a part of the pool's private memory Linux 6.18 never gives the reservation back.
  const bool whole = s.pool || state.chance(2);
  uint64_t from = 0;
  uint64_t to = s.pages;
  if (!whole) {
    from = state.below(s.pages);
    to = from + 1 + state.below(s.pages - from);
  }
  const std::string what =
      whole ? name : fmt::format("{}[{}K..{}K]", name, State::kib(from), State::kib(to));
  uint64_t pages = to - from;
  if (state.chance(8)) {
    const uint64_t start = state.some_place(segments, pages);
    segments[as] = {start, pages};
    return fmt::format("duplicate {} as {} to {}K", what, as, State::kib(start));
  }
  const bool keep = state.chance(4);
  std::string text = fmt::format("move {} as {}", what, as);
  if (state.chance(3) && (!keep || state.chance(4))) {
    pages = state.some_pages();
    text += fmt::format(" size {}K", State::kib(pages));
  }
  const uint64_t start =
      state.chance(5) ? state.any_place(segments, pages) : state.some_place(segments, pages);
  text += fmt::format(" to {}K", State::kib(start));
  if (keep) text += " keep";
  if (whole && !keep) segments.erase(name);
  segments[as] = {.start = start, .pages = pages, .pool = s.pool};
  return text;
}

}  // namespace mmusim::differential

#endif  // MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_MAPPING_H_
