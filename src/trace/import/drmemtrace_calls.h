// System calls of drmemtrace traces that matter to memory or to processes, and what they become.
//
// Numbers are Linux's of the trace's ISA (asm/unistd.h). Arguments and results are there only where
// the recorder was told to keep them (-record_syscall).
#ifndef MMUSIM_TRACE_IMPORT_DRMEMTRACE_CALLS_H_
#define MMUSIM_TRACE_IMPORT_DRMEMTRACE_CALLS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "trace/record.h"

namespace mmusim::trace::drmemtrace {

enum class Isa : uint8_t { X86_64, I386, Aarch64, Arm };
const char* name_of(Isa isa);
// As the header of a trace names it.
std::optional<Isa> isa_named(std::string_view name);
constexpr bool is_64_bit(Isa isa) {
  return isa == Isa::X86_64 || isa == Isa::Aarch64;
}

inline constexpr uint64_t kPrSetThpDisable = 41;
inline constexpr uint64_t kMmapUnit = 4096;  // of mmap2's offset, on every ISA here

enum class CallKind : uint8_t {
  Mmap,
  MmapPages,  // its offset is in units of 4096 bytes
  Munmap,
  Mprotect,
  Mremap,
  Brk,
  Madvise,
  Msync,
  Lock,
  Lock2,
  Unlock,
  LockAll,
  UnlockAll,
  Ftruncate,
  Fallocate,
  Prctl,
  OtherMemory,  // changes memory, and there is no event for it
  Fork,
  Vfork,
  Clone,
  Clone3,
  Exit,
  Wait4
};

struct CallType {
  const char* name;
  CallKind kind;
  uint8_t arguments;               // that are needed to know what it did
  std::array<int32_t, 4> numbers;  // by Isa; -1: there is none
};
// Null: of no interest.
const CallType* call_type(Isa isa, uint64_t number);
// All there are, and whether an ISA has one.
std::span<const CallType> call_types();
constexpr bool has(Isa isa, const CallType& type) {
  return type.numbers[static_cast<size_t>(isa)] >= 0;
}
// For who writes traces. Null: the ISA has none.
const CallType* call_of_kind(Isa isa, CallKind kind);
const CallType* call_named(Isa isa, std::string_view name);

constexpr bool changes_memory(CallKind kind) {
  return kind <= CallKind::OtherMemory;
}
constexpr bool makes_thread(CallKind kind) {
  return kind >= CallKind::Fork && kind <= CallKind::Clone3;
}

struct Call {
  static constexpr size_t kMostArguments = 6;
  const CallType* type = nullptr;  // null: of no interest
  uint64_t number = 0;
  std::array<uint64_t, kMostArguments> arguments{};
  uint8_t given = 0;       // arguments that were recorded
  bool described = false;  // the recorder keeps what is of this call
};

// What a call that changes memory did; nothing if its arguments do not tell, or if it changed
// nothing (prctl of other things). REQUIRES: changes_memory(call.type->kind). `result`: >= 0, or
// -errno.
std::optional<Event> memory_event(const Call& call, int64_t result);

}  // namespace mmusim::trace::drmemtrace

#endif  // MMUSIM_TRACE_IMPORT_DRMEMTRACE_CALLS_H_
