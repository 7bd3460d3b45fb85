// Page-table entries of 64-bit PowerPC Linux with 4K pages, for the page tables and the kernel.
//
// The hardware never reads them, so their form is Linux's alone (formats.h): a page without any
// right (PROT_NONE) is present and not the user's; any right makes a page readable. Entries of
// upper levels are the kernel's addresses of tables (0xc... + physical address), whose bit 0 is
// clear where a leaf's is set. Bits 15:12 and 10 are the hint where the page's HPTE is; the kernel
// keeps them neither in make_leaf() nor, here, in with_rights(): set_pte_at() in Linux takes them
// out too.
//
// Stateless apart from the masks; safe to share between threads.
#ifndef MMUSIM_ARCH_PPC64_ENTRY_FORMAT_H_
#define MMUSIM_ARCH_PPC64_ENTRY_FORMAT_H_

#include <string>

#include "mmu/layout.h"
#include "pt/entry.h"
#include "pt/page_table.h"

namespace mmusim::ppc64 {

class EntryFormat final : public pt::EntryFormat {
 public:
  EntryFormat();

  [[nodiscard]] pt::Entry make_leaf(const pt::LeafFields& fields) const override;
  [[nodiscard]] pt::LeafFields parse_leaf(pt::Entry e, PageShift size) const override;
  [[nodiscard]] pt::Entry with_rights(pt::Entry e, Rights rights) const override;
  [[nodiscard]] pt::Entry make_table(PhysAddr next, PageShift covers) const override;
  [[nodiscard]] PhysAddr table_address(pt::Entry e) const override;
  [[nodiscard]] bool is_leaf(pt::Entry e, PageShift size) const override;
  [[nodiscard]] std::string describe(pt::Entry e, PageShift size) const override;
};

// Of Linux 3.12: 9, 7, 9 and 9 bits, 46 in all.
pt::RadixGeometry radix_geometry();

// Where Linux places things in a 64-bit process when nothing is randomised.
mmu::AddressLayout address_layout();

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_ENTRY_FORMAT_H_
