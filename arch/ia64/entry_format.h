// IA-64 page-table entries as Linux writes them, for the page tables and the kernel.
//
// Bits: see formats.h. What software adds to the hardware's view:
//   - A mapping without any right (PROT_NONE) has P = 0 and bit 63 set. It counts as present here,
//     as pte_present() does in Linux; the hardware and the handlers go by P alone. What else the
//     kernel keeps in a not-present entry must have bits 0 and 63 clear.
//   - Every leaf says its size in bits 58:53.
//   - User pages are of privilege level 3 with access rights R, RX, RW or RWX (0 to 3), so that
//     bit 10 is "writable" and clearing it write-protects, as in Linux. Execute-only (7) is read
//     but not written: it has bit 10 too. Such a page becomes R,X.
//   - An entry that points to a table is the table's physical address with bit 0 set (Linux leaves
//     it clear), so that it is present beside leaves of the same level; its size field is 0.
// There are no global entries: the kernel has regions and RIDs of its own.
//
// Stateless apart from the masks; safe to share between threads.
#ifndef MMUSIM_ARCH_IA64_ENTRY_FORMAT_H_
#define MMUSIM_ARCH_IA64_ENTRY_FORMAT_H_

#include <optional>

#include "mmu/layout.h"
#include "pt/masked_format.h"
#include "pt/page_table.h"

namespace mmusim::ia64 {

class EntryFormat final : public pt::MaskedFormat {
 public:
  // `refuses`: superpages' words have an attribute by which the walker refuses them.
  explicit EntryFormat(bool refuses = false);
  [[nodiscard]] std::vector<PageShift> hint_sizes() const override;

 protected:
  [[nodiscard]] Rights granted_by(pt::Entry e) const override;
  [[nodiscard]] pt::Entry size_bits(PageShift size) const override;
  [[nodiscard]] std::optional<PageShift> hint_in(pt::Entry e) const override;

 private:
  bool refuses_;
};

// What a user's access to a page of this privilege level and access rights may do (SDM vol. 2,
// table 4-2, the row of privilege level 3).
Rights rights_of(uint64_t translation);

// Of Linux's table: 2048 entries a level, the region number on top of the highest index. `levels`
// is 3 (2^44 bytes a region) or 4 (2^55).
pt::RadixGeometry radix_geometry(unsigned levels);
// log2 of the bytes of a region that user space may use.
unsigned region_bits(unsigned levels);

// Where Linux places things when nothing is randomised. `huge`: of region 4's pages.
mmu::AddressLayout address_layout(unsigned levels, std::optional<PageShift> huge = std::nullopt);

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_ENTRY_FORMAT_H_
