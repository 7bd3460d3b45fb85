// The meaning of the system calls that matter to memory: their arguments and results as events.
#include <utility>

#include "base/linux_abi.h"
#include "trace/import/lackey_process.h"

namespace mmusim::trace::lackey {
namespace {

// Linux's values, asm-generic and x86.
constexpr uint64_t kVforkNumber = 58;  // printed under the name sys_fork
constexpr uint64_t kOpenCloexec = 02000000;
constexpr uint64_t kFcntlDup = 0;
constexpr uint64_t kFcntlSetFd = 2;
constexpr uint64_t kFcntlDupCloexec = 1030;
constexpr uint64_t kWaitNoHang = 1;
constexpr uint64_t kWaitExited = 4;
constexpr uint64_t kWaitNoReap = 0x1000000;
constexpr uint64_t kWaitForPid = 1;      // waitid's idtype P_PID
constexpr uint64_t kMaxFd = 1 << 16;     // descriptors beyond are not followed
constexpr size_t kMaxOpenFiles = 16384;  // of one process

bool has(const Call& call, size_t arguments) {
  return call.complete && call.arguments.size() >= arguments;
}

}  // namespace

Process::Reading Process::memory_event(const Call& call, const CallResult& result,
                                       Event& event) const {
  const std::vector<uint64_t>& a = call.arguments;
  const int64_t value = value_of(result);
  if (call.name == "sys_mmap") {
    if (!has(call, 6)) return Reading::Wrong;
    const bool anonymous = low(a[4]) == 0xffffffffu;
    event = MmapEvent{.hint = VirtAddr(a[0]),
                      .length = a[1],
                      .prot = low(a[2]),
                      .flags = low(a[3]),
                      .fd = static_cast<int32_t>(low(a[4])),
                      .offset = a[5],
                      .result = value,
                      .file = anonymous ? std::string() : path_of(a[4])};
  } else if (call.name == "sys_munmap") {
    if (!has(call, 2)) return Reading::Wrong;
    event = MunmapEvent{.start = VirtAddr(a[0]), .length = a[1], .result = value};
  } else if (call.name == "sys_mprotect") {
    if (!has(call, 3)) return Reading::Wrong;
    event =
        MprotectEvent{.start = VirtAddr(a[0]), .length = a[1], .prot = low(a[2]), .result = value};
  } else if (call.name == "sys_mremap") {
    if (!has(call, 4)) return Reading::Wrong;
    event = MremapEvent{.old_start = VirtAddr(a[0]),
                        .old_length = a[1],
                        .new_length = a[2],
                        .flags = low(a[3]),
                        .new_hint = VirtAddr(a.size() > 4 ? a[4] : 0),
                        .result = value};
  } else if (call.name == "sys_brk") {
    if (!has(call, 1)) return Reading::Wrong;
    event = BrkEvent{.requested = VirtAddr(a[0]), .result = VirtAddr(result.value)};
  } else if (call.name == "sys_madvise") {
    if (!has(call, 3)) return Reading::Wrong;
    event =
        MadviseEvent{.start = VirtAddr(a[0]), .length = a[1], .advice = low(a[2]), .result = value};
  } else {
    return other_memory_event(call, result, event);
  }
  return Reading::Done;
}

Process::Reading Process::process_event(Tid tid, uint64_t number, const Call& call,
                                        const CallResult& result, std::vector<Effect>& effects) {
  const std::vector<uint64_t>& a = call.arguments;
  if (call.name == "exit_group") {
    if (!has(call, 1)) return Reading::Wrong;
    ended_ = status_of_exit(a[0]);
  } else if (call.name == "exit") {
    if (!has(call, 1)) return Reading::Wrong;
    threads_.erase(tid);
    std::erase_if(numbered_, [tid](const auto& entry) { return entry.second == tid; });
    std::erase(half_lines_, tid);
    if (threads_.empty()) {
      ended_ = status_of_exit(a[0]);
      threads_[tid];
    } else {
      run_another(tid);
      effects.push_back({.thread = {pid_, tid},
                         .event = ExitEvent{.status = status_of_exit(a[0]), .whole_process = false},
                         .child = {}});
    }
  } else if (call.name == "sys_fork" || call.name == "sys_vfork") {
    const bool vfork = call.name == "sys_vfork" || number == kVforkNumber;
    return clone_event(
        tid, vfork ? abi::kCloneVm | abi::kCloneVfork | abi::kSignalChild : abi::kSignalChild, call,
        result, effects);
  } else if (call.name == "sys_clone") {
    if (!has(call, 1)) return Reading::Wrong;
    return clone_event(tid, a[0], call, result, effects);
  } else if (call.name == "sys_wait4") {
    if (!has(call, 3)) return Reading::Wrong;
    if (result.outcome != Outcome::Success || result.value == 0) return Reading::Done;
    if (result.value > UINT32_MAX) return Reading::Wrong;
    const Pid child(low(result.value));
    effects.push_back({.thread = {pid_, tid},
                       .event = WaitEvent{.child = child},
                       .then = Effect::Then::Reaped,
                       .child = child});
  } else if (call.name == "sys_waitid") {
    if (!has(call, 4)) return Reading::Wrong;
    // Which child it was is told by a pointer only; and without a wait, not even whether there was
    // one.
    const bool reaps = (a[3] & kWaitExited) != 0 && (a[3] & (kWaitNoReap | kWaitNoHang)) == 0;
    if (result.outcome != Outcome::Success || !reaps) return Reading::Done;
    const bool named = a[0] == kWaitForPid && a[1] <= UINT32_MAX;
    const Pid child(named ? low(a[1]) : 0);
    effects.push_back({.thread = {pid_, tid},
                       .event = WaitEvent{.child = child},
                       .then = named ? Effect::Then::Reaped : Effect::Then::ReapedSome,
                       .child = child});
  } else if (call.name == "sys_rt_sigreturn") {
    if (!threads_[tid].pending.empty()) returned_ = tid;
  } else {
    return Reading::Other;
  }
  return Reading::Done;
}

// A call was done but its result not printed. It may have been interrupted without effect; but the
// signal nearly always is the one of the child that ended. So a wait is taken to have reaped.
void Process::lost_result(Tid tid, const Pending& pending, std::vector<Effect>& effects) {
  const Call& call = pending.call;
  const CallResult success{.outcome = Outcome::Success};
  if (call.name == "sys_madvise") {
    Effect effect{.thread = {pid_, tid}, .event = {}, .child = {}};
    if (memory_event(call, success, effect.event) == Reading::Done) effects.push_back(effect);
  } else if (call.name == "sys_waitid") {
    process_event(tid, pending.number, call, success, effects);
  } else if (call.name == "sys_wait4" && has(call, 3) && (call.arguments[2] & kWaitNoHang) == 0) {
    const auto wanted = static_cast<int32_t>(low(call.arguments[0]));
    const Pid child(wanted > 0 ? low(call.arguments[0]) : 0);
    effects.push_back({.thread = {pid_, tid},
                       .event = WaitEvent{.child = child},
                       .then = wanted > 0 ? Effect::Then::Reaped : Effect::Then::ReapedSome,
                       .child = child});
  }
}

Process::Reading Process::clone_event(Tid tid, uint64_t flags, const Call& call,
                                      const CallResult& result, std::vector<Effect>& effects) {
  if (result.outcome != Outcome::Success) return Reading::Done;
  if (result.value == 0) return Reading::Done;  // the child's side
  if (result.value > UINT32_MAX) return Reading::Wrong;
  const uint32_t id = call.created_child != 0 ? call.created_child : low(result.value);
  Effect effect{.thread = {pid_, tid}, .event = {}, .child = {}};
  ForkEvent fork{.child = {Pid(id), Tid(id)},
                 .clone_flags = flags,
                 .shares_memory = (flags & abi::kCloneVm) != 0};
  if ((flags & abi::kCloneThread) != 0) {
    if (threads_.size() >= kMaxThreads) return Reading::Wrong;
    fork.child.pid = pid_;
    threads_[Tid(id)];
    unseen_.push_back(Tid(id));
  } else {
    effect.then = Effect::Then::Birth;
    effect.child = Pid(id);
    effect.vfork = (flags & abi::kCloneVfork) != 0;
  }
  effect.event = fork;
  effects.push_back(std::move(effect));
  return Reading::Done;
}

void Process::file_call(const Call& call, const CallResult& result) {
  const std::vector<uint64_t>& a = call.arguments;
  if (call.name == "sys_close") {
    // Linux closes the descriptor even where close fails, but for a bad descriptor.
    if (has(call, 1)) files_.erase(a[0]);
    return;
  }
  if (result.outcome != Outcome::Success) return;
  if (call.name == "sys_openat") {
    if (!has(call, 3) || !call.has_path) return;
    const bool from_directory = !call.path.starts_with('/') && a[0] < kMaxFd;
    const std::string directory = from_directory ? path_of(a[0]) : std::string();
    open_file(result.value, directory.empty() ? call.path : directory + "/" + call.path,
              (a[2] & kOpenCloexec) != 0);
  } else if (call.name == "sys_open") {
    if (!has(call, 2) || !call.has_path) return;
    open_file(result.value, call.path, (a[1] & kOpenCloexec) != 0);
  } else if (call.name == "sys_creat") {
    if (!has(call, 1) || !call.has_path) return;
    open_file(result.value, call.path, false);
  } else if (call.name == "sys_dup") {
    if (has(call, 1)) duplicate_file(a[0], result.value, false);
  } else if (call.name == "sys_dup2") {
    if (has(call, 2) && a[0] != a[1]) duplicate_file(a[0], a[1], false);
  } else if (call.name == "sys_dup3") {
    if (has(call, 3)) duplicate_file(a[0], a[1], (a[2] & kOpenCloexec) != 0);
  } else if (call.name == "sys_fcntl") {
    if (!has(call, 2)) return;
    if (a[1] == kFcntlDup || a[1] == kFcntlDupCloexec) {
      duplicate_file(a[0], result.value, a[1] == kFcntlDupCloexec);
    } else if (a[1] == kFcntlSetFd && a.size() >= 3) {
      const auto file = files_.find(a[0]);
      if (file != files_.end()) file->second.close_on_exec = (a[2] & 1) != 0;
    }
  }
}

void Process::open_file(uint64_t fd, std::string path, bool close_on_exec) {
  files_.erase(fd);
  if (fd >= kMaxFd || files_.size() >= kMaxOpenFiles) return;
  files_[fd] = {std::make_shared<const std::string>(std::move(path)), close_on_exec};
}

void Process::duplicate_file(uint64_t from, uint64_t to, bool close_on_exec) {
  const auto file = files_.find(from);
  if (file == files_.end() || to >= kMaxFd || files_.size() >= kMaxOpenFiles) {
    files_.erase(to);
    return;
  }
  const File copy{file->second.path, close_on_exec};
  files_[to] = copy;
}

std::string Process::path_of(uint64_t fd) const {
  const auto file = files_.find(fd);
  return file == files_.end() ? std::string() : *file->second.path;
}

}  // namespace mmusim::trace::lackey
