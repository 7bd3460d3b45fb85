// The radix table that a hardware walker walks when the kernel's page table is one it cannot read,
// filled by page faults.
//
// A Shadow is one address space's: a TableCopy in the hardware's own format, kept as a software TLB
// of the kernel's table. It starts empty. A walk that faults is first shown to fill(), which looks
// the page up in the kernel's table, as the page-fault handler of such a kernel would, and if that
// allows the access puts it here; only what the kernel's table does not allow is a fault for the
// kernel, and costs nothing here: the look-up is the one the kernel's handling of it begins with. A
// flush of the kernel's is a purge() here before the TLBs are flushed; the tables emptied by it are
// freed after.
//
// Accessed and dirty bits live in the kernel's table: fill() sets accessed there, and dirty at the
// first store, up to which the page is mapped read-only here (hardware's own updates would end in
// this copy and be lost). A leaf of a size the hardware has not is mapped in pieces of the largest
// size it has, one at a time as they are touched. After a fault of the kernel's the retry fills at
// once, with the entry the kernel has in hand (what Linux calls update_mmu_cache), so that it does
// not fault twice: that is the kernel's work, and its references are.
//
// With a prefill of 8 pages, as KVM does (PTE_PREFETCH_NUM), what has been used already of the
// aligned block of 8 pages around a page comes along with it.
//
// Shadow paging as in VMware's and Xen's MMUs before nested paging (K. Adams and O. Agesen, ASPLOS
// 2006), with the kernel's table in the guest's place. Not thread-safe.
#ifndef MMUSIM_MMU_SHADOW_H_
#define MMUSIM_MMU_SHADOW_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/miss_path.h"
#include "mmu/table_copy.h"
#include "pt/entry.h"
#include "pt/gather.h"
#include "pt/page_table.h"
#include "stats/count.h"
#include "stats/report.h"

namespace mmusim::mmu {

struct ShadowCounts {
  stats::Count lookups{
      "shadow.lookups", "faults",
      "Page faults for which the kernel's page table was looked up, because the hardware walks "
      "a copy of it; 0 where it reads the page table itself."};
  stats::Count fills{"shadow.fills", "faults",
                     "... that found what the access needed and put it into the copy.",
                     "shadow.lookups"};
  stats::Count dirty_fills{"shadow.dirty_fills", "faults",
                           "Entries made writable at the first store to a page.", "shadow.fills"};
  stats::Count preloads{"shadow.preloads", "entries",
                        "Entries put into the copy by the kernel's own page-fault handling."};
  stats::Count prefills{
      "shadow.prefills", "entries",
      "Neighbours, used before, put into the copy along with those (x86.shadow.prefill)."};
};
struct ShadowCounters : ShadowCounts {
  CopyCounters copies;

  void report(stats::Report& report) const {
    stats::report<ShadowCounts>(*this, report);
    copies.report("shadow", report);
  }
};

// Numbers of the handler's steps in the architecture's list.
struct ShadowSteps {
  unsigned fault = 0;    // the page fault by which the handler is entered
  unsigned lookup = 0;   // of the kernel's table
  unsigned fill = 0;     // an entry is put into the copy
  unsigned join = 0;     // a table is taken of another copy
  unsigned prefill = 0;  // ... and an entry beside it
};

class Shadow;

// What all shadows of a machine share.
class Shadows {
 public:
  // As TableCopies. `prefill`: pages of a block, a power of two; 1: none but the one asked for.
  Shadows(std::unique_ptr<const pt::EntryFormat> format, pt::RadixGeometry geometry, PageShift page,
          const char* option, unsigned prefill, ShadowSteps steps, mem::FrameMemory& frames,
          mem::ReferenceSink& sink)
      : copies_(std::move(format), std::move(geometry), page, option, frames, sink),
        prefill_(prefill),
        steps_(steps) {}
  Shadows(const Shadows&) = delete;
  Shadows& operator=(const Shadows&) = delete;

  // An empty one; null when there is no memory for its root. `table`, the kernel's, must outlive
  // it.
  [[nodiscard]] std::unique_ptr<Shadow> make(MmId mm, pt::PageTable& table);
  [[nodiscard]] ShadowCounters counters() const { return {counters_, copies_.counters}; }

 private:
  friend class Shadow;
  TableCopies copies_;
  unsigned prefill_;
  ShadowSteps steps_;
  ShadowCounts counters_;
};

class Shadow {
 public:
  Shadow(Shadows& shared, std::unique_ptr<TableCopy> copy, pt::PageTable& table)
      : shared_(shared), kernel_table_(table), copy_(std::move(copy)) {}

  enum class Fill : uint8_t {
    Done,       // the hardware finds it from now on
    Refused,    // the kernel's table has nothing there
    Forbidden,  // it has, but does not allow the access
    NoRoom,     // it does, but there is no memory for tables here
  };
  // `preload`: the kernel has just fixed a fault here. `path` is told what a handler does.
  Fill fill(VirtAddr va, AccessKind kind, bool preload, MissPath& path);

  [[nodiscard]] PhysAddr root() const { return copy_->table().root().address; }
  // As TableCopy's.
  void purge(VirtRange range, pt::Gather& gather) { copy_->purge(range, gather); }
  void drop(pt::Gather& gather) { copy_->drop(gather); }

  // Every translation the hardware could find here.
  void for_each(const std::function<void(VirtAddr base, PageShift size, Pfn pfn, Rights rights)>&
                    visit) const;

 private:
  void put(const pt::Slot& slot, VirtAddr va, const pt::Lookup& found, const pt::WalkPath& words,
           AccessKind kind, mem::Origin who, MissPath& path);
  void prefill(VirtAddr va, const pt::WalkPath& words, mem::Origin who, MissPath& path);

  Shadows& shared_;
  pt::PageTable& kernel_table_;
  std::unique_ptr<TableCopy> copy_;
};

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_SHADOW_H_
