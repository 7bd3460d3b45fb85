// Statements about memory, as steps.
#include <algorithm>
#include <fmt/format.h>

#include "base/bits.h"
#include "base/linux_abi.h"
#include "sim/workload/unroller.h"

namespace mmusim::sim::workload {

using namespace abi;

unsigned Unroller::file(const std::string& name) {
  const auto found = std::find_if(plan_.files.begin(), plan_.files.end(),
                                  [&](const Plan::File& f) { return f.name == name; });
  if (found != plan_.files.end()) return static_cast<unsigned>(found - plan_.files.begin()) + 1;
  plan_.files.push_back({name, 0, false});
  return static_cast<unsigned>(plan_.files.size());
}

void Unroller::declare_file(const Statement& s, unsigned process) {
  const std::string name = complete(s.name, s.at);
  const unsigned index = file(name);
  Plan::File& f = plan_.files[index - 1];
  if (!declared_files_.insert(name).second || used_files_.contains(name))
    fail(s.at, fmt::format("file '{}' exists already", name), "say it before it is mapped");
  f.bytes = size(process, s.value);
  if (f.bytes > kReach) fail(s.at, "no file is as long as that");
  f.on_disk = s.on_disk;
}

void Unroller::change_file(const Statement& s, unsigned process) {
  const std::string name = complete(s.name, s.at);
  if (!declared_files_.contains(name))
    fail(s.at, fmt::format("how long the file '{}' is has not been said", name),
         fmt::format("'file {} SIZE' before this", name));
  used_files_.insert(name);
  Step step;
  step.file = file(name);
  if (s.verb == Verb::Truncate) {
    step.offset = page_up(number(process, s.value, 0, kReach));
  } else {
    step.offset = number(process, s.value, 0, kReach);
    step.bytes = size(process, *s.size);
    if (step.offset % kScriptPage != 0) fail(s.value.at(), "a hole begins with a page");
  }
  emit(step, s.verb == Verb::Truncate ? Step::Kind::Truncate : Step::Kind::Hole, process, s.at);
}

void Unroller::whole(Step::Kind kind, const Statement& s, unsigned process) {
  Step step;
  step.flags = s.flags;
  step.off = s.off;
  emit(step, kind, process, s.at);
}

void Unroller::advise(const Statement& s, unsigned process) {
  if (s.of.empty()) return simple(Step::Kind::Advise, s, process);
  const unsigned other = this->process(s.of, s.at);
  if (processes_[other].parent != process || processes_[other].exited || other == process)
    fail(s.at, fmt::format("'{}' is no child of this process", s.of),
         "a process can advise its children's memory");
  Step step;
  step.range = part(other, s.part, s.at);
  step.advice = s.advice;
  step.other = other;
  emit(step, Step::Kind::AdviseOther, process, s.at);
}

// A stretch of symbolic addresses for one more segment that the kernel places.
uint64_t Unroller::anywhere(uint64_t bytes, Position at) {
  if (anywhere_ == kMostAnywhere)
    fail(at, fmt::format("more than {} segments are left to the kernel", kMostAnywhere));
  const uint64_t start = kAnywhere + anywhere_ * kAnywhereEach + kAnywhereStart - kBase;
  check_reach(start, bytes, at);
  plan_.anywhere = std::max(plan_.anywhere, ++anywhere_);
  return start;
}

void Unroller::map(const Statement& s, unsigned process) {
  const std::string name = new_segment_name(process, s.name, s.at);
  const uint64_t bytes = size(process, s.value);
  uint64_t alignment = kDefaultAlignment;
  if (s.alignment) {
    alignment = number(process, *s.alignment, kScriptPage, uint64_t{1} << 40);
    if ((alignment & (alignment - 1)) != 0)
      fail(s.alignment->at(), "an alignment is a power of two");
  }
  Step step;
  const uint64_t start =
      s.anywhere ? anywhere(bytes, s.at) : place(process, s.place, bytes, alignment, s.at);
  step.anywhere = s.anywhere;
  if (s.alignment && start % alignment != 0)
    fail(s.alignment->at(), "the place is not aligned like that");
  step.range = range_of(start, bytes);
  const auto [number_of_name, fresh] =
      segment_numbers_.try_emplace(name, static_cast<unsigned>(plan_.segments.size()));
  if (fresh) plan_.segments.push_back(name);
  step.segment = number_of_name->second;
  step.prot = s.prot;
  step.flags = s.flags;
  if (!s.anywhere) step.flags |= s.over ? uint32_t{kMapFixed} : uint32_t{kMapFixedNoReplace};
  if (!s.file.empty()) {
    const std::string file_name = complete(s.file, s.at);
    step.file = file(file_name);
    if (s.offset) step.offset = number(process, *s.offset, 0, kReach);
    used_files_.insert(file_name);
    Plan::File& f = plan_.files[step.file - 1];
    if (!declared_files_.contains(file_name))
      f.bytes = std::max(f.bytes, std::min(kReach, step.offset + bytes));
  }
  if (s.pool_page) {
    const uint64_t page = number(process, *s.pool_page, kScriptPage, uint64_t{1} << 40);
    if (!is_power_of_two(page)) fail(s.pool_page->at(), "the size of a page is a power of two");
    step.flags |= log2_floor(page) << kMapHugeShift;
  } else if ((s.flags & kMapHugeTlb) != 0 && plan_.huge_pages == 0) {
    fail(s.at, "how many huge pages the pool has to have is not said", "'hugepages N' before this");
  }
  const bool grows_down = (s.flags & kMapGrowsDown) != 0;
  add_segment(process, name, {start, bytes, grows_down});
  emit(step, Step::Kind::Map, process, s.at);
}

void Unroller::unmap(const Statement& s, unsigned process) {
  Step step;
  step.range = part(process, s.part, s.at);
  // A segment of which only a part is gone keeps its name; the hole is a hole.
  const std::string name = complete(s.part.segment, s.at);
  if (name == kHeapName) fail(s.at, "the heap is brk's");
  if (!s.part.from && !s.part.to) remove_segment(process, name);
  emit(step, Step::Kind::Unmap, process, s.at);
}

void Unroller::touch(const Statement& s, unsigned process) {
  Step step;
  step.range = part(process, s.part, s.at, false);
  step.stride = s.stride ? number(process, *s.stride, 1, kReach) : kScriptPage;
  step.count = s.count ? number(process, *s.count, 1, uint64_t{1} << 40) : 0;
  if (s.seed) step.seed = static_cast<uint64_t>(number(process, *s.seed));
  step.order = s.order;
  step.access = s.access;
  // What a real processor is made to execute there are two bytes, which must not lie across pages.
  if (s.access == AccessKind::Fetch && (step.range.begin.value() % 2 != 0 || step.stride % 2 != 0))
    fail(s.at, "what is executed begins at even addresses", "an even place and stride");
  plan_.executes = plan_.executes || s.access == AccessKind::Fetch;
  emit(step, Step::Kind::Touch, process, s.at);
}

void Unroller::simple(Step::Kind kind, const Statement& s, unsigned process) {
  Step step;
  step.range = part(process, s.part, s.at);
  step.prot = s.prot;
  step.flags = s.flags;
  step.advice = s.advice;
  plan_.guards = plan_.guards || (kind == Step::Kind::Advise && s.advice == kAdviceGuardInstall);
  emit(step, kind, process, s.at);
}

void Unroller::resize(const Statement& s, unsigned process) {
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

void Unroller::move(const Statement& s, unsigned process) {
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

void Unroller::duplicate(const Statement& s, unsigned process) {
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

void Unroller::brk(const Statement& s, unsigned process) {
  const uint64_t bytes = page_up(number(process, s.value, 0, kHeapReach));
  auto& segments = processes_[process].memory->segments;
  // Not among the ends: new segments do not go behind it.
  segments.erase(kHeapName);
  if (bytes != 0) segments[kHeapName] = {kHeap, bytes, false};
  Step step;
  step.range = range_of(kHeap, bytes);
  plan_.breaks = true;
  emit(step, Step::Kind::Break, process, s.at);
}

}  // namespace mmusim::sim::workload
