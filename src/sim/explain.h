// What one translation does, step by step, at one moment of a trace or script.
//
// It is played as `replay` or `workload simulate` do it up to the moment; then the access asked
// about is made by the process asked about, with everything the MMU does written down: look-ups,
// steps with their instructions, references with addresses and what was read. A fault is given to
// the kernel, as in a replay, and the retry written down too.
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
  VirtAddr va;  // of a script: counted from where its segments begin
  AccessKind kind = AccessKind::Load;
};

// One thing that happened.
struct Told {
  enum class Kind : uint8_t { Remark, Step, Reference };
  Kind kind = Kind::Remark;
  std::string text;  // the remark, what the step does, or what the reference is to
  // Of a step:
  std::string step;  // its name
  uint64_t instructions = 0;
  bool trap = false;
  // Of a reference:
  bool write = false;
  std::string by;  // "walker", "handler"
  PhysAddr address;
  std::optional<VirtAddr> through;
  unsigned bytes = 0;
  std::vector<uint64_t> words;
  std::string decoded;
  std::string served;
};

struct Explanation {
  std::vector<Told> told;
  mmu::Translation outcome;  // in the end
  unsigned faults = 0;       // the kernel was given on the way
};

// Errors: replay()'s; UsageError when the address is not one of user space.
Explanation explain(const config::Config& config, const Moment& moment, const Question& question,
                    const ReplayOptions& options);

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_EXPLAIN_H_
