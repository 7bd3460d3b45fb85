// Prints records as lines of text, one per instruction, data access and event. For `trace dump`.
//
//   [1234/1235] fetch  0x401000 3
//   [1234/1235] load   0x7ffe0010 8
//   [1234/1235] mmap   hint=0x0 length=4096 prot=rw- flags=0x22 fd=-1 offset=0
//   result=0x7f0000000000
//
// Numbers that are addresses are hexadecimal with 0x, all others decimal. Text is quoted, with
// control characters, quotes and backslashes escaped as in C.
#ifndef MMUSIM_TRACE_DUMP_H_
#define MMUSIM_TRACE_DUMP_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "trace/reader.h"

namespace mmusim::trace {

struct DumpOptions {
  uint64_t skip = 0;                 // lines left out at the beginning
  uint64_t limit = UINT64_MAX;       // lines printed at most
  bool events_only = false;          // lines of events alone
  std::optional<ThreadId> thread{};  // lines of this thread alone
};

// Calls `line` with each line, without its line end; stops early when it returns false. Gives the
// number of lines passed. Errors: Error as Reader gives.
uint64_t dump(Reader& reader, const DumpOptions& options,
              const std::function<bool(std::string_view)>& line);

// What dump() prints of an event, without the thread.
std::string describe(const Event& event);

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_DUMP_H_
