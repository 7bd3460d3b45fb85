// What a random script has made so far, and the choices all its statements are made of.
//
// Lengths and places are in pages of 4 KiB; places count from where a script's addresses begin.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_STATE_H_
#define MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_STATE_H_

#include <array>
#include <cstdint>
#include <fmt/format.h>
#include <iterator>
#include <map>
#include <string>
#include <string_view>

#include "base/random.h"

namespace mmusim::differential {

inline constexpr uint64_t kHugePage = 512;

// What the scripts may do that not every computer or configuration allows, one line for each.
struct Abilities {
  bool lock = true;
  bool brk = true;
  bool free = true;   // advice to give pages up if memory is short
  bool disk = false;  // files on disk
  bool change_files = false;
  bool guards = false;             // advice to guard pages
  bool huge = false;               // advice about huge pages
  bool collapse = false;           // ... to make them at once, which fails for want of memory
  bool huge_files = false;         // shared memory that lies so that it can be huge
  unsigned most_pages = 10;        // of a segment: log2
  bool pool = false;               // huge pages of the kernel's pool
  uint64_t pool_page = kHugePage;  // ... of that size
  bool anywhere = false;           // segments that the kernel places
  bool far = false;                // places whole upper tables apart
  uint64_t fill_areas = 0;         // areas that are there before, so that the limit is near
};

struct Segment {
  uint64_t start = 0;
  uint64_t pages = 0;
  bool grows_down = false;
  bool pool = false;       // huge pages of the pool
  bool elsewhere = false;  // where the kernel put it: there is no `start`
};
using Segments = std::map<std::string, Segment>;

class State {
 public:
  State(uint64_t seed, Abilities allowed) : abilities(allowed), random(seed) {}

  Abilities abilities;
  Random random;
  std::string text;  // the script
  std::map<std::string, Segments> processes{{"main", {}}};
  std::map<std::string, std::string> parents;  // by child
  std::map<std::string, uint64_t> files;       // pages

  // --- Choices
  uint64_t below(uint64_t bound) { return random.below(bound); }
  bool chance(uint64_t one_in) { return random.below(one_in) == 0; }
  template <class Map>
  auto some(Map& of) {
    auto at = of.begin();
    std::advance(at, static_cast<int64_t>(below(of.size())));
    return at;
  }
  template <class T, size_t n>
  const T& some(const T (&of)[n]) {  // NOLINT(cppcoreguidelines-avoid-c-arrays)
    return of[below(n)];
  }
  uint64_t some_pages() { return 1 + below(uint64_t{1} << below(abilities.most_pages + 1)); }
  std::string rights() {
    static constexpr const char* kRights[] = {"read write", "read write", "read",
                                              "none",       "read exec",  "write"};
    return some(kRights);
  }

  // --- Places
  // Near something that is there, or at a fresh 2M, or anywhere.
  uint64_t any_place(const Segments& segments, uint64_t pages) {
    uint64_t start = below(8) * 512 + (chance(2) ? 0 : below(512));
    if (chance(20)) start += below(3) << 18;                                       // another 1G
    if (abilities.far && chance(2)) start += (below(3) << 27) + (below(3) << 18);  // another 512G
    if (!segments.empty() && chance(3)) {
      const Segment& s = some(segments)->second;
      if (!s.elsewhere) start = s.start + s.pages;
      if (chance(2) && s.start >= pages) start = s.start - pages;
    }
    return start;
  }
  // One where no other segment is, mostly.
  uint64_t some_place(const Segments& segments, uint64_t pages) {
    uint64_t start = 0;
    for (int tries = 0; tries < 50; ++tries) {
      start = any_place(segments, pages);
      if (is_free(segments, start, pages)) return start;
    }
    return start;
  }
  static bool is_free(const Segments& segments, uint64_t start, uint64_t pages) {
    for (const auto& [name, s] : segments)
      if (!s.elsewhere && start < s.start + s.pages && s.start < start + pages) return false;
    return true;
  }

  // --- Text
  static uint64_t kib(uint64_t pages) { return pages * 4; }
  std::string new_segment() { return fmt::format("s{}", ++names_); }
  std::string new_process() { return fmt::format("p{}", ++children_); }
  std::string measured(const std::string& statement) {
    return fmt::format("measure \"{}\" {{ {} }}", ++measures_, statement);
  }
  // The whole segment, or pages of it, also some below one that grows down.
  std::string part(const std::string& name, const Segment& s) {
    if (chance(3)) return name;
    const uint64_t from = below(s.pages);
    const uint64_t to = from + 1 + below(s.pages - from);
    if (s.grows_down && chance(2) && s.start > 64)
      return fmt::format("{}[-{}K..{}K]", name, kib(1 + below(64)), kib(to));
    return fmt::format("{}[{}K..{}K]", name, kib(from), kib(to));
  }

 private:
  uint64_t measures_ = 0;
  uint64_t names_ = 0;
  uint64_t children_ = 0;
};

// A kind of statement about a process's memory. `make` gives "" where nothing comes of it.
struct MemoryKind {
  const char* name;
  unsigned weight;
  // Null: always. Not asked where the process has no segment: it maps one then.
  bool (*possible)(const State& state, const Segments& segments);
  std::string (*make)(State& state, Segments& segments);
};
// A kind of statement about processes, made by `who`.
struct ProcessKind {
  const char* name;
  unsigned weight;
  bool (*possible)(const State& state, const std::string& who);
  std::string (*make)(State& state, const std::string& who);
};

// A random statement about memory (kinds.h).
std::string memory_statement(State& state, Segments& segments);

}  // namespace mmusim::differential

#endif  // MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_STATE_H_
