// A line of what `perf script` prints, taken apart:
//
//     ls  9663/9663  [001]  3629.287770:   page-faults:     7fd4b1b34b70     7fd4b1b34b70
//     9663/9663 3629.287770: cpu/mem-loads/P:  7ffe0010  68100142 |OP LOAD|LVL L1 hit|...   401000
//     9663/9663 3629.287413: PERF_RECORD_MMAP2 9663/9663: [0x7f00(0x1000) @ 0 fe:00 12 0]: rw-p a
//
// Source: the lines that perf 6.1 printed, and its tools/perf/builtin-script.c.
#ifndef MMUSIM_TRACE_IMPORT_PERF_LINE_H_
#define MMUSIM_TRACE_IMPORT_PERF_LINE_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "trace/record.h"

namespace mmusim::trace::perf {

struct Line {
  ThreadId thread;
  std::string_view event;  // its name, without the colon, or PERF_RECORD_...
  std::string_view rest;   // what comes behind it
};
// Nothing if it does not look like one; `problem` says why.
std::optional<Line> parse_line(std::string_view text, const char** problem);

// "3629.287413": how perf prints a time.
bool is_seconds(std::string_view word);

struct Sample {
  uint64_t address = 0;
  std::optional<uint64_t> ip;
  std::optional<AccessKind> kind;  // as far as the source of the data or the event's name tells
};
// `by_name`: what kind_of_event() says of its event.
std::optional<Sample> parse_sample(const Line& line, std::optional<AccessKind> by_name);
std::optional<AccessKind> kind_of_event(std::string_view name);

struct Mapping {
  ThreadId thread;
  bool kernel = false;
  VirtAddr start;
  uint64_t length = 0;
  uint64_t offset = 0;
  uint32_t prot = 0;
  bool shared = false;
  std::string_view name;
  std::string_view build_id;  // where it is recorded (perf record --buildid-mmap): hexadecimal
};
std::optional<Mapping> parse_mapping(std::string_view rest);

// "(8:9):(7:7)" of a fork or an exit.
struct Task {
  ThreadId thread;
  ThreadId parent;
};
std::optional<Task> parse_task(std::string_view rest);

}  // namespace mmusim::trace::perf

#endif  // MMUSIM_TRACE_IMPORT_PERF_LINE_H_
