// The system call lines of a lackey log (--trace-syscalls=yes), taken apart. Text only: what a call
// means for a process is lackey_process.h's business.
//
// A call is printed in pieces, between which other threads may print theirs:
//
// clang-format off
//     SYSCALL[3704,1](9) sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 ) --> [pre-success] Success(0x4835000)
//     SYSCALL[3704,1](10) sys_mprotect ( 0x4a16000, 16384, 1 )[sync] --> Success(0x0)
//     SYSCALL[3704,1](257) sys_openat ( 4294967196, 0x4029(/etc/ld.so.cache), 524288 ) --> [async] ...
//     SYSCALL[3704,1](257) ... [async] --> Success(0x6)
// clang-format on
//
// The newline after a result is printed only when the calling thread goes on,
// so that what another thread prints first is glued behind it. Source: observed logs of
// Valgrind 3.19, cut down to samples in tests/unit/trace_import.
#ifndef MMUSIM_TRACE_IMPORT_LACKEY_SYSCALL_H_
#define MMUSIM_TRACE_IMPORT_LACKEY_SYSCALL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mmusim::trace::lackey {

// "SYSCALL[pid,tid](number) " and where it ends.
struct CallHead {
  uint32_t pid = 0;
  uint32_t tid = 0;  // Valgrind's own thread number, from 1; not the kernel's
  uint64_t number = 0;
  size_t bytes = 0;
};
std::optional<CallHead> parse_call_head(std::string_view text);

// What is known of a call's outcome.
enum class Outcome : uint8_t {
  None,     // not printed yet (or never: a successful execve, a killed process)
  Waiting,  // "[async] ...": it may block; the result comes in a later line
  Success,
  Failure,  // value is the error number
  NoWrite   // the call does not return a value (sigreturn)
};
struct CallResult {
  Outcome outcome = Outcome::None;
  uint64_t value = 0;
  size_t begin = 0;  // where the arrow starts in the text searched
  size_t end = 0;    // behind the result and its space; a newline or glued text follows
};
// Finds the first complete result (" --> ...") in `text`. None if there is none.
CallResult find_result(std::string_view text);
// As the kernel returned it: an error number below zero.
inline int64_t value_of(const CallResult& result) {
  const auto value = static_cast<int64_t>(result.value);
  return result.outcome == Outcome::Failure ? -value : value;
}
// An int or unsigned argument: what lies above its 32 bits means nothing.
inline uint32_t low(uint64_t argument) {
  return static_cast<uint32_t>(argument);
}

// Name and arguments of a call, from behind the head up to the result.
struct Call {
  std::string name;                 // as printed: sys_mmap, exit_group, sys_fcntl, ...
  std::vector<uint64_t> arguments;  // at most 8 of them
  bool has_path = false;       // a string argument (text in brackets behind a pointer) was found
  std::string path;            // the first such, as far as it goes
  uint32_t created_child = 0;  // "process X created child Y"
  // The argument list was there and understood up to its closing bracket.
  bool complete = false;
};
Call parse_call(std::string_view text);

}  // namespace mmusim::trace::lackey

#endif  // MMUSIM_TRACE_IMPORT_LACKEY_SYSCALL_H_
