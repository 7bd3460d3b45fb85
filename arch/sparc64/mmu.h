// One sun4u CPU's memory management: its TLBs, and Linux's handlers for the traps they cause.
//
// **The hot path** is inline, for the replay loop, as in arch/x86/mmu.h: fetch_hits, load_hits,
// store_hits and Hits say true if the access hit the TLB and all it does is done. access() does the
// whole of any access.
//
// **Counting** is as in arch/x86/mmu.h: count() tells look-ups, access() counts misses, steps and
// faults; accesses repeated after the kernel has fixed a fault are counted apart.
//
// **An access** that misses traps; the handler looks into the address space's TSB (tsb.h), then
// walks the page table, puts what it found into the TSB and the TLB, and the instruction is
// retried. A store by an entry without W traps and goes to the kernel at once. Only what the
// handlers do not find, or must not load, is a fault to the caller. After a fault the kernel has
// put the page into the TSB, so that the retry's miss ends there.
//
// **The kernel** has locked entries for its image and, where TSBs are read by virtual addresses,
// for the TSBs. Its accesses to the page and the page's entry while it fixes a fault take entries
// of its linear mapping, in context 0, by a TSB of their own.
//
// Not thread-safe.
#ifndef MMUSIM_ARCH_SPARC64_MMU_H_
#define MMUSIM_ARCH_SPARC64_MMU_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <string>

#include "arch/sparc64/entry_format.h"
#include "arch/sparc64/formats.h"
#include "arch/sparc64/options.h"
#include "arch/sparc64/steps.h"
#include "arch/sparc64/tsb.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/miss_path.h"
#include "mmu/mmu.h"
#include "pt/page_table.h"
#include "tlb/level.h"

namespace mmusim::sparc64 {

// What MissPath calls words of a CPU's block of data for the handlers: the page table's root, and
// the register value of the TSB of huge pages, all ones where there is none.
inline constexpr const char* kRootWord = "per-CPU root";
inline constexpr const char* kHugeWord = "per-CPU huge";

// What happened on one side (fetches, or data).
struct SideCounters {
  uint64_t misses = 0;
  uint64_t retry_lookups = 0;
  uint64_t retry_misses = 0;
  uint64_t outside = 0;
  uint64_t fills = 0;
  uint64_t evictions = 0;
  uint64_t invalidated = 0;
  void add(const SideCounters& o);
};

struct MmuCounters {
  std::array<uint64_t, 4> accesses{};  // by AccessKind, as count() was told
  std::array<SideCounters, 2> sides;   // [0] fetches, [1] data
  uint64_t tsb_lookups = 0;
  uint64_t tsb_hits = 0;
  uint64_t huge_lookups = 0;
  uint64_t huge_hits = 0;
  uint64_t walks = 0;    // of the page table
  uint64_t updates = 0;  // pages the kernel put into a TSB
  uint64_t linear_lookups = 0;
  uint64_t linear_misses = 0;
  uint64_t linear_tsb_hits = 0;
  std::array<uint64_t, mmu::kFaultReasons> faults{};  // by FaultReason
  void add(const MmuCounters& o);
};

// The TTEs handlers have loaded for an address space since their pages were flushed last, by the
// page's base: nothing else can be in a TLB or a TSB.
using LoadedPages = std::map<VirtAddr, uint64_t>;

class Mmu {
 public:
  // What an address space has.
  struct Space {
    Context context = 0;
    pt::PageTable* table = nullptr;
    LoadedPages* loaded = nullptr;
    Tsb* base = nullptr;  // null: no TSB
    Tsb* huge = nullptr;
  };
  // Makes a TSB of huge pages for the address space that runs here, and loads it; false: cannot.
  using NeedHuge = std::function<bool()>;
  // The machine's own, which all CPUs share.
  struct Shared {
    PhysAddr code;          // where the handlers lie
    PhysAddr cpu_block;     // this CPU's block of data for them
    Tsb* kernel = nullptr;  // of the linear mapping
  };

  // All references must outlive it.
  Mmu(const Options& options, mem::FrameMemory& frames, mem::ReferenceSink& sink,
      const Shared& shared, NeedHuge need_huge);
  Mmu(const Mmu&) = delete;
  Mmu& operator=(const Mmu&) = delete;

  // --- The program's accesses
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
          key_tag_(mmu.key_tag_) {}
    [[nodiscard]] uint64_t key(VirtAddr va) const { return va.value() >> kPage.log2() | key_tag_; }
    tlb::HitFilter::View fetch_;
    tlb::HitFilter::View data_;
    uint64_t key_tag_;
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

  // Changes whenever a translation may have been taken away from this CPU other than by eviction.
  [[nodiscard]] uint64_t generation() const { return generation_; }

  // --- What the kernel does to this CPU
  // Switches to an address space; also after its TSBs have changed. What it has must outlive its
  // use.
  void load(const Space& space);
  // No address space: every access faults as not present.
  void unload();
  void demap_page(VirtAddr va, Context context);
  void demap_context(Context context);

  // Everything access() does from now on is told; null: no longer.
  void narrate(mmu::Narrator* narrator) { path_.narrate(narrator); }

  // --- For checks and reports
  void for_each_entry(
      const std::function<void(const char* where, const tlb::EntryView& entry)>& visit) const;
  [[nodiscard]] MmuCounters counters() const;
  [[nodiscard]] const mmu::MissPath& path() const { return path_; }

 private:
  using Hit = tlb::Level::Hit;
  struct Side {
    tlb::Level* level = nullptr;
    SideCounters* counters = nullptr;
    bool data = false;
  };

  [[nodiscard]] uint64_t key_of(VirtAddr va) const { return va.value() >> kPage.log2() | key_tag_; }
  [[nodiscard]] bool outside(VirtAddr va) const;
  void remark_lookup(const char* name, bool hit) {
    if (path_.narrated()) path_.remark(fmt::format("{}: {}", name, hit ? "hit" : "miss"));
  }
  void lock_image();
  void lock_tsb(unsigned slot, const Tsb& tsb);
  // So many locked entries are in the data TLB, and no longer for anything else.
  void take_data_entries(unsigned locked);
  void touch_block(unsigned offset, bool write, uint64_t value);
  [[nodiscard]] uint64_t huge_register() const;

  // --- Misses (miss.cc). A null hit: the kernel must see to it.
  Hit refill(Side& side, VirtAddr va);
  Hit walk_at_once(Side& side, VirtAddr va);
  Hit walk_and_insert(Side& side, VirtAddr va);
  std::optional<uint64_t> search(VirtAddr va, unsigned step, const WalkInstructions& more);
  Hit load_tlb(Side& side, VirtAddr va, uint64_t tte);
  Hit refuse(const Side& side, mmu::FaultReason reason);
  void after_fault(VirtAddr va);
  void touch_linear(PhysAddr address);
  Tsb& tsb_for(uint64_t tte) {
    return huge_wanted(tte) && space_.huge ? *space_.huge : *space_.base;
  }
  [[nodiscard]] bool huge_wanted(uint64_t tte) const {
    return options_->tsb == TsbMode::Two && size_of(tte) == kLargePage;
  }
  void remember(VirtAddr va, uint64_t tte) { (*space_.loaded)[align_down(va, size_of(tte))] = tte; }

  mmu::Translation finish(Side& side, VirtAddr va, const Hit& hit);
  mmu::Translation fault(mmu::FaultReason reason);

  const Options* options_;
  EntryFormat format_;
  mmu::MissPath path_;
  Shared shared_;
  NeedHuge need_huge_;
  tlb::Level itlb_;
  tlb::Level dtlb_;
  std::array<Side, 2> sides_;  // fetches, data

  Space space_;  // table null: none
  tlb::HitFilter* fetch_filter_;
  tlb::HitFilter* data_filter_;
  unsigned locked_data_ = 0;  // entries of the data TLB
  uint64_t key_tag_ = 0;      // the context, above the 51 bits of a page number
  mmu::FaultReason miss_fault_ = mmu::FaultReason::NotPresent;  // what a miss that fails is
  uint64_t generation_ = 0;
  MmuCounters counters_;
};

}  // namespace mmusim::sparc64

#endif  // MMUSIM_ARCH_SPARC64_MMU_H_
