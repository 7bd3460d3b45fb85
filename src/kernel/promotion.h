// Promotion: one superpage of base pages, or of smaller superpages, that are mapped already.
//
// In place, where they lie in memory as they would in the superpage, as those of a reservation do;
// or by copying them into a new block, whose other pages are zeros (Linux: collapse_huge_page). The
// superpage is mapped as the size is elsewhere (kernel.superpage.style), its frames are one folio
// from then on, and the whole range is flushed: nothing stale is left, and the TLBs may take the
// large translation. Either does all of it or nothing, but for tables, and for copies that no leaf
// could be made of: base pages that lie in one piece.
#ifndef MMUSIM_KERNEL_PROMOTION_H_
#define MMUSIM_KERNEL_PROMOTION_H_

#include <cstdint>
#include <vector>

#include "base/types.h"
#include "kernel/core.h"

namespace mmusim::kernel {

enum class Promotion : uint8_t {
  Done,
  Unfit,     // holes, other frames, other rights, others hold some of them, or it is one already
  NoMemory,  // for the block, or for tables
};

// Whether the area may have superpages of that size; and one around `page` lies in it.
bool may_have_superpages(const AddressSpace& mm, const Vma& vma, const BlockSize& to);
bool may_promote(const AddressSpace& mm, const Vma& vma, VirtAddr page, const BlockSize& to);

// Of what is in the block at `base`, to size `to`. REQUIRES, here and below: may_promote() there.
Promotion promote_in_place(Core& core, AddressSpace& mm, VirtAddr base, const BlockSize& to);

// REQUIRES: the block holds pages of private memory, pages of zeros and holes, nothing else.
Promotion promote_by_copy(Core& core, AddressSpace& mm, const Vma& vma, VirtAddr base,
                          const BlockSize& to);

class Survey;

// In place if that can be, else by copying where `populated` per cent of its pages are there, all
// of them this address space's alone. Counted.
Promotion promote(Core& core, AddressSpace& mm, const Vma& vma, const Survey& survey, VirtAddr base,
                  const BlockSize& to);

// What the base pages of a range of an area hold, by one look at the page table, which is told.
class Survey {
 public:
  Survey(Core& core, AddressSpace& mm, const VirtRange& range);

  // Of the part: whether it could be promoted to `size`, with holes, and how many pages it has.
  // REQUIRES: it lies in the range.
  struct Part {
    bool fit = true;        // nothing in it hinders a promotion
    bool promoted = false;  // it is a superpage of that size already, or part of one
    uint64_t pages = 0;
  };
  [[nodiscard]] Part part(VirtAddr base, PageShift size) const;
  // Base pages of all of it that hold something.
  [[nodiscard]] uint64_t pages() const { return pages_; }

 private:
  enum class Page : uint8_t { None, There, Hindrance };
  struct Place {
    Page page = Page::None;
    PageShift size;  // of the superpage it is part of, or the base page's
  };
  VirtAddr begin_;
  PageShift page_;
  std::vector<Place> places_;
  uint64_t pages_ = 0;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_PROMOTION_H_
