#include "trace/verify.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"

namespace mmusim::trace {
namespace {

// Follows the life of threads, for remarks.
class History {
 public:
  explicit History(VerifyReport& report) : report_(report) {}

  void ran(ThreadId id) {
    const auto [thread, is_new] = threads_.try_emplace(key(id), State::Implied);
    if (thread->second == State::Ended) {
      remark(fmt::format("Thread {}/{} does something after its end.", id.pid.value(),
                         id.tid.value()));
      thread->second = State::Implied;
    }
  }

  void event(ThreadId id, const Event& event) {
    if (const auto* fork = std::get_if<ForkEvent>(&event)) {
      born(fork->child);
    } else if (const auto* exit = std::get_if<ExitEvent>(&event)) {
      threads_[key(id)] = State::Ended;
      static_cast<void>(exit);
    } else if (const auto* exec = std::get_if<ExecEvent>(&event)) {
      check_image(id, exec->image);
    }
  }

 private:
  enum class State : uint8_t { Implied, Born, Ended };

  static uint64_t key(ThreadId id) { return uint64_t{id.pid.value()} << 32 | id.tid.value(); }

  void born(ThreadId child) {
    const auto [thread, is_new] = threads_.try_emplace(key(child), State::Born);
    if (!is_new && thread->second != State::Ended) {
      remark(fmt::format("Thread {}/{} is born while it lives.", child.pid.value(),
                         child.tid.value()));
    }
    thread->second = State::Born;
  }

  void check_image(ThreadId id, const std::vector<ImageArea>& image) {
    std::vector<VirtRange> ranges;
    for (const ImageArea& area : image) {
      if (area.range.empty()) {
        remark(fmt::format("The image of process {} has an empty area at {:#x}.", id.pid.value(),
                           area.range.begin.value()));
      }
      ranges.push_back(area.range);
    }
    std::sort(ranges.begin(), ranges.end(),
              [](const VirtRange& a, const VirtRange& b) { return a.begin < b.begin; });
    for (size_t i = 1; i < ranges.size(); ++i) {
      if (ranges[i].overlaps(ranges[i - 1])) {
        remark(fmt::format("The image of process {} has overlapping areas at {:#x}.",
                           id.pid.value(), ranges[i].begin.value()));
      }
    }
  }

  void remark(std::string text) {
    ++report_.remark_count;
    if (report_.remarks.size() < VerifyReport::kMaxRemarks) {
      report_.remarks.push_back(std::move(text));
    }
  }

  VerifyReport& report_;
  std::unordered_map<uint64_t, State> threads_;
};

}  // namespace

VerifyReport verify(const std::string& path, const ReaderOptions& options,
                    const std::function<void(uint64_t, uint64_t)>& progress) {
  VerifyReport report;
  Reader reader(path, options);
  InfoScan scan;
  History history(report);
  uint64_t reported = 0;
  for (Batch batch; reader.next(batch);) {
    scan.add(batch);
    history.ran(batch.thread);
    if (batch.event != nullptr) history.event(batch.thread, *batch.event);
    if (progress && reader.position() != reported) {
      reported = reader.position();
      progress(reported, reader.file_bytes());
    }
  }
  report.info = scan.finish(reader);
  if (const auto totals = reader.totals(); totals && *totals != report.info.totals) {
    throw Error(path, "the totals of the index do not match the records");
  }
  return report;
}

}  // namespace mmusim::trace
