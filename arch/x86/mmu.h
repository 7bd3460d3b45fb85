// One x86 CPU's memory management unit: two levels of TLBs, the paging-structure caches and the
// page walker, in one address space at a time.
//
// **The hot path** is inline, for the replay loop:
//
//     if (!mmu.load_hits(va)) { auto t = mmu.access(va, AccessKind::Load, false); ... }
//
// load_hits (fetch_hits, store_hits, Hits) true: the access hit the first level with sufficient
// rights (a store: with D set) and everything the hit does to the machine has been done, which is
// to note the time of the use. False means only "not known here": access() does the whole of the
// access, hit or miss, and nothing has been done before it. Calling access() without asking first
// gives the same results, slower. Both look at the page of `va` only; an access that crosses into
// another page is two.
//
// **Counting.** count(kind, n): the caller made n accesses of that kind; they are the lookups,
// whatever the outcome, and the denominator of everything else. access() counts what is rare:
// misses, walks, faults. Hits are lookups minus misses (minus the non-canonical, which no TLB
// sees). An access that faults is a lookup and a miss (unless it hit an entry that refused it,
// which is a hit); the access repeated after the kernel fixed it is made with retry = true and its
// lookup and misses are counted apart, so that the ratio of misses to lookups is not distorted; the
// caller does not count() it. Walks, table references and TLB fills of retries are in the same
// counters as all others, since the machine makes them all the same. A store that hits an entry
// with D = 0 is a hit; the walk it needs is a dirty assist.
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

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "arch/x86/direct_map.h"
#include "arch/x86/options.h"
#include "arch/x86/walker.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/mmu.h"
#include "mmu/native_walk.h"
#include "mmu/shadow.h"
#include "pt/page_table.h"
#include "tlb/level.h"

namespace mmusim::x86 {

// What happened on one side (fetches, or data) or at all; by [retry] where a retry is apart.
struct SideCounters {
  uint64_t misses = 0;         // first level
  uint64_t second_misses = 0;  // second level
  uint64_t retry_lookups = 0;
  uint64_t retry_misses = 0;
  uint64_t retry_second_misses = 0;
  uint64_t non_canonical = 0;
  void add(const SideCounters& o);
};

struct LevelCounters {
  uint64_t fills = 0;
  uint64_t evictions = 0;
  uint64_t invalidated = 0;
};

// Order of MmuCounters::levels.
enum : unsigned { kL1I, kL1D, kL2, kL2I, kLevels };

struct MmuCounters {
  std::array<uint64_t, 4> accesses{};  // by AccessKind, as count() was told
  std::array<SideCounters, 2> sides;   // [0] fetches, [1] data
  std::array<LevelCounters, kLevels> levels;
  uint64_t dirty_assists = 0;
  uint64_t direct_lookups = 0;  // of the kernel's accesses
  uint64_t direct_misses = 0;   // ... that no level knew
  uint64_t kmaps = 0;           // pages of highmem it mapped for them, and flushed
  std::array<uint64_t, mmu::kFaultReasons> faults{};  // by FaultReason
  std::array<uint64_t, 3> leaves{};  // found by walks after a miss, by level: of 4K, 2M or 4M, 1G
  uint64_t pdpte_reloads = 0;        // CR3 loaded again because a PDPTE had changed
  uint64_t pdpte_loads = 0;          // PDPTEs read into their registers
  mmu::RadixWalkCounters walker;
  mmu::NativeWalkCounters native;
  void add(const MmuCounters& o);
};

class Mmu {
 public:
  // `options`, `frames`, `sink` and `direct_map` must outlive it. Null: the kernel's accesses take
  // no TLB entries. `id`: of the CPU, which has a place of its own in the kernel's mapping.
  Mmu(const Options& options, mem::FrameMemory& frames, mem::ReferenceSink& sink,
      DirectMap* direct_map = nullptr, CpuId id = CpuId(0));
  Mmu(const Mmu&) = delete;
  Mmu& operator=(const Mmu&) = delete;

  // --- The program's accesses
  // The hot path, for a loop to keep in registers: valid until the address space changes. The loop
  // keeps the clock too: each `time` is greater than time() and than that of every earlier use
  // (gaps do not matter; a repeated use of the page just used may repeat its time), and
  // set_time() is told the last one before anything else of the Mmu is called.
  class Hits {
   public:
    bool fetch(VirtAddr va, uint64_t time) const { return fetch_.hits(key(va), false, time); }
    bool data(VirtAddr va, bool write, uint64_t time) const {
      return data_.hits(key(va), write, time);
    }

   private:
    friend class Mmu;
    Hits(const Mmu& mmu)
        : fetch_(mmu.fetch_filter_->view()),
          data_(mmu.data_filter_->view()),
          context_(mmu.context_) {}
    [[nodiscard]] uint64_t key(VirtAddr va) const { return (va.value() >> 12) | context_; }
    tlb::HitFilter::View fetch_;
    tlb::HitFilter::View data_;
    uint64_t context_;
  };
  [[nodiscard]] Hits hits() const { return Hits(*this); }
  [[nodiscard]] uint64_t time() const {
    return std::max(fetch_filter_->time(), data_filter_->time());
  }
  void set_time(uint64_t time) {
    fetch_filter_->set_time(time);
    data_filter_->set_time(time);
  }

  // The same one by one, with the Mmu's own clock.
  bool fetch_hits(VirtAddr va) { return hits().fetch(va, fetch_filter_->tick()); }
  bool load_hits(VirtAddr va) { return hits().data(va, false, data_filter_->tick()); }
  bool store_hits(VirtAddr va) { return hits().data(va, true, data_filter_->tick()); }

  mmu::Translation access(VirtAddr va, AccessKind kind, bool retry);

  void count(AccessKind kind, uint64_t n) { counters_.accesses[static_cast<unsigned>(kind)] += n; }

  // Changes whenever a translation may have been taken away from this CPU other than by eviction
  // (flush, page fault, change of address space): what was learnt from a hit before may no longer
  // hold.
  [[nodiscard]] uint64_t generation() const { return generation_; }

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
  // MOV CR3 with what it holds, where PCIDs are off: as invalidate_non_global(), and the PDPTEs are
  // loaded anew.
  void reload();
  // Whether that would load other PDPTEs than there are.
  [[nodiscard]] bool pdptes_stale() const {
    return loaded_ && !native_ && walker_.pdptes_stale(root_);
  }

  [[nodiscard]] Pcid pcid() const { return pcid_; }
  // Everything access() does from now on is told; null: no longer.
  void narrate(mmu::Narrator* narrator) { path_.narrate(narrator); }
  [[nodiscard]] const mmu::MissPath& path() const { return path_; }

  // --- For checks and reports
  void for_each_entry(
      const std::function<void(const char* where, const tlb::EntryView& entry)>& visit) const;
  void for_each_walk_cache_entry(const std::function<void(Pcid, PhysAddr)>& visit) const {
    walker_.caches().for_each(
        [&](tlb::Space space, PhysAddr table) { visit(static_cast<Pcid>(space), table); });
    walker_.for_each_pdpte([&](PhysAddr table) { visit(pcid_, table); });
    for_each_known_table([&](Pcid pcid, VirtAddr, PhysAddr table) { visit(pcid, table); });
  }
  // The tables native walks may begin at, and what block of addresses each serves.
  void for_each_known_table(
      const std::function<void(Pcid, VirtAddr base, PhysAddr table)>& visit) const;
  [[nodiscard]] MmuCounters counters() const;

 private:
  struct Side {
    tlb::Level* first = nullptr;
    tlb::Level* second = nullptr;  // may be null; may be the other side's too
    SideCounters* counters = nullptr;
    bool data = false;
    const char* name = "";  // of the first level, for narrators
  };

  [[nodiscard]] uint64_t key_of(VirtAddr va) const { return (va.value() >> 12) | context_; }
  // access(), but for what a page fault's entry takes.
  mmu::Translation translate(VirtAddr va, AccessKind kind, bool retry);
  mmu::Translation attempt(VirtAddr va, AccessKind kind, bool retry);
  mmu::Translation refill(Side& side, VirtAddr va, AccessKind kind, bool retry);
  mmu::Translation dirty_assist(Side& side, VirtAddr va, AccessKind kind, tlb::Payload before);
  mmu::WalkResult walk(VirtAddr va, AccessKind kind);
  // What the kernel touches to fix a fault at `va`: the entry, and the page.
  void note_kernel_work(VirtAddr va);
  void touch_as_kernel(PhysAddr address);
  void look_up_as_kernel(VirtAddr va);
  void set_kmap(const DirectMap::Slot& slot, std::optional<PhysAddr> there);
  mmu::Translation finish(Side& side, VirtAddr va, const tlb::Level::Hit& hit);
  mmu::Translation fault(VirtAddr va, mmu::FaultReason reason);
  void mark_dirty(tlb::Level& level, VirtAddr va);
  void remark_lookup(const char* level, const tlb::Level::Hit& hit);

  template <class Action>
  void on_every_level(Action action);

  Paging paging_;
  tlb::Level l1i_;
  tlb::Level l1d_;
  std::optional<tlb::Level> l2_;
  std::optional<tlb::Level> l2i_;
  mmu::MissPath path_;
  Walker walker_;
  std::optional<mmu::NativeWalker> native_;
  std::array<Side, 2> sides_;  // fetches, data

  tlb::HitFilter* fetch_filter_;
  tlb::HitFilter* data_filter_;
  uint64_t context_;  // PCID, where keys have it: above the 52 bits of a page number
  Pcid pcid_ = 0;
  bool loaded_ = false;
  PhysAddr root_;
  VirtRange gate_{};
  PhysAddr gate_root_;
  mmu::Shadow* shadow_ = nullptr;
  DirectMap* direct_map_;
  CpuId id_;
  pt::PageTable* table_ = nullptr;
  uint64_t generation_ = 0;
  MmuCounters counters_;
};

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_MMU_H_
