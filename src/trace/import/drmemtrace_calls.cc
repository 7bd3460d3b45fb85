#include "trace/import/drmemtrace_calls.h"

#include <algorithm>
#include <iterator>

namespace mmusim::trace::drmemtrace {
namespace {

constexpr const char* kIsaNames[] = {"x86_64", "i386", "aarch64", "arm"};

using enum CallKind;

// Numbers: x86-64, i386, aarch64, arm. On i386, mmap takes a pointer to its arguments, which nobody
// records. truncate names its file by a pointer.
constexpr CallType kCalls[] = {
    {"mmap", Mmap, 6, {9, -1, 222, -1}},
    {"mmap2", MmapPages, 6, {-1, 192, -1, 192}},
    {"munmap", Munmap, 2, {11, 91, 215, 91}},
    {"mprotect", Mprotect, 3, {10, 125, 226, 125}},
    {"pkey_mprotect", Mprotect, 3, {329, 380, 288, 394}},
    {"mremap", Mremap, 5, {25, 163, 216, 163}},
    {"brk", Brk, 1, {12, 45, 214, 45}},
    {"madvise", Madvise, 3, {28, 219, 233, 220}},
    {"msync", Msync, 3, {26, 144, 227, 144}},
    {"mlock", Lock, 2, {149, 150, 228, 150}},
    {"mlock2", Lock2, 3, {325, 376, 284, 390}},
    {"munlock", Unlock, 2, {150, 151, 229, 151}},
    {"mlockall", LockAll, 1, {151, 152, 230, 152}},
    {"munlockall", UnlockAll, 0, {152, 153, 231, 153}},
    {"ftruncate", Ftruncate, 2, {77, 93, 46, 93}},
    {"fallocate", Fallocate, 4, {285, -1, 47, -1}},
    {"prctl", Prctl, 2, {157, 172, 167, 172}},
    {"mmap", OtherMemory, 0, {-1, 90, -1, -1}},
    {"ftruncate64", OtherMemory, 0, {-1, 194, -1, 194}},
    {"truncate", OtherMemory, 0, {76, 92, 45, 92}},
    {"truncate64", OtherMemory, 0, {-1, 193, -1, 193}},
    {"fallocate", OtherMemory, 0, {-1, 324, -1, 352}},
    {"process_madvise", OtherMemory, 0, {440, 440, 440, 440}},
    {"shmat", OtherMemory, 0, {30, 397, 196, 305}},
    {"shmdt", OtherMemory, 0, {67, 398, 197, 306}},
    {"remap_file_pages", OtherMemory, 0, {216, 257, 234, 253}},
    {"userfaultfd", OtherMemory, 0, {323, 374, 282, 388}},
    {"mbind", OtherMemory, 0, {237, 274, 235, 319}},
    {"move_pages", OtherMemory, 0, {279, 317, 239, 344}},
    {"migrate_pages", OtherMemory, 0, {256, 294, 238, 400}},
    {"mseal", OtherMemory, 0, {462, 462, 462, 462}},
    {"io_setup", OtherMemory, 0, {206, 245, 0, 243}},
    {"io_uring_setup", OtherMemory, 0, {425, 425, 425, 425}},
    {"map_shadow_stack", OtherMemory, 0, {453, 453, 453, 453}},
    {"fork", Fork, 0, {57, 2, -1, 2}},
    {"vfork", Vfork, 0, {58, 190, -1, 190}},
    {"clone", Clone, 1, {56, 120, 220, 120}},
    {"clone3", Clone3, 0, {435, 435, 435, 435}},
    {"exit", Exit, 1, {60, 1, 93, 1}},
    {"exit_group", Exit, 1, {231, 252, 94, 248}},
    {"wait4", Wait4, 0, {61, 114, 260, 114}},
};

constexpr uint32_t low(uint64_t value) {
  return static_cast<uint32_t>(value);
}
constexpr int32_t descriptor(uint64_t value) {
  return static_cast<int32_t>(low(value));
}

Event lock_event(CallKind kind, const std::array<uint64_t, Call::kMostArguments>& a,
                 int64_t result) {
  LockEvent lock;
  lock.result = result;
  if (kind == LockAll || kind == UnlockAll) {
    lock.what = kind == LockAll ? LockEvent::LockAll : LockEvent::UnlockAll;
    if (kind == LockAll) lock.flags = low(a[0]);
    return lock;
  }
  lock.what = kind == Unlock ? LockEvent::Unlock : LockEvent::Lock;
  lock.start = VirtAddr(a[0]);
  lock.length = a[1];
  if (kind == Lock2) lock.flags = low(a[2]);
  return lock;
}

}  // namespace

const char* name_of(Isa isa) {
  return kIsaNames[static_cast<size_t>(isa)];
}

std::optional<Isa> isa_named(std::string_view name) {
  const auto* const found = std::find(std::begin(kIsaNames), std::end(kIsaNames), name);
  if (found == std::end(kIsaNames)) return std::nullopt;
  return static_cast<Isa>(found - std::begin(kIsaNames));
}

std::span<const CallType> call_types() {
  return kCalls;
}

const CallType* call_type(Isa isa, uint64_t number) {
  for (const CallType& type : kCalls) {
    const int32_t known = type.numbers[static_cast<size_t>(isa)];
    if (known >= 0 && static_cast<uint64_t>(known) == number) return &type;
  }
  return nullptr;
}

const CallType* call_of_kind(Isa isa, CallKind kind) {
  for (const CallType& type : kCalls)
    if (type.kind == kind && has(isa, type)) return &type;
  return nullptr;
}

const CallType* call_named(Isa isa, std::string_view name) {
  for (const CallType& type : kCalls)
    if (type.name == name && has(isa, type)) return &type;
  return nullptr;
}

std::optional<Event> memory_event(const Call& call, int64_t result) {
  if (call.given < call.type->arguments) return std::nullopt;
  const auto& a = call.arguments;
  switch (const CallKind kind = call.type->kind) {
    case Mmap:
    case MmapPages:
      return MmapEvent{.hint = VirtAddr(a[0]),
                       .length = a[1],
                       .prot = low(a[2]),
                       .flags = low(a[3]),
                       .fd = descriptor(a[4]),
                       .offset = kind == MmapPages ? a[5] * kMmapUnit : a[5],
                       .result = result,
                       .file = {}};
    case Munmap:
      return MunmapEvent{.start = VirtAddr(a[0]), .length = a[1], .result = result};
    case Mprotect:  // protection keys are left out
      return MprotectEvent{
          .start = VirtAddr(a[0]), .length = a[1], .prot = low(a[2]), .result = result};
    case Mremap:
      return MremapEvent{.old_start = VirtAddr(a[0]),
                         .old_length = a[1],
                         .new_length = a[2],
                         .flags = low(a[3]),
                         .new_hint = VirtAddr(a[4]),
                         .result = result};
    case Brk:
      return BrkEvent{.requested = VirtAddr(a[0]),
                      .result = VirtAddr(static_cast<uint64_t>(result))};
    case Madvise:
      return MadviseEvent{
          .start = VirtAddr(a[0]), .length = a[1], .advice = low(a[2]), .result = result};
    case Msync:
      return MsyncEvent{
          .start = VirtAddr(a[0]), .length = a[1], .flags = low(a[2]), .result = result};
    case Lock:
    case Lock2:
    case Unlock:
    case LockAll:
    case UnlockAll:
      return lock_event(kind, a, result);
    case Ftruncate:
      return TruncateEvent{.fd = descriptor(a[0]), .length = a[1], .result = result, .file = {}};
    case Fallocate:
      return FallocateEvent{.fd = descriptor(a[0]),
                            .mode = low(a[1]),
                            .offset = a[2],
                            .length = a[3],
                            .result = result,
                            .file = {}};
    case Prctl:
      if (a[0] != kPrSetThpDisable) return std::nullopt;
      return ThpEvent{.disable = a[1] != 0 ? 1u : 0u,
                      .flags = call.given > 2 ? low(a[2]) : 0,
                      .result = result};
    default:
      return std::nullopt;
  }
}

}  // namespace mmusim::trace::drmemtrace
