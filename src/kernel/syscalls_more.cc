// Calls on files, and those that say something about a whole process.
#include "base/linux_abi.h"
#include "kernel/syscalls.h"
#include "kernel/truncate.h"
#include "kernel/writeback.h"

namespace mmusim::kernel {

using namespace abi;

int64_t Syscalls::msync(trace::ThreadId thread, VirtAddr start, uint64_t length, uint32_t flags) {
  Core& core = system_->core;
  AddressSpace& mm = *caller(thread).mm;
  const VirtRange nothing{start, start};
  // Flags are looked at first.
  if (const int64_t wrong = sync_range(core, mm, nothing, flags); wrong != 0)
    return count(Call::Msync, wrong);
  if (!is_aligned(start, core.page())) return count(Call::Msync, -kEINVAL);
  if (length == 0) return count(Call::Msync, 0);
  const auto range = core.user_range(start, length);
  return count(Call::Msync, range ? sync_range(core, mm, *range, flags) : -kENOMEM);
}

int64_t Syscalls::process_madvise(trace::ThreadId thread, Pid target, VirtAddr start,
                                  uint64_t length, uint32_t advice) {
  Process& me = caller(thread);
  Process* process = system_->find(target);
  if (process == nullptr || process->mm == nullptr) return count(Call::ProcessMadvise, -kESRCH);
  // Linux: process_madvise_remote_valid.
  const bool for_others = advice == kAdviceCold || advice == kAdvicePageOut ||
                          advice == kAdviceWillNeed || advice == kAdviceCollapse;
  if (process->mm != me.mm && !for_others) return count(Call::ProcessMadvise, -kEINVAL);
  const int64_t result = advise_in(*process, start, length, advice);
  return count(Call::ProcessMadvise, result == 0 ? static_cast<int64_t>(length) : result);
}

int64_t Syscalls::disable_thp(trace::ThreadId thread, uint64_t disable, uint64_t flags) {
  using Disabled = AddressSpace::ThpDisabled;
  AddressSpace& mm = *caller(thread).mm;
  const bool known = flags == 0 || flags == kThpDisableExceptAdvised;
  if (!known || (disable == 0 && flags != 0)) return count(Call::Thp, -kEINVAL);
  mm.thp_disabled = disable == 0 ? Disabled::None
                    : flags == 0 ? Disabled::All
                                 : Disabled::ExceptAdvised;
  return count(Call::Thp, 0);
}

int64_t Syscalls::ftruncate(trace::ThreadId thread, FileId file, uint64_t length) {
  static_cast<void>(caller(thread));
  if (length > INT64_MAX) return count(Call::Truncate, -kEINVAL);
  if (file == FileId(0)) return count(Call::Truncate, -kEBADF);
  truncate_file(system_->core, file, length);
  return count(Call::Truncate, 0);
}

int64_t Syscalls::fallocate(trace::ThreadId thread, FileId file, uint32_t mode, uint64_t offset,
                            uint64_t length) {
  static_cast<void>(caller(thread));
  if (file == FileId(0)) return count(Call::Fallocate, -kEBADF);
  return count(Call::Fallocate, allocate_file(system_->core, file, mode, offset, length));
}

}  // namespace mmusim::kernel
