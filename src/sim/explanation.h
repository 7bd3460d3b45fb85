// What one translation did, and what one may ask for it by.
#ifndef MMUSIM_SIM_EXPLANATION_H_
#define MMUSIM_SIM_EXPLANATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"
#include "mem/cache.h"
#include "mmu/miss_path.h"
#include "mmu/mmu.h"

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
  const mmu::Step* step = nullptr;
  uint64_t instructions = 0;
  bool trap = false;
  // Of a reference:
  bool write = false;
  mem::Origin by = mem::Origin::Handler;  // Walker, Handler or Kernel
  PhysAddr address;
  std::optional<VirtAddr> through;
  unsigned bytes = 0;
  std::vector<uint64_t> words;
  std::string decoded;
  std::optional<mem::Place> served;
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

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_EXPLANATION_H_
