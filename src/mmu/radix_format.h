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

  struct Judged {
    WalkResult result;
    pt::Entry to_set = 0;  // accessed and dirty bits the walker sets now
  };
  // What becomes of an access to the page of this size whose leaf is `e`, present and well-formed,
  // where the way to it leaves the rights `above`.
  [[nodiscard]] Judged judge(pt::Entry e, PageShift size, Rights above, AccessKind kind,
                             Privilege who) const {
    const Rights rights(above.bits() & leaf_rights.of(e).bits());
    const bool allowed =
        rights.allows(kind) && (who == Privilege::Kernel || rights.has(Rights::kUser));
    if (!allowed) return {.result = {.fault = FaultReason::Protection, .leaf = {}}};
    const pt::Entry unaccessed = ~e & accessed;
    const pt::Entry clean = writes(kind) ? ~e & dirty : 0;
    if ((unaccessed != 0 && !sets_accessed) || (clean != 0 && !sets_dirty))
      return {.result = {.fault = FaultReason::Protection, .leaf = {}}};
    return {.result = {.fault = FaultReason::None,
                       .leaf = {.pfn = Pfn(frame(e) & ~(size.offset_mask() >> page.log2())),
                                .size = size,
                                .rights = rights,
                                .dirty = writes(kind) || (e & dirty) == dirty,
                                .global = (e & global) != 0}},
            .to_set = unaccessed | clean};
  }
};

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_RADIX_FORMAT_H_
