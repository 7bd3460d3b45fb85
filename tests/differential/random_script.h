// Random workload scripts: small address spaces that are mapped, touched, protected, advised,
// moved, forked and unmapped, with a measure around every statement. The same seed gives the same
// text.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_H_
#define MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_H_

#include <cstdint>
#include <fmt/format.h>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"

namespace mmusim::differential {

class RandomScript {
 public:
  explicit RandomScript(uint64_t seed) : random_(seed) { processes_["main"] = {}; }

  // Statements, most of them by the main process.
  std::string text(int statements) {
    for (int i = 0; i < statements; ++i) {
      const std::string who = pick_process();
      const std::string statement = one(who);
      if (statement.empty()) continue;
      const std::string measured = fmt::format("measure \"{}\" {{ {} }}", ++number_, statement);
      text_ += who == "main" ? measured + "\n" : fmt::format("in {} {{ {} }}\n", who, measured);
    }
    return text_;
  }

 private:
  struct Segment {
    uint64_t start = 0;
    uint64_t pages = 0;
  };
  using Segments = std::map<std::string, Segment>;

  std::string pick_process() {
    auto at = processes_.begin();
    std::advance(at, static_cast<int64_t>(random_.below(processes_.size())));
    return random_.below(3) == 0 ? at->first : "main";
  }
  uint64_t some_pages() { return 1 + random_.below(uint64_t{1} << random_.below(11)); }
  bool chance(uint64_t one_in) { return random_.below(one_in) == 0; }
  static uint64_t kib(uint64_t pages) { return pages * 4; }

  static bool is_free(const Segments& segments, uint64_t start, uint64_t pages,
                      const std::string& but = "") {
    for (const auto& [name, s] : segments)
      if (name != but && start < s.start + s.pages && s.start < start + pages) return false;
    return true;
  }
  // Near something that is there, or at a fresh 2M, or anywhere.
  uint64_t some_place(const Segments& segments, uint64_t pages) {
    for (int tries = 0; tries < 50; ++tries) {
      uint64_t start = random_.below(8) * 512 + (chance(2) ? 0 : random_.below(512));
      if (chance(20)) start += random_.below(3) << 18;  // another 1G
      if (!segments.empty() && chance(3)) {
        auto at = segments.begin();
        std::advance(at, static_cast<int64_t>(random_.below(segments.size())));
        start = at->second.start + at->second.pages;
        if (chance(2) && at->second.start >= pages) start = at->second.start - pages;
      }
      if (is_free(segments, start, pages)) return start;
    }
    return uint64_t{1} << 20 | number_ << 10;
  }

  std::string rights() {
    static constexpr const char* kRights[] = {"read write", "read write", "read", "none",
                                              "read exec"};
    return kRights[random_.below(5)];
  }

  std::string map(Segments& segments) {
    const std::string name = fmt::format("s{}", ++names_);
    const Segment s{0, some_pages()};
    const uint64_t start = some_place(segments, s.pages);
    std::string text = fmt::format("map {} {}K at {}K", name, kib(s.pages), kib(start));
    text += chance(3) ? " shared" : "";
    if (chance(4)) {
      const std::string file = fmt::format("f{}", names_);
      text += " file " + file;
    }
    if (chance(8)) text += " populate";
    text += " " + (chance(3) ? rights() : std::string("read write"));
    segments[name] = {start, s.pages};
    return text;
  }

  std::string part(const std::string& name, const Segment& s) {
    if (chance(3)) return name;
    const uint64_t from = random_.below(s.pages);
    const uint64_t to = from + 1 + random_.below(s.pages - from);
    return fmt::format("{}[{}K..{}K]", name, kib(from), kib(to));
  }

  std::string touch(const std::string& part) {
    std::string text = "touch " + part + (chance(2) ? " write" : " read");
    if (chance(5)) text += fmt::format(" stride {}K", kib(1 + random_.below(40)));
    if (chance(6))
      text += fmt::format(" random {} count {}", random_.below(1000), 1 + random_.below(60));
    if (chance(8)) text += " backwards";
    return text;
  }

  std::string advise(const std::string& part) {
    static constexpr const char* kAdvices[] = {
        "dontneed",   "dontneed",      "dontneed",       "dontfork", "dofork", "wipeonfork",
        "keeponfork", "populate-read", "populate-write", "random",   "normal", "sequential"};
    return "advise " + part + " " + kAdvices[random_.below(12)];
  }

  std::string fork(const std::string& who) {
    if (processes_.size() >= 4) return "";
    const std::string child = fmt::format("p{}", ++children_);
    processes_[child] = processes_[who];
    parents_[child] = who;
    return "fork " + child;
  }

  std::string wait(const std::string& who) {
    for (const auto& [child, parent] : parents_) {
      if (parent != who) continue;
      bool has_children = false;
      for (const auto& [other, its] : parents_)
        has_children = has_children || its == child;
      if (has_children) continue;
      const std::string gone = child;
      processes_.erase(gone);
      parents_.erase(gone);
      return "wait " + gone;
    }
    return "";
  }

  std::string one(const std::string& who) {
    Segments& segments = processes_[who];
    const uint64_t what = random_.below(100);
    if (segments.empty() || (what < 14 && segments.size() < 8)) return map(segments);
    if (what < 20) return fork(who);
    if (what < 25) return wait(who);
    auto at = segments.begin();
    std::advance(at, static_cast<int64_t>(random_.below(segments.size())));
    const std::string name = at->first;
    Segment& s = at->second;
    if (what < 62) return touch(part(name, s));
    if (what < 72) return "protect " + part(name, s) + " " + rights();
    if (what < 84) return advise(part(name, s));
    if (what < 88) {
      const std::string gone = part(name, s);
      if (gone == name) segments.erase(at);
      return "unmap " + gone;
    }
    if (what < 94) {
      const uint64_t pages = some_pages();
      if (!is_free(segments, s.start, pages, name)) return "";
      s.pages = pages;
      return fmt::format("resize {} {}K", name, kib(pages));
    }
    const uint64_t start = some_place(segments, s.pages);
    s.start = start;
    return fmt::format("move {} to {}K", name, kib(start));
  }

  Random random_;
  std::string text_;
  std::map<std::string, Segments> processes_;
  std::map<std::string, std::string> parents_;
  uint64_t number_ = 0;
  uint64_t names_ = 0;
  uint64_t children_ = 0;
};

}  // namespace mmusim::differential

#endif  // MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_H_
