// A script as the steps that a kernel carries out: names are addresses and numbers, loops are
// unrolled.
//
// Steps are made one at a time, so that a script that forks a million times needs no more memory
// than one that forks once. unroll() goes through all of them once, which finds the mistakes of the
// script before anything is done, and what has to be there beforehand.
#ifndef MMUSIM_SIM_WORKLOAD_PLAN_H_
#define MMUSIM_SIM_WORKLOAD_PLAN_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/types.h"
#include "sim/workload/script.h"

namespace mmusim::sim::workload {

// One thing for a kernel to do, by one process. Can be copied byte by byte.
struct Step {
  enum class Kind : uint8_t {
    Map,
    Unmap,
    Touch,
    Protect,
    Advise,
    Lock,
    Unlock,
    Remap,
    Break,
    Fork,
    Vfork,   // as fork; until the child calls exec or exit both have one memory, and the parent
             // waits
    Thread,  // as fork, but both have one memory, and go on
    Exec,
    Exit,
    Wait,
    Pin,
    Truncate,
    Hole,
    Sync,
    LockAll,
    UnlockAll,
    Thp,
    AdviseOther,  // on another process's memory
    Begin,        // of a measure
    End,
  };
  Kind kind = Kind::Map;
  Order order = Order::Forward;          // touch
  AccessKind access = AccessKind::Load;  // touch
  unsigned process = 0;                  // who does it: a number that is used again after the wait
  Position at;                           // in the script
  bool anywhere = false;  // map: the kernel says where; the range is symbolic (places.h)
  VirtRange range;        // what it is done to; remap: the old range; break: [start, new end)
  uint32_t prot = 0;      // map, protect
  uint32_t flags = 0;     // map: kMap*; remap: kRemap*; sync: kMs*; lock all: kMcl*;
                          // thp: kThpDisable*
  uint32_t advice = 0;    // advise
  unsigned segment = 0;   // map: index of Plan::segments
  unsigned file = 0;      // map, truncate, hole: index of Plan::files + 1; 0: anonymous
  uint64_t offset = 0;    // map, hole: in the file; truncate: the new length
  uint64_t bytes = 0;     // hole
  bool off = false;       // thp: none from now on
  VirtRange target;       // remap: the new range
  uint64_t stride = 0;    // touch
  uint64_t count = 0;     // touch: accesses; 0: one per stride
  uint64_t seed = 0;      // touch: of a random or permuted order
  unsigned other = 0;  // fork, vfork, thread, wait, advise other: the child; pin: the CPU; begin,
                       // end: index of Plan::measures
};

// What a step is called in messages.
const char* name_of(Step::Kind kind);

struct Plan {
  struct Measure {
    std::string name;
    std::string process;
  };
  struct File {
    std::string name;
    uint64_t bytes = 0;
    bool on_disk = false;
  };
  Script script;
  std::vector<Measure> measures;  // each time one is run
  std::vector<File> files;
  std::vector<std::string> segments;  // names, each once
  unsigned processes = 1;             // at most at once; process 0 is the first
  uint64_t steps = 0;
  unsigned vforks = 0;  // at most within each other: parents that wait for exec or exit
  // Of the kernel's pool of huge pages: what the script says it needs; what it maps is not added
  // up.
  uint64_t huge_pages = 0;
  std::vector<bool> threads;  // by process: is one that shares memory with its parent
  unsigned cpus = 1;          // for the CPUs it pins to
  unsigned anywhere = 0;      // segments that the kernel places
  bool locks = false;         // there are steps that lock memory
  bool breaks = false;        // ... and that move the break
  bool guards = false;        // ... and that guard pages
  bool executes = false;      // ... and that fetch instructions

  [[nodiscard]] const std::string& name() const { return script.name; }
};

// Where the script's addresses begin: far from what a program has by itself, at the start of a
// 512 GiB span. Segments end before kReach, or reach so far (kBeyond) that any kernel refuses them.
inline constexpr uint64_t kBase = uint64_t{1} << 45;
inline constexpr uint64_t kReach = uint64_t{48} << 40;
inline constexpr uint64_t kBeyond = uint64_t{1} << 57;
// The heap of brk, from kBase, and how far it can grow.
inline constexpr uint64_t kHeap = kReach;
inline constexpr uint64_t kHeapReach = uint64_t{1} << 40;

// Segments that the kernel places have symbolic addresses, a stretch for each, which begin so far
// behind its start (places.h).
inline constexpr uint64_t kAnywhere = uint64_t{1} << 60;
inline constexpr uint64_t kAnywhereEach = uint64_t{1} << 42;
inline constexpr uint64_t kAnywhereStart = uint64_t{1} << 31;
inline constexpr uint64_t kMostAnywhere = uint64_t{1} << 16;
inline constexpr uint64_t kMostAnywhereBytes = uint64_t{1} << 41;

// More steps make no script that anybody waits for.
inline constexpr uint64_t kMostSteps = 10'000'000;

// REQUIRES: most_steps <= kMostSteps. Errors: UsageError naming line and column: segments and
// processes that do not exist or exist already, parts outside their segment, addresses out of
// reach, too many steps.
Plan unroll(Script script, uint64_t most_steps = kMostSteps);

// All steps, in order.
void for_each_step(const Plan& plan, const std::function<void(const Step&)>& visit);

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_PLAN_H_
