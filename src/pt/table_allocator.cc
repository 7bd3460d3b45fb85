#include "pt/table_allocator.h"

#include "base/bits.h"
#include "base/error.h"

namespace mmusim::pt {

unsigned TableAllocator::order_of(uint64_t bytes) const {
  MMUSIM_ASSERT(is_power_of_two(bytes) && bytes >= frames_->page().bytes());
  const unsigned order = log2_floor(bytes) - frames_->page().log2();
  MMUSIM_ASSERT(order <= mem::FrameMemory::kMaxOrder);
  return order;
}

std::optional<PhysAddr> TableAllocator::allocate(uint64_t bytes, MmId owner) {
  if (fail_after_ != 0 && --fail_after_ == 0) return std::nullopt;
  const auto first = frames_->allocate(order_of(bytes), mem::FrameUse::Table, owner.value());
  if (!first) return std::nullopt;
  bytes_in_use_ += bytes;
  ++allocations_;
  return frames_->address_of(*first);
}

void TableAllocator::free(PhysAddr address, uint64_t bytes) {
  if (before_free_) before_free_(address, bytes);
  frames_->free(frames_->frame_of(address), order_of(bytes));
  bytes_in_use_ -= bytes;
}

}  // namespace mmusim::pt
