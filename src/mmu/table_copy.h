// A radix table that copies the kernel's page table for hardware that cannot read it.
//
// x86's walker and IA-64's short-format walker read tables of one shape only. Where the kernel's
// page table is another kind, each address space that runs has a TableCopy: a radix table in that
// shape, in simulated memory, kept as a software TLB of the kernel's. The architecture decides what
// is put into it and when; here is what all copies have in common: their memory, and how they are
// emptied.
//
// **Memory.** A copy may be emptied at any time, as nothing is in it that the kernel's table does
// not have. So it never ends a run by itself: who finds no memory for an entry leaves it out and
// tells the kernel (FaultReason::NoMemory, TlbMaintenance::activate()), which takes memory back
// from programs or, by TlbMaintenance::shrink(), from the copies.
//
// **Sharing.** Where address spaces share the kernel's tables of a block (pt::PageTable::share()),
// their copies share the tables of as much of it as one of their own entries serves. Who first
// lacks such a table takes that of another sharer's copy (join()); a flush that concerns any of a
// shared block makes the copy leave it, so that what is in it is never more than what the kernel's
// tables of each of its users have.
//
// **Whose references.** What a miss handler puts into a copy is the handler's, what the kernel puts
// there or takes away the kernel's.
//
// Not thread-safe.
#ifndef MMUSIM_MMU_TABLE_COPY_H_
#define MMUSIM_MMU_TABLE_COPY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "pt/entry.h"
#include "pt/gather.h"
#include "pt/mlpt/mlpt.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"
#include "stats/report.h"

namespace mmusim::mmu {

struct CopyCounters {
  uint64_t purged = 0;      // entries removed by flushes of ranges
  uint64_t dropped = 0;     // whole copies given up by flushes of address spaces
  uint64_t no_room = 0;     // entries there was no memory for
  uint64_t joined = 0;      // tables taken from another copy, with what was in them
  uint64_t left = 0;        // ... and given up by a flush of any of it
  uint64_t peak_bytes = 0;  // of tables, roots included

  // As <name>.joined and so on.
  void report(const char* name, stats::Report& report) const;
};

class TableCopy;

// What all copies of a machine share.
class TableCopies {
 public:
  // `frames` and `sink` must outlive it. `option`: what gives the shape, for messages.
  TableCopies(std::unique_ptr<const pt::EntryFormat> format, pt::RadixGeometry geometry,
              PageShift page, const char* option, mem::FrameMemory& frames,
              mem::ReferenceSink& sink);
  TableCopies(const TableCopies&) = delete;
  TableCopies& operator=(const TableCopies&) = delete;

  // An empty one of the table `original`, which must outlive it; null when there is no memory for
  // its root.
  [[nodiscard]] std::unique_ptr<TableCopy> make(MmId mm, const pt::PageTable& original);
  [[nodiscard]] const pt::RadixGeometry& geometry() const { return environment_.geometry; }
  [[nodiscard]] PageShift page() const { return environment_.page; }
  [[nodiscard]] const pt::EntryFormat& format() const { return *format_; }

  CopyCounters counters;

 private:
  friend class TableCopy;
  void note_bytes();

  std::unique_ptr<const pt::EntryFormat> format_;
  pt::TableAllocator allocator_;
  pt::Environment environment_;
  pt::mlpt::Shape shape_;
  pt::mlpt::Sharing sharing_;
  std::map<MmId, TableCopy*> members_;
};

class TableCopy {
 public:
  TableCopy(TableCopies& copies, MmId mm, const pt::PageTable& original, PhysAddr root);
  ~TableCopy();
  TableCopy(const TableCopy&) = delete;
  TableCopy& operator=(const TableCopy&) = delete;

  [[nodiscard]] const pt::mlpt::Mlpt& table() const { return radix_; }
  // `found` is what the original has at `va`. Where that is shared and this copy has no table there
  // yet, it takes one that another sharer's copy has; true if it did. By `who`, as below.
  bool join(VirtAddr va, const pt::Lookup& found, mem::Origin who);
  // A slot of this size at `va`, or of a base page where entries of that size are there already.
  // Nothing: there is no memory for its tables.
  [[nodiscard]] std::optional<pt::Slot> slot_for(VirtAddr va, PageShift size, mem::Origin who);
  // Into a slot just got.
  void put(const pt::Slot& slot, pt::Entry entry, mem::Origin who);
  // Both, of a base page. False: there is no memory for its tables.
  bool put_page(VirtAddr va, pt::Entry entry, mem::Origin who);
  // The entry at `va` is to be copied anew.
  void forget(VirtAddr va);

  // What is in `range` goes; emptied tables into the gather. Flush, then release them.
  void purge(VirtRange range, pt::Gather& gather);
  // Everything goes.
  void drop(pt::Gather& gather);

 private:
  void leave_shared(VirtRange range, pt::Gather& gather);

  TableCopies& copies_;
  MmId mm_;
  const pt::PageTable& original_;
  pt::mlpt::Mlpt radix_;
};

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_TABLE_COPY_H_
