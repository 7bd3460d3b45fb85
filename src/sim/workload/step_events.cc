#include "sim/workload/step_events.h"

#include <fmt/format.h>

#include "base/linux_abi.h"

namespace mmusim::sim::workload {
namespace {

trace::MmapEvent mmap_of(const Plan& plan, const Step& step, int64_t returned) {
  constexpr int32_t kSomeFd = 3;
  trace::MmapEvent event;
  event.hint = step.anywhere ? VirtAddr(0) : step.range.begin;
  event.length = step.range.bytes();
  event.prot = step.prot;
  // What has a name is not anonymous to who reads a trace.
  event.flags = step.flags & ~uint32_t{abi::kMapAnonymous};
  event.fd = kSomeFd;
  event.offset = step.offset;
  event.result = returned;
  event.file = step.file != 0 ? plan.files[step.file - 1].name
                              : fmt::format("[segment {}]", plan.segments[step.segment]);
  return event;
}

trace::ForkEvent fork_of(const Step& step) {
  using Kind = Step::Kind;
  const uint64_t flags = step.kind == Kind::Fork     ? 0
                         : step.kind == Kind::Thread ? uint64_t{abi::kCloneVm}
                                                     : abi::kCloneVm | abi::kCloneVfork;
  return {thread_of(step.other), flags, step.kind != Kind::Fork};
}

trace::LockEvent lock_of(const Step& step, uint32_t what, int64_t returned) {
  const bool all = what >= trace::LockEvent::LockAll;
  return {.what = what,
          .start = all ? VirtAddr(0) : step.range.begin,
          .length = all ? 0 : step.range.bytes(),
          .flags = step.flags,
          .result = returned};
}

}  // namespace

trace::ExecEvent exec_of(const Plan& plan, VirtAddr heap) {
  trace::ExecEvent event;
  event.program = plan.name();
  event.brk = heap;
  return event;
}

std::optional<trace::Event> event_of(const Plan& plan, const Step& step, int64_t returned) {
  using Kind = Step::Kind;
  using trace::LockEvent;
  const VirtAddr start = step.range.begin;
  const uint64_t bytes = step.range.bytes();
  switch (step.kind) {
    case Kind::Map:
      return mmap_of(plan, step, returned);
    case Kind::Unmap:
      return trace::MunmapEvent{start, bytes, returned};
    case Kind::Protect:
      return trace::MprotectEvent{start, bytes, step.prot, returned};
    case Kind::Advise:
      return trace::MadviseEvent{start, bytes, step.advice, returned};
    case Kind::Lock:
      return lock_of(step, LockEvent::Lock, returned);
    case Kind::Unlock:
      return lock_of(step, LockEvent::Unlock, returned);
    case Kind::LockAll:
      return lock_of(step, LockEvent::LockAll, returned);
    case Kind::UnlockAll:
      return lock_of(step, LockEvent::UnlockAll, returned);
    case Kind::Remap:
      return trace::MremapEvent{start,   bytes, step.target.bytes(), step.flags, step.target.begin,
                                returned};
    case Kind::Break:
      return trace::BrkEvent{step.range.end, VirtAddr(static_cast<uint64_t>(returned))};
    case Kind::Truncate:
      return trace::TruncateEvent{-1, step.offset, returned, plan.files[step.file - 1].name};
    case Kind::Hole:
      return trace::FallocateEvent{.fd = -1,
                                   .mode = abi::kFallocPunchHole | abi::kFallocKeepSize,
                                   .offset = step.offset,
                                   .length = step.bytes,
                                   .result = returned,
                                   .file = plan.files[step.file - 1].name};
    case Kind::Sync:
      return trace::MsyncEvent{start, bytes, step.flags, returned};
    case Kind::Thp:
      return trace::ThpEvent{step.off ? 1U : 0U, step.flags, returned};
    case Kind::AdviseOther:
      return trace::ProcessMadviseEvent{thread_of(step.other).pid, start, bytes, step.advice,
                                        returned};
    case Kind::Fork:
    case Kind::Vfork:
    case Kind::Thread:
      if (trace::failed(returned)) return std::nullopt;
      return fork_of(step);
    case Kind::Exit:
      return trace::ExitEvent{};
    case Kind::Wait:
      return trace::WaitEvent{thread_of(step.other).pid, 0};
    case Kind::Pin:
      return trace::SwitchEvent{CpuId(step.other)};
    case Kind::Exec:
    case Kind::Touch:
    case Kind::Begin:
    case Kind::End:
      break;
  }
  return std::nullopt;
}

}  // namespace mmusim::sim::workload
