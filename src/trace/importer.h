// What an importer is: it turns the logs of some other recorder into one trace. Registry:
// importers.cc.
#ifndef MMUSIM_TRACE_IMPORTER_H_
#define MMUSIM_TRACE_IMPORTER_H_

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "trace/writer.h"

namespace mmusim::trace {

struct ImportResult {
  Totals totals;
  uint64_t input_lines = 0;
  uint64_t input_bytes = 0;  // uncompressed
  uint64_t skipped_lines =
      0;  // lines of other tools or the program itself, recognised as not the recorder's
  std::vector<std::string> warnings;  // each a complete sentence
};

struct ImportOptions {
  bool strict =
      true;  // a line that cannot be understood is an Error; otherwise it is counted as skipped
  // Instructions one process runs before the next one's turn, where the logs do not say who ran
  // when. Must not be 0.
  uint64_t quantum = 100'000;
  std::function<void(uint64_t bytes_done, uint64_t bytes_total)>
      progress;  // compressed bytes; may be empty
};

struct Importer {
  const char* name;     // "lackey"
  const char* summary;  // one line for `list formats`
  const char* record;   // how to make a recording: a few lines
  const char* help;     // what to mind, and what the format does not tell
  // Reads `logs` (plain or compressed with zstd, xz or gzip, told by their content) and writes the
  // trace at `output`. Errors: Error naming file and line.
  ImportResult (*import)(std::span<const std::string> logs, const std::string& output,
                         const WriterOptions& writer, const ImportOptions& options);
};

std::span<const Importer> importers();

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORTER_H_
