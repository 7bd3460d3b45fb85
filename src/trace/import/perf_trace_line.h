// A line of what `perf trace` prints, taken apart:
//
//     0.691 ( 0.023 ms): ls/10529 mmap(len: 8192, prot: READ|WRITE, flags: PRIVATE|ANONYMOUS)  =
//     0x7f36 4.048 (         ): p/10976 futex(uaddr: 0x7f4301aef990, op: WAIT_BITSET, val: 10977)
//     ...
//         ? (         ): p/10977  ... [continued]: clone3())                                  = 0
//     0.060 ( 0.000 ms): p/10985 minfault [_start+0x0] => //anon@0x7fb11973e110 (d.)
//
// Arguments that are zero are left out. Where perf watches one thread alone, it does not say which.
//
// Source: the lines that perf 6.1 printed, and its tools/perf/builtin-trace.c and trace/beauty.
#ifndef MMUSIM_TRACE_IMPORT_PERF_TRACE_LINE_H_
#define MMUSIM_TRACE_IMPORT_PERF_TRACE_LINE_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "trace/import/drmemtrace_calls.h"

namespace mmusim::trace::perf {

struct TraceLine {
  enum class Kind : uint8_t {
    Whole,      // a call and its result
    Begun,      // a call; its result comes with a later line
    Continued,  // the result, without the arguments
    Fault,      // a page fault
    Lost,       // records that perf lost
    Other       // an event of another kind
  };
  Kind kind = Kind::Other;
  std::string_view command;    // the thread's name; may be empty
  uint32_t tid = 0;            // 0: not told
  std::string_view name;       // of the call
  std::string_view arguments;  // between the brackets; of a fault the place
  std::string_view result;     // may be empty
  bool by_kernel = false;      // a fault of the kernel's on the thread's behalf
};
// Nothing if it does not look like one.
std::optional<TraceLine> parse_trace_line(std::string_view text);

// A result as the system call returned it; 0 where none is printed. Nothing for what is none.
std::optional<int64_t> parse_trace_result(std::string_view text);

// Where a page fault was, if that is an address: perf prints that of memory without a file, and for
// files the place in the file.
std::optional<uint64_t> parse_trace_place(std::string_view text);

struct TraceArguments {
  drmemtrace::Call call;
  bool lost = false;          // one has a value that perf could not name
  unsigned unknown = 0;       // names of flags nobody knows
  std::string_view file;      // of the descriptor
  std::string_view filename;  // of an exec, in quotes; where perf was told to read it
  std::string_view options;   // of wait4
};
// Nothing if one makes no sense.
std::optional<TraceArguments> parse_trace_arguments(const drmemtrace::CallType* type,
                                                    std::string_view text);

}  // namespace mmusim::trace::perf

#endif  // MMUSIM_TRACE_IMPORT_PERF_TRACE_LINE_H_
