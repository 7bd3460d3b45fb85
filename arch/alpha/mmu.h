// One Alpha CPU's memory management: ITB, DTB, and PALcode's miss handlers.
//
// **The hot path** is inline, for the replay loop, as in arch/x86/mmu.h: fetch_hits, load_hits,
// store_hits and Hits say true if the access hit the TLB and all it does is done. access() does
// the whole of any access.
//
// **Counting** is as in arch/x86/mmu.h: count() tells look-ups, access() counts misses, steps and
// faults; accesses repeated after the kernel has fixed a fault are counted apart.
//
// **An access** asks its side's TLB. On a miss PALcode loads the page's entry: through the DTB from
// the linear virtual page table, whose own page may be missing there, which a second handler then
// inserts; or, where the page table has no linear leaf tables, by a search of it. A valid entry is
// inserted as it is, and the access judged by it: enabled for the user (URE, UWE), no fault-on bit.
// Only an entry that faults on execution is kept out of the ITB. All else is the kernel's: a page
// fault, also for the accessed and dirty bits.
//
// The kernel's own accesses go through KSEG, which no TLB is asked for, and handlers' loads are
// physical, but for those of the linear table. Rights are those of user mode. Not thread-safe.
#ifndef MMUSIM_ARCH_ALPHA_MMU_H_
#define MMUSIM_ARCH_ALPHA_MMU_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>

#include "arch/alpha/entry_format.h"
#include "arch/alpha/formats.h"
#include "arch/alpha/options.h"
#include "arch/alpha/steps.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/miss_path.h"
#include "mmu/mmu.h"
#include "pt/page_table.h"
#include "tlb/level.h"

namespace mmusim::alpha {

// What happened on one side (fetches, or data).
struct SideCounters {
  uint64_t misses = 0;
  uint64_t retry_lookups = 0;
  uint64_t retry_misses = 0;
  uint64_t outside = 0;  // addresses that are not user space's
  void add(const SideCounters& o);
};

struct LevelCounters {
  uint64_t fills = 0;
  uint64_t evictions = 0;
  uint64_t invalidated = 0;
};

// Why PALcode calls the kernel (MMCSR).
enum class Cause : uint8_t {
  NotValid,         // TNV
  AccessViolation,  // ACV: URE or UWE is clear
  OnRead,           // FOR
  OnWrite,          // FOW
  OnExecute,        // FOE
};

struct MmuCounters {
  std::array<uint64_t, 4> accesses{};                 // by AccessKind, as count() was told
  std::array<SideCounters, 2> sides;                  // [0] fetches, [1] data
  std::array<LevelCounters, 2> levels;                // likewise
  std::array<uint64_t, mmu::kFaultReasons> faults{};  // by FaultReason
  std::array<uint64_t, 5> causes{};                   // by Cause
  uint64_t table_loads = 0;                           // from the linear table
  uint64_t table_misses = 0;                          // ... whose page was not in the DTB
  void add(const MmuCounters& o);
};

// What tlb::Payload::extra says of an entry, beside the fault-on bits in their places in the PTE.
enum : uint8_t {
  kEntryUserRead = 0x10,
  kEntryUserWrite = 0x20,
  kEntryTable = 0x40,  // maps a page of the linear table
};

class Mmu {
 public:
  // `linear`: the page tables have the leaf tables the linear table is made of. `code`: where
  // PALcode lies. `frames` and `sink` must outlive it.
  Mmu(const Options& options, mem::FrameMemory& frames, mem::ReferenceSink& sink, bool linear,
      PhysAddr code);
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
  // swpctx: ASN and page table. `table` must outlive its use.
  void load(Asn asn, pt::PageTable& table);
  // No address space: every access faults as not present.
  void unload();
  void invalidate_page(VirtAddr va);  // tbis, under the ASN that is loaded
  void invalidate_process();          // tbiap: all entries without ASM

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
    tlb::Level* tlb = nullptr;
    SideCounters* counters = nullptr;
    bool data = false;
    const char* name = "";
  };

  [[nodiscard]] uint64_t key_of(VirtAddr va) const { return va.value() >> kPage.log2() | key_tag_; }
  void remark_lookup(const char* name, VirtAddr va, const Hit& hit);
  // A null hit: the kernel must see to it, miss_fault_ says why.
  Hit refill(Side& side, VirtAddr va, AccessKind kind);
  pt::Entry load_entry(VirtAddr va);
  Hit double_miss(VirtAddr va, VirtAddr table);
  [[nodiscard]] pt::Entry entry_of(const pt::Lookup& found, VirtAddr va) const;
  Hit insert(Side& side, VirtAddr va, pt::Entry entry);
  void refuse(const tlb::Payload& entry, AccessKind kind);
  void note(Cause cause) { ++counters_.causes[static_cast<unsigned>(cause)]; }
  mmu::Translation finish(Side& side, VirtAddr va, const Hit& hit);
  mmu::Translation fault(mmu::FaultReason reason);

  mem::FrameMemory* frames_;
  bool linear_;
  EntryFormat format_;
  mmu::MissPath path_;
  tlb::Level itb_;
  tlb::Level dtb_;
  std::array<Side, 2> sides_;  // fetches, data

  pt::PageTable* table_ = nullptr;  // null: no address space
  Asn asn_ = 0;
  tlb::HitFilter* fetch_filter_;
  tlb::HitFilter* data_filter_;
  uint64_t key_tag_;  // the ASN, above the 51 bits of a page's number
  mmu::FaultReason miss_fault_ = mmu::FaultReason::NotPresent;
  uint64_t generation_ = 0;
  MmuCounters counters_;
};

}  // namespace mmusim::alpha

#endif  // MMUSIM_ARCH_ALPHA_MMU_H_
