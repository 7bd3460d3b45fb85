// Splits what a replay counts by where it comes from (profile.h): a watcher of the replay loop's
// accesses that are no plain hits, which looks at what the counters have more behind each, and of
// the trace's events, from which it knows processes and mappings.
//
// Addresses are the recording's: where the trace was moved into another address space, its source
// says where each was. What is counted is the machine's. A replay without a profiler pays nothing
// for it. One replay each; not thread-safe.
#ifndef MMUSIM_SIM_PROFILE_PROFILER_H_
#define MMUSIM_SIM_PROFILE_PROFILER_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernel/counters.h"
#include "mem/sink.h"
#include "mmu/summary.h"
#include "sim/profile/profile.h"
#include "sim/relocation/trace_source.h"
#include "sim/replay_loop.h"
#include "trace/processes.h"

namespace mmusim::sim {

// What has been counted so far, of a machine.
class ProfileMeter {
 public:
  virtual ~ProfileMeter() = default;
  [[nodiscard]] virtual ProfileCounts read() const = 0;
};

// From what the parts of a machine count.
ProfileCounts profile_counts(const mmu::Summary& summary, const mem::ReferenceSink& sink,
                             const kernel::Counters& kernel, const LoopCounters& loop);

class Profiler final : public AccessWatcher, public RecordedEvents {
 public:
  // A table for each set of ProfileBy.
  explicit Profiler(const std::vector<unsigned>& tables);

  // Before the replay. All must outlive it. `between`: the machine may count between accesses and
  // system calls. `page`: its base page.
  void begin(const ProfileMeter& meter, bool between, PageShift page);
  void follow(TraceSource& source);
  // ... of no trace: who calls tells recorded() of all that happens. `page`: as begin() has it.
  void follow(PageShift page) { processes_.emplace(page); }
  // What was counted so far is left out.
  void forget();
  // Behind it, before the machine shuts down; then the result may be had.
  void end();
  [[nodiscard]] Profile take() { return std::move(profile_); }

  // An event of the machine's, before it happens and behind it.
  void before_event();
  void after_event(trace::ThreadId thread, const trace::Event& event);

  void before(const WatchedAccess& access) override;
  void fault(mmu::FaultReason reason, kernel::FaultOutcome outcome) override;
  void after(const mmu::Translation& translation) override;
  void recorded(trace::ThreadId thread, const trace::Event& event) override;

 private:
  using Kind = ProfiledMapping::Kind;

  // What tells mappings apart.
  struct MappingId {
    Kind kind = Kind::Unknown;
    std::shared_ptr<const std::string> name;
    uint64_t at = 0;
    std::strong_ordering operator<=>(const MappingId& other) const;
    bool operator==(const MappingId& other) const { return (*this <=> other) == 0; }
  };
  struct Place {
    uint32_t mapping = ProfileKey::kNone;
    uint64_t offset = 0;  // as ProfileKey has it
  };
  struct Hash {
    size_t operator()(const ProfileKey& key) const;
  };
  struct Table {
    unsigned by;
    std::unordered_map<ProfileKey, ProfileCounts, Hash> rows;
    ProfileCounts beyond;
  };
  // Of all tables together, some 200 bytes each.
  static constexpr size_t kMostRows = size_t{1} << 22;

  [[nodiscard]] ProfileCounts more();
  void settle();
  void add(const ProfileKey& whole, const ProfileCounts& counts);
  [[nodiscard]] uint32_t process_of(Pid pid);
  [[nodiscard]] uint32_t mapping_of(const MappingId& id);
  // Nothing: it is not known any more.
  [[nodiscard]] std::optional<VirtAddr> recorded_at(Pid pid, VirtAddr va) const {
    return source_ == nullptr ? va : source_->recorded_at(pid, va);
  }
  [[nodiscard]] Place place_of(trace::Space& space, VirtAddr va);
  [[nodiscard]] MappingId id_of(const trace::Space& space, const trace::Area& area) const;

  std::vector<Table> tables_;
  unsigned by_ = 0;  // of any
  size_t rows_ = 0;
  const ProfileMeter* meter_ = nullptr;
  TraceSource* source_ = nullptr;
  bool between_ = false;
  PageShift page_{12};
  ProfileCounts last_;  // read by the meter
  ProfileCounts total_;
  WatchedAccess access_;
  std::optional<trace::Processes> processes_;
  std::map<Pid, uint32_t> process_ids_;  // of what each runs now
  std::map<MappingId, uint32_t> mapping_ids_;
  Profile profile_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_PROFILE_PROFILER_H_
