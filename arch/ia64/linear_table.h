// The short-format VHPT where the kernel's page table has no linear leaf tables: a copy of it that
// has, kept as a software TLB.
//
// The short-format walker reads leaf words from a virtually linear array, whose pages are the leaf
// tables of Linux's radix table. Where the kernel's page table is another kind there are none; then
// each address space that runs has a mmu::TableCopy of Linux's shape, filled with a word at a time
// by handlers that find nothing there, purged by flushes before the TLBs are, freed when nothing is
// left in it. Its words are base pages, since the short format knows only the region's preferred
// size: of a larger leaf the parts that are touched. Accessed and dirty bits are set in the
// kernel's table first. Not thread-safe.
#ifndef MMUSIM_ARCH_IA64_LINEAR_TABLE_H_
#define MMUSIM_ARCH_IA64_LINEAR_TABLE_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "arch/ia64/entry_format.h"
#include "arch/ia64/formats.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/table_copy.h"

namespace mmusim::ia64 {

struct LinearCounters {
  uint64_t lookups = 0;  // of the kernel's table, because the word here was none
  uint64_t fills = 0;
  mmu::CopyCounters copies;
};

class LinearTable;

// What all linear tables of a machine share.
class LinearTables {
 public:
  LinearTables(unsigned levels, mem::FrameMemory& frames, mem::ReferenceSink& sink)
      : copies_(format_, radix_geometry(levels), kPage, "ia64.levels", frames, sink) {}
  LinearTables(const LinearTables&) = delete;
  LinearTables& operator=(const LinearTables&) = delete;

  // An empty one; null when there is no memory for its root.
  [[nodiscard]] std::unique_ptr<LinearTable> make(MmId mm);
  [[nodiscard]] LinearCounters counters() const {
    LinearCounters all = counters_;
    all.copies = copies_.counters;
    return all;
  }

 private:
  friend class LinearTable;
  EntryFormat format_;
  mmu::TableCopies copies_;
  LinearCounters counters_;
};

class LinearTable {
 public:
  LinearTable(LinearTables& shared, std::unique_ptr<mmu::TableCopy> copy)
      : shared_(shared), copy_(std::move(copy)) {}

  [[nodiscard]] LinearCounters& counters() { return shared_.counters_; }
  // Sets the word of `va`. False: there is no memory for a table to hold it.
  bool put(VirtAddr va, pt::Entry base_page) {
    const auto slot = copy_->slot_for(va, kPage);
    if (slot) copy_->put(*slot, base_page);
    return slot.has_value();
  }
  [[nodiscard]] mmu::TableCopy& copy() { return *copy_; }
  [[nodiscard]] const pt::PageTable& table() const { return copy_->table(); }

 private:
  LinearTables& shared_;
  std::unique_ptr<mmu::TableCopy> copy_;
};

inline std::unique_ptr<LinearTable> LinearTables::make(MmId mm) {
  auto copy = copies_.make(mm);
  return copy == nullptr ? nullptr : std::make_unique<LinearTable>(*this, std::move(copy));
}

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_LINEAR_TABLE_H_
