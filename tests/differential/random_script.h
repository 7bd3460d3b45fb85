// Random workload scripts: small address spaces that are mapped, touched, protected, advised,
// locked, moved, forked, replaced and unmapped, with a measure around every statement. Much of it
// fails on purpose: what is refused, and how, is compared too. The same seed gives the same text.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_H_
#define MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_H_

#include <array>
#include <cstdint>
#include <fmt/format.h>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"

namespace mmusim::differential {

class RandomScript {
 public:
  // What the scripts may do that not every computer allows.
  struct Abilities {
    bool lock = true;
    bool brk = true;
    bool free = true;          // advice to give pages up if memory is short
    unsigned most_pages = 10;  // of a segment: log2
  };

  RandomScript(uint64_t seed, Abilities abilities) : random_(seed), abilities_(abilities) {
    processes_["main"] = {};
    for (size_t i = 0; i < kFilePages.size(); ++i)
      text_ += fmt::format("file f{} {}K\n", i, kib(kFilePages[i]));
  }

  // Statements, most of them by the main process.
  std::string text(int statements) {
    for (int i = 0; i < statements; ++i) {
      const std::string who = pick_process();
      const std::string statement = one(who);
      if (statement.empty()) continue;
      text_ += who == "main" ? measured(statement) + "\n"
                             : fmt::format("in {} {{ {} }}\n", who, measured(statement));
    }
    return text_;
  }

 private:
  struct Segment {
    uint64_t start = 0;
    uint64_t pages = 0;
    bool grows_down = false;
  };
  using Segments = std::map<std::string, Segment>;
  static constexpr std::array<uint64_t, 4> kFilePages = {5, 64, 700, 1100};

  std::string measured(const std::string& statement) {
    return fmt::format("measure \"{}\" {{ {} }}", ++number_, statement);
  }
  std::string pick_process() {
    auto at = processes_.begin();
    std::advance(at, static_cast<int64_t>(random_.below(processes_.size())));
    return random_.below(3) == 0 ? at->first : "main";
  }
  uint64_t some_pages() {
    return 1 + random_.below(uint64_t{1} << random_.below(abilities_.most_pages + 1));
  }
  bool chance(uint64_t one_in) { return random_.below(one_in) == 0; }
  static uint64_t kib(uint64_t pages) { return pages * 4; }

  static bool is_free(const Segments& segments, uint64_t start, uint64_t pages) {
    for (const auto& [name, s] : segments)
      if (start < s.start + s.pages && s.start < start + pages) return false;
    return true;
  }
  // Near something that is there, or at a fresh 2M, or anywhere.
  uint64_t any_place(const Segments& segments, uint64_t pages) {
    uint64_t start = random_.below(8) * 512 + (chance(2) ? 0 : random_.below(512));
    if (chance(20)) start += random_.below(3) << 18;  // another 1G
    if (!segments.empty() && chance(3)) {
      const Segment& s = some(segments)->second;
      start = s.start + s.pages;
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
  Segments::const_iterator some(const Segments& segments) {
    auto at = segments.begin();
    std::advance(at, static_cast<int64_t>(random_.below(segments.size())));
    return at;
  }

  std::string rights() {
    static constexpr const char* kRights[] = {"read write", "read write", "read",
                                              "none",       "read exec",  "write"};
    return kRights[random_.below(6)];
  }

  std::string map(Segments& segments) {
    const std::string name = fmt::format("s{}", ++names_);
    Segment s{0, some_pages()};
    const bool over = chance(5);
    s.start = over ? any_place(segments, s.pages) : some_place(segments, s.pages);
    std::string text = fmt::format("map {} {}K at {}K", name, kib(s.pages), kib(s.start));
    text += chance(3) ? " shared" : "";
    if (chance(3)) {
      const uint64_t file = random_.below(kFilePages.size());
      text += fmt::format(" file f{}", file);
      if (chance(2)) text += fmt::format(" offset {}K", kib(random_.below(kFilePages[file] + 3)));
    } else if (chance(12)) {
      text += " growsdown";
      s.grows_down = true;
    }
    if (over) text += " over";
    if (chance(8)) text += " populate";
    if (chance(8)) text += " noreserve";
    if (abilities_.lock && chance(16)) text += " locked";
    text += " " + (chance(3) ? rights() : std::string("read write"));
    segments[name] = s;
    return text;
  }

  std::string part(const std::string& name, const Segment& s) {
    if (chance(3)) return name;
    const uint64_t from = random_.below(s.pages);
    const uint64_t to = from + 1 + random_.below(s.pages - from);
    if (s.grows_down && chance(2) && s.start > 64)
      return fmt::format("{}[-{}K..{}K]", name, kib(1 + random_.below(64)), kib(to));
    return fmt::format("{}[{}K..{}K]", name, kib(from), kib(to));
  }

  std::string touch(const std::string& part) {
    std::string text = "touch " + part + (chance(2) ? " write" : " read");
    if (chance(5)) text += fmt::format(" stride {}K", kib(1 + random_.below(40)));
    if (chance(6))
      text += fmt::format(" random {} count {}", random_.below(1000), 1 + random_.below(60));
    else if (chance(8))
      text += " backwards";
    else if (chance(8))
      text += fmt::format(" permuted {} count {}", random_.below(1000), 1 + random_.below(400));
    return text;
  }

  std::string advise(const std::string& part) {
    static constexpr const char* kAdvices[] = {
        "dontneed",   "dontneed",   "dontneed",      "dontneed-locked", "dontfork", "dofork",
        "wipeonfork", "keeponfork", "populate-read", "populate-write",  "random",   "normal",
        "sequential", "free",       "cold",          "willneed",        "dontdump", "dodump",
        "nohugepage"};
    const std::string advice = kAdvices[random_.below(std::size(kAdvices))];
    return "advise " + part + " " + (advice == "free" && !abilities_.free ? "normal" : advice);
  }

  // A child, which stays; or one that does something at once and ends.
  std::string fork(const std::string& who) {
    if (chance(4)) {
      if (processes_[who].empty()) return "fork { }";
      const auto at = some(processes_[who]);
      return "fork { " + touch(part(at->first, at->second)) + " }";
    }
    if (processes_.size() >= 5) return "";
    const std::string child = fmt::format("p{}", ++children_);
    processes_[child] = processes_[who];
    parents_[child] = who;
    return "fork " + child;
  }

  // A child that does this and that to its parent's memory, and then exits, or execs and stays.
  std::string vfork(const std::string& who) {
    Segments& segments = processes_[who];
    const bool stays = chance(2) && processes_.size() < 5;
    const std::string child = stays ? fmt::format("p{}", ++children_) : "";
    std::string text = "vfork " + child + " {\n";
    for (uint64_t left = random_.below(4); left > 0; --left)
      text += measured(memory(segments)) + "\n";
    if (stays || chance(2)) {
      text += measured("exec") + "\n";
      Segments own;
      for (uint64_t left = random_.below(4); left > 0; --left)
        text += measured(memory(own)) + "\n";
      if (stays) {
        processes_[child] = own;
        parents_[child] = who;
      }
    }
    return text + "}";
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

  std::string move(Segments& segments, const std::string& name, const Segment& s) {
    const std::string as = fmt::format("s{}", ++names_);
    const bool whole = chance(2);
    uint64_t from = 0;
    uint64_t to = s.pages;
    if (!whole) {
      from = random_.below(s.pages);
      to = from + 1 + random_.below(s.pages - from);
    }
    const std::string what = whole ? name : fmt::format("{}[{}K..{}K]", name, kib(from), kib(to));
    uint64_t pages = to - from;
    if (chance(8)) {
      const uint64_t start = some_place(segments, pages);
      segments[as] = {start, pages};
      return fmt::format("duplicate {} as {} to {}K", what, as, kib(start));
    }
    const bool keep = chance(4);
    std::string text = fmt::format("move {} as {}", what, as);
    if (chance(3) && (!keep || chance(4))) {
      pages = some_pages();
      text += fmt::format(" size {}K", kib(pages));
    }
    const uint64_t start = chance(5) ? any_place(segments, pages) : some_place(segments, pages);
    text += fmt::format(" to {}K", kib(start));
    if (keep) text += " keep";
    if (whole && !keep) segments.erase(name);
    segments[as] = {start, pages};
    return text;
  }

  std::string brk(Segments& segments) {
    const uint64_t pages = chance(5) ? 0 : some_pages();
    segments.erase("heap");
    if (pages != 0) segments["heap"] = {0, pages};
    return fmt::format("brk {}K", kib(pages));
  }

  std::string one(const std::string& who) {
    Segments& segments = processes_[who];
    const uint64_t what = random_.below(100);
    if (segments.empty()) return map(segments);
    if (what < 6) return fork(who);
    if (what < 9) return vfork(who);
    if (what < 13) return wait(who);
    if (what < 14 && who != "main") {
      segments.clear();
      return "exec";
    }
    return memory(segments);
  }

  std::string memory(Segments& segments) {
    const uint64_t what = 14 + random_.below(86);
    if (segments.empty() || (what < 28 && segments.size() < 10)) return map(segments);
    if (what < 30 && abilities_.brk) return brk(segments);
    const auto at = some(segments);
    const std::string name = at->first;
    const Segment s = at->second;
    if (what < 58) return touch(part(name, s));
    if (what < 68) return "protect " + part(name, s) + " " + rights();
    if (what < 80) return advise(part(name, s));
    if (what < 83 && abilities_.lock) return (chance(3) ? "unlock " : "lock ") + part(name, s);
    if (name == "heap") return touch(name);
    if (what < 88) {
      const std::string gone = part(name, s);
      if (gone == name) segments.erase(name);
      return "unmap " + gone;
    }
    if (what < 93) {
      const uint64_t pages = some_pages();
      segments[name].pages = pages;
      return fmt::format("resize {} {}K", name, kib(pages));
    }
    return move(segments, name, s);
  }

  Random random_;
  Abilities abilities_;
  std::string text_;
  std::map<std::string, Segments> processes_;
  std::map<std::string, std::string> parents_;
  uint64_t number_ = 0;
  uint64_t names_ = 0;
  uint64_t children_ = 0;
};

}  // namespace mmusim::differential

#endif  // MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_H_
