#include "trace/processes.h"

#include <algorithm>
#include <utility>

namespace mmusim::trace {

using namespace abi;

namespace {

constexpr uint32_t kMapHow =
    kMapFixed | kMapFixedNoReplace | kMapPopulate | kMapNonBlock | kMapLocked;
constexpr unsigned kUsualHugeShift = 21;
// As the kernel model has them: the stack an exec makes, how far it may grow, the gap below it.
constexpr uint64_t kStackBegins = uint64_t{128} << 10;
constexpr uint64_t kStackLimit = uint64_t{8} << 20;
constexpr uint64_t kStackGap = uint64_t{1} << 20;

bool is_charged(uint32_t prot, uint32_t flags) {
  return (prot & kProtWrite) != 0 && (flags & (kMapShared | kMapNoReserve)) == 0;
}

// What an advice does to the set: bits to clear, bits to set. Nothing: no matter of areas.
struct AdviceEffect {
  uint32_t clear;
  uint32_t set;
};
std::optional<AdviceEffect> effect_of(uint32_t advice) {
  AdviceEffect effect{};
  for (const AdvisedBy& one : kAdvices) {
    if (advice == one.with) {
      effect.set |= one.bit;
      effect.clear |= one.excludes;
    } else if (advice == one.without) {
      effect.clear |= one.bit;
    }
  }
  if ((effect.clear | effect.set) == 0) return std::nullopt;
  return effect;
}

}  // namespace

VirtRange Space::stack_room() const {
  // The stack is the highest area that grows down, with few above it.
  constexpr unsigned kMostAbove = 64;
  const auto& map = areas.areas();
  unsigned looked_at = 0;
  for (auto at = map.rbegin(); at != map.rend() && ++looked_at <= kMostAbove; ++at) {
    const Area& area = at->second;
    if (!area.has(kMapGrowsDown)) continue;
    const uint64_t top = area.range.end.value();
    VirtAddr low(top > kStackLimit ? top - kStackLimit : 0);
    if (std::next(at) != map.rend())
      low = std::max(low, std::next(at)->second.range.end + kStackGap);
    return {std::min(low, area.range.begin), area.range.begin};
  }
  return {};
}

// What an event does to what is known.
class EventEffect {
 public:
  EventEffect(Processes& processes, ThreadId thread)
      : all_(processes), thread_(thread), process_(processes.of(thread)) {}

  void operator()(const ExecEvent& e);
  void operator()(const MmapEvent& e);
  void operator()(const MunmapEvent& e) {
    if (const auto range = called(e.result, e.start, e.length)) space().areas.remove(*range);
  }
  void operator()(const MprotectEvent& e);
  void operator()(const MremapEvent& e);
  void operator()(const BrkEvent& e);
  void operator()(const MadviseEvent& e) {
    if (!failed(e.result)) advise(space(), e.start, e.length, e.advice);
  }
  void operator()(const ForkEvent& e);
  void operator()(const ExitEvent& e);
  void operator()(const WaitEvent& e) {
    const auto child = all_.processes_.find(e.child);
    if (child == all_.processes_.end() || e.child == thread_.pid) return;
    all_.end(child->second, e.status);
    all_.processes_.erase(e.child);
    process_.children.erase(e.child);
  }
  void operator()(const SwitchEvent& e) { process_.threads[thread_.tid].cpu = e.cpu; }
  void operator()(const TruncateEvent& e) {
    if (!failed(e.result) && !e.file.empty()) all_.file_lengths_[e.file] = e.length;
  }
  void operator()(const FallocateEvent& e) {
    if (failed(e.result) || e.file.empty()) return;
    if ((e.mode & (kFallocKeepSize | kFallocPunchHole)) != 0) return;
    const auto known = all_.file_lengths_.find(e.file);
    if (known != all_.file_lengths_.end() && e.offset <= UINT64_MAX - e.length)
      known->second = std::max(known->second, e.offset + e.length);
  }
  void operator()(const LockEvent& e);
  void operator()(const ThpEvent& e) {
    if (!failed(e.result)) space().thp = e;
  }
  void operator()(const ProcessMadviseEvent& e) {
    const auto target = all_.processes_.find(e.target);
    if (failed(e.result) || target == all_.processes_.end() || target->second.zombie) return;
    advise(*target->second.space, e.start, e.length, e.advice);
  }
  void operator()(const MarkerEvent& e) { all_.file_identities_.marker(e); }
  void operator()(const MsyncEvent&) {}
  void operator()(const OtherCallEvent&) {}

 private:
  Space& space() { return *process_.space; }
  std::optional<VirtRange> called(int64_t result, VirtAddr start, uint64_t length) const {
    return failed(result) ? std::nullopt : all_.pages_of(start, length);
  }
  void put(Area area) {
    area.lock = space().lock_new;
    if ((area.flags & kMapLocked) != 0) area.lock = Area::Lock::Locked;
    area.placed = area.placed || (area.flags & (kMapFixed | kMapFixedNoReplace)) != 0;
    area.origin = area.range.begin;
    area.flags &= ~kMapHow;
    area.charged = is_charged(area.prot, area.flags);
    space().areas.put(area);
  }
  void advise(Space& space, VirtAddr start, uint64_t length, uint32_t advice) {
    const auto effect = effect_of(advice);
    const auto range = all_.pages_of(start, length);
    if (!effect || !range) return;
    space.areas.change(
        *range, [&](Area& area) { area.advised = (area.advised & ~effect->clear) | effect->set; });
  }
  void set_backing(Area& area, const MmapEvent& e);
  void move(VirtRange from, VirtRange to, bool keep);

  Processes& all_;
  ThreadId thread_;
  Process& process_;
};

void EventEffect::operator()(const ExecEvent& e) {
  const auto old = process_.space;
  process_.space = all_.new_space();
  const ProcessThread self = process_.threads[thread_.tid];
  process_.threads = {{thread_.tid, self}};
  Space& fresh = space();
  fresh.thp = old->thp;
  fresh.began = true;
  fresh.recorded = !e.image.empty();
  fresh.program = e.program;
  fresh.arguments = e.arguments;
  for (const ImageArea& image : e.image) {
    if (image.range.empty() || fresh.areas.overlaps(image.range)) continue;
    Area area{.range = image.range, .prot = image.prot, .flags = image.flags};
    area.placed = true;
    area.offset = image.file_offset;
    area.name = all_.name(image.name);
    if (image.name.starts_with("[stack")) area.flags |= kMapGrowsDown;
    if (image.name == "[heap]") {
      fresh.brk_start = image.range.begin;
      fresh.brk = image.range.end;
      area.name = nullptr;
    }
    if (area.has(kMapGrowsDown)) fresh.stack_top = image.range.end;
    put(area);
  }
  if (e.brk != VirtAddr(0) && e.brk >= fresh.brk_start) {
    if (fresh.brk_start == VirtAddr(0)) fresh.brk_start = e.brk;
    fresh.brk = e.brk;
  }
  if (e.stack_top == VirtAddr(0) || fresh.stack_top != VirtAddr(0)) return;
  const uint64_t bytes = kStackBegins + all_.page_.bytes();
  const VirtAddr end = align_up(e.stack_top, all_.page_);
  if (e.stack_top.value() <= bytes || end < e.stack_top) return;
  const VirtRange range{align_down(end - bytes, all_.page_), end};
  if (fresh.areas.overlaps(range)) return;
  fresh.stack_top = end;
  put({.range = range,
       .prot = 3,
       .flags = kMapPrivate | kMapAnonymous | kMapGrowsDown,
       .name = all_.name("[stack]")});
}

// What a new mapping is of. An unnamed file over a part of a mapping of the same descriptor is the
// same file.
void EventEffect::set_backing(Area& area, const MmapEvent& e) {
  if ((e.flags & kMapAnonymous) != 0 || e.file == "/dev/zero") {
    if ((e.flags & kMapShared) != 0) area.object = ++all_.objects_;
    return;
  }
  area.offset = e.offset;
  if (!e.file.empty()) {
    area.name = all_.name(e.file);
    return;
  }
  area.fd = e.fd;
  if ((e.flags & kMapFixed) != 0 && e.fd >= 0) {
    const Area* const under = space().areas.find(area.range.begin);
    if (under != nullptr && under->object != 0 && under->fd == e.fd) area.object = under->object;
  }
  if (area.object == 0) area.object = ++all_.objects_;
}

void EventEffect::operator()(const MmapEvent& e) {
  auto range = called(e.result, VirtAddr(static_cast<uint64_t>(e.result)), e.length);
  if (!range) return;
  if ((e.flags & kMapHugeTlb) != 0) {
    const unsigned told = e.flags >> kMapHugeShift & kMapHugeMask;
    const PageShift huge(told == 0 ? kUsualHugeShift : told);
    const VirtAddr end = align_up(range->end, huge);
    if (is_aligned(range->begin, huge) && range->end < end &&
        !space().areas.overlaps({range->end, end}))
      range->end = end;
  }
  Area area{.range = *range, .prot = e.prot, .flags = e.flags};
  set_backing(area, e);
  put(area);
}

void EventEffect::operator()(const MprotectEvent& e) {
  constexpr uint32_t kRights = 7;
  const auto range = called(e.result, e.start, e.length);
  if (!range) return;
  space().areas.change(*range, [&](Area& area) {
    area.prot = e.prot & kRights;
    area.charged = area.charged || is_charged(area.prot, area.flags);
  });
}

// What is in `from` to another place, of another length: the last of it grows, or some is left out.
void EventEffect::move(VirtRange from, VirtRange to, bool keep) {
  std::vector<Area> pieces;
  for (VirtAddr at = from.begin; at < from.end; at = pieces.back().range.end) {
    Area piece = *space().areas.find(at);
    piece.offset = piece.offset_at(at);
    piece.range = {at, std::min(piece.range.end, from.end)};
    pieces.push_back(std::move(piece));
  }
  if (!keep) space().areas.remove(from);
  for (Area& piece : pieces) {
    const bool last = piece.range.end == from.end;
    const VirtAddr begin = to.begin + (piece.range.begin - from.begin);
    const VirtAddr end = last ? to.end : std::min(to.end, begin + piece.range.bytes());
    if (begin >= end) break;
    piece.range = {begin, end};
    piece.origin = to.begin;
    piece.placed = false;
    space().areas.put(piece);
  }
}

void EventEffect::operator()(const MremapEvent& e) {
  const VirtAddr target(static_cast<uint64_t>(e.result));
  const auto to = called(e.result, target, e.new_length);
  const auto from =
      called(e.result, e.old_start, e.old_length == 0 ? all_.page_.bytes() : e.old_length);
  if (!to || !from || !space().areas.covers(*from)) return;
  if (e.old_length == 0) {  // a second view of shared memory
    if (space().areas.find(from->begin)->is_shared() && !to->overlaps(*from))
      move(*from, *to, true);
  } else if (target != e.old_start) {
    if (!to->overlaps(*from)) move(*from, *to, (e.flags & kRemapDontUnmap) != 0);
  } else if (to->end < from->end) {
    space().areas.remove({to->end, from->end});
  } else if (to->end > from->end) {
    const Area last = *space().areas.find(from->end - 1);
    if (last.range.end != from->end) return;
    space().areas.remove({from->end, to->end});
    space().areas.set_end(last.range.begin, to->end);
  }
}

void EventEffect::operator()(const BrkEvent& e) {
  Space& mine = space();
  if (e.result == VirtAddr(0)) return;
  if (mine.brk_start == VirtAddr(0)) {
    mine.brk_start = mine.brk = e.result;
    return;
  }
  const VirtAddr end = align_up(mine.brk, all_.page_);
  const VirtAddr new_end = align_up(e.result, all_.page_);
  if (e.result < mine.brk_start || new_end < e.result) return;
  if (new_end > end) {
    put({.range = {end, new_end},
         .prot = kProtRead | kProtWrite,
         .flags = kMapPrivate | kMapAnonymous});
  } else if (new_end < end) {
    mine.areas.remove({new_end, end});
  }
  mine.brk = e.result;
}

void EventEffect::operator()(const LockEvent& e) {
  if (failed(e.result) || e.what > LockEvent::UnlockAll) return;
  const bool locks = e.what == LockEvent::Lock || e.what == LockEvent::LockAll;
  const bool all = e.what >= LockEvent::LockAll;
  const bool on_fault = (e.flags & (all ? kMclOnFault : kMlockOnFault)) != 0;
  const Area::Lock lock = !locks     ? Area::Lock::None
                          : on_fault ? Area::Lock::OnFault
                                     : Area::Lock::Locked;
  const auto set = [&](Area& area) { area.lock = lock; };
  if (all) {
    space().lock_new = locks && (e.flags & kMclFuture) != 0 ? lock : Area::Lock::None;
    if (!locks || (e.flags & kMclCurrent) != 0)
      space().areas.change({VirtAddr(0), VirtAddr(UINT64_MAX)}, set);
    return;
  }
  const VirtAddr start = align_down(e.start, all_.page_);
  if (e.length == 0 || e.length > UINT64_MAX - (e.start - start)) return;
  if (const auto range = all_.pages_of(start, e.length + (e.start - start)))
    space().areas.change(*range, set);
}

void EventEffect::operator()(const ForkEvent& e) {
  if (e.child.pid == thread_.pid) {
    process_.threads[e.child.tid].clone_flags = e.clone_flags;
    return;
  }
  if (const auto old = all_.processes_.find(e.child.pid); old != all_.processes_.end())
    all_.end(old->second, 0);
  Process child{.pid = e.child.pid, .parent = thread_.pid, .space = process_.space};
  if (!e.shares_memory) {
    const bool room = *all_.areas_ + space().areas.size() <= Processes::kMostAreas;
    child.space = room ? std::make_shared<Space>(space()) : all_.new_space();
    child.space->followed = room && space().followed;
    for (const auto& [start, area] : space().areas.areas()) {
      if ((area.advised & kAdvisedDontFork) != 0) child.space->areas.remove(area.range);
    }
    child.space->areas.change({VirtAddr(0), VirtAddr(UINT64_MAX)},
                              [](Area& area) { area.lock = Area::Lock::None; });
    child.space->lock_new = Area::Lock::None;
    all_.note_areas(*child.space);
  }
  child.clone_flags = e.clone_flags;
  child.threads[e.child.tid].clone_flags = e.clone_flags;
  process_.children.insert(e.child.pid);
  all_.processes_.insert_or_assign(e.child.pid, std::move(child));
}

void EventEffect::operator()(const ExitEvent& e) {
  process_.threads.erase(thread_.tid);
  if (e.whole_process || process_.threads.empty()) all_.end(process_, e.status);
  // Nobody will ask.
  if (process_.zombie && !process_.parent) all_.processes_.erase(thread_.pid);
}

void Processes::end(Process& process, int32_t status) {
  if (process.zombie) return;
  process.zombie = true;
  process.status = status;
  process.threads.clear();
  process.space = new_space();
  // Who asks for its children now is nobody of the trace.
  for (const Pid pid : std::exchange(process.children, {})) {
    const auto at = processes_.find(pid);
    if (at == processes_.end() || at->second.parent != process.pid) continue;
    at->second.parent.reset();
    if (at->second.zombie && pid != process.pid) processes_.erase(at);
  }
}

Process& Processes::of(ThreadId thread) {
  const auto [place, is_new] = processes_.try_emplace(thread.pid);
  Process& process = place->second;
  if (is_new || process.zombie) {
    process = Process{.pid = thread.pid, .space = new_space()};
  }
  process.threads.try_emplace(thread.tid);
  return process;
}

const Process* Processes::find(Pid pid) const {
  const auto at = processes_.find(pid);
  return at == processes_.end() ? nullptr : &at->second;
}

void Processes::event(ThreadId thread, const Event& event) {
  std::visit(EventEffect(*this, thread), event);
  if (const auto now = processes_.find(thread.pid); now != processes_.end())
    note_areas(*now->second.space);
}

void Processes::ran(ThreadId thread, std::span<const uint64_t> addresses) {
  Space& space = *of(thread).space;
  const VirtRange room = space.stack_room();
  if (room.empty()) return;
  const uint64_t low = room.begin.value();
  const uint64_t bytes = room.bytes();
  uint64_t least = bytes;
  for (const uint64_t address : addresses)
    least = std::min(least, address - low);
  if (least < bytes) grow_stack(space, VirtAddr(low + least));
}

void Processes::grow_stack(Space& space, VirtAddr at) {
  const VirtRange room = space.stack_room();
  space.areas.set_begin(room.end, std::max(align_down(at, page_), room.begin));
}

std::optional<VirtRange> Processes::pages_of(VirtAddr start, uint64_t length) const {
  const uint64_t mask = page_.offset_mask();
  if (!is_aligned(start, page_) || length == 0 || length > UINT64_MAX - mask) return std::nullopt;
  const VirtRange range{start, start + ((length + mask) & ~mask)};
  return range.empty() ? std::nullopt : std::optional(range);
}

std::shared_ptr<const std::string> Processes::name(const std::string& text) {
  if (text.empty()) return nullptr;
  auto made = std::make_shared<const std::string>(text);
  const auto [place, is_new] = names_.insert(made);
  if (is_new) name_bytes_ += text.size();
  made = *place;
  if (name_bytes_ > most_name_bytes_) forget_names();
  return made;
}

void Processes::forget_names() {
  for (auto at = names_.begin(); at != names_.end();) {
    if (at->use_count() > 1) {
      ++at;
      continue;
    }
    name_bytes_ -= (*at)->size();
    at = names_.erase(at);
  }
  most_name_bytes_ = std::max(kMostNameBytes, 2 * name_bytes_);
}

void Processes::note_areas(Space& space) {
  const size_t all = space.count.set(space.areas.size());
  if (all <= kMostAreas && name_bytes_ <= 2 * kMostNameBytes) return;
  space.areas.clear();
  space.count.set(0);
  space.followed = false;
  space.recorded = false;
}

}  // namespace mmusim::trace
