// All CPUs' MMUs as the simulated kernel drives them: what Linux does in arch/x86/mm/tlb.c (since
// 4.14).
//
// **PCIDs.** Each CPU has a few slots, each with a PCID of its own (slot + 1; PCID 0 is left to
// code that knows no PCIDs) and the address space it was last used for. A switch to an address
// space that has a slot takes that slot; else slots are taken in turn, and the one taken is
// flushed. An address space has a flush generation, raised by each flush of it; a slot remembers
// the one it has caught up with. Without PCIDs (x86.pcid = false) every switch empties all but
// global entries.
//
// **Flushes.** A CPU running the address space flushes at once (all but the one that asks because
// of an inter-processor interrupt): INVLPG for each page, up to x86.flush_ceiling pages, else the
// whole PCID. What is not an mmu_gather's or a page's, flush_tlb_range, counts base pages and says
// that tables were freed: so a huge page that is split or made, 512 of them, takes all with it. Any
// other CPU that has a slot for it does nothing now: its slot is behind in
// generation, and is flushed when the address space is loaded there again. So entries of such a
// slot exist but cannot be used.
//
// **Idle CPUs** keep the address space loaded (lazy TLB mode). A flush leaves them alone, and they
// catch up when they run it again, as if they had loaded another; unless page tables were freed,
// which an idle CPU could still walk by speculation: then they are interrupted too, and leave the
// address space. (Linux loads init_mm then, which takes a PCID slot; here it takes none. The CPU on
// which a process ends flushes as if it were not idle yet.)
//
// **Who is told.** Linux's mm_cpumask: a CPU is in it once it has loaded the address space, and
// since 6.13 it stays there when it loads another. A flush after which no tables are freed skips
// who has not loaded it now; one that frees some, fork's and exit's among them, interrupts all in
// the mask, and who finds that it runs another takes itself out. (Once a second Linux has others
// leave too. There are no seconds here.)
//
// **PDPTEs** (PAE, which knows no PCIDs). A flush after which the registers would differ from the
// tables is a flush of the whole address space, by CR3, whatever was asked for: as Linux does when
// it has freed a page directory (need_flush_all in ___pmd_free_tlb()). So no register leads to a
// table that is freed. Because a new PDPTE costs a flush as well, Linux gives an address space its
// page directories when it makes it (pgd_prepopulate_pmd()) and takes away what is left of them
// when it has died; here that is done when it first runs, and in forget(), if the hardware walks
// the kernel's table.
//
// **Shadows.** Where the hardware cannot read the kernel's page tables each address space that has
// run has a Shadow (mmu/shadow.h): its entries go at once in a flush, whatever CPUs do later, and
// its emptied tables are freed when the CPUs have been told. The kernel's own tables may come and
// go, no walk sees them.
//
// **Native walks.** A page table that is walked as it is may put another table in the place of one
// of its own while its translations stay, and no flush is asked for. Before the memory of a table a
// CPU could begin a walk at is used for anything else the kernel flushes the first page of what the
// table served, as if tables had been freed: INVLPG, which takes the walk caches of its address
// space with it, interrupts included (table_freed()).
//
// **Usable** (for_each_entry, walk_caches_reach): an entry of PCID p on a CPU can be used if p's
// slot belongs to an address space and is not behind its generation; or if it is global. No other
// entry can be used without p's being flushed first: a slot that is behind is flushed when it is
// loaded, and a slot given to another address space (also after forget()) is flushed when it is
// taken. Without PCIDs: any entry while an address space is loaded, and global ones.
//
// Not thread-safe.
#ifndef MMUSIM_ARCH_X86_TLBS_H_
#define MMUSIM_ARCH_X86_TLBS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "arch/x86/entry_format.h"
#include "arch/x86/mmu.h"
#include "arch/x86/options.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/mmu.h"

namespace mmusim::x86 {

struct FlushCounters {
  uint64_t switches = 0;        // loads of another address space
  uint64_t switches_kept = 0;   // ... that found their PCID up to date
  uint64_t switches_stale = 0;  // ... that found it behind, and flushed it
  uint64_t switches_taken = 0;  // ... that had to take a slot, flushing it (or, without PCIDs, all)
  uint64_t page_flushes = 0;    // requests carried out page by page (flush_range)
  uint64_t full_flushes = 0;    // requests carried out on the whole address space
  uint64_t deferred_flushes = 0;    // slots of other CPUs left behind by a request
  uint64_t invlpg = 0;              // instructions, on all CPUs
  uint64_t pcid_invalidations = 0;  // whole-PCID flushes, on all CPUs, switches included
  uint64_t emptied = 0;             // ... but of those that take a PCID for somebody else
  uint64_t interrupts = 0;          // sent to other CPUs
  uint64_t idle_spared = 0;         // idle CPUs a request left alone
  uint64_t idle_left = 0;           // ... that had to leave the address space
  uint64_t strangers = 0;           // interrupts to CPUs that run another by now
  uint64_t replaced_tables = 0;     // flushes because a table a walk could begin at was freed
  uint64_t idle_caught_up = 0;  // CPUs that came back from idling and had a flush to make up for
};

class Tlbs final : public mmu::TlbMaintenance {
 public:
  // `direct`: the kernel's page tables are in the hardware's own format. REQUIRES: cpus > 0. frames
  // and sink must outlive it.
  Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames, mem::ReferenceSink& sink,
       bool direct = true);

  [[nodiscard]] Mmu& mmu(CpuId cpu) { return *cpus_[cpu.value()].mmu; }
  [[nodiscard]] unsigned cpus() const { return static_cast<unsigned>(cpus_.size()); }
  [[nodiscard]] const FlushCounters& flush_counters() const { return counters_; }

  void set_gate(VirtRange range, pt::PageTable& kernel_table) override;
  bool activate(CpuId cpu, MmId mm, pt::PageTable& table) override;
  void idle(CpuId cpu) override;
  using mmu::TlbMaintenance::flush_range;
  void flush_range(MmId mm, VirtRange range, PageShift stride, bool freed_tables,
                   mmu::RangeFlush why) override;
  void flush_mm(MmId mm) override;
  // A page fault has already invalidated the page by itself, and Linux does nothing here on x86.
  // For a caller that comes without a fault the page goes, uncounted.
  using mmu::TlbMaintenance::flush_local_page;
  void flush_local_page(CpuId cpu, MmId mm, VirtAddr va, bool code) override;
  void table_freed(PhysAddr address, uint64_t bytes) override;
  void forget(MmId mm) override;
  bool shrink() override;

  void for_each_entry(
      const std::function<void(const mmu::CachedTranslation&)>& visit) const override;
  [[nodiscard]] std::vector<MmId> copied() const override;
  void for_each_copied(MmId mm, const TranslationVisit& visit) const override;
  [[nodiscard]] bool walk_caches_reach(PhysAddr address, uint64_t bytes) const override;
  void report(stats::Report& report) const override;

 private:
  static constexpr MmId kNobody{~uint64_t{0}};
  struct Slot {
    MmId mm = kNobody;
    uint64_t generation = 0;
  };
  struct Cpu {
    std::unique_ptr<Mmu> mmu;
    MmId current = kNobody;
    std::vector<Slot> slots;  // one only, with PCID 0, where PCIDs are not used
    unsigned current_slot = 0;
    unsigned next_slot = 0;
    bool idle = false;  // with `current` loaded
  };

  [[nodiscard]] Pcid pcid_of(unsigned slot) const {
    return static_cast<Pcid>(options_.pcid ? slot + 1 : 0);
  }
  [[nodiscard]] uint64_t generation_of(MmId mm) const;
  // The address space that can use entries of this PCID; kNobody: none.
  [[nodiscard]] MmId user_of(const Cpu& cpu, Pcid pcid) const;
  // Where the hardware cannot read the kernel's table: makes what it is given for the address
  // space. False: there is no memory for it.
  bool prepare_shadow(MmId mm, pt::PageTable& table);
  void flush_hardware_range(MmId mm, VirtRange range, PageShift stride, bool freed_tables);
  void flush_hardware_mm(MmId mm, bool freed_tables);
  // The address space, and the block of addresses, of a table in that memory where a walk of some
  // CPU could begin.
  struct KnownTable {
    MmId mm;
    VirtAddr base;
  };
  [[nodiscard]] std::optional<KnownTable> known_table(PhysAddr address, uint64_t bytes) const;
  void populate(MmId mm, pt::PageTable& table);
  void mop_up(MmId mm);
  [[nodiscard]] bool pdptes_stale(MmId mm) const;
  void flush_all(Mmu& mmu, Pcid pcid);
  // The CPU goes on in what it had loaded when it went idle.
  void resume(Cpu& cpu);
  static void leave(Cpu& cpu);
  template <class Action>
  void flush_now(MmId mm, bool freed_tables, Action action);

  Options options_;
  EntryFormat format_;  // of shadows
  mem::FrameMemory* frames_;
  const mem::ReferenceSink* sink_;
  std::unique_ptr<mmu::Shadows> shadow_maker_;  // null: the hardware walks the kernel's tables
  std::map<MmId, std::unique_ptr<mmu::Shadow>> shadows_;
  std::optional<DirectMap> direct_map_;
  std::vector<Cpu> cpus_;
  std::unordered_map<MmId, uint64_t> generations_;      // looked up only, never iterated
  std::unordered_map<MmId, std::vector<bool>> masks_;   // likewise: mm_cpumask, by CPU
  std::unordered_map<MmId, pt::PageTable*> populated_;  // likewise
  FlushCounters counters_;
};

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_TLBS_H_
