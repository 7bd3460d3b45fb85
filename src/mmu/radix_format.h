// How a processor reads a radix table: what the walker of one architecture does otherwise than that
// of another.
//
// Plain data, made once for a machine. In it an architecture says
//   - its levels: index bits, what tells a leaf from a pointer to a table, where leaves may stand,
//     and which bits must be 0;
//   - whether what tables say restricts rights (x86, ARM: and-ed on the way down) or the leaf alone
//     counts (RISC-V: no bits in table_rights);
//   - who sets accessed and dirty bits: the walker, or the kernel, after a fault by which the
//   walker
//     asks for them (RISC-V's Svade, ARM without hardware management); and whether pointers to
//     tables have an accessed bit (x86);
//   - whether a leaf may be one whose refusal of stores says that it is clean, which the walker
//   takes
//     back at the first store (ARM's DBM, with which AP[2] is cleared by hardware);
//   - whether a leaf may say that it is one of several, aligned and side by side, that translate
//     alike, so that a TLB can hold them as one (ARM's contiguous bit, RISC-V's Svnapot).
#ifndef MMUSIM_MMU_RADIX_FORMAT_H_
#define MMUSIM_MMU_RADIX_FORMAT_H_

#include <array>
#include <cstdint>

#include "base/types.h"
#include "base/word_text.h"
#include "mmu/mmu.h"
#include "pt/entry.h"
#include "tlb/level.h"

namespace mmusim::mmu {

inline constexpr unsigned kMostRadixLevels = 5;

// Whose access it is.
enum class Privilege : uint8_t { User, Kernel };

struct RadixLevel {
  const WordKind* kind = nullptr;  // of its entries: "PTE", "PDE", ...
  unsigned shift = 0;              // log2 of what an entry covers
  unsigned index_bits = 0;
  // A present entry leads to a table if (entry & table_mask) == table_value; else it is a leaf.
  pt::Entry table_mask = 0;
  pt::Entry table_value = 1;  // with this mask: never
  // Bits that must be 0, besides RadixFormat::reserved; all of them: there is no such entry here,
  // as of tables on level 0.
  pt::Entry reserved_in_leaf = 0;
  pt::Entry reserved_in_table = 0;

  [[nodiscard]] constexpr uint64_t index(VirtAddr va) const {
    return va.value() >> shift & ((uint64_t{1} << index_bits) - 1);
  }
  [[nodiscard]] constexpr bool is_leaf(pt::Entry e) const {
    return (e & table_mask) != table_value;
  }
};

// What a walk ends in.
struct WalkResult {
  FaultReason fault = FaultReason::None;
  tlb::Leaf leaf;  // valid without fault
};

struct RadixFormat {
  std::array<RadixLevel, kMostRadixLevels> levels;  // [0] is the leaf level; the root's is the last
  unsigned count = 0;                               // of levels
  unsigned entry_bytes = 8;                         // or 4
  PageShift page{12};                               // in which frames count
  const char* caches = "walk caches";               // what its manual calls them

  pt::Entry present = 0;   // all of these: what else the entry says is of account
  pt::Entry reserved = 0;  // must be 0 in each that is present
  pt::Entry frame_mask =
      0;  // frame number, of a page or table: (entry & frame_mask) >> frame_shift
  unsigned frame_shift = 0;
  pt::RightsBits leaf_rights;
  pt::RightsBits table_rights;
  pt::Entry accessed = 0;
  pt::Entry dirty = 0;
  pt::Entry global = 0;
  pt::Entry table_accessed = 0;  // set in pointers to tables that are used
  bool sets_accessed = true;     // the walker does it; else it faults where they are not set
  bool sets_dirty = true;        // likewise, at stores
  // A leaf with all of these bits allows stores, whatever leaf_rights.write says: that says then
  // whether it is dirty, and is made to by the first store. 0: there are no such leaves.
  pt::Entry dirty_by_right = 0;
  // log2 of the leaves that the leaf `e` at `level` stands for, itself included; null: one. All of
  // them have the bits that say so.
  unsigned (*contiguous)(pt::Entry e, unsigned level) = nullptr;

  [[nodiscard]] constexpr bool is_present(pt::Entry e) const { return (e & present) == present; }
  [[nodiscard]] constexpr uint64_t frame(pt::Entry e) const {
    return (e & frame_mask) >> frame_shift;
  }
  [[nodiscard]] constexpr PhysAddr table(pt::Entry e) const {
    return PhysAddr(frame(e) << page.log2());
  }

  // What becomes of an access to a leaf.
  struct Judged {
    bool allowed = false;
    Rights rights;
    bool dirty = false;   // when the access is over
    pt::Entry after = 0;  // what the leaf says from now on: the walker's accessed and dirty bits
    bool sets_accessed = false;
    bool sets_dirty = false;
  };
  // Of the leaf `e`, present and well-formed, that says the rights `says`, by leaf_rights, where
  // the way to it leaves the rights `above`.
  [[nodiscard]] Judged judge(pt::Entry e, Rights says, Rights above, AccessKind kind,
                             Privilege who) const {
    const bool by_right = dirty_by_right != 0 && (e & dirty_by_right) == dirty_by_right;
    const unsigned stores = by_right ? unsigned{Rights::kWrite} : 0u;
    const Rights rights(above.bits() & (says.bits() | stores));
    const bool allowed =
        rights.allows(kind) && (who == Privilege::Kernel || rights.has(Rights::kUser));
    const bool is_dirty = by_right ? leaf_rights.write.hold(e) : (e & dirty) == dirty;
    const bool uses = (e & accessed) != accessed;
    const bool soils = writes(kind) && !is_dirty;
    if (!allowed || (uses && !sets_accessed) || (soils && !sets_dirty)) return {};
    pt::Entry after = e | accessed;
    if (soils)
      after =
          by_right ? (after & ~leaf_rights.write.mask()) | leaf_rights.write.set : after | dirty;
    return {.allowed = true,
            .rights = rights,
            .dirty = writes(kind) || is_dirty,
            .after = after,
            .sets_accessed = uses,
            .sets_dirty = soils};
  }
  // ... and what the walk ends in where it is allowed.
  [[nodiscard]] WalkResult result(pt::Entry e, PageShift size, Rights rights, bool is_dirty) const {
    return {.fault = FaultReason::None,
            .leaf = {.pfn = Pfn(frame(e) & ~(size.offset_mask() >> page.log2())),
                     .size = size,
                     .rights = rights,
                     .dirty = is_dirty,
                     .global = (e & global) != 0}};
  }
};

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_RADIX_FORMAT_H_
