// The files of a drmemtrace recording: which of a directory's are traces, and what their beginnings
// say.
//
// DynamoRIO writes a directory per process image, drmemtrace.NAME.PID.NNNN.dir, with a file per
// thread in its folder "trace" (per core in core-sharded traces), in folders window.NNNN where it
// recorded in windows. Google's workloads are WORKLOAD/trace/ID.TID.memtrace.zip. Folders raw, aux
// and the like are not looked into, but for raw/modules.log; other files than traces are left out.
#ifndef MMUSIM_TRACE_IMPORT_DRMEMTRACE_FILES_H_
#define MMUSIM_TRACE_IMPORT_DRMEMTRACE_FILES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "trace/import/drmemtrace_modules.h"
#include "trace/import/drmemtrace_records.h"

namespace mmusim::trace::drmemtrace {

inline constexpr const char* kTraceFolder = "trace";
inline constexpr const char* kRawFolder = "raw";
inline constexpr uint64_t kAssumedPage = 4096;

// What a file says up to its first time stamp.
struct Head {
  bool is_64_bit = true;
  uint64_t version = 0;
  uint64_t file_type = 0;  // bits of FileType; 0: it does not say
  uint64_t page_bytes = 0;
  std::optional<uint64_t> thread;
  std::optional<uint64_t> process;
  std::optional<uint64_t> time;
  uint64_t cpu = UINT64_MAX;  // of that time; not told
};

struct Input {
  std::string path;
  size_t image = 0;  // files of one process image, and of no other, have the same
  uint64_t stored_bytes = 0;
  Head head;
  // Only of what cannot be opened twice (a pipe), or of few files.
  std::unique_ptr<RecordBuffer> records;
};

struct Recording {
  std::vector<Input>
      inputs;  // in order of their first time stamps; of equal ones by CPU and thread
  std::vector<std::string> programs;  // by image
  std::vector<Modules> modules;       // by image; empty where it has no modules.log
  uint64_t files_left_out = 0;        // of directories: no traces
  uint64_t file_types = 0;            // all bits of all files
  uint64_t page_bytes = 0;            // 0: not said
  std::vector<std::string> warnings;  // each a complete sentence
};

// Errors: Error naming what is no trace, is of an unknown version, does not go with the others, or
// has pages of no possible size. A modules.log that cannot be understood is a warning.
Recording open_recording(std::span<const std::string> paths);

// Whether there is a trace at `path`, or in that directory.
bool holds_trace(const std::string& path);

// The program's name as the file's and the folders' names tell it.
std::string program_of(const std::string& path);

}  // namespace mmusim::trace::drmemtrace

#endif  // MMUSIM_TRACE_IMPORT_DRMEMTRACE_FILES_H_
