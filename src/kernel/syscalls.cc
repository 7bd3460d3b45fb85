#include "kernel/syscalls.h"

#include <algorithm>
#include <vector>

#include "kernel/advise.h"
#include "kernel/exec.h"
#include "kernel/linux_abi.h"
#include "kernel/lock.h"
#include "kernel/mapping.h"

namespace mmusim::kernel {

using namespace abi;

namespace {

// Rounded up to pages; 0 if that overflows.
uint64_t page_up(const Core& core, uint64_t bytes) {
  const uint64_t mask = core.page().offset_mask();
  return (bytes + mask) & ~mask;
}

}  // namespace

Process& Syscalls::caller(trace::ThreadId thread) {
  system_->run(cpu_, thread);
  return *system_->running(cpu_);
}

int64_t Syscalls::count(Call call, int64_t result) {
  ++system_->core.counters.calls[call];
  if (result < 0) ++system_->core.counters.failed_calls;
  return result;
}

FileId Syscalls::open(std::string_view name, uint64_t bytes, FileKind kind) {
  const FileId id = system_->core.cache.named(name, kind);
  File& file = system_->core.cache.file(id);
  file.length_known = true;
  file.pages = std::max(file.pages, system_->core.pages(page_up(system_->core, bytes)));
  return id;
}

VirtAddr Syscalls::place(AddressSpace& mm, VirtAddr hint, uint64_t length, Alignment alignment) {
  const mmu::AddressLayout& layout = system_->core.platform.layout;
  const VirtAddr lowest = align_up(layout.lowest, system_->core.page());
  if (hint != VirtAddr(0)) {
    const VirtAddr at = std::max(align_down(hint, system_->core.page()), lowest);
    const auto range = system_->core.user_range(at, length);
    if (range && !mm.vmas.overlaps(*range)) {
      const Vma* above = mm.vmas.find_from(range->end);
      const bool clear = above == nullptr || !above->has(kVmGrowsDown) ||
                         above->start - range->end >= layout.stack_gap;
      if (clear) return at;
    }
  }
  const auto gap = [&](uint64_t bytes) { return find_gap(system_->core, mm, bytes); };
  const auto huge = system_->core.huge();
  if (!huge || alignment == Alignment::Page) return gap(length).value_or(VirtAddr(0));
  // Room for it wherever in a huge page the gap ends (Linux: __thp_get_unmapped_area).
  if (const auto found = gap(length + huge->bytes()))
    return is_aligned(*found, *huge) ? *found + huge->bytes() : align_up(*found, *huge);
  return alignment == Alignment::Huge ? VirtAddr(0) : gap(length).value_or(VirtAddr(0));
}

Syscalls::Alignment Syscalls::alignment_of(uint64_t length, bool private_anonymous,
                                           VirtAddr hint) const {
  const auto huge = system_->core.huge();
  const bool whole = huge && (length & huge->offset_mask()) == 0;
  return whole && private_anonymous && hint == VirtAddr(0) ? Alignment::PreferHuge
                                                           : Alignment::Page;
}

int64_t Syscalls::do_mmap(Process& process, VirtAddr hint, uint64_t length, uint32_t prot,
                          uint32_t flags, FileId file, uint64_t offset) {
  Core& core = system_->core;
  AddressSpace& mm = *process.mm;
  const uint64_t top = core.platform.layout.top.value();
  const uint32_t type = flags & kMapType;
  const bool anonymous = (flags & kMapAnonymous) != 0;
  if (length == 0 || (offset & core.page().offset_mask()) != 0) return -kEINVAL;
  length = page_up(core, length);
  if (length == 0 || length > top) return -kENOMEM;
  if (offset + length < offset) return -kEOVERFLOW;
  if (mm.vmas.size() > core.settings.max_map_count) return -kENOMEM;
  if (!anonymous && file == FileId(0)) return -kEINVAL;
  const bool shared = type != kMapPrivate;
  const bool pool = (flags & kMapHugeTlb) != 0;
  if (pool) {
    const unsigned log2 = flags >> kMapHugeShift & kMapHugeMask;
    if (!anonymous || !core.huge() || (log2 != 0 && log2 != core.huge()->log2())) return -kEINVAL;
    length = align_up(VirtAddr(length), *core.huge()).value();
    if (length > top) return -kENOMEM;
  }

  VirtAddr start = hint;
  if ((flags & (kMapFixed | kMapFixedNoReplace)) != 0) {
    if (!is_aligned(start, pool ? *core.huge() : core.page())) return -kEINVAL;
    const auto range = core.user_range(start, length);
    if (!range) return -kENOMEM;
    if (start < core.platform.layout.lowest) return -kEPERM;
    if ((flags & kMapFixedNoReplace) != 0 && mm.vmas.overlaps(*range)) return -kEEXIST;
  } else {
    if (pool) hint = align_up(hint, *core.huge());
    start = place(mm, hint, length,
                  pool ? Alignment::Huge : alignment_of(length, anonymous && !shared, hint));
    if (start == VirtAddr(0)) return -kENOMEM;
  }
  // Linux looks at these when it has a place.
  if (type != kMapShared && type != kMapPrivate && type != kMapSharedValidate) return -kEINVAL;
  if (anonymous && type == kMapSharedValidate) return -kEINVAL;
  if ((flags & kMapGrowsDown) != 0 && (shared || !anonymous)) return -kEINVAL;
  const VirtRange range{start, start + length};
  uint32_t area_flags = vm_flags(prot, flags) | mm.lock_flags;
  if (pool) {
    const bool noreserve = (flags & kMapNoReserve) != 0;
    const auto memory = core.pool_memory(length, noreserve);
    if (!memory) return -kENOMEM;
    file = *memory;
    area_flags = pool_flags(area_flags, noreserve);
  } else if (anonymous) {
    file = shared ? core.shared_memory(length) : FileId(0);
  }
  if (anonymous) offset = 0;
  core.pin(file);
  const int64_t result = map_area(core, mm, {range, area_flags, file, core.pages(offset)});
  core.unpin(file);
  if (result != 0) return result;
  const FaultContext context = system_->context(process, cpu_);
  if ((flags & kMapPopulate) != 0 && (flags & kMapNonBlock) == 0) populate(context, range);
  populate_locked(context, range);
  return static_cast<int64_t>(start.value());
}

int64_t Syscalls::mmap(trace::ThreadId thread, VirtAddr hint, uint64_t length, uint32_t prot,
                       uint32_t flags, FileId file, uint64_t offset) {
  return count(Call::Mmap, do_mmap(caller(thread), hint, length, prot, flags, file, offset));
}

int64_t Syscalls::munmap(trace::ThreadId thread, VirtAddr start, uint64_t length) {
  Process& process = caller(thread);
  const auto range = system_->core.user_range(start, length);
  return count(Call::Munmap, range ? unmap_range(system_->core, *process.mm, *range) : -kEINVAL);
}

int64_t Syscalls::mprotect(trace::ThreadId thread, VirtAddr start, uint64_t length, uint32_t prot) {
  Process& process = caller(thread);
  Core& core = system_->core;
  if (!is_aligned(start, core.page()) || (prot & ~(kProtRights | kProtGrowsDown)) != 0)
    return count(Call::Mprotect, -kEINVAL);
  if (length == 0) return count(Call::Mprotect, 0);
  auto range = core.user_range(start, length);
  if (!range) return count(Call::Mprotect, -kENOMEM);
  if ((prot & kProtGrowsDown) != 0) {  // from the start of the stack on, wherever that is now
    const Vma* vma = process.mm->vmas.find(start);
    if (vma == nullptr) return count(Call::Mprotect, -kENOMEM);
    if (!vma->has(kVmGrowsDown)) return count(Call::Mprotect, -kEINVAL);
    range->begin = vma->start;
  }
  return count(Call::Mprotect, protect_range(system_->context(process, cpu_), *range, prot, false));
}

int64_t Syscalls::do_mremap(Process& process, VirtAddr old_start, uint64_t old_length,
                            uint64_t new_length, uint32_t flags, VirtAddr new_start) {
  Core& core = system_->core;
  AddressSpace& mm = *process.mm;
  const FaultContext context = system_->context(process, cpu_);
  const bool may_move = (flags & kRemapMayMove) != 0;
  const bool fixed = (flags & kRemapFixed) != 0;
  const bool keep_old = (flags & kRemapDontUnmap) != 0;
  if ((flags & ~uint32_t{kRemapMayMove | kRemapFixed | kRemapDontUnmap}) != 0) return -kEINVAL;
  if ((fixed || keep_old) && !may_move) return -kEINVAL;
  const uint64_t top = core.platform.layout.top.value();
  if (new_length == 0 || new_length > top || old_length > top) return -kEINVAL;
  old_length = page_up(core, old_length);
  new_length = page_up(core, new_length);
  if (keep_old && old_length != new_length) return -kEINVAL;
  if (!is_aligned(old_start, core.page())) return -kEINVAL;
  VirtRange old_range{old_start, old_start + old_length};
  const auto target = core.user_range(new_start, new_length);
  if (fixed && (!target || target->overlaps(old_range))) return -kEINVAL;

  const Vma* vma = mm.vmas.find(old_start);
  if (vma == nullptr) return -kEFAULT;
  if (vma->has(kVmHugeTlb)) {
    old_length = align_up(VirtAddr(old_length), *core.huge()).value();
    new_length = align_up(VirtAddr(new_length), *core.huge()).value();
    if (!is_aligned(old_start, *core.huge()) || new_length > old_length) return -kEINVAL;
    if (fixed && !is_aligned(new_start, *core.huge())) return -kEINVAL;
  }
  if (old_length == 0 && !(vma->is_shared() && may_move)) return -kEINVAL;
  if (keep_old && (vma->has(kVmDontExpand | kVmPfnMap))) return -kEINVAL;
  // What stays or shrinks in place, or moves as it is, may be several areas (Linux 6.17); of what
  // shrinks and moves, what is left must be in one.
  const bool moves_only = fixed && old_length == new_length;
  const bool shrinks = new_length < old_length;
  const uint64_t in_one_area = shrinks ? (fixed ? new_length : 0) : old_length;
  const bool may_be_several = moves_only || (new_length == old_length && !keep_old);
  if (!may_be_several && in_one_area > vma->end - old_start) return -kEFAULT;
  if (new_length > old_length && vma->has(kVmDontExpand | kVmPfnMap)) return -kEFAULT;

  if (fixed) {
    if (moves_only) {
      const int64_t result = move_areas(core, mm, old_range, new_start, keep_old);
      return result != 0 ? result : static_cast<int64_t>(new_start.value());
    }
    if (shrinks) {
      // What lies at the target and the tail of the old range go first.
      if (const int64_t result = unmap_range(core, mm, *target); result != 0) return result;
      const VirtRange tail{old_start + new_length, old_range.end};
      if (const int64_t result = unmap_range(core, mm, tail); result != 0) return result;
      old_length = new_length;
      old_range.end = tail.begin;
      vma = mm.vmas.find(old_start);
      if (vma == nullptr) return -kEFAULT;
    }
  } else if (!keep_old && old_length != 0) {
    if (new_length == old_length) return static_cast<int64_t>(old_start.value());
    if (new_length < old_length) {
      const int64_t result = unmap_range(core, mm, {old_start + new_length, old_range.end});
      return result != 0 ? result : static_cast<int64_t>(old_start.value());
    }
    if (vma->end == old_range.end) {
      const auto whole = core.user_range(old_start, new_length);
      if (whole && !mm.vmas.overlaps({old_range.end, whole->end})) {
        extend_area(core, mm, old_range.end, whole->end);
        populate_locked(context, {old_range.end, whole->end});
        return static_cast<int64_t>(old_start.value());
      }
    }
    if (!may_move) return -kENOMEM;
  }

  if (!fixed) {
    new_start =
        place(mm, VirtAddr(0), new_length,
              vma->has(kVmHugeTlb) ? Alignment::Huge
                                   : alignment_of(new_length, vma->is_anonymous(), VirtAddr(0)));
    if (new_start == VirtAddr(0)) return -kENOMEM;
  }
  const VirtRange destination{new_start, new_start + new_length};
  int64_t result = 0;
  if (old_length == 0) {
    const FileId file = vma->file;
    const Mapping again{destination, vma->flags, file,
                        vma->pgoff + core.pages(old_start - vma->start)};
    core.pin(file);
    result = map_area(core, mm, again);
    core.unpin(file);
  } else {
    result = move_area(core, mm, old_range, destination, keep_old);
  }
  if (result == 0 && new_length > old_length)
    populate_locked(context, {new_start + old_length, destination.end});
  return result != 0 ? result : static_cast<int64_t>(new_start.value());
}

int64_t Syscalls::mremap(trace::ThreadId thread, VirtAddr old_start, uint64_t old_length,
                         uint64_t new_length, uint32_t flags, VirtAddr new_start) {
  return count(Call::Mremap,
               do_mremap(caller(thread), old_start, old_length, new_length, flags, new_start));
}

int64_t Syscalls::advise_in(Process& process, VirtAddr start, uint64_t length, uint32_t advice) {
  Core& core = system_->core;
  if (!is_aligned(start, core.page())) return -kEINVAL;
  // Advice Linux does not know is refused even for nothing.
  const VirtRange nothing{start, start};
  if (length == 0) return advise(system_->context(process, cpu_), nothing, advice);
  const auto range = core.user_range(start, length);
  if (!range) return -kEINVAL;
  const bool covered = process.mm->vmas.covers(*range);
  const int64_t result = advise(system_->context(process, cpu_), *range, advice);
  return result == 0 && !covered ? -kENOMEM : result;
}

int64_t Syscalls::madvise(trace::ThreadId thread, VirtAddr start, uint64_t length,
                          uint32_t advice) {
  return count(Call::Madvise, advise_in(caller(thread), start, length, advice));
}

// Any start will do: the pages that hold the range are meant.
int64_t Syscalls::lock(trace::ThreadId thread, VirtAddr start, uint64_t length, uint32_t locks) {
  const Call call = locks == 0 ? Call::Munlock : Call::Mlock;
  Process& process = caller(thread);
  Core& core = system_->core;
  const VirtAddr begin = align_down(start, core.page());
  const uint64_t bytes = page_up(core, length + (start - begin));
  if (bytes < length || begin + bytes < begin) return count(call, -kEINVAL);
  if (bytes == 0) return count(call, 0);
  const auto range = core.user_range(begin, bytes);
  return count(call, range ? lock_range(system_->context(process, cpu_), *range, locks) : -kENOMEM);
}

int64_t Syscalls::mlock2(trace::ThreadId thread, VirtAddr start, uint64_t length, uint32_t flags) {
  if ((flags & ~uint32_t{kMlockOnFault}) != 0) return count(Call::Mlock, -kEINVAL);
  return lock(thread, start, length, flags == 0 ? kVmLocked : kVmLocks);
}

int64_t Syscalls::munlock(trace::ThreadId thread, VirtAddr start, uint64_t length) {
  return lock(thread, start, length, 0);
}

int64_t Syscalls::mlockall(trace::ThreadId thread, uint32_t flags) {
  constexpr uint32_t kKnown = kMclCurrent | kMclFuture | kMclOnFault;
  if ((flags & ~kKnown) != 0 || (flags & (kMclCurrent | kMclFuture)) == 0)
    return count(Call::Mlock, -kEINVAL);
  const uint32_t locks = (flags & kMclOnFault) != 0 ? kVmLocks : uint32_t{kVmLocked};
  return count(Call::Mlock,
               lock_all(system_->context(caller(thread), cpu_), (flags & kMclCurrent) != 0, locks,
                        (flags & kMclFuture) != 0 ? locks : 0));
}

int64_t Syscalls::munlockall(trace::ThreadId thread) {
  return count(Call::Munlock, lock_all(system_->context(caller(thread), cpu_), true, 0, 0));
}

int64_t Syscalls::brk(trace::ThreadId thread, VirtAddr requested) {
  Process& process = caller(thread);
  AddressSpace& mm = *process.mm;
  Core& core = system_->core;
  ++core.counters.calls[Call::Brk];
  const auto unchanged = static_cast<int64_t>(mm.brk.value());
  if (requested < mm.brk_start || requested >= core.platform.layout.top) return unchanged;
  if (mm.brk_start == VirtAddr(0)) return unchanged;
  const VirtAddr old_end = align_up(mm.brk, core.page());
  const VirtAddr new_end = align_up(requested, core.page());
  if (new_end > old_end) {
    const auto range = core.user_range(old_end, new_end - old_end);
    if (!range || mm.vmas.overlaps(*range)) return unchanged;
    const uint32_t flags = kVmRead | kVmWrite | kVmAccount | mm.lock_flags;
    if (map_area(core, mm, {*range, flags, FileId(0), 0}) != 0) return unchanged;
    populate_locked(system_->context(process, cpu_), *range);
  } else if (new_end < old_end) {
    if (unmap_range(core, mm, {new_end, old_end}) != 0) return unchanged;
  }
  mm.brk = requested;
  return static_cast<int64_t>(requested.value());
}

void Syscalls::place_break(trace::ThreadId thread, VirtAddr start) {
  AddressSpace& mm = *caller(thread).mm;
  mm.brk_start = start;
  mm.brk = start;
}

int64_t Syscalls::clone(trace::ThreadId thread, trace::ThreadId child, uint64_t clone_flags) {
  Process& parent = caller(thread);
  const bool shares_memory = (clone_flags & kCloneVm) != 0;
  if ((clone_flags & kCloneThread) != 0) {
    if (!shares_memory || child.pid != thread.pid) return -kEINVAL;
    system_->scheduler.forked(thread, child);
    return system_->add_thread(parent, child.tid);
  }
  if (child.pid == thread.pid || system_->find(child.pid) != nullptr) return -kEEXIST;
  const int64_t result = system_->fork(parent, child, shares_memory);
  if (result < 0) return result;
  system_->scheduler.forked(thread, child);
  if ((clone_flags & kCloneVfork) != 0) system_->sleep(thread);
  return result;
}

int64_t Syscalls::pin(trace::ThreadId thread, uint64_t cpu) {
  if (cpu >= system_->scheduler.cpus()) return -kEINVAL;
  system_->pin(thread, CpuId(static_cast<uint32_t>(cpu)));
  return 0;
}

void Syscalls::exec(trace::ThreadId thread, const trace::ExecEvent& image) {
  kernel::exec(*system_, cpu_, thread, image);
}

int64_t Syscalls::exit(trace::ThreadId thread, int32_t status, bool whole_process) {
  if (!system_->knows(thread)) return -kESRCH;
  if (whole_process) {
    system_->exit_process(*system_->find(thread.pid), status);
  } else {
    system_->exit_thread(thread, status);
  }
  return 0;
}

int64_t Syscalls::wait(trace::ThreadId thread, Pid child) {
  const Process* dead = system_->find(child);
  if (dead == nullptr || child == thread.pid) return -kECHILD;
  if (!dead->zombie) return -kEAGAIN;
  system_->reap(caller(thread), child);
  return child.value();
}

}  // namespace mmusim::kernel
