#include "sim/workload/names.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <utility>

#include "base/units.h"
#include "config/nearest.h"
#include "sim/workload/plan.h"

namespace mmusim::sim::workload {

namespace {

constexpr uint64_t kMostBelow = uint64_t{1} << 30;  // of a segment that grows down
static_assert(kMostBelow < kAnywhereStart);

bool is_placed_by_kernel(const Segment& segment) {
  return segment.start >= kAnywhere - kBase;
}

}  // namespace

Names::Names(std::string script) : script_(std::move(script)) {
  processes_.emplace_back();
  processes_[0].name = "main";
  processes_[0].exists = true;
}

std::string Names::complete(const std::string& name, Position at) const {
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

int64_t Names::lookup(unsigned process, const std::string& name, Position at) const {
  if (const auto known = variables_.find(name); known != variables_.end()) return known->second;
  const bool end = name.ends_with(".end");
  const std::string segment = complete(end ? name.substr(0, name.size() - 4) : name, at);
  const auto& segments = processes_[process].memory->segments;
  const auto found = segments.find(segment);
  if (found != segments.end() && is_placed_by_kernel(found->second))
    fail(at, fmt::format("where segment '{}' is the kernel says: it is no number", segment));
  if (found != segments.end())
    return static_cast<int64_t>(found->second.start + (end ? found->second.bytes : 0));
  std::vector<std::string> known = names_of(variables_);
  for (const std::string& other : names_of(segments))
    known.push_back(other);
  fail(at, fmt::format("no variable or segment '{}'", name), config::suggestion(name, known));
}

int64_t Names::number(unsigned process, const Expression& expression) const {
  return expression.value(
      script_, [&](const std::string& name, Position at) { return lookup(process, name, at); });
}

uint64_t Names::number(unsigned process, const Expression& expression, uint64_t least,
                       uint64_t most) const {
  const int64_t value = number(process, expression);
  if (value < 0 || static_cast<uint64_t>(value) < least || static_cast<uint64_t>(value) > most)
    fail(expression.at(), fmt::format("{} is out of range: {} to {}", value, least, most));
  return static_cast<uint64_t>(value);
}

uint64_t Names::size(unsigned process, const Expression& expression) const {
  return page_up(number(process, expression, 1, kBeyond * 2));
}

const Segment& Names::segment(unsigned process, const std::string& name, Position at) const {
  const auto& segments = processes_[process].memory->segments;
  const std::string whole = complete(name, at);
  const auto found = segments.find(whole);
  if (found != segments.end()) return found->second;
  fail(at, fmt::format("no segment '{}' in process '{}'", whole, processes_[process].name),
       config::suggestion(whole, names_of(segments)));
}

void Names::add_segment(unsigned process, const std::string& name, const Segment& segment) {
  processes_[process].memory->segments[name] = segment;
  // Nothing goes behind what the kernel places.
  if (!is_placed_by_kernel(segment))
    processes_[process].memory->ends.insert(segment.start + segment.bytes);
}

void Names::remove_segment(unsigned process, const std::string& name) {
  Memory& p = *processes_[process].memory;
  const auto found = p.segments.find(name);
  if (!is_placed_by_kernel(found->second))
    p.ends.erase(p.ends.find(found->second.start + found->second.bytes));
  p.segments.erase(found);
}

std::string Names::new_segment_name(unsigned process, const std::string& name, Position at) const {
  std::string whole = complete(name, at);
  if (whole == kHeapName) fail(at, "segment 'heap' is what brk moves", "take another name");
  if (processes_[process].memory->segments.contains(whole))
    fail(at, fmt::format("segment '{}' exists already", whole), "unmap it first");
  return whole;
}

VirtRange Names::range_of(uint64_t start, uint64_t bytes) {
  return {VirtAddr(kBase + start), VirtAddr(kBase + start + bytes)};
}

VirtRange Names::part(unsigned process, const Part& part, Position at, bool whole_pages) const {
  const Segment& s = segment(process, part.segment, at);
  const int64_t from = part.from ? number(process, *part.from) : 0;
  const int64_t to = part.to ? number(process, *part.to) : static_cast<int64_t>(s.bytes);
  const int64_t least = s.grows_down ? -static_cast<int64_t>(std::min(kMostBelow, s.start)) : 0;
  if (from >= to)
    fail(at, fmt::format("the part [{}..{}] of segment '{}' is empty", from, to, part.segment));
  if (from < least || to > static_cast<int64_t>(s.bytes))
    fail(at, fmt::format("the part [{}..{}] is not in segment '{}' of {}", from, to, part.segment,
                         format_size(s.bytes)));
  if (whole_pages && from % static_cast<int64_t>(kScriptPage) != 0)
    fail(at, "a part begins at a multiple of 4K");
  const auto bytes = static_cast<uint64_t>(to - from);
  return range_of(s.start + static_cast<uint64_t>(from), whole_pages ? page_up(bytes) : bytes);
}

uint64_t Names::place(unsigned process, const std::optional<Expression>& said, uint64_t bytes,
                      uint64_t alignment, Position at) const {
  uint64_t start = 0;
  if (said) {
    start = number(process, *said, 0, kBeyond);
    if (start % kScriptPage != 0) fail(said->at(), "a place is a multiple of 4K");
  } else {
    const auto& ends = processes_[process].memory->ends;
    if (!ends.empty())
      start = (*ends.rbegin() + 2 * kDefaultAlignment - 1) / kDefaultAlignment * kDefaultAlignment;
    start = (start + alignment - 1) / alignment * alignment;
  }
  check_reach(start, bytes, at);
  return start;
}

void Names::check_reach(uint64_t start, uint64_t bytes, Position at) const {
  if (start >= kAnywhere - kBase && bytes > kMostAnywhereBytes)
    fail(at, fmt::format("no segment that the kernel places is longer than {}",
                         format_size(kMostAnywhereBytes)));
  if (start + bytes > kReach && start + bytes <= kBeyond)
    fail(at,
         fmt::format("a segment cannot end beyond {}: there lie heap, program and libraries",
                     format_size(kReach)),
         "or beyond all memory, 128P and more, if it is to be refused");
}

unsigned Names::process(const std::string& name, Position at) const {
  const std::string whole = complete(name, at);
  std::vector<std::string> names;
  for (unsigned i = 0; i < processes_.size(); ++i) {
    if (!processes_[i].exists) continue;
    if (processes_[i].name == whole) return i;
    names.push_back(processes_[i].name);
  }
  fail(at, fmt::format("no process '{}'", whole), config::suggestion(whole, names));
}

}  // namespace mmusim::sim::workload
