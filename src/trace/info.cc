#include "trace/info.h"

#include <algorithm>

namespace mmusim::trace {

void InfoScan::IdSet::add(ThreadId id) {
  ids_.push_back(uint64_t{id.pid.value()} << 32 | id.tid.value());
  if (ids_.size() >= limit_) {
    compact();
    limit_ = std::max(kFirstLimit, ids_.size() * 2);
  }
}

void InfoScan::IdSet::compact() {
  std::sort(ids_.begin(), ids_.end());
  ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
}

uint64_t InfoScan::IdSet::threads() {
  compact();
  return ids_.size();
}

uint64_t InfoScan::IdSet::processes() {
  compact();
  uint64_t count = 0;
  for (size_t i = 0; i < ids_.size(); ++i) {
    if (i == 0 || ids_[i] >> 32 != ids_[i - 1] >> 32) ++count;
  }
  return count;
}

void InfoScan::add(const Batch& batch) {
  info_.totals += batch.totals;
  if (!current_ || batch.thread != *current_) {
    info_.thread_changes += current_ ? 1 : 0;
    current_ = batch.thread;
    ids_.add(batch.thread);
  }
  if (batch.event == nullptr) return;
  ++info_.totals.events;
  ++info_.event_counts[batch.event->index()];
  if (const auto* marker = std::get_if<MarkerEvent>(batch.event)) info_.files.marker(*marker);
  if (const auto* fork = std::get_if<ForkEvent>(batch.event)) ids_.add(fork->child);
}

Info InfoScan::finish(const Reader& reader) {
  info_.scanned = true;
  info_.processes = ids_.processes();
  info_.threads = ids_.threads();
  describe_file(reader);
  return info_;
}

void InfoScan::describe_file(const Reader& reader) {
  info_.header = reader.header();
  info_.file_bytes = reader.file_bytes();
  info_.torn = reader.torn();
  info_.chunks = reader.chunks().size();
  for (const ChunkInfo& chunk : reader.chunks())
    info_.raw_bytes += chunk.raw_bytes;
  info_.page_streams = reader.page_stream_chunks();
  info_.content_hash = reader.content_hash();
}

Info read_info(const std::string& path, bool scan, const ReaderOptions& options) {
  Reader reader(path, options);
  InfoScan scanned;
  if (scan || reader.torn()) {
    for (Batch batch; reader.next(batch);)
      scanned.add(batch);
    return scanned.finish(reader);
  }
  scanned.describe_file(reader);
  Info info = scanned.so_far();
  info.totals = *reader.totals();
  return info;
}

Info survey_trace(const std::string& path, unsigned intervals, const ReaderOptions& options,
                  const std::function<void(uint64_t, uint64_t)>& progress) {
  Reader reader(path, options);
  const auto totals = reader.totals();
  SurveyScan survey({.instructions = totals ? totals->instructions
                                            : read_info(path, true, options).totals.instructions,
                     .intervals = intervals});
  InfoScan scan;
  for (Batch batch; reader.next(batch);) {
    scan.add(batch);
    survey.add(batch);
    if (progress) progress(reader.position(), reader.file_bytes());
  }
  Info info = scan.finish(reader);
  info.survey = survey.finish();
  return info;
}

}  // namespace mmusim::trace
