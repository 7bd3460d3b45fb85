// System calls that `perf script` prints by their numbers, entered and left:
//
//     7/7 1.5: raw_syscalls:sys_enter: NR 9 (0, 2000, 3, 22, ffffffff, 0)   0 ffffffff81417d70
//     7/7 1.6:  raw_syscalls:sys_exit: NR 9 = 139912112504832               0 ffffffff81417e9c
//
// Memory: the calls that threads are in, and children not waited for, up to limits. Not
// thread-safe.
#ifndef MMUSIM_TRACE_IMPORT_PERF_CALLS_H_
#define MMUSIM_TRACE_IMPORT_PERF_CALLS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "trace/import/drmemtrace_calls.h"
#include "trace/import/reference_stream.h"
#include "trace/remark.h"

namespace mmusim::trace::perf {

class ScriptCalls {
 public:
  ScriptCalls(ReferenceStream& stream, std::string_view isa)
      : stream_(stream), isa_(drmemtrace::isa_named(isa)) {}

  // `rest`: behind the event's name. What is wrong, null if nothing is.
  const char* enter(ThreadId thread, std::string_view rest);
  const char* exit(ThreadId thread, std::string_view rest);

  // perf tells of a mapping, of this file or of none: whether it is what the call does that the
  // thread is in, which is then to be told by that alone.
  bool tells_mapping(ThreadId thread, std::string_view file);
  // A child appears: the flags it is made with, where the call says.
  std::optional<uint64_t> fork(ThreadId parent, bool of_thread);
  // A thread, or a whole process, ends: with which status.
  int32_t ended(ThreadId thread, bool whole_process);

  void add_remarks(std::vector<Remark>& remarks) const;

 private:
  struct Open {
    drmemtrace::Call call;
    std::string file;  // of a mapping
  };
  static constexpr size_t kMost = 65536;
  static uint64_t key(ThreadId thread) {
    return uint64_t{thread.pid.value()} << 32 | thread.tid.value();
  }

  ReferenceStream& stream_;
  std::optional<drmemtrace::Isa> isa_;
  std::unordered_map<uint64_t, Open> open_;
  std::unordered_map<Pid, int32_t> ended_;  // that nobody has waited for yet
  uint64_t guessed_ = 0;
};

}  // namespace mmusim::trace::perf

#endif  // MMUSIM_TRACE_IMPORT_PERF_CALLS_H_
