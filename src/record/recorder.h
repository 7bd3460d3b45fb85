// `mmusim record`, without its command line: starts a program under QEMU with the plug-in, collects
// what it and its children do, and writes the trace. Meant to be called once per process: it makes
// itself the reaper of orphans and handles signals meanwhile.
#ifndef MMUSIM_RECORD_RECORDER_H_
#define MMUSIM_RECORD_RECORDER_H_

#include <functional>
#include <string>
#include <vector>

#include "record/collector.h"
#include "trace/level.h"

namespace mmusim::record {

// The program that is recorded waits for what is written: fast compression, and page streams later.
inline constexpr trace::WriterOptions kWhileItRuns{.zstd_level = trace::kMixedLevel,
                                                   .pages = trace::PageChoice::None};

struct RecordOptions {
  std::string output;
  std::vector<std::string> command;  // the program, and its arguments
  std::string isa;                   // what the program must be; empty: any
  bool linux_placement = true;
  // Further arguments for QEMU: ISA:ARGUMENT for that ISA's, ARGUMENT for the one of the program.
  std::vector<std::string> qemu_arguments;
  uint32_t most_threads = 1024;  // with processes: that live at one time
  trace::WriterOptions writer = kWhileItRuns;
  std::string version;  // of mmusim, for the trace's header
};

struct RecordResult {
  int status = 0;  // of the program: its exit code, or 128 + the signal that ended it
  std::string isa;
  trace::Totals totals;
  uint64_t file_bytes = 0;
  Counts counts;
  std::vector<std::string> lacks;  // sentences about what this QEMU does not show
  std::string cut_short;           // why the recording ended before the program; empty: it did not
};

// Those that can be recorded, with commas between them.
std::string isa_names();

// Is told now and then how far it is.
using RecordProgress = std::function<void(uint64_t instructions, size_t processes)>;

// Errors: Error (exit status 127: the program is not there; 126: it cannot be run or recorded).
RecordResult record(const RecordOptions& options, const RecordProgress& progress);

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_RECORDER_H_
