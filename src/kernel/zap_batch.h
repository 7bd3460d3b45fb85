// Between clearing translations and freeing what they showed: clear, then flush, then free, always
// in this order.
//
// Whoever clears or weakens an entry puts it into a ZapBatch (Linux: mmu_gather). It owns one
// reference of every frame whose leaf was cleared, and every table that was unlinked, until
// finish() has flushed the TLBs; whoever fills a batch must finish() it (no destructor does: a
// checker may throw from there).
#ifndef MMUSIM_KERNEL_ZAP_BATCH_H_
#define MMUSIM_KERNEL_ZAP_BATCH_H_

#include <cstddef>
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
  [[nodiscard]] Core& core() const { return *core_; }
  [[nodiscard]] AddressSpace& mm() const { return *mm_; }
  ZapBatch(const ZapBatch&) = delete;
  ZapBatch& operator=(const ZapBatch&) = delete;

  // Frees the tables that serve only [floor, ceiling), ceiling 0 being none.
  void trim(VirtRange range, VirtAddr floor, VirtAddr ceiling);
  // The same for areas in address order with nothing mapped between floor and ceiling: neighbours
  // closer than a leaf table's span together (Linux: free_pgtables).
  void trim_areas(std::span<const Vma> dead, VirtAddr floor, VirtAddr ceiling);
  // zap() has gone through the leaf table around `va`.
  void went_through(VirtAddr va);
  // madvise(DONTNEED) from Linux 6.14 on: frees those of them that are empty now and whose whole
  // span lies in `range`.
  void reclaim_tables(VirtRange range);
  // One translation was replaced or cleared; `pfn`'s reference goes with the batch.
  void add(VirtAddr va, PageShift size, Pfn pfn) {
    weaken(va, size);
    pages_.push_back(pfn);
  }
  // The same for a transparent huge page, by its first frame.
  void add_huge(VirtAddr va, PageShift size, Pfn first) {
    weaken(va, size);
    huge_.emplace_back(first, core_->sizes.order(size));
  }
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

  // Whether it holds as much as is flushed and freed at once, so that memory stays bounded.
  [[nodiscard]] bool is_full() const {
    return pages_.size() >= kMaxPages && scope_ == Scope::Unmap;
  }
  // Flushes and frees what was gathered; the batch is empty and can be used on.
  void finish();

 private:
  // Linux frees at most this many pages per flush (MAX_GATHER_BATCH_COUNT).
  static constexpr size_t kMaxPages = 10000;

  void flush();

  Core* core_;
  AddressSpace* mm_;
  Scope scope_;
  pt::Gather gather_;
  std::vector<std::pair<VirtAddr, PageShift>> leaves_;  // of Scope::Pages
  std::vector<Pfn> pages_;
  std::vector<std::pair<Pfn, unsigned>> huge_;  // first frames of transparent huge pages; orders
  std::vector<std::pair<Pfn, PageShift>> pool_pages_;  // of the hugetlb pools
  std::vector<VirtAddr> spans_;                        // leaf-table spans zap() went through
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_ZAP_BATCH_H_
