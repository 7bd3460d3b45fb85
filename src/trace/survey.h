// What the programs of a trace do, in numbers: the mix of accesses, the pages they touch, the
// processes, and how all that goes on over time. For `trace info --scan`.
//
// Memory: for each page of 4 KiB that an address space touches a byte and two bits, kept for 64
// neighbours together, so 1.5 bytes where pages lie together and at most 130 bytes where each lies
// alone; 150 bytes a process, up to kMostProcesses. Not thread-safe.
#ifndef MMUSIM_TRACE_SURVEY_H_
#define MMUSIM_TRACE_SURVEY_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "trace/record.h"
#include "trace/space_ids.h"

namespace mmusim::trace {

struct SurveyOptions {
  uint64_t instructions = 0;  // of the whole trace
  unsigned intervals = 60;    // that its time is divided into; 1 to kMostIntervals
};
inline constexpr unsigned kMostIntervals = 250;

// Data accesses of one size.
struct SizeMix {
  unsigned bytes = 0;
  uint64_t loads = 0;
  uint64_t stores = 0;
  uint64_t modifies = 0;
};

// Pages of one size that were touched, each counted once for each address space.
struct Footprint {
  PageShift page;
  uint64_t code = 0;  // fetched from
  uint64_t data = 0;  // accessed as data
  uint64_t both = 0;  // either
};

// From the first record of a process id to its end; an id used again is another.
struct ProcessLife {
  Pid pid;
  std::optional<Pid> parent{};  // where the fork is in the trace
  std::string program;          // the last it began
  uint64_t execs = 0;
  uint64_t forks = 0;    // processes made
  uint64_t threads = 0;  // that it had, at least one
  Totals totals;
  uint64_t first = 0;  // number of the first instruction, or of the fork
  uint64_t last = 0;   // ... behind which nothing came any more
  bool ended = false;
  int32_t status = 0;
};

// A part of the trace's time, which is its instructions.
struct Interval {
  uint64_t first = 0;  // instruction; a block belongs to the interval it begins in
  uint64_t instructions = 0;
  uint64_t references = 0;
  uint64_t events = 0;
  uint64_t working_set = 0;  // bytes of pages of 4 KiB touched in it
  uint64_t fresh = 0;        // ... of these: touched for the first time
};

struct Survey {
  static constexpr size_t kMostProcesses = size_t{1} << 18;

  uint64_t code_bytes = 0;  // fetched
  uint64_t straddling = 0;  // accesses, fetches too, that touch two pages of 4 KiB
  std::vector<SizeMix> sizes;
  std::vector<Footprint> footprints;   // 4K, 8K, 16K, 64K, 2M
  uint64_t spaces = 0;                 // address spaces
  std::vector<ProcessLife> processes;  // in order of appearance
  uint64_t processes_left_out = 0;
  std::vector<Interval> intervals;
};

class SurveyScan {
 public:
  explicit SurveyScan(const SurveyOptions& options);

  // REQUIRES: all batches of the trace, in order.
  void add(const Batch& batch);
  Survey finish();

 private:
  static constexpr unsigned kRegionPages = 64;  // whose bits fill a word
  struct Region {
    uint64_t code = 0;
    uint64_t data = 0;
    std::array<uint8_t, kRegionPages>
        interval{};  // the last one it was touched in, from 1; 0: never
  };
  // What was looked up last.
  struct Found {
    SpacePage key;
    Region* region = nullptr;
  };

  void blocks(const Batch& batch);
  void event(ThreadId thread, const Event& event, ProcessLife* life);
  void touch(uint64_t page, bool code);
  Region& region_of(uint64_t page);
  void go_to(uint64_t instruction);
  // Null where there are too many.
  ProcessLife* process(ThreadId thread);
  ProcessLife* begin(Pid pid);
  void count_pages();

  uint64_t at_ = 0;                // the number of the next instruction
  std::vector<uint64_t> borders_;  // where intervals but the first begin
  uint64_t interval_end_ = 0;
  Interval now_;

  SpaceIds spaces_;
  uint32_t space_ = 0;
  std::unordered_map<SpacePage, Region, SpacePageHash> regions_;
  std::array<Found, 256> found_{};

  std::array<std::array<uint64_t, kMaxAccessBytes + 1>, 4> sizes_{};  // by kind and bytes
  struct Live {
    size_t place;
    std::unordered_set<Tid> threads;
  };
  std::unordered_map<Pid, Live> live_;
  Survey survey_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_SURVEY_H_
