// An EntryFormat given by masks: what the formats of real processors have in common.
//
// An architecture's format sets the fields in its constructor, and overrides only what masks cannot
// say. All fields are constant from then on, so that a format is safe to share between threads.
#ifndef MMUSIM_PT_MASKED_FORMAT_H_
#define MMUSIM_PT_MASKED_FORMAT_H_

#include <span>
#include <string>

#include "base/types.h"
#include "base/word_text.h"
#include "pt/entry.h"
#include "pt/page_table.h"

namespace mmusim::pt {

class MaskedFormat : public EntryFormat {
 public:
  // --- Leaves
  PageShift page{12};     // the base page
  Entry leaf_bits = 0;    // in each
  RightsBits rights;      // a right's bits are its own, or another's too
  Entry granted = 0;      // in leaves that give any right to read, write or execute ...
  Entry refused = 0;      // ... and in those that give none (PROT_NONE)
  Entry rights_rest = 0;  // what besides goes when rights change
  Entry global_mask = 0;  // where it is not in `refused`, or `granted` is set; 0: none is global
  Entry large_mask = 0;   // any of these bits: a leaf, where a table may stand too
  // --- Entries that point to a table: its address in units of 2^table_unit, from bit table_shift
  // on
  Entry table_bits = 0;
  Entry table_mask = ~Entry{0};  // of the address
  unsigned table_unit = 0;
  unsigned table_shift = 0;

  std::span<const WordField> shown;  // of an entry, for people

  [[nodiscard]] bool is_global(Entry e) const { return (e & global_mask) != 0 && has_global(e); }

  // Leaves of programs are the user's, whether the fields say so or not; global ones are the
  // kernel's own.
  [[nodiscard]] Entry make_leaf(const LeafFields& fields) const override;
  [[nodiscard]] LeafFields parse_leaf(Entry e, PageShift size) const override;
  [[nodiscard]] Entry with_rights(Entry e, Rights next) const override;
  [[nodiscard]] Entry make_table(PhysAddr next, PageShift covers) const override;
  [[nodiscard]] PhysAddr table_address(Entry e) const override;
  [[nodiscard]] bool is_leaf(Entry e, PageShift size) const override;
  [[nodiscard]] std::string describe(Entry e, PageShift size) const override;

  // What a miss handler makes of a leaf it has found: the entry of the part around `va`, of size
  // `part`, without the rights a shared sub-tree keeps back. REQUIRES: present; the part is not
  // larger than the leaf, or than the superpage it hints.
  [[nodiscard]] Entry part_of(const Lookup& found, VirtAddr va, PageShift part) const {
    if (found.size == page && part == page && found.mask == Rights::all()) [[likely]]
      return found.entry;
    return part_of_larger(found, va, part);
  }

 protected:
  // By default what `rights` says; but the user's alone where `granted` is not set.
  [[nodiscard]] virtual Rights granted_by(Entry e) const;
  // What a leaf says of its size, or of that of the superpage it hints: by default large_mask above
  // base pages.
  [[nodiscard]] virtual Entry size_bits(PageShift size) const;
  // What a leaf of a base page hints; by default nothing.
  [[nodiscard]] virtual std::optional<PageShift> hint_in(Entry /*e*/) const { return std::nullopt; }
  // The leaf with those bits set right that follow from others. By default there are none.
  [[nodiscard]] virtual Entry completed(Entry e) const { return e; }

 private:
  // Whether global_mask means that in `e`: x86 has the bit of PROT_NONE there.
  [[nodiscard]] bool has_global(Entry e) const {
    return (global_mask & refused) == 0 || (e & granted) == granted;
  }
  [[nodiscard]] Entry bits_of(Rights given) const;
  // part_of() of any leaf.
  [[nodiscard]] Entry part_of_larger(const Lookup& found, VirtAddr va, PageShift part) const;
};

}  // namespace mmusim::pt

#endif  // MMUSIM_PT_MASKED_FORMAT_H_
