#include "trace/stats.h"

#include <algorithm>

namespace mmusim::trace {

Stats read_stats(const std::string& path, const StatsOptions& options) {
  Reader reader(path, options.reader);
  Stats stats;
  stats.entries = options.entries;
  uint64_t most = 0;
  for (const uint64_t entries : options.entries)
    most = std::max(most, entries);
  for (const PageShift page : options.pages)
    stats.pages.emplace_back(page, most);
  if (options.pages.empty())
    stats.pages.emplace_back(std::max(reader.header().page, kBlockPage), most);
  SpaceIds spaces;
  for (Batch batch; reader.next(batch);) {
    stats.totals += batch.totals;
    if (batch.event != nullptr) {
      ++stats.totals.events;
      spaces.event(batch.thread, *batch.event);
    } else {
      const uint32_t space = spaces.of(batch.thread.pid);
      for (Reuse& reuse : stats.pages)
        reuse.add(batch, space);
    }
    if (options.progress) options.progress(reader.position(), reader.file_bytes());
  }
  stats.spaces = spaces.count();
  return stats;
}

}  // namespace mmusim::trace
