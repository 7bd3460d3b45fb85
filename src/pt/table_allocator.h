// Memory for page tables out of simulated frames, with an account per address space of what it
// uses.
//
// Sizes are powers of two of at least a page: whole frames. Pieces smaller than a page would be a
// slab's business, which is not needed while every backend uses whole frames. Not thread-safe.
#ifndef MMUSIM_PT_TABLE_ALLOCATOR_H_
#define MMUSIM_PT_TABLE_ALLOCATOR_H_

#include <functional>
#include <optional>
#include <utility>

#include "base/types.h"
#include "mem/frames.h"

namespace mmusim::pt {

class TableAllocator {
 public:
  explicit TableAllocator(mem::FrameMemory& frames) : frames_(&frames) {}

  // Zeroed table memory, aligned to its size; nothing when memory is exhausted.
  // REQUIRES: bytes is a power of two, at least the base page, at most 2^kMaxOrder pages.
  std::optional<PhysAddr> allocate(uint64_t bytes, MmId owner);
  // REQUIRES: allocated here, with this size.
  void free(PhysAddr address, uint64_t bytes);
  // Called with each piece of table memory just before it is given back; for checks that nothing
  // reaches it any more.
  void before_free(std::function<void(PhysAddr address, uint64_t bytes)> hook) {
    before_free_ = std::move(hook);
  }

  [[nodiscard]] uint64_t bytes_in_use() const { return bytes_in_use_; }
  [[nodiscard]] uint64_t allocations() const { return allocations_; }
  [[nodiscard]] mem::FrameMemory& frames() { return *frames_; }
  // Test hook: the nth allocation from now fails (1 = the next one); 0 switches it off.
  void fail_after(uint64_t n) { fail_after_ = n; }

 private:
  [[nodiscard]] unsigned order_of(uint64_t bytes) const;

  mem::FrameMemory* frames_;
  uint64_t bytes_in_use_ = 0;
  uint64_t allocations_ = 0;
  uint64_t fail_after_ = 0;
  std::function<void(PhysAddr, uint64_t)> before_free_;
};

}  // namespace mmusim::pt

#endif  // MMUSIM_PT_TABLE_ALLOCATOR_H_
