// The hugetlb pools: huge pages set aside when the machine starts, for mmap with MAP_HUGETLB; one
// for each size.
//
// A mapping reserves pool pages for all it maps (Linux: mm/hugetlb.c), so that its faults find one;
// what has no reservation (MAP_NORESERVE, a forked child's copies) gets pages only while more are
// free than reserved. Pages of shared mappings belong to the hidden file behind them until its last
// mapping goes. Pages are counted by the references of their first frame. Indices are in base pages
// from the start of the file, multiples of a huge page. Not thread-safe.
#ifndef MMUSIM_KERNEL_HUGE_POOL_H_
#define MMUSIM_KERNEL_HUGE_POOL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/types.h"
#include "kernel/vma.h"
#include "mem/frames.h"

namespace mmusim::kernel {

class HugePool {
 public:
  // `order`: log2 of the frames of a page. `leaf`: of the leaves that show one (pool_page.h).
  HugePool(mem::FrameMemory& frames, PageShift size, unsigned order, PageShift leaf)
      : frames_(&frames), size_(size), order_(order), leaf_(leaf) {}
  [[nodiscard]] PageShift size() const { return size_; }
  [[nodiscard]] PageShift leaf() const { return leaf_; }

  // Takes so many pages; false: there is not so much memory in such pieces.
  bool fill(uint64_t count);
  // Gives the pool's memory back. REQUIRES: no page is in use.
  void drain();

  // Reserves a page for each huge page of [first, first + pages) of the file; false: too few.
  bool reserve(FileId file, uint64_t first, uint64_t pages);
  // Gives up what is still reserved there.
  void unreserve(FileId file, uint64_t first, uint64_t pages);
  // A page, with one reference: the reserved one, if the taker may use it and there is one; else
  // one that is not reserved for anybody.
  std::optional<Pfn> take(FileId file, uint64_t index, bool may_use_reservation);
  // A page nobody has references to.
  void give_back(Pfn page) { free_.insert(page); }

  // Pages of shared mappings; the file holds one reference.
  [[nodiscard]] std::optional<Pfn> page_of(FileId file, uint64_t index) const;
  void set_page(FileId file, uint64_t index, Pfn page) { files_[file].pages[index] = page; }
  // The file is gone: `release` is called for each of its pages, and its reservations end.
  void forget(FileId file, const std::function<void(Pfn)>& release);

  [[nodiscard]] uint64_t total() const { return total_; }
  [[nodiscard]] uint64_t free() const { return free_.size(); }
  [[nodiscard]] uint64_t reserved() const { return reserved_; }

 private:
  struct File {
    std::set<uint64_t> reserved;
    std::map<uint64_t, Pfn> pages;
  };

  mem::FrameMemory* frames_;
  PageShift size_;
  unsigned order_;
  PageShift leaf_;
  uint64_t total_ = 0;
  uint64_t reserved_ = 0;
  std::set<Pfn> free_;  // the lowest is given out first
  std::map<FileId, File> files_;
};

class HugePools {
 public:
  explicit HugePools(mem::FrameMemory& frames) : frames_(&frames) {}

  // A pool, still empty. REQUIRES: there is none of this size.
  HugePool& add(PageShift size, unsigned order, PageShift leaf);
  // Null: there is none.
  [[nodiscard]] HugePool* find(PageShift size) const;
  // REQUIRES: there is one.
  [[nodiscard]] HugePool& of(PageShift size) { return *find(size); }
  [[nodiscard]] PageShift leaf_of(PageShift size) const { return find(size)->leaf(); }
  [[nodiscard]] const std::vector<std::unique_ptr<HugePool>>& all() const { return pools_; }
  // REQUIRES: no page is in use.
  void drain();

 private:
  mem::FrameMemory* frames_;
  std::vector<std::unique_ptr<HugePool>> pools_;  // ascending
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_HUGE_POOL_H_
