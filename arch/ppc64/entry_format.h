// Page-table entries of 64-bit PowerPC Linux with pages of 4K or 64K, for the page tables and the
// kernel.
//
// The hardware never reads them, so their form is Linux's alone (formats.h): a page without any
// right (PROT_NONE) is present and not the user's; any right makes a page readable. Entries of
// upper levels are the kernel's addresses of tables (0xc... + physical address), whose bit 0 is
// clear where a leaf's is set. Some bits (PteForm::hint) are the hint where the page's HPTE is; the
// kernel keeps them neither in make_leaf() nor, here, in with_rights(): set_pte_at() in Linux takes
// them out too.
//
// With `mpss` (options.h) leaves of base pages can hint a superpage, in bits that are the
// simulator's own: Linux says it by leaves of 16M only.
//
// Stateless apart from the masks; safe to share between threads.
#ifndef MMUSIM_ARCH_PPC64_ENTRY_FORMAT_H_
#define MMUSIM_ARCH_PPC64_ENTRY_FORMAT_H_

#include <optional>
#include <vector>

#include "arch/ppc64/formats.h"
#include "mmu/layout.h"
#include "pt/masked_format.h"
#include "pt/page_table.h"

namespace mmusim::ppc64 {

class EntryFormat final : public pt::MaskedFormat {
 public:
  EntryFormat(PageShift page, bool mpss);

  [[nodiscard]] std::vector<PageShift> hint_sizes() const override;

 protected:
  [[nodiscard]] pt::Entry size_bits(PageShift size) const override;
  [[nodiscard]] std::optional<PageShift> hint_in(pt::Entry e) const override;

 private:
  bool hints_;
};

// Of Linux 3.12, 46 bits in all: with 4K pages 9, 7, 9 and 9; with 64K pages 12, 10 and 8, where a
// table of 10 bits may have huge pages, of 16M, if segments of 64K may.
pt::RadixGeometry radix_geometry(PageShift page, bool mpss);

// Where Linux places things in a 64-bit process when nothing is randomised.
mmu::AddressLayout address_layout(PageShift page);

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_ENTRY_FORMAT_H_
