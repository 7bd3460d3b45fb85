// Page-table entries of SPARC V9 Linux on sun4u: the TTE's data word (formats.h), which a miss
// handler loads into the TLB as it is.
//
// The hardware sets neither accessed nor dirty. A page is young when ACCESSED and V are set: making
// it old clears both, so that the next access traps. It can be stored to when W is set, which goes
// with WRITE and MODIFIED both. So accessed_mask and dirty_mask have two bits each, and
// write-protecting clears W along with WRITE. Any right makes a page readable; a page without any
// (PROT_NONE) is present and not valid. Leaves above 8K are marked huge in bit 56 and have the
// largest size code the hardware knows. Entries of upper levels are physical addresses of tables,
// with PRESENT, which Linux leaves clear: a page table must know them from what is not present.
//
// Stateless apart from the masks; safe to share between threads.
#ifndef MMUSIM_ARCH_SPARC64_ENTRY_FORMAT_H_
#define MMUSIM_ARCH_SPARC64_ENTRY_FORMAT_H_

#include <optional>

#include "mmu/layout.h"
#include "pt/masked_format.h"
#include "pt/page_table.h"

namespace mmusim::sparc64 {

class EntryFormat final : public pt::MaskedFormat {
 public:
  EntryFormat();
  [[nodiscard]] std::vector<PageShift> hint_sizes() const override;

 protected:
  [[nodiscard]] pt::Entry size_bits(PageShift size) const override;
  [[nodiscard]] std::optional<PageShift> hint_in(pt::Entry e) const override;
  // V and W follow from the rest.
  [[nodiscard]] pt::Entry completed(pt::Entry e) const override;
};

// What a handler loads into the TLB at `va` for what a look-up found: the word as it is, but for
// rights a shared sub-tree keeps back; of a leaf larger than any size the hardware has, or of one
// in between, the part around `va`. Nothing: no page, or an invalid one.
std::optional<uint64_t> tte_of(const EntryFormat& format, const pt::Lookup& found, VirtAddr va);

// Of Linux 3.18 and later: four levels of 10 bits over sign-extended addresses of 53 bits, huge
// pages of 8M.
pt::RadixGeometry radix_geometry();

// Where Linux places things in a 64-bit process when nothing is randomised: the stack below the
// hole, mappings from its other end up.
mmu::AddressLayout address_layout();

}  // namespace mmusim::sparc64

#endif  // MMUSIM_ARCH_SPARC64_ENTRY_FORMAT_H_
