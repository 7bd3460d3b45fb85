// Alpha page-table entries as Linux writes them, for the page tables and the kernel.
//
// Bits: see formats.h. What Linux makes of them:
//   - Rights are what does not fault: FOR, FOW and FOE deny reading, writing and executing. A
//     mapping without any right (PROT_NONE) is valid and faults on everything.
//   - KRE and URE are set with "accessed", KWE and UWE with "dirty": the hardware refuses the first
//     read of a page that was aged, and the first store to a clean one, and the kernel's page-fault
//     code sets the bits. So an entry may allow less than parse_leaf() says: see rights_of().
//   - A leaf larger than a page has the largest granularity hint that fits; its frame number is
//     that of its first page.
// Stateless apart from the masks; safe to share between threads.
#ifndef MMUSIM_ARCH_ALPHA_ENTRY_FORMAT_H_
#define MMUSIM_ARCH_ALPHA_ENTRY_FORMAT_H_

#include <string>

#include "mmu/layout.h"
#include "pt/masked_format.h"
#include "pt/page_table.h"

namespace mmusim::alpha {

class EntryFormat final : public pt::MaskedFormat {
 public:
  EntryFormat();

  // An entry that points to a table has the same fields.
  [[nodiscard]] std::string describe(pt::Entry e, PageShift size) const override;
  [[nodiscard]] std::vector<PageShift> hint_sizes() const override;

 protected:
  [[nodiscard]] pt::Entry size_bits(PageShift size) const override;
  [[nodiscard]] std::optional<PageShift> hint_in(pt::Entry e) const override;
};

// What the hardware lets a user's access do: enabled, and without a fault-on bit.
Rights rights_of(pt::Entry entry);

pt::RadixGeometry radix_geometry();

// Where Linux places things when nothing is randomised.
mmu::AddressLayout address_layout();

}  // namespace mmusim::alpha

#endif  // MMUSIM_ARCH_ALPHA_ENTRY_FORMAT_H_
