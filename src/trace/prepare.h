// Adds page streams to a trace that was written without, for `trace prepare`. What a trace says,
// and its identity (Reader::content_hash), stay as they are; a file of format version 1 becomes one
// of the current version.
#ifndef MMUSIM_TRACE_PREPARE_H_
#define MMUSIM_TRACE_PREPARE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "trace/reader.h"
#include "trace/writer.h"

namespace mmusim::trace {

struct PrepareResult {
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
  uint64_t chunks = 0;
  uint64_t for_sets = 0;  // chunks with what first levels with sets need
  uint64_t for_any = 0;   // ... and with what any first level needs besides
};

// `output` may be `path`: the file is replaced when all is done. Page streams are made anew,
// whatever it has; left out where they would take more than `percent` of the rest. `progress`, if
// not empty, is called with bytes of the file done and in all. Errors: Error as of Reader (a torn
// trace is one) and Writer. Memory is bounded by a chunk.
PrepareResult prepare(const std::string& path, const std::string& output,
                      unsigned percent = kPagePercent,
                      const std::function<void(uint64_t, uint64_t)>& progress = {});

// Whether a file's page streams say what its columns say. Errors: Error naming the first chunk
// where they do not.
void check_page_streams(const std::string& path, const ReaderOptions& options,
                        const std::function<void(uint64_t, uint64_t)>& progress = {});

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_PREPARE_H_
