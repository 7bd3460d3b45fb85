// The short-format VHPT where the kernel's page table has no linear leaf tables: a copy of it that
// has, kept as a software TLB.
//
// The short-format walker reads leaf words from a virtually linear array, whose pages are the leaf
// tables of Linux's radix table. Where the kernel's page table is another kind there are none; then
// each address space that runs has a radix table of Linux's shape in simulated memory, filled with
// a word at a time by handlers that find nothing there, purged by flushes before the TLBs are,
// freed when nothing is left in it. Its words are base pages, since the short format knows only the
// region's preferred size: of a larger leaf the parts that are touched. Accessed and dirty bits are
// set in the kernel's table first. Not thread-safe.
#ifndef MMUSIM_ARCH_IA64_LINEAR_TABLE_H_
#define MMUSIM_ARCH_IA64_LINEAR_TABLE_H_

#include <cstdint>
#include <functional>

#include "arch/ia64/entry_format.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "pt/gather.h"
#include "pt/mlpt/mlpt.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"

namespace mmusim::ia64 {

struct LinearCounters {
  uint64_t lookups = 0;  // of the kernel's table, because the word here was none
  uint64_t fills = 0;
  uint64_t purged = 0;  // words cleared by flushes of ranges
  uint64_t dropped = 0;
  uint64_t peak_bytes = 0;
};

// What all linear tables of a machine share.
class LinearMemory {
 public:
  LinearMemory(unsigned levels, mem::FrameMemory& frames, mem::ReferenceSink& sink);
  LinearMemory(const LinearMemory&) = delete;
  LinearMemory& operator=(const LinearMemory&) = delete;

  [[nodiscard]] const EntryFormat& format() const { return format_; }
  [[nodiscard]] const pt::Environment& environment() const { return environment_; }
  [[nodiscard]] const pt::mlpt::Shape& shape() const { return shape_; }
  // Errors: Error when simulated memory is exhausted.
  [[nodiscard]] PhysAddr new_root(MmId mm);
  void note_bytes();

  LinearCounters counters;

 private:
  EntryFormat format_;
  pt::TableAllocator allocator_;
  pt::Environment environment_;
  pt::mlpt::Shape shape_;
};

class LinearTable {
 public:
  // `memory` must outlive it.
  LinearTable(LinearMemory& memory, MmId mm);

  [[nodiscard]] const pt::PageTable& table() const { return radix_; }
  [[nodiscard]] LinearCounters& counters() { return memory_.counters; }
  // Errors: Error when memory is exhausted.
  void put(VirtAddr va, pt::Entry base_page);
  // What is in `range` goes; emptied tables into the gather. Flush, then release them.
  void purge(VirtRange range, pt::Gather& gather);
  void drop(pt::Gather& gather);
  // The word at `va` is to be copied anew.
  void forget(VirtAddr va);
  void for_each(const std::function<void(VirtAddr base, pt::Entry entry)>& visit) const;

 private:
  LinearMemory& memory_;
  pt::mlpt::Mlpt radix_;
};

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_LINEAR_TABLE_H_
