#include "kernel/replay.h"

#include <algorithm>
#include <variant>

#include "base/linux_abi.h"
#include "kernel/advise.h"
#include "kernel/exec.h"
#include "kernel/lock.h"
#include "kernel/mapping.h"
#include "kernel/move.h"
#include "kernel/populate.h"
#include "kernel/truncate.h"
#include "kernel/writeback.h"

namespace mmusim::kernel {

using namespace abi;

namespace {

class Replayer {
 public:
  Replayer(System& system, CpuId cpu, trace::ThreadId thread)
      : system_(system), core_(system.core), cpu_(cpu), thread_(thread) {}

  void operator()(const trace::ExecEvent& e) { exec(system_, cpu_, thread_, e); }
  void operator()(const trace::MmapEvent& e);
  void operator()(const trace::MunmapEvent& e);
  void operator()(const trace::MprotectEvent& e);
  void operator()(const trace::MremapEvent& e);
  void operator()(const trace::BrkEvent& e);
  void operator()(const trace::MadviseEvent& e);
  void operator()(const trace::ForkEvent& e);
  void operator()(const trace::ExitEvent& e);
  void operator()(const trace::WaitEvent& e);
  void operator()(const trace::SwitchEvent& e) { system_.recorded(thread_, e.cpu); }
  void operator()(const trace::MarkerEvent&) {}
  void operator()(const trace::TruncateEvent& e);
  void operator()(const trace::FallocateEvent& e);
  void operator()(const trace::MsyncEvent& e);
  void operator()(const trace::LockEvent& e);
  void operator()(const trace::ThpEvent& e);
  void operator()(const trace::ProcessMadviseEvent& e);
  void operator()(const trace::OtherCallEvent&) { ++core_.counters.left_out; }

 private:
  // The caller's process, which goes on here.
  Process& caller() {
    system_.run(cpu_, thread_);
    return *system_.running(cpu_);
  }
  AddressSpace& mm() { return *caller().mm; }
  FaultContext context() { return system_.context(caller(), cpu_); }
  void ignore(Ignored why) { ++core_.counters.ignored[why]; }
  // Counts a result of map_area and the like. What would divide one of the pool's pages is of a
  // machine with smaller ones.
  void check(int64_t result) {
    if (result != 0) ignore(result == -kEINVAL ? Ignored::Unsupported : Ignored::TooManyAreas);
  }
  bool executed(Call call, int64_t result) {
    ++core_.counters.calls[call];
    if (!trace::failed(result)) return true;
    ++core_.counters.failed_calls;
    return false;
  }
  // The range, if it is sane and something is mapped there; else counts why not.
  std::optional<VirtRange> mapped_range(VirtAddr start, uint64_t length) {
    const auto range = core_.user_range(start, length);
    if (!range) {
      ignore(Ignored::BadRange);
      return std::nullopt;
    }
    if (!mm().vmas.overlaps(*range)) {
      ignore(Ignored::NoArea);
      return std::nullopt;
    }
    return range;
  }
  // Unmaps what stands where the recording says something new is. False: it cannot go.
  bool clear_way(VirtRange range) {
    if (!mm().vmas.overlaps(range)) return true;
    ++core_.counters.replaced;
    const int64_t result = unmap_range(core_, mm(), range);
    check(result);
    return result == 0;
  }
  FileId file_of(const trace::MmapEvent& e, VirtRange range);
  // The file a call names that does not map it; 0: nobody has mapped it so far.
  FileId known_file(const std::string& name, int32_t fd);
  void from_pool(Mapping& mapping, uint32_t flags);
  void resize(VirtRange old_range, VirtRange new_range);
  [[nodiscard]] bool round_for_pool(const Vma& vma, VirtRange& from, VirtRange& to) const;

  System& system_;
  Core& core_;
  CpuId cpu_;
  trace::ThreadId thread_;
};

// An unnamed file mapped over a part of a mapping of the same descriptor is the same file: that is
// how the dynamic loader lays out a library.
FileId Replayer::file_of(const trace::MmapEvent& e, VirtRange range) {
  if (is_anonymous(e)) {
    if ((e.flags & kMapShared) == 0) return FileId(0);
    return core_.files.shared_memory(range.bytes());
  }
  if (!e.file.empty()) {
    return core_.cache.named(e.file, kind_of(e.file));
  }
  if ((e.flags & kMapFixed) != 0) {
    const Vma* under = mm().vmas.find(range.begin);
    if (under != nullptr && !under->is_anonymous()) {
      const File& file = core_.cache.file(under->file);
      if (file.hidden && file.fd == e.fd && file.fd >= 0) return under->file;
    }
  }
  ++core_.counters.unnamed_files;
  return core_.cache.unnamed(FileKind::Regular, e.fd < 0 ? -1 : e.fd);
}

// The recording had huge pages there. Where this machine's pool has none to give, it gets ordinary
// ones.
void Replayer::from_pool(Mapping& mapping, uint32_t flags) {
  const unsigned log2 = flags >> kMapHugeShift & kMapHugeMask;
  const bool has_said = log2 != 0 && core_.pools.find(PageShift(log2)) != nullptr;
  const auto page = has_said ? std::optional(PageShift(log2)) : core_.default_pool();
  const bool noreserve = (flags & kMapNoReserve) != 0;
  if (!page || !is_aligned(mapping.range.begin, *page)) return;
  const VirtRange whole{mapping.range.begin, align_up(mapping.range.end, *page)};
  if (whole.end > core_.platform.layout.top || !core_.may_hold(whole, *page)) return;
  // Larger huge pages than the recording's must not take what lies behind.
  if (!whole.empty() && mapping.range.end < whole.end &&
      mm().vmas.overlaps({mapping.range.end, whole.end}))
    return;
  if (const auto file = core_.files.pool_memory(*page, whole.bytes(), noreserve)) {
    mapping.range = whole;
    mapping.file = *file;
    mapping.flags = pool_flags(mapping.flags, noreserve);
  }
}

void Replayer::operator()(const trace::MmapEvent& e) {
  if (!executed(Call::Mmap, e.result)) return;
  const auto range = core_.user_range(VirtAddr(static_cast<uint64_t>(e.result)), e.length);
  const bool has_file = (e.flags & kMapAnonymous) == 0;
  if (!range || (has_file && (e.offset & core_.page().offset_mask()) != 0)) {
    ignore(Ignored::BadRange);
    return;
  }
  Mapping mapping{*range, vm_flags(e.prot, e.flags) | mm().lock_flags, FileId(0),
                  has_file ? core_.pages(e.offset) : 0};
  if (!has_file && (e.flags & kMapHugeTlb) != 0) from_pool(mapping, e.flags);
  if ((mapping.flags & kVmHugeTlb) == 0) mapping.file = file_of(e, *range);
  core_.files.pin(mapping.file);
  const bool fixed = (e.flags & (kMapFixed | kMapFixedNoReplace)) != 0;
  const bool cleared = fixed || clear_way(mapping.range);
  const int64_t result = cleared ? map_area(core_, mm(), mapping) : 0;
  core_.files.unpin(mapping.file);
  check(result);
  if (!cleared || result != 0) return;
  const bool populates = (e.flags & kMapPopulate) != 0 && (e.flags & kMapNonBlock) == 0;
  const bool pool_locked = (mapping.flags & kVmHugeTlb) != 0 && (e.flags & kMapLocked) != 0;
  if (populates || pool_locked) populate(context(), mapping.range);
  populate_locked(context(), mapping.range);
}

void Replayer::operator()(const trace::MunmapEvent& e) {
  if (!executed(Call::Munmap, e.result)) return;
  if (const auto range = mapped_range(e.start, e.length)) check(unmap_range(core_, mm(), *range));
}

void Replayer::operator()(const trace::MprotectEvent& e) {
  if (!executed(Call::Mprotect, e.result) || e.length == 0) return;
  if (const auto range = mapped_range(e.start, e.length))
    check(protect_range(context(), *range, e.prot, true));
}

void Replayer::resize(VirtRange old_range, VirtRange new_range) {
  if (new_range.end < old_range.end) {
    check(unmap_range(core_, mm(), {new_range.end, old_range.end}));
  } else if (new_range.end > old_range.end) {
    if (clear_way({old_range.end, new_range.end}))
      extend_area(core_, mm(), old_range.end, new_range.end);
  }
}

// Both ranges in the pool's pages, as Linux rounds them. False: such memory cannot be remapped so.
bool Replayer::round_for_pool(const Vma& vma, VirtRange& from, VirtRange& to) const {
  const PageShift huge = core_.files.pool_page(vma);
  if (!is_aligned(from.begin, huge) || !is_aligned(to.begin, huge)) return false;
  from.end = align_up(from.end, huge);
  to.end = align_up(to.end, huge);
  const bool grows = to.bytes() > from.bytes();
  return !grows && from.end <= vma.end && to.end <= core_.platform.layout.top;
}

void Replayer::operator()(const trace::MremapEvent& e) {
  if (!executed(Call::Mremap, e.result)) return;
  const VirtAddr target(static_cast<uint64_t>(e.result));
  auto new_range = core_.user_range(target, e.new_length);
  if (!new_range) {
    ignore(Ignored::BadRange);
    return;
  }
  auto old_range =
      mapped_range(e.old_start, e.old_length == 0 ? core_.page().bytes() : e.old_length);
  if (!old_range) return;
  const Vma* vma = mm().vmas.find(old_range->begin);
  if (vma != nullptr && vma->has(kVmHugeTlb) && !round_for_pool(*vma, *old_range, *new_range)) {
    ignore(Ignored::Unsupported);
    return;
  }
  if (vma == nullptr || vma->end < old_range->end) {
    ignore(Ignored::NoArea);
    return;
  }
  if (e.old_length == 0) {  // a second view of shared memory
    if (!vma->is_shared() || new_range->overlaps(*old_range)) {
      ignore(Ignored::Unsupported);
      return;
    }
    const FileId file = vma->file;
    core_.files.pin(file);
    check(map_area(
        core_, mm(),
        {*new_range, vma->flags, file, vma->pgoff + core_.pages(old_range->begin - vma->start)}));
    core_.files.unpin(file);
    return;
  }
  if (target == e.old_start) {
    // Growing in place needs the area to end where the old range does.
    if (new_range->end > old_range->end && vma->end != old_range->end) {
      ignore(Ignored::Unsupported);
    } else {
      resize(*old_range, *new_range);
    }
    return;
  }
  if (new_range->overlaps(*old_range)) {
    ignore(Ignored::BadRange);
    return;
  }
  const int64_t result =
      move_area(core_, mm(), *old_range, *new_range, (e.flags & kRemapDontUnmap) != 0);
  if (result != 0) ignore(Ignored::NoMemory);
}

void Replayer::operator()(const trace::BrkEvent& e) {
  ++core_.counters.calls[Call::Brk];
  AddressSpace& space = mm();
  if (e.result >= core_.platform.layout.top || e.result == VirtAddr(0)) {
    ignore(Ignored::BadRange);
    return;
  }
  if (space.brk_start == VirtAddr(0)) {
    space.brk_start = space.brk = e.result;
    return;
  }
  if (e.result < space.brk_start) {
    ignore(Ignored::BadRange);
    return;
  }
  const VirtAddr old_end = align_up(space.brk, core_.page());
  const VirtAddr new_end = align_up(e.result, core_.page());
  if (new_end > core_.platform.layout.top) {
    ignore(Ignored::BadRange);
    return;
  }
  if (new_end > old_end) {
    if (!clear_way({old_end, new_end})) return;
    const uint32_t flags = kVmRead | kVmWrite | kVmAccount | space.lock_flags;
    const int64_t result = map_area(core_, space, {{old_end, new_end}, flags, FileId(0), 0});
    check(result);
    if (result != 0) return;
    populate_locked(context(), {old_end, new_end});
  } else if (new_end < old_end) {
    check(unmap_range(core_, space, {new_end, old_end}));
  }
  space.brk = e.result;
}

void Replayer::operator()(const trace::MadviseEvent& e) {
  if (!executed(Call::Madvise, e.result) || e.length == 0) return;
  const auto range = mapped_range(e.start, e.length);
  if (!range) return;
  const int64_t result = advise(context(), *range, e.advice);
  if (result == -kEINVAL) ignore(Ignored::Unsupported);
  if (result == -kENOMEM || result == -kEAGAIN) ignore(Ignored::TooManyAreas);
}

FileId Replayer::known_file(const std::string& name, int32_t fd) {
  if (!name.empty()) {
    const FileId file = core_.cache.known(name).value_or(FileId(0));
    const bool special = file != FileId(0) && core_.cache.file(file).kind > FileKind::Shmem;
    return special ? FileId(0) : file;
  }
  for (const auto& [start, vma] : mm().vmas.areas()) {
    if (vma.is_anonymous() || fd < 0) continue;
    const File& file = core_.cache.file(vma.file);
    if (file.hidden && file.fd == fd) return vma.file;
  }
  return FileId(0);
}

// Of a file that nobody has mapped nothing is known, and nothing need be.
void Replayer::operator()(const trace::TruncateEvent& e) {
  if (!executed(Call::Truncate, e.result)) return;
  const FileId file = known_file(e.file, e.fd);
  if (file != FileId(0)) truncate_file(core_, file, std::min<uint64_t>(e.length, INT64_MAX));
}

void Replayer::operator()(const trace::FallocateEvent& e) {
  if (!executed(Call::Fallocate, e.result)) return;
  const FileId file = known_file(e.file, e.fd);
  if (file == FileId(0)) return;
  const int64_t result = allocate_file(core_, file, e.mode, e.offset, e.length);
  if (result == -kENOMEM)
    ignore(Ignored::NoMemory);
  else if (result != 0)
    ignore(Ignored::Unsupported);
}

void Replayer::operator()(const trace::MsyncEvent& e) {
  if (!executed(Call::Msync, e.result) || e.length == 0) return;
  if (const auto range = mapped_range(e.start, e.length))
    static_cast<void>(sync_range(core_, mm(), *range, e.flags & kMsSync));
}

void Replayer::operator()(const trace::LockEvent& e) {
  const bool locks = e.what == trace::LockEvent::Lock || e.what == trace::LockEvent::LockAll;
  if (e.what > trace::LockEvent::UnlockAll) return ignore(Ignored::Unsupported);
  if (!executed(locks ? Call::Mlock : Call::Munlock, e.result)) return;
  const bool all = e.what >= trace::LockEvent::LockAll;
  const bool on_fault = (e.flags & (all ? uint32_t{kMclOnFault} : uint32_t{kMlockOnFault})) != 0;
  const uint32_t flags = !locks ? 0 : on_fault ? uint32_t{kVmLocks} : uint32_t{kVmLocked};
  if (all) {
    const bool future = locks && (e.flags & kMclFuture) != 0;
    static_cast<void>(
        lock_all(context(), !locks || (e.flags & kMclCurrent) != 0, flags, future ? flags : 0));
    return;
  }
  const VirtAddr start = align_down(e.start, core_.page());
  if (e.length == 0 || e.length > UINT64_MAX - (e.start - start)) return;
  if (const auto range = mapped_range(start, e.length + (e.start - start)))
    if (lock_range(context(), *range, flags) == -kEAGAIN) ignore(Ignored::NoMemory);
}

void Replayer::operator()(const trace::ThpEvent& e) {
  using Disabled = AddressSpace::ThpDisabled;
  if (!executed(Call::Thp, e.result)) return;
  mm().thp_disabled = e.disable == 0                        ? Disabled::None
                      : e.flags == kThpDisableExceptAdvised ? Disabled::ExceptAdvised
                                                            : Disabled::All;
}

void Replayer::operator()(const trace::ProcessMadviseEvent& e) {
  if (!executed(Call::ProcessMadvise, e.result) || e.length == 0) return;
  Process* target = system_.find(e.target);
  if (target == nullptr || target->mm == nullptr) return ignore(Ignored::UnknownThread);
  const auto range = core_.user_range(e.start, e.length);
  if (!range) return ignore(Ignored::BadRange);
  const int64_t result = advise(system_.context(*target, cpu_), *range, e.advice);
  if (result == -kEINVAL) ignore(Ignored::Unsupported);
}

void Replayer::operator()(const trace::ForkEvent& e) {
  Process& parent = caller();
  if (e.child.pid == parent.pid) {
    // A thread that already ran may have been seen before its clone.
    if (!e.shares_memory || system_.add_thread(parent, e.child.tid) < 0) ignore(Ignored::BadChild);
    if (system_.knows(e.child)) system_.scheduler.forked(thread_, e.child);
    return;
  }
  if (Process* old = system_.find(e.child.pid); old != nullptr && !old->zombie) {
    ignore(Ignored::BadChild);  // its end was not recorded, but the id is in use again
    system_.exit_process(*old, 0);
  }
  // A process sharing the old one's memory may have gone with it; the caller has not.
  if (system_.fork(parent, e.child, e.shares_memory) < 0) {
    ignore(Ignored::NoMemory);
    system_.adopt_without_memory(e.child);
  }
  system_.scheduler.forked(thread_, e.child);
  if ((e.clone_flags & kCloneVfork) != 0) system_.sleep(thread_);
}

void Replayer::operator()(const trace::ExitEvent& e) {
  if (!system_.knows(thread_)) {
    ignore(Ignored::UnknownThread);
    return;
  }
  if (e.whole_process) {
    system_.exit_process(*system_.find(thread_.pid), e.status);
  } else {
    system_.exit_thread(thread_, e.status);
  }
}

void Replayer::operator()(const trace::WaitEvent& e) {
  Process* child = system_.find(e.child);
  if (child == nullptr || e.child == thread_.pid) {
    ignore(Ignored::UnknownThread);
    return;
  }
  Process& parent = caller();
  if (!child->zombie) system_.exit_process(*child, e.status);
  system_.reap(parent, e.child);
}

}  // namespace

bool is_anonymous(const trace::MmapEvent& e) {
  return (e.flags & kMapAnonymous) != 0 || e.file == "/dev/zero";
}

FileKind kind_of(std::string_view file) {
  return file.starts_with("/dev/shm/") || file.starts_with("/memfd:") ? FileKind::Shmem
                                                                      : FileKind::Regular;
}

void replay_event(System& system, CpuId cpu, trace::ThreadId thread, const trace::Event& event) {
  std::visit(Replayer(system, cpu, thread), event);
}

}  // namespace mmusim::kernel
