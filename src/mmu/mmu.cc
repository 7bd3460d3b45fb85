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

}  // namespace mmusim::mmu
