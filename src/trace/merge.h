// Several traces side by side in one: their programs run in turns, each with process ids of its
// own. For `trace merge`.
#ifndef MMUSIM_TRACE_MERGE_H_
#define MMUSIM_TRACE_MERGE_H_

#include <functional>
#include <string>
#include <vector>

#include "trace/reader.h"
#include "trace/writer.h"

namespace mmusim::trace {

struct MergeOptions {
  uint64_t quantum = 100000;  // instructions of a turn; at least 1
  ReaderOptions reader{};
  WriterOptions writer{};
  // Called now and then with bytes of the files done and in all.
  std::function<void(uint64_t, uint64_t)> progress{};
};

// Of the trace number n (from 0), ids of processes and threads have n times this added, so that
// whose they are can be read off them.
inline constexpr uint32_t kMergeIdStep = 10'000'000;
inline constexpr size_t kMostMerged = 400;

struct MergedTrace {
  std::string path;
  Totals totals;
  uint32_t first_id = 0;  // what is added to its ids
  uint64_t turns = 0;
};
struct MergeResult {
  std::vector<MergedTrace> traces;
  Totals totals;
};

// Turns go round, in the order of the paths; a trace that has ended has none. What belongs to an
// instruction's number (part.h) stays with it. Errors: Error where the traces are not of the same
// ISA, byte order and page size, or have ids of kMergeIdStep or more; as Reader and Writer.
// REQUIRES: 2 to kMostMerged paths. Memory: a chunk of each.
MergeResult merge(const std::vector<std::string>& paths, const std::string& output,
                  const MergeOptions& options = {});

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_MERGE_H_
