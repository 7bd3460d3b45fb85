// Taking translations away: clear, then flush, then free, always in this order and only here.
//
// A ZapBatch is the list in between (Linux: mmu_gather). It owns one reference of every frame whose
// leaf was cleared, and every table that was unlinked, until finish() has flushed the TLBs; whoever
// fills a batch must finish() it (no destructor does: a checker may throw from there). Large
// batches are flushed and freed in pieces, as Linux does, so that memory stays bounded.
#ifndef MMUSIM_KERNEL_ZAP_H_
#define MMUSIM_KERNEL_ZAP_H_

#include <array>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "kernel/core.h"
#include "pt/gather.h"

namespace mmusim::kernel {

class ZapBatch {
 public:
  // How it is flushed: as what an mmu_gather collects, what mprotect changed or another change of a
  // range (mmu::RangeFlush); page by page (flush_tlb_page), for those who come with single pages;
  // or all at once, as the address space dies.
  enum class Scope { Unmap, Protect, Change, Pages, WholeSpace };

  ZapBatch(Core& core, AddressSpace& mm, Scope scope = Scope::Unmap)
      : core_(&core), mm_(&mm), scope_(scope) {}
  ZapBatch(const ZapBatch&) = delete;
  ZapBatch& operator=(const ZapBatch&) = delete;

  // What goes: everything, as when the area goes; its contents, but not guard pages (madvise,
  // truncation); or only what shows a page of the area's file, not private copies, nor what entries
  // name that are not present (Linux: even_cows).
  enum class Pages : uint8_t { All, Contents, OfFile };
  // Clears every such leaf of `range`, which lies in `vma`, and takes over the references of what
  // they mapped.
  void zap(const Vma& vma, VirtRange range, Pages which = Pages::All);
  // Frees the tables that serve only [floor, ceiling), ceiling 0 being none.
  void trim(VirtRange range, VirtAddr floor, VirtAddr ceiling);
  // The same for areas in address order with nothing mapped between floor and ceiling: neighbours
  // closer than a leaf table's span together (Linux: free_pgtables).
  void trim_areas(std::span<const Vma> dead, VirtAddr floor, VirtAddr ceiling);
  // madvise(DONTNEED) from Linux 6.14 on: frees the leaf tables that zap() emptied and whose whole
  // span lies in `range`.
  void reclaim_tables(VirtRange range);
  // One translation was replaced or cleared outside zap(); `pfn`'s reference goes with the batch.
  void add(VirtAddr va, PageShift size, Pfn pfn);
  // The same for a page of the hugetlb pool, whose account it leaves as it is.
  void add_pool_page(VirtAddr va, PageShift size, Pfn pfn);
  // The same for a huge leaf of shared memory (huge_file.h), whose RSS the caller counts.
  void add_huge_folio(VirtAddr va, pt::Entry leaf);
  // Makes one leaf of the smaller ones around `va` (PageTable::promote).
  pt::Status promote(VirtAddr va, PageShift to) { return mm_->table->promote(va, to, gather_); }
  // The shared tables around `va` are used no more (PageTable::leave).
  void leave(VirtAddr va) {
    const pt::Status status = mm_->table->leave(va, gather_);
    MMUSIM_ASSERT(status == pt::Status::Ok);
  }
  // A translation lost rights.
  void weaken(VirtAddr va, PageShift size) {
    gather_.leaf(va, size);
    if (scope_ == Scope::Pages) leaves_.emplace_back(va, size);
  }

  // Flushes and frees what was gathered; the batch is empty and can be used on.
  void finish();

 private:
  // Linux frees at most this many pages per flush (MAX_GATHER_BATCH_COUNT).
  static constexpr size_t kMaxPages = 10000;

  void zap_huge(const Vma& vma, pt::Run& run, std::array<int64_t, kPageKinds>& gone);
  void flush();

  Core* core_;
  AddressSpace* mm_;
  Scope scope_;
  pt::Gather gather_;
  std::vector<std::pair<VirtAddr, PageShift>> leaves_;  // of Scope::Pages
  std::vector<Pfn> pages_;
  std::vector<Pfn> huge_;        // first frames of transparent huge pages
  std::vector<Pfn> pool_pages_;  // of pages of the hugetlb pool
  std::vector<VirtAddr> spans_;  // leaf-table spans zap() went through
};

// Takes the whole address space apart: every area, every page, every table. The caller destroys it.
void tear_down(Core& core, AddressSpace& mm);

// Takes the pages of that part of a file out of every page table that shows them.
void unmap_everywhere(Core& core, FileId file, PageSpan span, ZapBatch::Pages which);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_ZAP_H_
