// One PowerPC CPU's memory management: ERATs, SLB, TLB, the hardware's search of the hashed page
// table, and Linux's handlers.
//
// **The hot path** is inline, for the replay loop, as in arch/x86/mmu.h: fetch_hits, load_hits,
// store_hits and Hits say true if the access hit the ERAT and all it does is done. access() does
// the whole of any access.
//
// **Counting** is as in arch/x86/mmu.h: count() tells look-ups, access() counts misses, walks,
// steps and faults; accesses repeated after the kernel has fixed a fault are counted apart.
//
// **An access** asks its side's ERAT; on a miss the SLB, which a handler fills; then the TLB; then
// the hardware searches the hash table and fills both. Nothing there, or not with the rights
// needed: a storage interrupt, whose handler searches the kernel's page table, sets accessed and
// (for a store) dirty there, and makes the hash table's entry, or changes it, after which the
// access begins again. Only what the kernel's table does not allow is a fault to the caller. Before
// an access repeated after the kernel's fault, the kernel has hashed the page (hash_preload).
//
// **The kernel's accesses** go through its linear map and the same TLBs: see linear_map.h.
//
// **Tags.** An address space's segments and their VSIDs correspond one to one, so entries are
// tagged with its context and the effective address, which match when VSID and offset do. ERATs
// lose what was made of a segment when the SLB loses it, at each switch; the TLB loses nothing.
//
// Rights are those of problem state. Not thread-safe.
#ifndef MMUSIM_ARCH_PPC64_MMU_H_
#define MMUSIM_ARCH_PPC64_MMU_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <fmt/format.h>
#include <functional>
#include <optional>

#include "arch/ppc64/entry_format.h"
#include "arch/ppc64/formats.h"
#include "arch/ppc64/htab.h"
#include "arch/ppc64/linear_map.h"
#include "arch/ppc64/options.h"
#include "arch/ppc64/segments.h"
#include "arch/ppc64/steps.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/miss_path.h"
#include "mmu/mmu.h"
#include "pt/page_table.h"
#include "tlb/level.h"

namespace mmusim::ppc64 {

// What happened on one side (fetches, or data).
struct SideCounters {
  uint64_t misses = 0;  // of the ERAT
  uint64_t tlb_misses = 0;
  uint64_t retry_lookups = 0;
  uint64_t retry_misses = 0;
  uint64_t retry_tlb_misses = 0;
  uint64_t outside = 0;  // addresses that are not user space's
  void add(const SideCounters& o);
};

struct LevelCounters {
  uint64_t fills = 0;
  uint64_t evictions = 0;
  uint64_t invalidated = 0;
};

// Order of MmuCounters::levels.
enum : unsigned { kIerat, kDerat, kTlb, kLevels };

struct MmuCounters {
  std::array<uint64_t, 4> accesses{};  // by AccessKind, as count() was told
  std::array<SideCounters, 2> sides;   // [0] fetches, [1] data
  std::array<LevelCounters, kLevels> levels;
  std::array<uint64_t, mmu::kFaultReasons> faults{};  // by FaultReason
  uint64_t hash_faults = 0;                           // storage interrupts
  uint64_t hash_faults_fixed = 0;                     // ... that hash_page was enough for
  uint64_t preloads = 0;
  SlbCounters slb;
  LinearCounters linear;
  void add(const MmuCounters& o);
};

class Mmu {
 public:
  // How a handler has a page's entry removed from the TLBs; true: on this CPU only.
  using Invalidate = std::function<bool(VirtAddr va)>;

  // `code`: where the handlers lie. All references must outlive it.
  Mmu(const Options& options, Htab& htab, mem::FrameMemory& frames, mem::ReferenceSink& sink,
      PhysAddr code, Invalidate invalidate);
  Mmu(const Mmu&) = delete;
  Mmu& operator=(const Mmu&) = delete;

  // --- The program's accesses
  class Hits {
   public:
    bool fetch(VirtAddr va, uint64_t time) const { return fetch_.hits(key_of(va), false, time); }
    bool data(VirtAddr va, bool write, uint64_t time) const {
      return data_.hits(key_of(va), write, time);
    }

   private:
    friend class Mmu;
    Hits(const Mmu& mmu) : fetch_(mmu.fetch_filter_->view()), data_(mmu.data_filter_->view()) {}
    tlb::HitFilter::View fetch_;
    tlb::HitFilter::View data_;
  };
  [[nodiscard]] Hits hits() const { return Hits(*this); }
  [[nodiscard]] uint64_t time() const {
    return std::max(fetch_filter_->time(), data_filter_->time());
  }
  void set_time(uint64_t time) {
    fetch_filter_->set_time(time);
    data_filter_->set_time(time);
  }
  bool fetch_hits(VirtAddr va) { return hits().fetch(va, fetch_filter_->tick()); }
  bool load_hits(VirtAddr va) { return hits().data(va, false, data_filter_->tick()); }
  bool store_hits(VirtAddr va) { return hits().data(va, true, data_filter_->tick()); }

  mmu::Translation access(VirtAddr va, AccessKind kind, bool retry);

  void count(AccessKind kind, uint64_t n) { counters_.accesses[static_cast<unsigned>(kind)] += n; }

  // Changes whenever a translation may have been taken away from this CPU other than by eviction,
  // or by the kernel's code where that is fetched amid a data access: it may have evicted the page
  // that the program's own code is in.
  [[nodiscard]] uint64_t generation() const {
    return generation_ + (linear_ ? linear_->counters().fetch_lookups : 0);
  }

  // --- What the kernel does to this CPU
  // Switches to an address space: the SLB is emptied and two segments loaded ahead. `table` must
  // outlive its use.
  void load(Context context, pt::PageTable& table);
  // No address space: every access faults as not present.
  void unload();
  // What tlbie does here.
  void invalidate(VirtAddr va, Context context);
  // The kernel is about to access that address on this CPU.
  void kernel_access(PhysAddr address) {
    if (linear_) linear_->reach(address);
  }

  // Everything access() does from now on is told; null: no longer.
  void narrate(mmu::Narrator* narrator) { path_.narrate(narrator); }

  // --- For checks and reports
  void for_each_entry(
      const std::function<void(const char* where, const tlb::EntryView& entry)>& visit) const;
  [[nodiscard]] const Slb& slb() const { return slb_; }
  [[nodiscard]] MmuCounters counters() const;
  [[nodiscard]] const mmu::MissPath& path() const { return path_; }

 private:
  using Hit = tlb::Level::Hit;
  struct Side {
    tlb::Level* erat = nullptr;
    SideCounters* counters = nullptr;
    bool data = false;
  };

  static uint64_t key_of(VirtAddr va) { return va.value() >> k4K.log2(); }
  [[nodiscard]] Htab::Page page_of(VirtAddr va) const {
    return {context_, align_down(va, options_->page),
            user_segment(va, context_, options_->tera_segments)};
  }
  void remark_lookup(const char* name, bool hit) {
    if (path_.narrated()) path_.remark(fmt::format("{}: {}", name, hit ? "hit" : "miss"));
  }
  // A null hit: nothing in the hash table.
  Hit translate(Side& side, VirtAddr va, AccessKind kind, bool first, bool retry);
  // What the kernel finds in its own page table and hashes; None: done.
  mmu::FaultReason hash_page(VirtAddr va, AccessKind kind, unsigned step);
  // An HPTE for what was found, and the entry written: __hash_page_4K or __hash_page_64K.
  void hash_entry(VirtAddr va, const pt::Lookup& found, pt::Entry marked, Rights rights,
                  const pt::WalkStep& word);
  void make_segment(VirtAddr va, unsigned step);
  void preload(VirtAddr va, AccessKind kind);
  // What the kernel touches to fix a fault at `va`: the entry, and the page.
  void note_kernel_work(VirtAddr va);
  void empty_slb();
  mmu::Translation finish(Side& side, VirtAddr va, const Hit& hit);
  mmu::Translation fault(mmu::FaultReason reason);

  const Options* options_;
  Htab* htab_;
  const mem::FrameMemory* frames_;
  EntryFormat format_;
  const PteForm* form_;
  mmu::MissPath path_;
  Invalidate broadcast_;
  tlb::Level ierat_;
  tlb::Level derat_;
  tlb::Level tlb_;
  Slb slb_;
  std::optional<LinearMap> linear_;  // none: nothing the kernel does is looked up
  std::array<Side, 2> sides_;        // fetches, data

  pt::PageTable* table_ = nullptr;  // null: no address space
  Context context_ = 0;
  tlb::HitFilter* fetch_filter_;
  tlb::HitFilter* data_filter_;
  uint64_t generation_ = 0;
  MmuCounters counters_;
};

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_MMU_H_
