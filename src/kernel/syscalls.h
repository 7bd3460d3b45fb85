// Linux's memory and process system calls, with Linux's results, placing mappings as Linux does:
// for workload scripts and tests. A recorded trace goes through Kernel::apply() instead, which
// takes places from the recording.
//
// Arguments and results are as on Linux (asm-generic values): >= 0, or -errno. A call by a thread
// nobody knows makes it, with an empty address space. Limits modelled: kernel.max_map_count, stack
// limit and guard gap, mmap_min_addr, user address range, heuristic overcommit; not: other rlimits,
// LSMs.
#ifndef MMUSIM_KERNEL_SYSCALLS_H_
#define MMUSIM_KERNEL_SYSCALLS_H_

#include <cstdint>
#include <string_view>

#include "base/types.h"
#include "kernel/system.h"
#include "trace/record.h"

namespace mmusim::kernel {

class Syscalls {
 public:
  // `system` must outlive it. Calls are made on `cpu`.
  explicit Syscalls(System& system, CpuId cpu = CpuId(0)) : system_(&system), cpu_(cpu) {}

  // The CPU the following calls are made on.
  void on(CpuId cpu) { cpu_ = cpu; }

  // A file of that length in the page cache's terms; opening it again keeps the longer length.
  FileId open(std::string_view name, uint64_t bytes, FileKind kind = FileKind::Regular);

  // `file` is ignored for MAP_ANONYMOUS.
  int64_t mmap(trace::ThreadId thread, VirtAddr hint, uint64_t length, uint32_t prot,
               uint32_t flags, FileId file = FileId(0), uint64_t offset = 0);
  int64_t munmap(trace::ThreadId thread, VirtAddr start, uint64_t length);
  int64_t mprotect(trace::ThreadId thread, VirtAddr start, uint64_t length, uint32_t prot);
  int64_t mremap(trace::ThreadId thread, VirtAddr old_start, uint64_t old_length,
                 uint64_t new_length, uint32_t flags, VirtAddr new_start = VirtAddr(0));
  int64_t madvise(trace::ThreadId thread, VirtAddr start, uint64_t length, uint32_t advice);
  int64_t mlock(trace::ThreadId thread, VirtAddr start, uint64_t length) {
    return mlock2(thread, start, length, 0);
  }
  int64_t mlock2(trace::ThreadId thread, VirtAddr start, uint64_t length, uint32_t flags);
  int64_t munlock(trace::ThreadId thread, VirtAddr start, uint64_t length);
  int64_t mlockall(trace::ThreadId thread, uint32_t flags);
  int64_t munlockall(trace::ThreadId thread);
  int64_t msync(trace::ThreadId thread, VirtAddr start, uint64_t length, uint32_t flags);
  // Advice on the memory of a process, of one range: bytes advised. -ESRCH: no such process;
  // -EINVAL: advice that is only given to oneself.
  int64_t process_madvise(trace::ThreadId thread, Pid target, VirtAddr start, uint64_t length,
                          uint32_t advice);
  // prctl(PR_SET_THP_DISABLE).
  int64_t disable_thp(trace::ThreadId thread, uint64_t disable, uint64_t flags);
  // On files that open() made. -EBADF: none.
  int64_t ftruncate(trace::ThreadId thread, FileId file, uint64_t length);
  int64_t fallocate(trace::ThreadId thread, FileId file, uint32_t mode, uint64_t offset,
                    uint64_t length);
  // The break after the call; the old one if it could not be moved.
  int64_t brk(trace::ThreadId thread, VirtAddr requested);

  // Where the heap begins, empty (Linux: prctl PR_SET_MM_BRK and PR_SET_MM_START_BRK).
  void place_break(trace::ThreadId thread, VirtAddr start);

  // fork, vfork and clone in one; the caller names the child. With CLONE_THREAD the child's pid is
  // the caller's. -EEXIST: such a process or thread lives; -EINVAL: flags that Linux refuses.
  int64_t clone(trace::ThreadId thread, trace::ThreadId child, uint64_t clone_flags);
  // sched_setaffinity to one CPU. -EINVAL: there is no such CPU. From its next turn on.
  int64_t pin(trace::ThreadId thread, uint64_t cpu);
  int64_t fork(trace::ThreadId thread, trace::ThreadId child) { return clone(thread, child, 0); }
  void exec(trace::ThreadId thread, const trace::ExecEvent& image);
  // -ESRCH: no such thread.
  int64_t exit(trace::ThreadId thread, int32_t status, bool whole_process = true);
  // -ECHILD: no such process; -EAGAIN: it has not ended.
  int64_t wait(trace::ThreadId thread, Pid child);

 private:
  Process& caller(trace::ThreadId thread);
  int64_t lock(trace::ThreadId thread, VirtAddr start, uint64_t length, uint32_t locks);
  int64_t count(Call call, int64_t result);
  int64_t advise_in(Process& process, VirtAddr start, uint64_t length, uint32_t advice);
  int64_t do_mmap(Process& process, VirtAddr hint, uint64_t length, uint32_t prot, uint32_t flags,
                  FileId file, uint64_t offset);
  // Whether a fork may charge what the areas charge once more.
  [[nodiscard]] bool may_copy(const AddressSpace& mm) const;

  System* system_;
  CpuId cpu_;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_SYSCALLS_H_
