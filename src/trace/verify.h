// Reads a trace from end to end and makes sure of everything that can be: checksums, index against
// content, record counts, and that the history makes sense. For `trace verify`.
#ifndef MMUSIM_TRACE_VERIFY_H_
#define MMUSIM_TRACE_VERIFY_H_

#include <functional>
#include <string>
#include <vector>

#include "trace/info.h"
#include "trace/reader.h"

namespace mmusim::trace {

struct VerifyReport {
  Info info;  // scanned
  // What is odd but not damage, each a complete sentence; at most kMaxRemarks, and how many there
  // were. Imported traces may well have some: a recorder does not see everything.
  static constexpr size_t kMaxRemarks = 20;
  std::vector<std::string> remarks;
  uint64_t remark_count = 0;
};

// `progress`, if not empty, is called now and then with bytes of the file done and in all. Errors:
// Error naming file and byte offset at the first damage. Memory: bounded by a chunk, and by the
// number of threads in the trace.
VerifyReport verify(const std::string& path, const ReaderOptions& options = {},
                    const std::function<void(uint64_t, uint64_t)>& progress = {});

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_VERIFY_H_
