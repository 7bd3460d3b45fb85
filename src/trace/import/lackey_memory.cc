// System calls on files, locks and whole processes that matter to memory, as events; and those that
// matter and have none, by name.
#include <algorithm>

#include "trace/import/lackey_process.h"

namespace mmusim::trace::lackey {
namespace {

constexpr uint64_t kPrSetThpDisable = 41;

// They change what is mapped, or how, in ways for which there is no event.
constexpr const char* kOthers[] = {
    "sys_remap_file_pages", "sys_shmat",           "sys_shmdt",
    "sys_userfaultfd",      "sys_mbind",           "sys_move_pages",
    "sys_migrate_pages",    "sys_process_madvise", "sys_mseal",
    "sys_io_setup",         "sys_io_uring_setup",  "sys_map_shadow_stack"};

}  // namespace

Process::Reading Process::other_memory_event(const Call& call, const CallResult& result,
                                             Event& event) const {
  const std::vector<uint64_t>& a = call.arguments;
  const int64_t value = value_of(result);
  const auto has = [&](size_t arguments) { return call.complete && a.size() >= arguments; };
  const auto lock = [&](uint32_t what, size_t arguments) {
    if (!has(arguments)) return Reading::Wrong;
    LockEvent locked;
    locked.what = what;
    locked.result = value;
    const bool all = what >= LockEvent::LockAll;
    if (!all) {
      locked.start = VirtAddr(a[0]);
      locked.length = a[1];
    }
    const size_t flags = all ? 0 : 2;
    if (arguments > flags) locked.flags = low(a[flags]);
    event = locked;
    return Reading::Done;
  };
  if (call.name == "sys_mlock") return lock(LockEvent::Lock, 2);
  if (call.name == "sys_mlock2") return lock(LockEvent::Lock, 3);
  if (call.name == "sys_munlock") return lock(LockEvent::Unlock, 2);
  if (call.name == "sys_mlockall") return lock(LockEvent::LockAll, 1);
  if (call.name == "sys_munlockall") return lock(LockEvent::UnlockAll, 0);
  if (call.name == "sys_msync") {
    if (!has(3)) return Reading::Wrong;
    event =
        MsyncEvent{.start = VirtAddr(a[0]), .length = a[1], .flags = low(a[2]), .result = value};
    return Reading::Done;
  }
  if (call.name == "sys_ftruncate" || call.name == "sys_ftruncate64") {
    if (!has(2)) return Reading::Wrong;
    event = TruncateEvent{.fd = static_cast<int32_t>(low(a[0])),
                          .length = a[1],
                          .result = value,
                          .file = path_of(a[0])};
    return Reading::Done;
  }
  if (call.name == "sys_truncate" || call.name == "sys_truncate64") {
    if (!has(2)) return Reading::Wrong;
    event = TruncateEvent{.fd = -1, .length = a[1], .result = value, .file = call.path};
    return Reading::Done;
  }
  if (call.name == "sys_fallocate") {
    if (!has(4)) return Reading::Wrong;
    event = FallocateEvent{.fd = static_cast<int32_t>(low(a[0])),
                           .mode = low(a[1]),
                           .offset = a[2],
                           .length = a[3],
                           .result = value,
                           .file = path_of(a[0])};
    return Reading::Done;
  }
  if (call.name == "sys_prctl" && has(2) && a[0] == kPrSetThpDisable) {
    event = ThpEvent{
        .disable = a[1] != 0 ? 1u : 0u, .flags = a.size() > 2 ? low(a[2]) : 0, .result = value};
    return Reading::Done;
  }
  // Protection keys are left out: what remains is an mprotect.
  if (call.name == "sys_pkey_mprotect") {
    if (!has(3)) return Reading::Wrong;
    event =
        MprotectEvent{.start = VirtAddr(a[0]), .length = a[1], .prot = low(a[2]), .result = value};
    return Reading::Done;
  }
  const bool listed = std::any_of(std::begin(kOthers), std::end(kOthers),
                                  [&](const char* name) { return call.name == name; });
  if (!listed || result.outcome == Outcome::Failure) return Reading::Other;
  event = OtherCallEvent{.name = call.name.substr(4), .result = value};
  return Reading::Done;
}

}  // namespace mmusim::trace::lackey
