// From statements to steps.
#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/units.h"
#include "config/nearest.h"
#include "kernel/linux_abi.h"
#include "sim/workload/plan.h"

namespace mmusim::sim::workload {

namespace {

using namespace kernel::abi;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kDefaultAlignment = uint64_t{1} << 21;
constexpr uint64_t kMostBelow = uint64_t{1} << 30;  // of a segment that grows down
constexpr uint64_t kMostSteps = 10'000'000;
constexpr size_t kMostMeasures = 100'000;
constexpr size_t kMostProcesses = 256;
constexpr unsigned kMostDepth = 200;
constexpr const char* kHeapName = "heap";

struct Segment {
  uint64_t start = 0;  // from kBase
  uint64_t bytes = 0;
  bool grows_down = false;
};

struct Process {
  std::string name;
  std::map<std::string, Segment> segments;
  std::multiset<uint64_t> ends;  // of the segments
  unsigned parent = 0;
  unsigned children = 0;  // not waited for
  bool exists = false;    // until it has been waited for
  bool exited = false;
};

uint64_t page_up(uint64_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

class Unroller {
 public:
  Unroller(Plan& plan, const std::function<void(const Step&)>& visit) : plan_(plan), visit_(visit) {
    processes_.emplace_back();
    processes_[0].name = "main";
    processes_[0].exists = true;
  }

  void run() {
    block(plan_.script.statements, 0, 0);
    plan_.processes = static_cast<unsigned>(processes_.size());
    plan_.steps = steps_;
  }

 private:
  [[noreturn]] void fail(Position at, const std::string& what, const std::string& hint = "") const {
    fail_at(plan_.script.name, at, what, hint);
  }

  void emit(Step step, Step::Kind kind, unsigned process, Position at) {
    if (++steps_ > kMostSteps)
      fail(at, fmt::format("more than {} steps", kMostSteps), "repeat less");
    step.kind = kind;
    step.process = process;
    step.at = at;
    visit_(step);
  }

  // --- Names and numbers

  // `name` with the values of its '$variables'.
  [[nodiscard]] std::string complete(const std::string& name, Position at) const {
    std::string whole;
    for (size_t i = 0; i < name.size();) {
      if (name[i] != '$') {
        whole += name[i++];
        continue;
      }
      size_t end = i + 1;
      while (end < name.size() &&
             (std::isalnum(static_cast<unsigned char>(name[end])) != 0 || name[end] == '_'))
        ++end;
      const std::string variable = name.substr(i + 1, end - i - 1);
      const auto found = variables_.find(variable);
      if (found == variables_.end())
        fail(at, fmt::format("no variable '{}' for '{}'", variable, name),
             config::suggestion(variable, names_of(variables_)));
      whole += std::to_string(found->second);
      i = end;
    }
    return whole;
  }

  template <class Map>
  static std::vector<std::string> names_of(const Map& map) {
    std::vector<std::string> names;
    names.reserve(map.size());
    for (const auto& [name, value] : map)
      names.push_back(name);
    return names;
  }

  // A variable, or where a segment starts (NAME) or ends (NAME.end).
  int64_t lookup(unsigned process, const std::string& name, Position at) const {
    if (const auto found = variables_.find(name); found != variables_.end()) return found->second;
    const bool end = name.ends_with(".end");
    const std::string segment = complete(end ? name.substr(0, name.size() - 4) : name, at);
    const auto& segments = processes_[process].segments;
    if (const auto found = segments.find(segment); found != segments.end())
      return static_cast<int64_t>(found->second.start + (end ? found->second.bytes : 0));
    std::vector<std::string> known = names_of(variables_);
    for (const std::string& other : names_of(segments))
      known.push_back(other);
    fail(at, fmt::format("no variable or segment '{}'", name), config::suggestion(name, known));
  }

  int64_t number(unsigned process, const Expression& expression) const {
    return expression.value(plan_.script.name, [&](const std::string& name, Position at) {
      return lookup(process, name, at);
    });
  }
  uint64_t number(unsigned process, const Expression& expression, uint64_t least,
                  uint64_t most) const {
    const int64_t value = number(process, expression);
    if (value < 0 || static_cast<uint64_t>(value) < least || static_cast<uint64_t>(value) > most)
      fail(expression.at(), fmt::format("{} is out of range: {} to {}", value, least, most));
    return static_cast<uint64_t>(value);
  }
  // A size, rounded up to pages.
  uint64_t size(unsigned process, const Expression& expression) const {
    return page_up(number(process, expression, 1, kBeyond * 2));
  }

  Segment& segment(unsigned process, const std::string& name, Position at) {
    auto& segments = processes_[process].segments;
    const std::string whole = complete(name, at);
    const auto found = segments.find(whole);
    if (found != segments.end()) return found->second;
    fail(at, fmt::format("no segment '{}' in process '{}'", whole, processes_[process].name),
         config::suggestion(whole, names_of(segments)));
  }

  // --- Segments

  void add_segment(unsigned process, const std::string& name, const Segment& segment) {
    processes_[process].segments[name] = segment;
    processes_[process].ends.insert(segment.start + segment.bytes);
  }
  void remove_segment(unsigned process, const std::string& name) {
    Process& p = processes_[process];
    const auto found = p.segments.find(name);
    p.ends.erase(p.ends.find(found->second.start + found->second.bytes));
    p.segments.erase(found);
  }
  std::string new_segment_name(unsigned process, const std::string& name, Position at) const {
    const std::string whole = complete(name, at);
    if (whole == kHeapName) fail(at, "segment 'heap' is what brk moves", "take another name");
    if (processes_[process].segments.contains(whole))
      fail(at, fmt::format("segment '{}' exists already", whole), "unmap it first");
    return whole;
  }

  static VirtRange range_of(uint64_t start, uint64_t bytes) {
    return {VirtAddr(kBase + start), VirtAddr(kBase + start + bytes)};
  }

  // Addresses of a part; what a touch touches need not be whole pages.
  VirtRange part(unsigned process, const Part& part, Position at, bool whole_pages = true) {
    const Segment& s = segment(process, part.segment, at);
    const int64_t from = part.from ? number(process, *part.from) : 0;
    const int64_t to = part.to ? number(process, *part.to) : static_cast<int64_t>(s.bytes);
    const int64_t least = s.grows_down ? -static_cast<int64_t>(std::min(kMostBelow, s.start)) : 0;
    if (from >= to)
      fail(at, fmt::format("the part [{}..{}] of segment '{}' is empty", from, to, part.segment));
    if (from < least || to > static_cast<int64_t>(s.bytes))
      fail(at, fmt::format("the part [{}..{}] is not in segment '{}' of {}", from, to, part.segment,
                           format_size(s.bytes)));
    if (whole_pages && from % static_cast<int64_t>(kPage) != 0)
      fail(at, "a part begins at a multiple of 4K");
    const auto bytes = static_cast<uint64_t>(to - from);
    return range_of(s.start + static_cast<uint64_t>(from), whole_pages ? page_up(bytes) : bytes);
  }

  // Where so many bytes go: where it was said, or behind all segments, with a gap of at least 2M.
  uint64_t place(unsigned process, const std::optional<Expression>& said, uint64_t bytes,
                 uint64_t alignment, Position at) const {
    uint64_t start = 0;
    if (said) {
      start = number(process, *said, 0, kBeyond);
      if (start % kPage != 0) fail(said->at(), "a place is a multiple of 4K");
    } else {
      const auto& ends = processes_[process].ends;
      if (!ends.empty())
        start =
            (*ends.rbegin() + 2 * kDefaultAlignment - 1) / kDefaultAlignment * kDefaultAlignment;
      start = (start + alignment - 1) / alignment * alignment;
    }
    check_reach(start, bytes, at);
    return start;
  }
  void check_reach(uint64_t start, uint64_t bytes, Position at) const {
    if (start + bytes > kReach && start + bytes <= kBeyond)
      fail(at,
           fmt::format("a segment cannot end beyond {}: there lie heap, program and libraries",
                       format_size(kReach)),
           "or beyond all memory, 128P and more, if it is to be refused");
  }

  unsigned file(const std::string& name) {
    const auto found = std::find_if(plan_.files.begin(), plan_.files.end(),
                                    [&](const Plan::File& f) { return f.name == name; });
    if (found != plan_.files.end()) return static_cast<unsigned>(found - plan_.files.begin()) + 1;
    plan_.files.push_back({name, 0, false});
    return static_cast<unsigned>(plan_.files.size());
  }

  void declare_file(const Statement& s, unsigned process) {
    const std::string name = complete(s.name, s.at);
    const unsigned index = file(name);
    Plan::File& f = plan_.files[index - 1];
    if (!declared_files_.insert(name).second || used_files_.contains(name))
      fail(s.at, fmt::format("file '{}' exists already", name), "say it before it is mapped");
    f.bytes = size(process, s.value);
    if (f.bytes > kReach) fail(s.at, "no file is as long as that");
    f.on_disk = s.on_disk;
  }

  void map(const Statement& s, unsigned process) {
    const std::string name = new_segment_name(process, s.name, s.at);
    const uint64_t bytes = size(process, s.value);
    uint64_t alignment = kDefaultAlignment;
    if (s.alignment) {
      alignment = number(process, *s.alignment, kPage, uint64_t{1} << 40);
      if ((alignment & (alignment - 1)) != 0)
        fail(s.alignment->at(), "an alignment is a power of two");
    }
    Step step;
    const uint64_t start = place(process, s.place, bytes, alignment, s.at);
    if (s.alignment && start % alignment != 0)
      fail(s.alignment->at(), "the place is not aligned like that");
    step.range = range_of(start, bytes);
    step.prot = s.prot;
    step.flags = s.flags | (s.over ? uint32_t{kMapFixed} : uint32_t{kMapFixedNoReplace});
    if (!s.file.empty()) {
      const std::string file_name = complete(s.file, s.at);
      step.file = file(file_name);
      if (s.offset) step.offset = number(process, *s.offset, 0, kReach);
      used_files_.insert(file_name);
      Plan::File& f = plan_.files[step.file - 1];
      if (!declared_files_.contains(file_name))
        f.bytes = std::max(f.bytes, std::min(kReach, step.offset + bytes));
    }
    const bool grows_down = (s.flags & kMapGrowsDown) != 0;
    add_segment(process, name, {start, bytes, grows_down});
    emit(step, Step::Kind::Map, process, s.at);
  }

  void unmap(const Statement& s, unsigned process) {
    Step step;
    step.range = part(process, s.part, s.at);
    // A segment of which only a part is gone keeps its name; the hole is a hole.
    const std::string name = complete(s.part.segment, s.at);
    if (name == kHeapName) fail(s.at, "the heap is brk's");
    if (!s.part.from && !s.part.to) remove_segment(process, name);
    emit(step, Step::Kind::Unmap, process, s.at);
  }

  void touch(const Statement& s, unsigned process) {
    Step step;
    step.range = part(process, s.part, s.at, false);
    step.stride = s.stride ? number(process, *s.stride, 1, kReach) : kPage;
    step.count = s.count ? number(process, *s.count, 1, uint64_t{1} << 40) : 0;
    if (s.seed) step.seed = static_cast<uint64_t>(number(process, *s.seed));
    step.order = s.order;
    step.write = s.write;
    emit(step, Step::Kind::Touch, process, s.at);
  }

  // Anything that is done to a part and says all with its numbers.
  void simple(Step::Kind kind, const Statement& s, unsigned process) {
    Step step;
    step.range = part(process, s.part, s.at);
    step.prot = s.prot;
    step.advice = s.advice;
    emit(step, kind, process, s.at);
  }

  void resize(const Statement& s, unsigned process) {
    const std::string name = complete(s.name, s.at);
    Segment changed = segment(process, s.name, s.at);
    if (name == kHeapName) fail(s.at, "the heap is brk's");
    const uint64_t bytes = size(process, s.value);
    check_reach(changed.start, bytes, s.at);
    Step step;
    step.range = range_of(changed.start, changed.bytes);
    step.target = range_of(changed.start, bytes);
    remove_segment(process, name);
    changed.bytes = bytes;
    add_segment(process, name, changed);
    emit(step, Step::Kind::Remap, process, s.at);
  }

  void move(const Statement& s, unsigned process) {
    const std::string name = complete(s.part.segment, s.at);
    if (name == kHeapName) fail(s.at, "the heap is brk's");
    Step step;
    step.range = part(process, s.part, s.at);
    const bool whole = !s.part.from && !s.part.to;
    if (!whole && s.as.empty()) fail(s.at, "a part that moves needs a name", "as NAME");
    const uint64_t bytes = s.size ? size(process, *s.size) : step.range.bytes();
    const uint64_t start = place(process, s.place, bytes, kDefaultAlignment, s.at);
    step.target = range_of(start, bytes);
    step.flags = kRemapMayMove | kRemapFixed | (s.keep ? uint32_t{kRemapDontUnmap} : 0u);
    const std::string as = s.as.empty() ? name : new_segment_name(process, s.as, s.at);
    if (whole && !s.keep) remove_segment(process, name);
    add_segment(process, as, {start, bytes, false});
    emit(step, Step::Kind::Remap, process, s.at);
  }

  void duplicate(const Statement& s, unsigned process) {
    Step step;
    step.range = part(process, s.part, s.at);
    const std::string as = new_segment_name(process, s.as, s.at);
    const uint64_t bytes = step.range.bytes();
    const uint64_t start = place(process, s.place, bytes, kDefaultAlignment, s.at);
    step.range.end = step.range.begin;
    step.target = range_of(start, bytes);
    step.flags = kRemapMayMove | kRemapFixed;
    add_segment(process, as, {start, bytes, false});
    emit(step, Step::Kind::Remap, process, s.at);
  }

  void brk(const Statement& s, unsigned process) {
    const uint64_t bytes = page_up(number(process, s.value, 0, kHeapReach));
    auto& segments = processes_[process].segments;
    // Not among the ends: new segments do not go behind it.
    segments.erase(kHeapName);
    if (bytes != 0) segments[kHeapName] = {kHeap, bytes, false};
    Step step;
    step.range = range_of(kHeap, bytes);
    plan_.breaks = true;
    emit(step, Step::Kind::Break, process, s.at);
  }

  // --- Processes

  unsigned process(const std::string& name, Position at) const {
    const std::string whole = complete(name, at);
    std::vector<std::string> names;
    for (unsigned i = 0; i < processes_.size(); ++i) {
      if (!processes_[i].exists) continue;
      if (processes_[i].name == whole) return i;
      names.push_back(processes_[i].name);
    }
    fail(at, fmt::format("no process '{}'", whole), config::suggestion(whole, names));
  }

  void fork(const Statement& s, unsigned parent, unsigned depth) {
    const std::string name = s.name.empty() ? "(child)" : complete(s.name, s.at);
    unsigned child = 0;
    for (unsigned i = 0; i < processes_.size(); ++i) {
      if (!processes_[i].exists) {
        if (child == 0) child = i;
      } else if (processes_[i].name == name && !s.name.empty()) {
        fail(s.at, fmt::format("process '{}' exists already", name), "wait for it first");
      }
    }
    if (child == 0) {
      if (processes_.size() == kMostProcesses)
        fail(s.at, fmt::format("more than {} processes at once", kMostProcesses),
             "wait for some of them");
      child = static_cast<unsigned>(processes_.size());
      processes_.emplace_back();
    }
    processes_[child] = processes_[parent];
    processes_[child].name = name;
    processes_[child].parent = parent;
    processes_[child].children = 0;
    ++processes_[parent].children;
    Step step;
    step.other = child;
    emit(step, Step::Kind::Fork, parent, s.at);
    if (s.has_body) block(s.body, child, depth + 1);
    if (s.name.empty()) wait_for(child, parent, s.at);
  }

  void exit(unsigned process, Position at) {
    Process& p = processes_[process];
    if (process == 0) fail(at, "the first process exits at the end of the script");
    if (p.children != 0) {
      const auto child = std::find_if(processes_.begin(), processes_.end(), [&](const Process& c) {
        return c.exists && c.parent == process && &c != &p;
      });
      fail(at, fmt::format("'{}' has a child, '{}', that has not been waited for", p.name,
                           child->name));
    }
    p.exited = true;
    p.segments.clear();
    p.ends.clear();
    emit({}, Step::Kind::Exit, process, at);
  }

  void wait_for(unsigned child, unsigned parent, Position at) {
    if (child == 0 || processes_[child].parent != parent)
      fail(at, fmt::format("'{}' is no child of '{}'", processes_[child].name,
                           processes_[parent].name));
    if (!processes_[child].exited) exit(child, at);
    processes_[child] = Process{};
    --processes_[parent].children;
    Step step;
    step.other = child;
    emit(step, Step::Kind::Wait, parent, at);
  }

  void measure(const Statement& s, unsigned process, unsigned depth) {
    if (plan_.measures.size() >= kMostMeasures)
      fail(s.at, fmt::format("more than {} measures", kMostMeasures),
           "put 'repeat' into 'measure' instead of around it");
    Step step;
    step.other = static_cast<unsigned>(plan_.measures.size());
    plan_.measures.push_back({complete(s.name, s.at), processes_[process].name});
    emit(step, Step::Kind::Begin, process, s.at);
    block(s.body, process, depth + 1);
    if (processes_[process].exited) fail(s.at, "the process exits in the middle of this measure");
    emit(step, Step::Kind::End, process, s.at);
  }

  void repeat(const Statement& s, unsigned process, unsigned depth) {
    const uint64_t times = number(process, s.value, 0, kMostSteps);
    const auto before = variables_.find(s.as);
    const std::optional<int64_t> outer =
        before == variables_.end() ? std::nullopt : std::optional(before->second);
    for (uint64_t i = 0; i < times; ++i) {
      if (!s.as.empty()) variables_[s.as] = static_cast<int64_t>(i);
      block(s.body, process, depth + 1);
    }
    if (s.as.empty()) return;
    if (outer)
      variables_[s.as] = *outer;
    else
      variables_.erase(s.as);
  }

  void run_block(const Statement& s, unsigned process, unsigned depth) {
    const auto found = blocks_.find(s.name);
    if (found == blocks_.end())
      fail(s.at, fmt::format("no block '{}' has been defined", s.name),
           config::suggestion(s.name, names_of(blocks_)));
    block(found->second->body, process, depth + 1);
  }

  void block(const std::vector<Statement>& statements, unsigned process, unsigned depth) {
    if (depth > kMostDepth && !statements.empty())
      fail(statements.front().at, "blocks are nested too deeply", "does a block do itself?");
    if (++blocks_run_ > kMostSteps)
      fail(statements.empty() ? Position{1, 1} : statements.front().at,
           fmt::format("more than {} blocks are run", kMostSteps), "repeat less");
    for (const Statement& s : statements) {
      if (processes_[process].exited)
        fail(s.at, fmt::format("process '{}' has exited", processes_[process].name));
      one(s, process, depth);
    }
  }

  void one(const Statement& s, unsigned process, unsigned depth) {
    switch (s.verb) {
      case Verb::Map:
        return map(s, process);
      case Verb::Unmap:
        return unmap(s, process);
      case Verb::Touch:
        return touch(s, process);
      case Verb::Protect:
        return simple(Step::Kind::Protect, s, process);
      case Verb::Advise:
        return simple(Step::Kind::Advise, s, process);
      case Verb::Lock:
        plan_.locks = true;
        return simple(Step::Kind::Lock, s, process);
      case Verb::Unlock:
        return simple(Step::Kind::Unlock, s, process);
      case Verb::Resize:
        return resize(s, process);
      case Verb::Move:
        return move(s, process);
      case Verb::Duplicate:
        return duplicate(s, process);
      case Verb::Brk:
        return brk(s, process);
      case Verb::File:
        return declare_file(s, process);
      case Verb::Fork:
        return fork(s, process, depth);
      case Verb::In:
        return block(s.body, this->process(s.name, s.at), depth + 1);
      case Verb::Exec:
        processes_[process].segments.clear();
        processes_[process].ends.clear();
        return emit({}, Step::Kind::Exec, process, s.at);
      case Verb::Exit:
        return exit(process, s.at);
      case Verb::Wait:
        return wait_for(this->process(s.name, s.at), process, s.at);
      case Verb::Pin:
        number(process, s.value, 0, 65535);
        return;
      case Verb::Let:
        variables_[s.name] = number(process, s.value);
        return;
      case Verb::Define:
        blocks_[s.name] = &s;
        return;
      case Verb::Do:
        return run_block(s, process, depth);
      case Verb::Repeat:
        return repeat(s, process, depth);
      case Verb::Measure:
        return measure(s, process, depth);
    }
  }

  Plan& plan_;
  const std::function<void(const Step&)>& visit_;
  uint64_t steps_ = 0;
  uint64_t blocks_run_ = 0;  // empty ones too, so that every script ends
  std::vector<Process> processes_;
  std::map<std::string, int64_t> variables_;
  std::map<std::string, const Statement*> blocks_;
  std::set<std::string> declared_files_;
  std::set<std::string> used_files_;
};

}  // namespace

const char* name_of(Step::Kind kind) {
  static constexpr const char* kNames[] = {"map",  "unmap",  "touch", "protect", "advise",
                                           "lock", "unlock", "move",  "brk",     "fork",
                                           "exec", "exit",   "wait",  "measure", "measure"};
  return kNames[static_cast<size_t>(kind)];
}

Plan unroll(Script script) {
  Plan plan;
  plan.script = std::move(script);
  Unroller(plan, [](const Step&) {}).run();
  return plan;
}

void for_each_step(const Plan& plan, const std::function<void(const Step&)>& visit) {
  // Finds again what the plan says already.
  Plan again;
  again.script = plan.script;
  again.files = plan.files;
  for (Plan::File& file : again.files)
    file.bytes = 0;
  Unroller(again, visit).run();
}

}  // namespace mmusim::sim::workload
