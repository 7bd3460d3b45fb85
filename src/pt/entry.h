// Leaf entries of page tables, as each architecture's kernel writes them.
//
// A page table stores 64-bit words bit-exact in the architecture's own format and never looks
// inside except through an EntryFormat. What the kernel does to thousands of entries in a row
// (test, write-protect, clear young) is masks, plain data, so that a loop over a run of entries has
// no call in it; making and taking apart single entries is virtual.
//
// An entry is none (0: nothing mapped, not faulted yet), present (hardware may use it), or
// something else the kernel keeps there (not present, not 0), which a table stores unchanged.
#ifndef MMUSIM_PT_ENTRY_H_
#define MMUSIM_PT_ENTRY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"

namespace mmusim::pt {

using Entry = uint64_t;
inline constexpr Entry kNone = 0;

struct LeafFields {
  Pfn pfn;  // first frame; aligned to the leaf's size
  PageShift size;
  Rights rights;  // kUser is implied for user tables
  bool accessed = false;
  bool dirty = false;
  bool global = false;
  bool special = false;  // maps a frame the kernel does not count (zero page, device)
  // What the word of a base page says it is a part of: a superpage of this size, all of whose base
  // pages have leaves side by side that agree but for their frames, which follow one another.
  std::optional<PageShift> hint = std::nullopt;
};

// Where an entry says what may be done. A right is granted where all bits of one mask are set and
// none of another: hardware has bits that allow something (x86's R/W) and bits that refuse it (its
// XD, Alpha's fault-on bits). A right without any bits is always granted.
struct RightsBits {
  struct Bits {
    Entry set = 0;
    Entry clear = 0;
    [[nodiscard]] constexpr Entry mask() const { return set | clear; }
    [[nodiscard]] constexpr bool hold(Entry e) const { return (e & mask()) == set; }
  };
  Bits read;
  Bits write;
  Bits exec;
  Bits user;

  [[nodiscard]] constexpr Rights of(Entry e) const {
    return Rights((read.hold(e) ? unsigned{Rights::kRead} : 0u) |
                  (write.hold(e) ? unsigned{Rights::kWrite} : 0u) |
                  (exec.hold(e) ? unsigned{Rights::kExec} : 0u) |
                  (user.hold(e) ? unsigned{Rights::kUser} : 0u));
  }
  [[nodiscard]] constexpr Entry mask() const {
    return read.mask() | write.mask() | exec.mask() | user.mask();
  }
};

// RightsBits for who asks for one entry after the other: most say what the one before said.
class RightsReader {
 public:
  explicit RightsReader(const RightsBits& bits)
      : bits_(bits), mask_(bits.mask()), rights_(bits.of(0)) {}
  [[nodiscard]] Rights of(Entry e) {
    if ((e & mask_) != last_) {
      last_ = e & mask_;
      rights_ = bits_.of(last_);
    }
    return rights_;
  }

 private:
  RightsBits bits_;
  Entry mask_;
  Entry last_ = 0;
  Rights rights_;
};

class EntryFormat {
 public:
  virtual ~EntryFormat() = default;

  // --- Masks for inlined loops. A bit set means the property holds.
  Entry present_mask = 0;  // any of these bits: present
  Entry accessed_mask = 0;
  Entry dirty_mask = 0;
  Entry special_mask = 0;
  // Writable: present, all of write_mask set, none of no_write_mask. Hardware has one or the other:
  // a bit that allows stores, or one that makes them fault (Alpha's FOW).
  Entry write_mask = 0;
  Entry no_write_mask = 0;
  Entry store_mask = 0;  // what besides lets the hardware store: write-protecting clears it too
  Entry pfn_mask =
      0;  // frame number = (entry & pfn_mask) >> pfn_shift, in base pages, for base-page leaves
  unsigned pfn_shift = 0;
  unsigned entry_bytes = 8;  // of an entry in a table of this architecture: 8, or 4 (then the upper
                             // half of every Entry is zero)

  [[nodiscard]] bool is_present(Entry e) const { return (e & present_mask) != 0; }
  [[nodiscard]] bool is_writable(Entry e) const {
    return is_present(e) && (e & (write_mask | no_write_mask)) == write_mask;
  }
  [[nodiscard]] bool is_special(Entry e) const { return (e & special_mask) != 0; }
  [[nodiscard]] bool is_dirty(Entry e) const { return (e & dirty_mask) != 0; }
  [[nodiscard]] bool is_accessed(Entry e) const { return (e & accessed_mask) != 0; }
  [[nodiscard]] Entry write_protected(Entry e) const {
    return (e & ~(write_mask | store_mask)) | no_write_mask;
  }
  [[nodiscard]] Pfn pfn_of(Entry e) const { return Pfn((e & pfn_mask) >> pfn_shift); }

  // --- One at a time.
  [[nodiscard]] virtual Entry make_leaf(const LeafFields& fields) const = 0;
  // REQUIRES: present.
  [[nodiscard]] virtual LeafFields parse_leaf(Entry e, PageShift size) const = 0;
  // The superpages that words can hint, ascending; empty: none.
  [[nodiscard]] virtual std::vector<PageShift> hint_sizes() const { return {}; }
  // The same leaf with other rights (mprotect); keeps accessed, dirty and the frame. REQUIRES:
  // present.
  [[nodiscard]] virtual Entry with_rights(Entry e, Rights rights) const = 0;

  // --- Entries of a radix table that point to the next level.
  // `covers`: what an entry of that level covers; levels may differ in format (PAE's PDPTEs).
  [[nodiscard]] virtual Entry make_table(PhysAddr next, PageShift covers) const = 0;
  [[nodiscard]] virtual PhysAddr table_address(Entry e) const = 0;
  // Whether a present entry found at a level whose entries cover `size` is a leaf. Always true at
  // the lowest level.
  [[nodiscard]] virtual bool is_leaf(Entry e, PageShift size) const = 0;

  // For people: the fields of any entry found where entries cover `size`, a leaf's, a table
  // pointer's, or of what is not present.
  [[nodiscard]] virtual std::string describe(Entry e, PageShift size) const = 0;
};

}  // namespace mmusim::pt

#endif  // MMUSIM_PT_ENTRY_H_
