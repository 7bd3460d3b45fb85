// Demotion: what becomes of a superpage of private memory of which a part changes, is copied or
// moves. By kernel.superpage.demote its other parts may stay superpages, of smaller sizes:
//
//   base    none does, all are base pages (Linux)
//   binary  it is halved, again and again, around the change (of 128 pages 7 superpages are left
//           around one page): into all sizes that page table or entry format have and a TLB has
//           use for
//   step    it becomes superpages of the next smaller size that is configured (kernel.thp.sizes,
//           huge pages), and those across the change again (Navarro 2002, FreeBSD)
//
// A leaf is divided step by step, so that each leaf has at any time the table memory set aside that
// its base pages may need: where there is none for smaller superpages, it becomes base pages, and
// no munmap fails. Of a group (hint_group.h) the entries say smaller sizes, for which no memory is
// needed. All of its range is flushed, once, at the end.
#ifndef MMUSIM_KERNEL_DEMOTION_H_
#define MMUSIM_KERNEL_DEMOTION_H_

#include "base/types.h"
#include "kernel/core.h"
#include "kernel/hint_group.h"

namespace mmusim::kernel {

// What a superpage must be divided for.
struct Apart {
  VirtRange range;  // no superpage may lie across an end of it
  PageShift most;   // none may be larger
};
// A border; a page of that size.
inline Apart apart_at(VirtAddr border) {
  return {{border, border}, PageShift(63)};
}
inline Apart apart_around(VirtAddr page, PageShift size) {
  return {{page, page + size.bytes()}, PageShift(63)};
}
inline Apart apart_to(PageShift most) {
  return {{VirtAddr(0), VirtAddr(0)}, most};
}

// Divides a leaf larger than a page. One of zeros becomes base pages of zeros; one of shared memory
// (huge_file.h) goes altogether, and its pages are faulted in again. REQUIRES: the handle is fresh
// and holds `leaf`.
void demote_leaf(Core& core, AddressSpace& mm, const pt::Handle& handle, pt::Entry leaf,
                 const Apart& apart, SplitCause why);
void demote_group(Core& core, AddressSpace& mm, const HintGroup& group, const Apart& apart,
                  SplitCause why);

// Takes a huge leaf of shared memory away, and flushes it. REQUIRES: as above.
void unmap_huge_folio(Core& core, AddressSpace& mm, const pt::Handle& handle, pt::Entry leaf);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_DEMOTION_H_
