#include "mmu/cpus.h"

namespace mmusim::mmu {

PhysAddr reserve(mem::FrameMemory& frames, uint64_t bytes, const char* whose) {
  const auto place = frames.reserve(bytes, mem::FrameUse::Reserved);
  if (!place) throw mem::out_of_memory(whose);
  return *place;
}

}  // namespace mmusim::mmu
