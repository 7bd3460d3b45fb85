#include "kernel/syscalls.h"

#include <algorithm>
#include <vector>

#include "base/linux_abi.h"
#include "kernel/advise.h"
#include "kernel/exec.h"
#include "kernel/lock.h"
#include "kernel/mapping.h"
#include "kernel/populate.h"
#include "kernel/remap.h"
#include "kernel/unmapped_area.h"

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
  if (failed(result)) ++system_->core.counters.failed_calls;
  return result;
}

FileId Syscalls::open(std::string_view name, uint64_t bytes, FileKind kind) {
  const FileId id = system_->core.cache.named(name, kind);
  File& file = system_->core.cache.file(id);
  file.length_known = true;
  file.pages = std::max(file.pages, system_->core.pages(page_up(system_->core, bytes)));
  return id;
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
  PageShift page = core.page();
  if (pool) {
    const unsigned log2 = flags >> kMapHugeShift & kMapHugeMask;
    const auto wanted = log2 == 0 ? core.default_pool() : std::optional(PageShift(log2));
    if (!anonymous || !wanted || core.pools.find(*wanted) == nullptr) return -kEINVAL;
    page = *wanted;
    length = align_up(VirtAddr(length), page).value();
    if (length > top) return -kENOMEM;
  }

  VirtAddr start = hint;
  if ((flags & (kMapFixed | kMapFixedNoReplace)) != 0) {
    if (!is_aligned(start, page)) return -kEINVAL;
    const auto range = core.user_range(start, length);
    if (!range) return -kENOMEM;
    if (start < core.platform.layout.lowest) return -kEPERM;
    if ((flags & kMapFixedNoReplace) != 0 && mm.vmas.overlaps(*range)) return -kEEXIST;
  } else {
    Backing backing = shared ? Backing::SharedMemory : Backing::Anonymous;
    if (pool) {
      backing = Backing::Pool;
    } else if (!anonymous) {
      const bool on_disk = core.cache.file(file).kind == FileKind::Regular;
      backing = on_disk ? Backing::Disk : Backing::SharedMemory;
    }
    const auto found = unmapped_area(core, mm,
                                     {.length = length,
                                      .backing = backing,
                                      .offset = anonymous ? 0 : offset,
                                      .hint = hint,
                                      .pool = page});
    if (!found) return -kENOMEM;
    start = *found;
  }
  // Linux looks at these when it has a place.
  if (type != kMapShared && type != kMapPrivate && type != kMapSharedValidate) return -kEINVAL;
  if (anonymous && type == kMapSharedValidate) return -kEINVAL;
  if ((flags & kMapGrowsDown) != 0 && (shared || !anonymous)) return -kEINVAL;
  const VirtRange range{start, start + length};
  uint32_t area_flags = vm_flags(prot, flags) | mm.lock_flags;
  // The pool's memory is never locked, but faulted in as if it were.
  const bool pool_locked = pool && (area_flags & kVmLocked) != 0;
  const bool charged =
      (area_flags & kVmAccount) != 0 || (anonymous && shared && (area_flags & kVmNoReserve) == 0);
  if (charged && !pool && !core.may_commit(length)) return -kENOMEM;
  if (pool) {
    const bool noreserve = (flags & kMapNoReserve) != 0;
    const auto memory = core.files.pool_memory(page, length, noreserve);
    if (!memory) return -kENOMEM;
    file = *memory;
    area_flags = pool_flags(area_flags, noreserve);
  } else if (anonymous) {
    file = shared ? core.files.shared_memory(length) : FileId(0);
  }
  if (anonymous) offset = 0;
  core.files.pin(file);
  const int64_t result = map_area(core, mm, {range, area_flags, file, core.pages(offset)});
  core.files.unpin(file);
  if (result != 0) return result;
  const FaultContext context = system_->context(process, cpu_);
  const bool populates = (flags & kMapPopulate) != 0 && (flags & kMapNonBlock) == 0;
  if (populates || pool_locked) populate(context, range);
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
    const Vma* vma = process.mm->vmas.find_from(start);
    if (vma == nullptr || vma->start >= range->end) return count(Call::Mprotect, -kENOMEM);
    if (!vma->has(kVmGrowsDown)) return count(Call::Mprotect, -kEINVAL);
    range->begin = vma->start;
  }
  return count(Call::Mprotect, protect_range(system_->context(process, cpu_), *range, prot, false));
}

int64_t Syscalls::mremap(trace::ThreadId thread, VirtAddr old_start, uint64_t old_length,
                         uint64_t new_length, uint32_t flags, VirtAddr new_start) {
  const FaultContext context = system_->context(caller(thread), cpu_);
  return count(Call::Mremap, remap(context, {.start = old_start,
                                             .old_length = old_length,
                                             .new_length = new_length,
                                             .flags = flags,
                                             .target = new_start}));
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
    // A page stays free behind the heap, and a stack's guard gap.
    const auto range = core.user_range(old_end, new_end - old_end);
    const Vma* next = mm.vmas.find_from(old_end);
    const uint64_t gap =
        next != nullptr && next->has(kVmGrowsDown) ? core.platform.layout.stack_gap : 0;
    if (!range || (next != nullptr &&
                   (next->start < new_end || next->start - new_end < core.page().bytes() + gap)))
      return unchanged;
    if (!core.may_commit(range->bytes())) return unchanged;
    const uint32_t flags = kVmRead | kVmWrite | kVmAccount | mm.lock_flags;
    if (map_area(core, mm, {*range, flags, FileId(0), 0}) != 0) return unchanged;
    populate_locked(system_->context(process, cpu_), *range);
  } else if (new_end < old_end) {
    // Where nothing is left of it, it cannot shrink.
    const VirtRange gone{new_end, old_end};
    if (!mm.vmas.overlaps(gone) || unmap_range(core, mm, gone) != 0) return unchanged;
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
  if (!shares_memory && !may_copy(*parent.mm)) return -kENOMEM;
  const int64_t result = system_->fork(parent, child, shares_memory);
  if (result < 0) return result;
  system_->scheduler.forked(thread, child);
  if ((clone_flags & kCloneVfork) != 0) system_->sleep(thread);
  return result;
}

// Each area that is charged is charged once more, one by one.
bool Syscalls::may_copy(const AddressSpace& mm) const {
  const auto& areas = mm.vmas.areas();
  return std::all_of(areas.begin(), areas.end(), [&](const auto& one) {
    const Vma& vma = one.second;
    return vma.has(kVmDontCopy) || !vma.has(kVmAccount) ||
           system_->core.may_commit(vma.range().bytes());
  });
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
