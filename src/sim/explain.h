// What one translation does, step by step, at one moment of a trace or script.
//
// It is played as `replay` or `workload simulate` do it up to the moment; then the access asked
// about is made by the process asked about, with everything the MMU does written down: look-ups,
// steps with their instructions, references with addresses and what was read. A fault is given to
// the kernel, as in a replay, and the retry written down too. Or an access of the program itself is
// written down when it comes: its N-th miss, or one to the page that misses most.
#ifndef MMUSIM_SIM_EXPLAIN_H_
#define MMUSIM_SIM_EXPLAIN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"
#include "config/schema.h"
#include "mmu/mmu.h"
#include "sim/inspect.h"
#include "sim/simulation.h"

namespace mmusim::sim {

struct Question {
  VirtAddr va;  // as recorded; of a script: counted from where its segments begin
  AccessKind kind = AccessKind::Load;
  bool placed = false;  // va is where the machine has it
};

// An access the program makes that gets as far as the miss path: no TLB had what it needed.
struct MissQuestion {
  std::optional<Pid> pid;  // of this process only
  uint64_t number = 1;     // the how-manieth, from 1
  bool hot = false;        // in place of that: the last one to the page with most of them
};

// One thing that happened.
struct Told {
  enum class Kind : uint8_t { Remark, Step, Reference };
  Kind kind = Kind::Remark;
  std::string text;  // the remark, what the step does, or what the reference is to
  // What the run charges for it (mmu.cycles). A step's are those of its instructions, its trap, a
  // hardware walk, and what its code's fetches cost; a remark has those of the kernel's work it
  // tells of, and where there is no step, of the answer of a further TLB level.
  int64_t cycles = 0;
  // Of a step:
  std::string step;  // its name
  uint64_t instructions = 0;
  bool trap = false;
  // Of a reference:
  bool write = false;
  std::string by;  // "walker", "handler", "kernel"
  PhysAddr address;
  std::optional<VirtAddr> through;
  unsigned bytes = 0;
  std::vector<uint64_t> words;
  std::string decoded;
  std::string served;
  bool beside = false;  // at the same time as the one told before
};

struct Explanation {
  std::vector<Told> told;
  mmu::Translation outcome;  // in the end
  unsigned faults = 0;       // the kernel was given on the way
  VirtAddr va;               // accessed, on the machine
  AccessKind kind = AccessKind::Load;
  std::vector<std::string> parts;  // of the address: "PTE index 0x12", from the highest down
  uint64_t misses = 0;             // of a MissQuestion: counted up to this one, or of its page
  uint64_t cycles = 0;             // the sum of what was told
  // References made, told one by one or not.
  uint64_t by_walker = 0;
  uint64_t by_handler = 0;
  uint64_t by_kernel = 0;
};

// Errors: replay()'s; UsageError when the address is not one of user space.
Explanation explain(const config::Config& config, const Moment& moment, const Question& question,
                    const ReplayOptions& options);

// The moment is found too: it is when the access comes. Errors: replay()'s; Error when there are
// not so many misses.
Explanation explain_miss(const config::Config& config, const workload::Plan* script,
                         const MissQuestion& question, const ReplayOptions& options,
                         Moment& moment);

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_EXPLAIN_H_
