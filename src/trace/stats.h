// How pages are reused in a trace: for `trace stats`.
#ifndef MMUSIM_TRACE_STATS_H_
#define MMUSIM_TRACE_STATS_H_

#include <functional>
#include <string>
#include <vector>

#include "trace/reader.h"
#include "trace/reuse.h"

namespace mmusim::trace {

struct StatsOptions {
  std::vector<PageShift> pages{};  // empty: the recording's
  std::vector<uint64_t> entries{16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
  ReaderOptions reader{};
  // Called now and then with bytes of the file done and in all.
  std::function<void(uint64_t, uint64_t)> progress{};
};
inline constexpr uint64_t kMostEntries = uint64_t{1} << 24;

struct Stats {
  Totals totals;
  uint64_t spaces = 0;  // address spaces
  std::vector<uint64_t> entries;
  std::vector<Reuse> pages;  // as asked for
};

// Pages of different address spaces are different; nothing is ever taken out (by munmap, exit or a
// flush). REQUIRES: entries of at most kMostEntries. Errors: as Reader. Memory: that of Reuse, for
// each page size.
Stats read_stats(const std::string& path, const StatsOptions& options);

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_STATS_H_
