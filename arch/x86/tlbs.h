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
#include <memory>
#include <optional>
#include <vector>

#include "arch/x86/entry_format.h"
#include "arch/x86/mmu.h"
#include "arch/x86/options.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/cpus.h"
#include "stats/count.h"

namespace mmusim::x86 {

struct FlushCounts {
  stats::Count switches{"switch.loads", "events", "Loads of another address space."};
  stats::Count switches_kept{
      "switch.pcid_kept", "events",
      "Switches that found their PCID's translations up to date and kept them.", "switch.loads"};
  stats::Count switches_stale{"switch.pcid_stale", "events",
                              "Switches that found their PCID behind a flush, and flushed it.",
                              "switch.loads"};
  stats::Count switches_taken{
      "switch.pcid_taken", "events",
      "Switches that had no PCID and took over a flushed one; all of them where PCIDs are "
      "not used.",
      "switch.loads"};
  stats::Count page_flushes{"flush.by_page", "events", "Flush requests carried out page by page."};
  stats::Count full_flushes{"flush.full", "events",
                            "Flush requests carried out on the whole address space."};
  stats::Count deferred_flushes{"flush.deferred", "events",
                                "PCIDs that a request left to be flushed when next loaded."};
  stats::Count invlpg{"flush.invlpg", "instructions", "INVLPG instructions, on all CPUs.",
                      "flush.by_page"};
  stats::Count pcid_invalidations{"flush.pcid_invalidations", "events",
                                  "Whole PCIDs flushed, on all CPUs, by requests and by switches."};
  stats::Count emptied;  // ... but of those that take a PCID for somebody else
  stats::Count interrupts{"flush.interrupts", "events",
                          "Inter-processor interrupts sent to make other CPUs flush."};
};
struct NativeFlushCounts {
  stats::Count replaced_tables{
      "flush.replaced_tables", "events",
      "Flushes of a page because the page table replaced a table, of the same "
      "translations, where a walk could have begun.",
      "flush.by_page"};
};
// Where there are several CPUs.
struct IdleCounts {
  stats::Count idle_spared{"flush.idle_spared", "events",
                           "Idle CPUs with the address space loaded that a request left alone."};
  stats::Count idle_left{"flush.idle_left", "events",
                         "... that were interrupted and left it, because page tables were freed."};
  stats::Count strangers{
      "flush.strangers", "events",
      "Interrupts to CPUs that had loaded another address space since, and had nothing to "
      "flush: because page tables were freed.",
      "mmu.interrupts"};
  stats::Count idle_caught_up{"flush.idle_caught_up", "events",
                              "CPUs that flushed on coming back from idling.", "flush.idle_spared"};
};
struct TlbsCounts : FlushCounts, NativeFlushCounts, IdleCounts {};

struct Space : mmu::Space {             // ran_on: mm_cpumask
  using Maker = mmu::Shadows;           // none: the hardware walks the kernel's tables
  uint64_t generation = 0;              // raised by each flush
  std::unique_ptr<mmu::Shadow> shadow;  // where the hardware does not walk the kernel's table
  bool populated = false;               // with page directories (PAE)
};

// A CPU's PCIDs.
struct Slots {
  struct Slot {
    MmId mm = mmu::kNobody;
    uint64_t generation = 0;
  };
  std::vector<Slot> slots;  // one only, with PCID 0, where PCIDs are not used
  unsigned current_slot = 0;
  unsigned next_slot = 0;
  bool idle = false;  // with `current` loaded
};

class Tlbs final : public mmu::Cpus<Mmu, Space, Slots> {
 public:
  // `direct`: the kernel's page tables are in the hardware's own format. REQUIRES: cpus > 0. frames
  // and sink must outlive it.
  Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames, mem::ReferenceSink& sink,
       bool direct = true);

  [[nodiscard]] const TlbsCounts& flush_counters() const { return counters_; }

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

  [[nodiscard]] std::vector<MmId> copied() const override { return with_copy(&Space::shadow); }
  void for_each_copied(MmId mm, const TranslationVisit& visit) const override;
  [[nodiscard]] bool walk_caches_reach(PhysAddr address, uint64_t bytes) const override;
  [[nodiscard]] mmu::Summary summary() const;
  void report(stats::Report& report) const override;

 private:
  [[nodiscard]] Pcid pcid_of(unsigned slot) const {
    return static_cast<Pcid>(options_.pcid ? slot + 1 : 0);
  }
  [[nodiscard]] uint64_t generation_of(MmId mm) const;
  // The address space that can use entries of this PCID; kNobody: none.
  [[nodiscard]] MmId user_of_pcid(const Cpu& cpu, Pcid pcid) const;
  [[nodiscard]] std::optional<MmId> user_of(const Cpu& cpu,
                                            const tlb::EntryView& entry) const override;
  void release(MmId mm, Space& space) override;
  // Null: it has none.
  [[nodiscard]] mmu::Shadow* shadow_of(MmId mm) const;
  // Where the hardware cannot read the kernel's table: makes what it is given for the address
  // space. False: there is no memory for it.
  bool prepare_shadow(MmId mm, Space& space, pt::PageTable& table);
  [[nodiscard]] PageShift flushed_size(PageShift leaf) const;
  // Of leaves that are at least so big.
  void flush_hardware_range(MmId mm, VirtRange range, PageShift leaf, bool freed_tables);
  void flush_hardware_mm(MmId mm, bool freed_tables);
  // The address space, and the block of addresses, of a table in that memory where a walk of some
  // CPU could begin.
  struct KnownTable {
    MmId mm;
    VirtAddr base;
  };
  [[nodiscard]] std::optional<KnownTable> known_table(PhysAddr address, uint64_t bytes) const;
  void populate(Space& space) const;
  void mop_up(Space& space) const;
  [[nodiscard]] bool pdptes_stale(MmId mm) const;
  void flush_all(Mmu& mmu, Pcid pcid);
  // The CPU goes on in what it had loaded when it went idle.
  void resume(Cpu& cpu);
  void leave(Cpu& cpu);
  template <class Action>
  void flush_now(MmId mm, bool freed_tables, Action action);

  Options options_;
  std::optional<DirectMap> direct_map_;
  TlbsCounts counters_;
};

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_TLBS_H_
