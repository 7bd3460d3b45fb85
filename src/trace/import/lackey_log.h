// The logs given to the importer, put in order: which process each belongs to, and which came
// before which.
//
// Valgrind writes one log per program image and per process: with --log-file=NAME.%p.%n a process
// made by fork writes NAME.PID.2 (or higher) until it execs, then NAME.PID.1; a second exec would
// overwrite that, so scripts/record-lackey moves each log aside at an exec, to NAME.PID.K-N for the
// K-th image. Names decide the order of one pid's logs; the pid itself, and whether a log goes on
// from a fork, are told by its content.
#ifndef MMUSIM_TRACE_IMPORT_LACKEY_LOG_H_
#define MMUSIM_TRACE_IMPORT_LACKEY_LOG_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trace/import/line_buffer.h"
#include "trace/record.h"

namespace mmusim::trace::lackey {

struct Log {
  std::string path;
  Pid pid;
  Pid parent;
  std::string version;  // "Valgrind-3.19.0"
  std::string command;  // as the log has it
  uint64_t first = 0;   // address of the instruction it begins with; 0: it does not
  bool forked = false;  // goes on where a fork was; else begins a new program
  uint64_t stored_bytes = 0;
  // Only for what cannot be opened twice (a pipe): its lines behind the header, and how many that
  // has.
  std::unique_ptr<LineBuffer> kept;
  uint64_t kept_lines = 0;
};

// Where a log's name puts it among those of the same process.
struct LogOrder {
  uint64_t image = UINT64_MAX;  // K of NAME.PID.K-N; the last image has none
  uint64_t sequence = 0;        // N; 0: the name has none
  // A process made by fork starts with N >= 2 and has N = 1 after its exec.
  [[nodiscard]] bool before(const LogOrder& other) const;
};
LogOrder order_of(std::string_view path);

// Reads the start of every log; sorted by process, and each process's in order. Errors: Error
// naming the file if it is not a lackey log.
std::vector<Log> open_logs(std::span<const std::string> paths);

}  // namespace mmusim::trace::lackey

#endif  // MMUSIM_TRACE_IMPORT_LACKEY_LOG_H_
