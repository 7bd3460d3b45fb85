// Large folios: the frames of a huge page as long as Linux treats them as one, which is longer than
// one leaf maps them all (mm/huge_memory.c: split_huge_page, try_to_map_unused_to_zeropage).
//
// Splitting a folio splits the leaf that maps it, if one still does; and its pages that hold
// nothing but zeros, since nobody ever wrote to them, go free and show the zero page from then on
// (Linux 6.12 and later), but in locked areas. Linux looks at their contents. Simulated pages have
// none, so that it is kept for each frame whether it was stored to (mem::Frame::written); from the
// first huge page on, Kernel::note_store() is told of stores. Of a page's first bytes written being
// zeros nothing is known.
#ifndef MMUSIM_KERNEL_FOLIO_H_
#define MMUSIM_KERNEL_FOLIO_H_

#include <utility>
#include <vector>

#include "kernel/core.h"

namespace mmusim::kernel {

// Whether the frame is part of a folio that was not split yet; how many it has, and the first.
inline bool in_large_folio(const Core& core, Pfn pfn) {
  return core.platform.frames->frame(pfn).folio != 0;
}
inline uint64_t folio_pages(const Core& core, Pfn pfn) {
  return uint64_t{1} << core.platform.frames->frame(pfn).folio;
}
inline Pfn first_of_folio(const Core& core, Pfn pfn) {
  return Pfn(pfn.value() & ~(folio_pages(core, pfn) - 1));
}

// Where an address space may show pages of a folio: parts of its areas.
struct FolioPlaces {
  std::vector<std::pair<const Vma*, VirtRange>> parts;
  bool shared = false;  // other address spaces show some of them, too
};
// Of the folio of which `vma` shows the frame `pfn` at `page`. REQUIRES: in_large_folio().
FolioPlaces places_of_folio(Core& core, AddressSpace& mm, const Vma& vma, VirtAddr page, Pfn pfn);

// Of the frame's folio. REQUIRES: nobody else shows its pages.
void split_folio(Core& core, AddressSpace& mm, const FolioPlaces& places, Pfn pfn);

// Somebody stored to `va`, where that was allowed.
void note_store(Core& core, const AddressSpace& mm, VirtAddr va);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_FOLIO_H_
