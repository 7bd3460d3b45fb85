#include "mmu/mmu.h"

namespace mmusim::mmu {

const char* name_of(FaultReason reason) {
  switch (reason) {
    case FaultReason::None:
      return "none";
    case FaultReason::NotPresent:
      return "not present";
    case FaultReason::Protection:
      return "protection";
    case FaultReason::NonCanonical:
      return "non-canonical address";
    case FaultReason::Malformed:
      return "malformed entry";
    case FaultReason::NoMemory:
      return "no memory for the copy the hardware reads";
  }
  return "?";
}

void TlbMaintenance::look_at_reach(CpuId cpu) {
  ++reach_.samples;
  reach_.last = 0;
  for_each_last_entry(cpu, [this](PageShift size) {
    reach_.bytes[size] += size.bytes();
    reach_.last += size.bytes();
  });
}

}  // namespace mmusim::mmu
