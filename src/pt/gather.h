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
  void leaf(VirtAddr va, PageShift size) { extend({va, va + size.bytes()}, size); }
  // A table was unlinked: the entry that pointed to it covered `entry_size`. Its memory is released
  // after the flush. `touched` is what that adds to the range to flush; one page anywhere in what
  // the table served is enough, since walk caches are told that tables went (freed_tables()).
  void table(VirtRange touched, PageShift entry_size, const RemovedTable& table) {
    tables_.push_back(table);
    extend(touched, entry_size);
  }

  // The same of a table that others use on, whose memory stays.
  void unlinked(VirtRange touched, PageShift entry_size) {
    unlinked_ = true;
    extend(touched, entry_size);
  }

  [[nodiscard]] bool needs_flush() const { return !range_.empty(); }
  [[nodiscard]] bool freed_tables() const { return unlinked_ || !tables_.empty(); }
  [[nodiscard]] VirtRange range() const { return range_; }
  // The smallest thing cleared: stride of a page-wise flush. REQUIRES: needs_flush().
  [[nodiscard]] PageShift smallest() const { return smallest_; }
  [[nodiscard]] const std::vector<RemovedTable>& tables() const { return tables_; }

  // Gives the tables back to their allocators. REQUIRES: the flush is complete.
  void release_tables();
  // After a flush, when the gather goes on.
  void reset_range() {
    range_ = {};
    unlinked_ = false;
  }

 private:
  void extend(VirtRange range, PageShift size) {
    if (range_.empty()) {
      range_ = range;
      smallest_ = size;
      return;
    }
    if (range.begin < range_.begin) range_.begin = range.begin;
    if (range_.end < range.end) range_.end = range.end;
    if (size < smallest_) smallest_ = size;
  }

  VirtRange range_{};
  PageShift smallest_{12};
  bool unlinked_ = false;
  std::vector<RemovedTable> tables_;
};

}  // namespace mmusim::pt

#endif  // MMUSIM_PT_GATHER_H_
