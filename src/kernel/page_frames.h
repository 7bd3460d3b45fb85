// The frames of programs' pages: where they come from, and how they go when nobody has a reference
// any more. Who shows them is counted elsewhere (frame_counts.h). Not thread-safe.
#ifndef MMUSIM_KERNEL_PAGE_FRAMES_H_
#define MMUSIM_KERNEL_PAGE_FRAMES_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "base/types.h"
#include "kernel/address_space.h"
#include "kernel/counters.h"
#include "kernel/frame_counts.h"
#include "kernel/huge_pool.h"
#include "kernel/page_sizes.h"
#include "kernel/platform.h"
#include "kernel/rmap.h"
#include "kernel/swap.h"

namespace mmusim::kernel {

class PageFrames {
 public:
  // All must outlive it. `rmap` and `swap` are null where nothing is reclaimed.
  PageFrames(const Platform& platform, const PageSizes& sizes, HugePools& pools, Rmap* rmap,
             SwapSpace* swap, FrameCounts& counts, Counters& counters)
      : platform_(&platform),
        sizes_(&sizes),
        pools_(&pools),
        rmap_(rmap),
        swap_(swap),
        counters_(&counters),
        counts_(&counts) {}

  // Whether somebody must say which pages are stored to (kernel/folio.h): once there was a huge
  // page, or what could become one was made without being written.
  bool tracks_stores = false;
  // Asked, if it is set, for each frame of private memory that is about to be free: true if it is
  // to be set aside again, as reserve() does it.
  std::function<bool(Pfn)> wants_back;

  // Nothing, here and below: no frame is free.
  std::optional<Pfn> new_anonymous(const AddressSpace& mm);
  // The frame all untouched private memory reads from.
  std::optional<Pfn> zero_page();
  // Drops one reference; frees the frame with the last. REQUIRES: no TLB holds it for the one who
  // drops it.
  void put(Pfn pfn);

  // 2^order frames, exclusive, with a reference and a mapping each: those of one leaf, or of leaves
  // of base pages.
  std::optional<Pfn> new_huge(const AddressSpace& mm, unsigned order, bool one_leaf);
  // Frees what it gave, and no leaf ever mapped.
  void discard_huge(Pfn first, unsigned order);
  // 2^order frames that are nobody's yet, each of which becomes a page as new_anonymous() gives
  // them, or goes back.
  std::optional<Pfn> reserve(unsigned order);
  void claim(const AddressSpace& mm, Pfn reserved);
  void unreserve(Pfn reserved);
  // 2^PageSizes::huge_order() for shared memory: the cache's, with its reference each, and written
  // to.
  std::optional<Pfn> new_huge_folio(FileId file);
  // What untouched private memory reads from when it is mapped by a huge page.
  std::optional<Pfn> huge_zero_page();
  // Drops one reference of each frame of what one leaf of 2^order mapped, as put().
  void put_huge(Pfn first, unsigned order);
  // Drops one reference of a page of the hugetlb pool of that size, which gets it back with the
  // last.
  void put_pool_page(Pfn first, PageShift size);

  // Nobody reads zeros any more.
  void free_zero_pages();

  // Frames of blocks that were never written, by order of the block, as far as stores are tracked.
  [[nodiscard]] std::array<uint64_t, mem::FrameMemory::kMaxOrder + 1> never_written() const;

 private:
  // Frees a frame to which there is no reference.
  void free(Pfn pfn);
  // Whether a block has the frame for nothing.
  static bool is_bloat(const mem::Frame& frame) {
    return frame.folio != 0 && !frame.written && frame.use == mem::FrameUse::Anonymous;
  }
  // Of a frame that goes.
  void note_bloat(const mem::Frame& frame) {
    if (is_bloat(frame)) ++counters_->never_written;
  }

  const Platform* platform_;
  const PageSizes* sizes_;
  HugePools* pools_;
  Rmap* rmap_;
  SwapSpace* swap_;
  Counters* counters_;
  FrameCounts* counts_;
  std::optional<Pfn> zero_page_;
  std::optional<Pfn> huge_zero_page_;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_PAGE_FRAMES_H_
