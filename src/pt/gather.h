// What a range operation took out of page tables and must not be reused before the TLBs have been
// flushed.
//
// Page tables report removed leaves (range and size class) and removed table memory; the kernel
// adds pages, flushes, and only then releases. The order clear -> flush -> free is the kernel's;
// the gather is the list in between. After Linux's mmu_gather (mm/mmu_gather.c). Not thread-safe.
#ifndef MMUSIM_PT_GATHER_H_
#define MMUSIM_PT_GATHER_H_

#include <cstdint>
#include <vector>

#include "base/types.h"

namespace mmusim::pt {

class TableAllocator;

struct RemovedTable {
  TableAllocator* allocator = nullptr;
  PhysAddr address;
  uint64_t bytes = 0;
};

class Gather {
 public:
  // A leaf at `va` of this size was cleared or lost rights: it must be flushed.
  void leaf(VirtAddr va, PageShift size) {
    if (range_.empty()) {
      range_ = {va, va + size.bytes()};
      smallest_ = size;
    } else {
      if (va < range_.begin) range_.begin = va;
      if (range_.end < va + size.bytes()) range_.end = va + size.bytes();
      if (size < smallest_) smallest_ = size;
    }
  }
  // A table that served `covered` was unlinked; its memory is released after the flush.
  void table(VirtRange covered, const RemovedTable& table) {
    tables_.push_back(table);
    if (range_.empty()) {
      range_ = covered;
    } else {
      if (covered.begin < range_.begin) range_.begin = covered.begin;
      if (range_.end < covered.end) range_.end = covered.end;
    }
  }

  [[nodiscard]] bool needs_flush() const { return !range_.empty(); }
  [[nodiscard]] bool freed_tables() const { return !tables_.empty(); }
  [[nodiscard]] VirtRange range() const { return range_; }
  [[nodiscard]] PageShift smallest() const { return smallest_; }  // stride of a page-wise flush
  [[nodiscard]] const std::vector<RemovedTable>& tables() const { return tables_; }

  // Gives the tables back to their allocators. REQUIRES: the flush is complete.
  void release_tables();
  void reset_range() { range_ = {}; }

 private:
  VirtRange range_{};
  PageShift smallest_{12};
  std::vector<RemovedTable> tables_;
};

}  // namespace mmusim::pt

#endif  // MMUSIM_PT_GATHER_H_
