// x86 page-table entries as Linux writes them, for the page tables and the kernel.
//
// Bits: see entry_bits.h. What Linux adds to the hardware's view:
//   - A mapping without any right (PROT_NONE) keeps its frame but must fault: P = 0 and bit 8
//     (which is G only where P = 1) set. It counts as present here, as pte_present() does in Linux,
//     so that fork copies it and munmap frees its frame; the walker goes by P alone. Hence whatever
//     else the kernel keeps in a not-present entry must have bits 0 and 8 clear.
//   - x86 has no execute-only and no write-only page: any right makes the page readable, and
//     parse_leaf() says so.
//   - An entry that points to a table allows everything (P, R/W, U/S, A and D set), so that rights
//     are the leaf's alone. A PAE PDPTE, which has none of these bits, has P alone.
//   - 32-bit paging has no XD: what can be read can be executed, and parse_leaf() says so.
// Linux stores the frame number of a PROT_NONE entry inverted, against speculation past P = 0
// (L1TF); here it is stored plainly.
//
// Stateless apart from the masks; safe to share between threads.
#ifndef MMUSIM_ARCH_X86_ENTRY_FORMAT_H_
#define MMUSIM_ARCH_X86_ENTRY_FORMAT_H_

#include <string>

#include "arch/x86/paging.h"
#include "mmu/layout.h"
#include "pt/masked_format.h"
#include "pt/page_table.h"

namespace mmusim::x86 {

class EntryFormat final : public pt::MaskedFormat {
 public:
  explicit EntryFormat(Paging paging = {});

  [[nodiscard]] pt::Entry make_table(PhysAddr next, PageShift covers) const override;
  [[nodiscard]] std::string describe(pt::Entry e, PageShift size) const override;

 private:
  bool pae_;
};

// "P W U A D -> frame 0x123": an entry of the lowest level or of one above.
std::string describe_entry(pt::Entry e, bool lowest);
// The entries of a level, called "PTE", "PDE" and so on.
const WordKind& entry_kind(unsigned level);

// Of the table the hardware walks: leaves at the two or, with gigabyte_pages, three lowest levels.
pt::RadixGeometry radix_geometry(Paging paging, bool gigabyte_pages);

// Where Linux places things in a process when nothing is randomised.
mmu::AddressLayout address_layout(Paging paging);

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_ENTRY_FORMAT_H_
