#include "sim/profile/profile.h"

namespace mmusim::sim {

const ProfileCountInfo& about(ProfileCount count) {
  static constexpr std::array<ProfileCountInfo, kProfileCounts> kInfos = {{
      {"first_misses",
       "first-level misses",
       "accesses",
       "Accesses the first level did not know.",
       {"mmu.first.fetch_misses", "mmu.first.data_misses"},
       {}},
      {"fetch_misses",
       "fetch misses",
       "accesses",
       "Fetches no TLB level knew.",
       {"mmu.last.fetch_misses"},
       {}},
      {"data_misses",
       "data misses",
       "accesses",
       "Data accesses no TLB level knew.",
       {"mmu.last.data_misses"},
       {}},
      {"walks",
       "walks",
       "walks",
       "Searches by a hardware walker, of whatever table; retries included.",
       {"mmu.walks"},
       {}},
      {"traps", "traps", "events", "Interruptions of the miss path.", {"mmu.traps"}, {}},
      {"references",
       "references",
       "references",
       "Memory references of walkers and of miss handlers.",
       {"refs.walker", "refs.handler"},
       {}},
      {"miss_cycles",
       "cycles",
       "cycles",
       "What TLB misses cost (mmu.miss_cycles): walks, handlers and their references.",
       {"mmu.miss_cycles"},
       {}},
      {"fault_cycles",
       "fault cycles",
       "cycles",
       "What entering the kernel's page-fault code and leaving it cost.",
       {"mmu.cycles.faults"},
       {}},
      {"kernel_cycles",
       "kernel cycles",
       "cycles",
       "The kernel's references to page tables, and flushes.",
       {"mmu.cycles"},
       {"mmu.miss_cycles", "mmu.cycles.faults"}},
      {"minor_faults",
       "minor faults",
       "faults",
       "Page faults that read no file and no swap space.",
       {"kernel.faults.minor"},
       {}},
      {"major_faults",
       "major faults",
       "faults",
       "Page faults that did.",
       {"kernel.faults.major"},
       {}},
      {"refused",
       "refused",
       "lookups",
       "Look-ups whose fault the kernel refused.",
       {"access.refused"},
       {}},
  }};
  return kInfos[static_cast<size_t>(count)];
}

const char* name_of(ProfiledMapping::Kind kind) {
  switch (kind) {
    case ProfiledMapping::Kind::Text:
      return "text";
    case ProfiledMapping::Kind::Data:
      return "data";
    case ProfiledMapping::Kind::ReadOnly:
      return "read-only";
    case ProfiledMapping::Kind::Bss:
      return "bss";
    case ProfiledMapping::Kind::Heap:
      return "heap";
    case ProfiledMapping::Kind::Stack:
      return "stack";
    case ProfiledMapping::Kind::Anonymous:
      return "anonymous";
    case ProfiledMapping::Kind::Shared:
      return "shared";
    case ProfiledMapping::Kind::UnnamedFile:
      return "unnamed file";
    case ProfiledMapping::Kind::Segment:
      return "segment";
    case ProfiledMapping::Kind::Special:
      return "special";
    case ProfiledMapping::Kind::Unknown:
      return "unknown";
    case ProfiledMapping::Kind::Call:
      return "system call";
    case ProfiledMapping::Kind::Other:
      break;
  }
  return "other";
}

}  // namespace mmusim::sim
