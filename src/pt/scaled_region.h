// A page table one region of whose addresses has pages of one larger size, each in the place of a
// base page: the table's index is not the address but its offset in the region shifted right by as
// much as such a page is larger. So leaf tables as all others serve 2^n times as much there, and a
// walker of a linear table that is told that page size finds them where they are.
//
// Linux's hugetlb on IA-64 (arch/ia64/mm/hugetlbpage.c: huge_pte_offset, htlbpage_to_page), whose
// region 4 is such. The table around is the same to its users as any that has leaves of that size
// in the region, none of another there, and no such leaves elsewhere, if it has none by itself:
// capabilities() are those of the table within.
#ifndef MMUSIM_PT_SCALED_REGION_H_
#define MMUSIM_PT_SCALED_REGION_H_

#include <memory>

#include "base/types.h"
#include "pt/page_table.h"

namespace mmusim::pt {

struct ScaledRegion {
  VirtRange range;     // begins at a multiple of its length rounded up to a power of two
  PageShift leaf;      // of each page of it
  PageShift page{12};  // the base page
  [[nodiscard]] unsigned shift() const { return leaf.log2() - page.log2(); }
  [[nodiscard]] bool has(VirtAddr va) const { return range.contains(va); }
};

// REQUIRES: `within` makes tables that map all of `region` by base pages, and share nothing there.
std::unique_ptr<Factory> with_scaled_region(std::unique_ptr<Factory> within,
                                            const ScaledRegion& region, mem::ReferenceSink& sink);

}  // namespace mmusim::pt

#endif  // MMUSIM_PT_SCALED_REGION_H_
