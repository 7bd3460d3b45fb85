// Between two accesses that are no plain hits nothing is counted but by events, except where the
// kernel does something as time goes by; so one look at the counters behind each is enough.
#include "sim/profile/profiler.h"

#include <fmt/format.h>
#include <tuple>
#include <utility>

#include "base/error.h"

namespace mmusim::sim {

using Kind = ProfiledMapping::Kind;

ProfileCounts profile_counts(const mmu::Summary& summary, const mem::ReferenceSink& sink,
                             const kernel::Counters& kernel, const LoopCounters& loop) {
  const mmu::Cycles cycles = mmu::cycles_of(summary, sink);
  ProfileCounts counts;
  counts[ProfileCount::FirstMisses] = summary.first_fetch_misses + summary.first_data_misses;
  counts[ProfileCount::FetchMisses] = summary.last_fetch_misses;
  counts[ProfileCount::DataMisses] = summary.last_data_misses;
  counts[ProfileCount::Walks] = summary.hardware_walks;
  counts[ProfileCount::Traps] = summary.traps;
  counts[ProfileCount::References] =
      sink.total(mem::Origin::Walker) + sink.total(mem::Origin::Handler);
  counts[ProfileCount::MissCycles] = cycles.misses();
  counts[ProfileCount::FaultCycles] = cycles.faults;
  counts[ProfileCount::KernelCycles] = cycles.kernel_work();
  counts[ProfileCount::MinorFaults] = kernel.minor;
  counts[ProfileCount::MajorFaults] = kernel.major;
  counts[ProfileCount::Refused] = loop.refused;
  return counts;
}

Profiler::Profiler(const std::vector<unsigned>& tables) {
  for (const unsigned by : tables) {
    tables_.push_back({by, {}, {}});
    by_ |= by;
  }
}

void Profiler::begin(const ProfileMeter& meter, bool between, PageShift page) {
  meter_ = &meter;
  between_ = between;
  page_ = page;
  last_ = meter.read();
}

void Profiler::follow(TraceSource& source) {
  source_ = &source;
  processes_.emplace(source.reader().header().page);
  source.tell(this);
}

void Profiler::forget() {
  last_ = meter_->read();
  total_ = {};
  rows_ = 0;
  for (Table& table : tables_)
    table = {table.by, {}, {}};
  profile_.unplaced = 0;
}

void Profiler::end() {
  settle();
  profile_.total = total_;
  profile_.page = page_;
  profile_.recorded_page = processes_->page();
  profile_.moved = source_ != nullptr && source_->moves();
  for (ProfiledMapping& mapping : profile_.mappings) {
    if (mapping.kind != Kind::Text) continue;
    const auto* const known = processes_->file_identities().find(mapping.file);
    if (known == nullptr) continue;
    mapping.identity = known->identity;
    mapping.replaced = known->replaced;
  }
  for (Table& table : tables_)
    profile_.tables.push_back({table.by, {table.rows.begin(), table.rows.end()}, table.beyond});
  meter_ = nullptr;
  source_ = nullptr;
}

ProfileCounts Profiler::more() {
  const ProfileCounts now = meter_->read();
  const ProfileCounts result = now.since(last_);
  last_ = now;
  return result;
}

// What nobody's access or call has made.
void Profiler::settle() {
  const ProfileCounts counts = more();
  if (!counts.any()) return;
  static const MappingId kOther{Kind::Other,
                                std::make_shared<const std::string>("[between accesses]"), 0};
  ProfileKey key;
  key.mapping = mapping_of(kOther);
  add(key, counts);
}

void Profiler::before_event() {
  if (between_) settle();
}

void Profiler::after_event(trace::ThreadId thread, const trace::Event& event) {
  const ProfileCounts counts = more();
  if (!counts.any()) return;
  ProfileKey key;
  key.process = process_of(thread.pid);
  key.mapping = mapping_of(
      {Kind::Call,
       std::make_shared<const std::string>(fmt::format("[call: {}]", trace::name_of(event))), 0});
  add(key, counts);
}

void Profiler::before(const WatchedAccess& access) {
  if (between_) settle();
  access_ = access;
}

void Profiler::fault(mmu::FaultReason /*reason*/, kernel::FaultOutcome /*outcome*/) {}

void Profiler::after(const mmu::Translation& /*translation*/) {
  const ProfileCounts counts = more();
  if (!counts.any()) return;
  const Pid pid = access_.thread.pid;
  ProfileKey key;
  key.process = process_of(pid);
  trace::Space& space = *processes_->of(access_.thread).space;
  if ((by_ & (kByMapping | kByPage)) != 0) {
    const auto va = recorded_at(pid, access_.va);
    if (!va) ++profile_.unplaced;
    const VirtAddr at = va.value_or(access_.va);
    key.mapping = place_of(space, at).mapping;
    key.page = align_down(at, page_).value();
  }
  if ((by_ & (kByPc | kByFunction)) != 0 && access_.block != nullptr) {
    const VirtAddr pc = access_.pc();
    const VirtAddr at = recorded_at(pid, pc).value_or(pc);
    const Place place = place_of(space, at);
    key.pc = at.value();
    key.code = place.mapping;
    key.offset = place.offset;
  }
  add(key, counts);
}

void Profiler::recorded(trace::ThreadId thread, const trace::Event& event) {
  if (const auto* fork = std::get_if<trace::ForkEvent>(&event);
      fork != nullptr && fork->child.pid != thread.pid)
    process_ids_.erase(fork->child.pid);
  if (std::holds_alternative<trace::ExecEvent>(event)) process_ids_.erase(thread.pid);
  processes_->event(thread, event);
}

void Profiler::add(const ProfileKey& whole, const ProfileCounts& counts) {
  total_ += counts;
  for (Table& table : tables_) {
    const auto by = [&table](unsigned what) { return (table.by & what) != 0; };
    ProfileKey key;
    if (by(kByProcess)) key.process = whole.process;
    if (by(kByMapping | kByPage)) key.mapping = whole.mapping;
    if (by(kByPage)) key.page = whole.page;
    if (by(kByFunction | kByPc)) {
      key.code = whole.code;
      key.offset = whole.offset;
    }
    if (by(kByPc)) key.pc = whole.pc;
    const auto found = table.rows.find(key);
    if (found != table.rows.end()) {
      found->second += counts;
    } else if (rows_ == kMostRows) {
      table.beyond += counts;
    } else {
      ++rows_;
      table.rows.emplace(key, counts);
    }
  }
}

size_t Profiler::Hash::operator()(const ProfileKey& key) const {
  uint64_t hash = 0;
  for (const uint64_t part : {uint64_t{key.process} << 32 | key.mapping, key.page,
                              uint64_t{key.code}, key.pc, key.offset}) {
    hash = (hash ^ part) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 29;
  }
  return hash;
}

uint32_t Profiler::process_of(Pid pid) {
  const auto [place, fresh] =
      process_ids_.try_emplace(pid, static_cast<uint32_t>(profile_.processes.size()));
  if (fresh) {
    const trace::Process* const process = processes_->find(pid);
    profile_.processes.push_back(
        {pid, process != nullptr && process->space != nullptr ? process->space->program : ""});
  }
  return place->second;
}

std::strong_ordering Profiler::MappingId::operator<=>(const MappingId& other) const {
  if (const auto order = std::tie(kind, at) <=> std::tie(other.kind, other.at); order != 0)
    return order;
  if (name == nullptr || other.name == nullptr)
    return (name != nullptr) <=> (other.name != nullptr);
  return name == other.name ? std::strong_ordering::equal : *name <=> *other.name;
}

uint32_t Profiler::mapping_of(const MappingId& id) {
  const auto [place, fresh] =
      mapping_ids_.try_emplace(id, static_cast<uint32_t>(profile_.mappings.size()));
  if (!fresh) return place->second;
  ProfiledMapping mapping{.kind = id.kind, .name = {}, .file = {}};
  switch (id.kind) {
    case Kind::Text:
    case Kind::Data:
    case Kind::ReadOnly:
    case Kind::Bss:
      mapping.file = *id.name;
      mapping.name = fmt::format("{} {}", *id.name, name_of(id.kind));
      break;
    case Kind::Heap:
      mapping.name = "[heap]";
      break;
    case Kind::Anonymous:
      mapping.name = fmt::format("[anonymous {:#x}]", id.at);
      break;
    case Kind::Shared:
      mapping.name = fmt::format("[shared {:#x}]", id.at);
      break;
    case Kind::UnnamedFile:
      mapping.name = fmt::format("[unnamed file {:#x}]", id.at);
      break;
    case Kind::Unknown:
      mapping.name = "[unknown]";
      break;
    case Kind::Stack:
    case Kind::Segment:
    case Kind::Special:
    case Kind::Call:
    case Kind::Other:
      mapping.name = *id.name;
      break;
  }
  profile_.mappings.push_back(std::move(mapping));
  return place->second;
}

Profiler::Place Profiler::place_of(trace::Space& space, VirtAddr va) {
  if (!space.followed) profile_.unfollowed = true;
  if (space.brk_start != VirtAddr(0) && va >= space.brk_start &&
      va < align_up(space.brk, processes_->page()))
    return {mapping_of({Kind::Heap, nullptr, 0}), va.value()};
  const trace::Area* area = space.areas.find(va);
  if (area == nullptr && space.stack_room().contains(va)) {
    processes_->grow_stack(space, va);
    area = space.areas.find(va);
  }
  if (area == nullptr) return {mapping_of({}), va.value()};
  const MappingId id = id_of(space, *area);
  const uint32_t number = mapping_of(id);
  ProfiledMapping& mapping = profile_.mappings[number];
  if (id.kind == Kind::Text && mapping.end == 0) {
    mapping.begin = area->offset;
    mapping.end = area->offset_at(area->range.end);
  }
  const bool in_file = id.kind == Kind::Text || id.kind == Kind::Data || id.kind == Kind::ReadOnly;
  return {number, in_file ? area->offset_at(va) : va.value()};
}

Profiler::MappingId Profiler::id_of(const trace::Space& space, const trace::Area& area) const {
  static const auto kStack = std::make_shared<const std::string>("[stack]");
  if (area.name != nullptr && area.name->front() == '[')
    return {area.name->starts_with("[stack")      ? Kind::Stack
            : area.name->starts_with("[segment ") ? Kind::Segment
                                                  : Kind::Special,
            area.name, 0};
  if (area.name != nullptr) {
    const Kind kind = (area.prot & abi::kProtExec) != 0    ? Kind::Text
                      : (area.prot & abi::kProtWrite) != 0 ? Kind::Data
                                                           : Kind::ReadOnly;
    return {kind, area.name, 0};
  }
  if (area.has(abi::kMapGrowsDown)) return {Kind::Stack, kStack, 0};
  const uint64_t origin = area.origin.value();
  if (area.object != 0 && area.fd >= 0) return {Kind::UnnamedFile, nullptr, origin};
  if (area.is_shared()) return {Kind::Shared, nullptr, origin};
  // Loaders put a program's zeros right behind what its file has.
  if (area.placed && origin != 0) {
    const trace::Area* const before = space.areas.find(area.origin - 1);
    if (before != nullptr && before->name != nullptr && before->name->front() != '[')
      return {Kind::Bss, before->name, 0};
  }
  return {Kind::Anonymous, nullptr, origin};
}

}  // namespace mmusim::sim
