// One x86 CPU's memory management unit: two levels of TLBs, the paging-structure caches and the
// page walker, in one address space at a time.
//
// **Counting** is as in mmu/levels.h and mmu/cpu.h; misses of a second level that a side has not
// are counted nowhere. Hits are lookups minus misses (minus the non-canonical, which no TLB sees).
// Walks and table references of retries are in the same counters as all others. A store that hits
// an entry with D = 0 is a hit; the walk it needs is a dirty assist.
//
// **What is looked up when.** First-level arrays of the side; then the second level; then a walk.
// A walk fills the second level, then the first; a second-level hit fills the first. Levels are
// independent: non-inclusive (an eviction from the second leaves the first alone) and
// non-exclusive (a refill leaves the entry in the second, an eviction from the first does not go
// there).
//
// **Shadow.** Where the hardware walks a copy of the kernel's table (mmu/shadow.h), a fault it
// takes because the copy lacks what the kernel's table has is fixed inside access(), and the access
// made again: a retry like those after the kernel's faults. Only what is left is a fault to the
// caller; faults counts them all.
//
// **Native walks.** Where the hardware walks a page table of another kind as it is
// (mmu/native_walk.h) there is no copy, and faults are as over a table of its own. The kernel's
// mapping of memory and its gate page are walked in x86's format all the same.
//
// **PAE.** load() reads the PDPTEs into their registers, and so does reload(). A kernel that
// changes one of the address space that runs has to load CR3 again (Linux: pud_populate(), which
// flushes for that), which empties the TLBs of all but global entries. Here that is done, and
// counted, when a walk would meet the difference, or by the flush that follows: see tlbs.h. A page
// fault the kernel answers by a new PDPTE is followed by the retry, so that nothing comes in
// between.
//
// **The kernel's accesses.** An access repeated after the kernel fixed its fault is preceded by
// what the kernel did for it: two accesses through its direct map, to the page-table entry and to
// the page, looked up in data TLBs like the program's, but counted apart (direct.*). On i386 what
// is not in lowmem is mapped first and unmapped after (direct_map.h): two writes of a PTE, which
// are accesses through lowmem, and an INVLPG, which takes more than that page: see invlpg().
//
// **Refused.** Rights are checked on whatever entry was hit, without another walk. Any page fault
// invalidates the page's TLB entries on both sides and levels, and the paging-structure-cache
// entries for its address (Intel SDM vol. 3A, 4.10.4.1), so that the retry walks.
//
// Not thread-safe; one thread per machine.
#ifndef MMUSIM_ARCH_X86_MMU_H_
#define MMUSIM_ARCH_X86_MMU_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "arch/x86/direct_map.h"
#include "arch/x86/options.h"
#include "arch/x86/walker.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/cpu.h"
#include "mmu/mmu.h"
#include "mmu/native_walk.h"
#include "mmu/shadow.h"
#include "pt/page_table.h"
#include "stats/count.h"
#include "tlb/level.h"

namespace mmusim::x86 {

struct WalkCounts {
  // Reported by who knows the way of paging (report.h).
  stats::Count dirty_assists;
  std::array<stats::Count, 3> leaves;  // found by walks after a miss, by level: 4K, 2M or 4M, 1G
  stats::Count refused;                // walks that ended in a page fault
  stats::Count pdpte_reloads;          // CR3 loaded again because a PDPTE had changed
};
// Of the kernel's accesses.
struct DirectCounts {
  stats::Count direct_lookups{
      "direct.lookups", "accesses",
      "Lookups in the data TLB for the kernel's own accesses: two for each fault it fixed, to "
      "the entry and to the page; in no other count of lookups."};
  stats::Count direct_misses{"direct.misses", "accesses",
                             "... that no level knew: walks of the kernel's tables.",
                             "direct.lookups"};
};
struct KmapCounts {
  stats::Count kmaps{
      "direct.kmaps", "events",
      "Pages above 896 MiB the kernel mapped for such an access: a PTE written before and "
      "cleared after it, two more of the lookups, and an INVLPG.",
      "direct.lookups"};
};
struct MmuCounts : WalkCounts, DirectCounts, KmapCounts {};

class Mmu final : public mmu::Cpu<k4K.log2(), MmuCounts> {
 public:
  // `options`, `frames`, `sink` and `direct_map` must outlive it. Null: the kernel's accesses
  // take no TLB entries. `id`: of the CPU, which has a place of its own in the kernel's mapping.
  Mmu(const Options& options, mem::FrameMemory& frames, mem::ReferenceSink& sink,
      DirectMap* direct_map = nullptr, CpuId id = CpuId(0));

  // What walkers count themselves, too.
  struct Counters : Cpu::Counters {
    mmu::RadixWalkCounters walker;
    uint64_t pdpte_loads = 0;  // PDPTEs read into their registers
    mmu::NativeWalkCounters native;
    void add(const Counters& more);
  };

  mmu::Translation access(VirtAddr va, AccessKind kind, bool retry);
  void narrate(mmu::Narrator* narrator) {
    Cpu::narrate(narrator);
    find_plain();
  }

  // --- What the kernel does to this CPU (SDM 4.10.4.1). None of these counts anything.
  // MOV CR3 with bit 63 set: no invalidation, but the PDPTEs are loaded. `shadow`: what `root` is
  // the root of, if it is a copy; it must outlive its use. Errors: see Walker::load_pdptes().
  // `table`: the kernel's, in which it does what a fault asks for, and which native walks walk;
  // likewise. Null: not told, where there are none.
  void load(pt::RootToken root, Pcid pcid, mmu::Shadow* shadow = nullptr,
            pt::PageTable* table = nullptr);
  // Addresses in `range` are translated by the kernel's tables, at `root`, whatever is loaded.
  void set_gate(VirtRange range, PhysAddr root) {
    gate_ = range;
    gate_root_ = root;
    find_plain();
  }
  // No address space: every access faults as not present.
  void unload();
  // The page for the current PCID and global; every paging-structure-cache entry of the PCID.
  void invlpg(VirtAddr va);
  // As a page fault does by itself: the page, and the cache entries of its address only.
  void invalidate_faulting(VirtAddr va);
  // INVPCID type 1; MOV CR3 without bit 63.
  void invalidate_pcid(Pcid pcid);
  // MOV CR3 where PCIDs are off.
  void invalidate_non_global();
  void invalidate_all();
  // MOV CR3 with what it holds, where PCIDs are off: as invalidate_non_global(), and the PDPTEs
  // are loaded anew.
  void reload();
  // Whether that would load other PDPTEs than there are.
  [[nodiscard]] bool pdptes_stale() const {
    return loaded_ && !native_ && walker_.pdptes_stale(root_);
  }

  [[nodiscard]] Pcid pcid() const { return pcid_; }

  // --- For checks and reports
  void for_each_walk_cache_entry(const std::function<void(Pcid, PhysAddr)>& visit) const {
    walker_.caches().for_each(
        [&](tlb::Space space, PhysAddr table) { visit(static_cast<Pcid>(space), table); });
    walker_.for_each_pdpte([&](PhysAddr table) { visit(pcid_, table); });
    for_each_known_table([&](Pcid pcid, VirtAddr, PhysAddr table) { visit(pcid, table); });
  }
  // The tables native walks may begin at, and what block of addresses each serves.
  void for_each_known_table(
      const std::function<void(Pcid, VirtAddr base, PhysAddr table)>& visit) const;
  [[nodiscard]] Counters counters() const;

 private:
  // access(), but for what a page fault's entry takes: after a fault, or over a copy.
  [[gnu::noinline]] mmu::Translation translate(VirtAddr va, AccessKind kind, bool retry);
  // kPlain: of a plain() address.
  template <bool kPlain>
  [[gnu::always_inline]] inline mmu::Translation attempt(VirtAddr va, AccessKind kind, bool retry);
  // Walks, and fills the levels: `hit` is the first one's entry.
  template <bool kPlain>
  [[gnu::always_inline]] inline mmu::FaultReason refill(const SideLevels& side, VirtAddr va,
                                                        AccessKind kind, Hit& hit);
  // ... what the walk has found.
  [[gnu::always_inline]] inline mmu::FaultReason take(const SideLevels& side, VirtAddr va,
                                                      const mmu::WalkResult& walk, Hit& hit);
  mmu::Translation dirty_assist(const SideLevels& side, VirtAddr va, AccessKind kind,
                                tlb::Payload before);
  inline mmu::WalkResult walk(VirtAddr va, AccessKind kind);
  // The kernel loads CR3 again where a walk from root_ would meet a PDPTE that has changed.
  void follow_pdptes();
  // What the kernel touches to fix a fault at `va`: the entry, and the page.
  void note_kernel_work(VirtAddr va);
  void touch_as_kernel(PhysAddr address, Hit& known);
  // `known`: where the kernel found an entry of that kind last.
  void look_up_as_kernel(VirtAddr va, Hit& known);
  void find_as_kernel(VirtAddr va, Hit& known);
  void set_kmap(const DirectMap::Slot& slot, std::optional<PhysAddr> there);
  template <bool kMade = false>
  inline mmu::Translation finish(const SideLevels& side, VirtAddr va, AccessKind kind,
                                 const Hit& hit);
  // Not into the kernel yet: see access().
  mmu::Translation refuse(VirtAddr va, mmu::FaultReason reason);
  // Whether it is an address of the program's, that is walked from root_ in x86's format, with no
  // copy and nobody watching: nearly all are.
  [[nodiscard]] bool plain(VirtAddr va) const { return va.value() < plain_end_; }
  void find_plain();
  void mark_dirty(tlb::Level& level, VirtAddr va) const;
  [[nodiscard]] std::string lookup_text(VirtAddr va, const Hit& hit) const override;

  Paging paging_;
  Walker walker_;
  std::optional<mmu::NativeWalker> native_;
  Pcid pcid_ = 0;
  bool loaded_ = false;
  PhysAddr root_;
  uint64_t plain_end_ = 0;
  VirtRange gate_{};
  PhysAddr gate_root_;
  mmu::Shadow* shadow_ = nullptr;
  DirectMap* direct_map_;
  CpuId id_;
  // Of the direct map in the first level: pages, and page tables.
  Hit known_page_;
  Hit known_table_;
  pt::PageTable* table_ = nullptr;
};

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_MMU_H_
