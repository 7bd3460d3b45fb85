// From statements to steps: names become addresses and numbers, loops are unrolled.
#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/units.h"
#include "config/nearest.h"
#include "sim/workload/script.h"

namespace mmusim::sim::workload {

namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kDefaultAlignment = uint64_t{1} << 21;
constexpr size_t kMostSteps = 5'000'000;
constexpr size_t kMostProcesses = 64;

struct Segment {
  uint64_t start = 0;  // from kBase
  uint64_t bytes = 0;
};

struct Process {
  std::map<std::string, Segment> segments;
  bool alive = true;
};

class Unroller {
 public:
  explicit Unroller(const Script& script) : script_(script) {
    plan_.name = script.name;
    plan_.processes.push_back("main");
    processes_.emplace_back();
  }

  Plan run() {
    all(script_.statements, 0);
    return std::move(plan_);
  }

 private:
  [[noreturn]] void fail(Position at, const std::string& what, const std::string& hint = "") const {
    throw UsageError(fmt::format("{}:{}:{}", script_.name, at.line, at.column), what, hint);
  }

  Step& add(Step::Kind kind, unsigned process, Position at) {
    if (plan_.steps.size() >= kMostSteps)
      fail(at, fmt::format("more than {} steps", kMostSteps), "repeat less");
    plan_.steps.emplace_back();
    Step& step = plan_.steps.back();
    step.kind = kind;
    step.process = process;
    step.at = at;
    return step;
  }

  Segment& segment(unsigned process, const std::string& name, Position at) {
    auto& segments = processes_[process].segments;
    const auto found = segments.find(name);
    if (found != segments.end()) return found->second;
    std::vector<std::string> names;
    names.reserve(segments.size());
    for (const auto& [known, s] : segments)
      names.push_back(known);
    fail(at, fmt::format("no segment '{}' in process '{}'", name, plan_.processes[process]),
         config::suggestion(name, names));
  }

  static VirtRange range_of(uint64_t start, uint64_t bytes) {
    return {VirtAddr(kBase + start), VirtAddr(kBase + start + bytes)};
  }

  VirtRange part(unsigned process, const Part& part, Position at) {
    const Segment& s = segment(process, part.segment, at);
    const uint64_t to = part.to.value_or(s.bytes);
    if (to > s.bytes || part.from >= to)
      fail(at, fmt::format("the part [{}..{}] is not in segment '{}' of {}", format_size(part.from),
                           format_size(to), part.segment, format_size(s.bytes)));
    if (part.from % kPage != 0) fail(at, "a part begins at a multiple of 4K");
    return range_of(s.start + part.from, (to - part.from + kPage - 1) / kPage * kPage);
  }

  [[nodiscard]] bool taken(unsigned process, uint64_t start, uint64_t bytes,
                           const std::string& but = "") const {
    const auto& segments = processes_[process].segments;
    return std::any_of(segments.begin(), segments.end(), [&](const auto& entry) {
      const Segment& s = entry.second;
      return entry.first != but && start < s.start + s.bytes && s.start < start + bytes;
    });
  }

  // Where a segment of so many bytes goes: where it was said, or behind all there are, at the next
  // multiple of 2M with as much of a gap.
  uint64_t place(unsigned process, const Statement& s, uint64_t bytes,
                 const std::string& but = "") const {
    uint64_t start = 0;
    if (s.place) {
      start = *s.place;
      if (start % kPage != 0) fail(s.at, "an offset is a multiple of 4K");
    } else {
      for (const auto& [name, other] : processes_[process].segments)
        start = std::max(start, (other.start + other.bytes + kDefaultAlignment - 1) /
                                        kDefaultAlignment * kDefaultAlignment +
                                    kDefaultAlignment);
    }
    if (bytes > kReach || start > kReach - bytes)
      fail(s.at, fmt::format("addresses end {} behind their beginning", format_size(kReach)));
    if (taken(process, start, bytes, but)) fail(s.at, "there is another segment");
    return start;
  }

  static uint64_t pages(uint64_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

  unsigned file(const Statement& s) {
    const auto found = std::find_if(plan_.files.begin(), plan_.files.end(),
                                    [&](const Plan::File& f) { return f.name == s.file; });
    if (found != plan_.files.end()) {
      if (pages(s.bytes) > found->bytes)
        fail(s.at, fmt::format("file '{}' has only {}", s.file, format_size(found->bytes)),
             "map the most of it first");
      return static_cast<unsigned>(found - plan_.files.begin()) + 1;
    }
    plan_.files.push_back({s.file, pages(s.bytes)});
    return static_cast<unsigned>(plan_.files.size());
  }

  void map(const Statement& s, unsigned process) {
    auto& segments = processes_[process].segments;
    if (segments.contains(s.name))
      fail(s.at, fmt::format("segment '{}' exists already", s.name), "unmap it first");
    const uint64_t bytes = pages(s.bytes);
    const uint64_t start = place(process, s, bytes);
    Step& step = add(Step::Kind::Map, process, s.at);
    step.range = range_of(start, bytes);
    step.prot = s.prot;
    step.flags = s.flags;
    if (!s.file.empty()) step.file = file(s);
    segments[s.name] = {start, bytes};
  }

  void unmap(const Statement& s, unsigned process) {
    add(Step::Kind::Unmap, process, s.at).range = part(process, s.part, s.at);
    // A segment of which only a part is gone keeps its name; the hole is a hole.
    if (!s.part.to && s.part.from == 0) processes_[process].segments.erase(s.part.segment);
  }

  void touch(const Statement& s, unsigned process) {
    Step& step = add(Step::Kind::Touch, process, s.at);
    step.range = part(process, s.part, s.at);
    step.stride = s.bytes;
    step.count = s.count;
    step.write = s.write;
    step.backwards = s.backwards;
    step.seed = s.seed;
  }

  void remap(const Statement& s, unsigned process) {
    Segment& segment = this->segment(process, s.name, s.at);
    const uint64_t bytes = s.verb == Verb::Resize ? pages(s.bytes) : segment.bytes;
    uint64_t start = segment.start;
    if (s.verb == Verb::Move || taken(process, start, bytes, s.name) || bytes > kReach - start)
      start = place(process, s, bytes, s.verb == Verb::Move ? "" : s.name);
    Step& step = add(Step::Kind::Remap, process, s.at);
    step.range = range_of(segment.start, segment.bytes);
    step.target = range_of(start, bytes);
    segment = {start, bytes};
  }

  unsigned process(const std::string& name, Position at) const {
    for (unsigned i = 0; i < plan_.processes.size(); ++i)
      if (plan_.processes[i] == name && processes_[i].alive) return i;
    fail(at, fmt::format("no process '{}'", name), config::suggestion(name, plan_.processes));
  }

  void fork(const Statement& s, unsigned parent) {
    for (unsigned i = 0; i < plan_.processes.size(); ++i)
      if (plan_.processes[i] == s.name && processes_[i].alive)
        fail(s.at, fmt::format("process '{}' exists already", s.name), "wait for it first");
    const auto child = static_cast<unsigned>(plan_.processes.size());
    if (child == kMostProcesses) {
      // Unrolled loops fork and wait again and again: a number is used again like a pid.
      for (unsigned i = 1; i < plan_.processes.size(); ++i)
        if (!processes_[i].alive) return fork_as(s, parent, i);
      fail(s.at, fmt::format("more than {} processes at once", kMostProcesses));
    }
    plan_.processes.push_back(s.name);
    processes_.emplace_back();
    fork_as(s, parent, child);
  }
  void fork_as(const Statement& s, unsigned parent, unsigned child) {
    plan_.processes[child] = s.name;
    processes_[child] = processes_[parent];
    processes_[child].alive = true;
    parents_[child] = parent;
    add(Step::Kind::Fork, parent, s.at).other = child;
  }

  void wait(const Statement& s, unsigned parent) {
    const unsigned child = process(s.name, s.at);
    if (child == 0 || parents_[child] != parent)
      fail(s.at, fmt::format("'{}' is no child of '{}'", s.name, plan_.processes[parent]));
    for (const auto& [other, its_parent] : parents_)
      if (its_parent == child && processes_[other].alive)
        fail(s.at, fmt::format("'{}' has a child, '{}', that has not been waited for", s.name,
                               plan_.processes[other]));
    processes_[child].alive = false;
    add(Step::Kind::Wait, parent, s.at).other = child;
  }

  void measure(const Statement& s, unsigned process) {
    const auto index = static_cast<unsigned>(plan_.measures.size());
    plan_.measures.push_back({s.name, plan_.processes[process]});
    add(Step::Kind::Begin, process, s.at).other = index;
    all(s.body, process);
    add(Step::Kind::End, process, s.at).other = index;
  }

  void all(const std::vector<Statement>& statements, unsigned process) {
    for (const Statement& s : statements)
      one(s, process);
  }

  void one(const Statement& s, unsigned process) {
    switch (s.verb) {
      case Verb::Map:
        return map(s, process);
      case Verb::Unmap:
        return unmap(s, process);
      case Verb::Touch:
        return touch(s, process);
      case Verb::Protect: {
        Step& step = add(Step::Kind::Protect, process, s.at);
        step.range = part(process, s.part, s.at);
        step.prot = s.prot;
        return;
      }
      case Verb::Advise: {
        Step& step = add(Step::Kind::Advise, process, s.at);
        step.range = part(process, s.part, s.at);
        step.advice = s.advice;
        return;
      }
      case Verb::Resize:
      case Verb::Move:
        return remap(s, process);
      case Verb::Fork:
        return fork(s, process);
      case Verb::In:
        return all(s.body, this->process(s.name, s.at));
      case Verb::Wait:
        return wait(s, process);
      case Verb::Repeat:
        for (uint64_t i = 0; i < s.count; ++i)
          all(s.body, process);
        return;
      case Verb::Measure:
        return measure(s, process);
    }
  }

  const Script& script_;
  Plan plan_;
  std::vector<Process> processes_;
  std::map<unsigned, unsigned> parents_;
};

}  // namespace

Plan unroll(const Script& script) {
  return Unroller(script).run();
}

}  // namespace mmusim::sim::workload
