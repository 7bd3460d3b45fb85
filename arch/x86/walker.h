// The hardware page walker: reads the page table in simulated memory, bit by bit, as the processor
// does.
//
// A walk starts at the deepest paging-structure-cache entry for the address, else at the root, and
// makes one dependent load of an entry (8 bytes, or 4) per level left. Every load, and every update
// of an A or D bit, is reported to the ReferenceSink with Origin::Walker and the entry's level (0 =
// PTE). Rules, with the Intel SDM vol. 3A section they are from:
//   - P = 0: not present; reserved bits or PS where none may be: malformed; a table address outside
//     table memory too (4.7).
//   - Rights: R/W and U/S of all levels and-ed, XD or-ed; every access is a user access (4.6).
//   - A is set in each entry used, D in the leaf by a store; one locked read-modify-write per entry
//     that needs it, counted as one write (4.8). An entry above the leaf gets its A even when the
//     walk then faults; the leaf's bits are left alone by an access that is refused.
//   - The paging-structure caches are filled with the entries this walk read above the leaf, root
//     first, when it ends in a translation (4.10.3); a walk that faults fills nothing, which is
//     what is left anyway after the fault has invalidated the entries of its address (4.10.4.1).
//   - Translations are found for one access at a time: no speculative walks, no prefetching.
//   - PAE: the PDPTEs are in registers (4.4.1). load_pdptes() reads all four, which is what MOV CR3
//     does; a walk goes by the registers, whatever has happened to the words in memory since. (On
//     hardware reserved bits make MOV CR3 itself fault; here the walk finds them malformed.)
//
// Not thread-safe.
#ifndef MMUSIM_ARCH_X86_WALKER_H_
#define MMUSIM_ARCH_X86_WALKER_H_

#include <array>
#include <cstdint>
#include <functional>

#include "arch/x86/options.h"
#include "arch/x86/walk_caches.h"
#include "mem/frames.h"
#include "mmu/miss_path.h"
#include "mmu/mmu.h"
#include "tlb/level.h"

namespace mmusim::x86 {

struct WalkCounters {
  std::array<uint64_t, kMostLevels> started{};  // walks whose first load is at that level
  std::array<uint64_t, kMostLevels> loads{};    // entries read, by level
  std::array<uint64_t, kMostLevels> accessed_set{};
  uint64_t dirty_set = 0;
  uint64_t updates = 0;      // locked writes; one may set A and D
  uint64_t pdpte_loads = 0;  // entries read into the registers; not among the loads

  void add(const WalkCounters& o);
};

// Who makes the access, and whose tables the root is of.
enum class Walks : uint8_t {
  Program,  // the program, its own
  Gate,     // the program, the kernel's
  Kernel,   // the kernel, its own
};

class Walker {
 public:
  // `path` is told each reference; all must outlive it.
  Walker(const Options& options, mem::FrameMemory& frames, mmu::MissPath& path);

  struct Result {
    mmu::FaultReason fault = mmu::FaultReason::None;
    tlb::Leaf leaf;  // valid without fault
  };
  // REQUIRES: paging.has_address(va). With PAE the kernel's `root` is the page directory that the
  // last PDPTE register leads to, whatever is loaded.
  Result walk(PhysAddr root, VirtAddr va, Pcid pcid, AccessKind kind, Walks walks = Walks::Program);

  // With PAE, to be called for each MOV CR3; nothing otherwise. Errors: Error when `root` is not
  // where CR3 could say, below 4 GiB.
  void load_pdptes(PhysAddr root);
  // Whether the words in memory differ from the registers. Never without PAE.
  [[nodiscard]] bool pdptes_stale(PhysAddr root) const;
  // Visits the tables the registers lead to.
  void for_each_pdpte(const std::function<void(PhysAddr)>& visit) const;

  [[nodiscard]] WalkCaches& caches() { return caches_; }
  [[nodiscard]] const WalkCaches& caches() const { return caches_; }
  [[nodiscard]] const WalkCounters& counters() const { return counters_; }

 private:
  [[nodiscard]] const uint64_t* word_of(PhysAddr address) const;
  [[nodiscard]] uint64_t read(const uint64_t* word, PhysAddr address) const;
  [[nodiscard]] bool well_formed(uint64_t entry, unsigned level, bool leaf) const;
  void set_bits(PhysAddr address, unsigned level, uint64_t entry, uint64_t bits);

  mem::FrameMemory* frames_;
  mmu::MissPath* path_;
  Paging paging_;
  unsigned most_leaf_level_;
  uint64_t reserved_;
  std::array<uint64_t, kPdptes> pdptes_{};
  std::array<WalkStart, kMostLevels> passed_;  // [level]: what its entry leads to, during a walk
  WalkCaches caches_;
  WalkCounters counters_;
};

// Bits of a present entry that must be 0, besides those in the middle of large leaves.
uint64_t reserved_bits(const Options& options);
// What a TLB gets of the leaf `entry` of this size, where these are the rights on the way to it,
// its own included.
tlb::Leaf leaf_of_entry(uint64_t entry, PageShift size, WalkRights rights);
// Rights on the way down, and those of a further entry.
WalkRights and_of(WalkRights rights, uint64_t entry);

// Whether the hardware lets a user access of this kind through.
constexpr bool user_may(Rights rights, AccessKind kind) {
  return rights.has(Rights::kUser) && rights.allows(kind);
}

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_WALKER_H_
