// All CPUs' TLBs and VHPTs as the simulated kernel drives them: what Linux does in
// arch/ia64/mm/tlb.c and include/asm/{mmu_context,tlb}.h, and the LVHPT patches for the long
// format.
//
// **Contexts**, (context << 3) | region being the region's identifier, are given out from low to
// high and not used again until there are none left (wrap_mmu_context). An address space gets one
// when it is first loaded, and a new one when
// it is loaded after flush_mm, which purges nothing. When contexts wrap, this CPU's TLBs and VHPT
// are emptied at once, another CPU's when it next loads a context.
//
// **Ranges** are purged by ptc of the page size floor(log2(bytes + 0xfff)), or the next the
// processor purges by, from an address aligned to it: so that what lies beside may go too, and that
// a range may take two or three. By ptc.l where the address space has only ever run on the CPU that
// runs it, else by ptc.ga on all. From 1 TB on, or across regions, everything goes everywhere, by
// interrupts. After an unmap the pages of the linear table that cover the range are purged
// likewise, by what of them the range takes, whether or not tables went. A single page is a range,
// also after a fault that only added rights. The long format's entries of every page in the range
// are marked invalid, by stores, in the VHPT of each CPU that ran the address space.
//
// A new context reaches the other CPUs that have loaded the old one by interrupts, unless the asker
// is the only thread of the address space: then a CPU that idles in it takes the new one when it
// comes back. The context of an address space that has died is given up, and nobody told.
//
// **Usable** (for_each_entry): an entry whose RID is of a context that belongs to an address space;
// on a CPU yet to be emptied after a wrap, of the context loaded there only. Entries with P = 0
// give no translation. The linear table's pages are walk caches (walk_caches_reach).
//
// Not thread-safe.
#ifndef MMUSIM_ARCH_IA64_TLBS_H_
#define MMUSIM_ARCH_IA64_TLBS_H_

#include <memory>
#include <optional>
#include <vector>

#include "arch/ia64/mmu.h"
#include "arch/ia64/options.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/cpus.h"
#include "mmu/table_copy.h"
#include "stats/count.h"

namespace mmusim::ia64 {

struct FlushCounts {
  stats::Count switches{"switch.loads", "events", "Loads of another address space."};
  stats::Count contexts{"switch.contexts", "contexts",
                        "Contexts given out, each with region identifiers of its own.",
                        "switch.loads"};
  stats::Count wraps{"switch.wraps", "events",
                     "Times contexts had run out and all CPUs had to empty their TLBs.",
                     "switch.contexts"};
  stats::Count wrap_purges{"switch.wrap_purges", "events", "CPUs emptied because of that.",
                           "switch.wraps"};
  stats::Count range_flushes{"flush.ranges", "events", "Flush requests carried out on a range."};
  stats::Count context_flushes{"flush.contexts", "events",
                               "Flush requests that gave the address space a new context."};
  stats::Count contexts_ended{"flush.ended", "events",
                              "Flush requests of address spaces that had died: the context is "
                              "given up, nothing else."};
  stats::Count full_flushes{"flush.full", "events",
                            "Flush requests carried out by emptying every TLB."};
  stats::Count ptc_local{"flush.ptc_local", "instructions",
                         "Purges on the one CPU that ran the address space (ptc.l)."};
  stats::Count ptc_global{"flush.ptc_global", "instructions",
                          "Purges broadcast to all CPUs (ptc.ga)."};
  stats::Count ptc_table{"flush.ptc_table", "instructions",
                         "... of either, for pages of the linear table."};
  stats::Count interrupts{
      "flush.interrupts", "events",
      "Inter-processor interrupts sent to make other CPUs flush or take a new context."};
  stats::Count emptied;  // CPUs that took a new context at once, or purged everything
};

// context 0: a new one when next loaded. ran_on: CPUs that have loaded the context.
struct Space : mmu::Space {
  using Maker = mmu::TableCopies;  // none where the walker can do without
  Context context = 0;
  std::unique_ptr<mmu::TableCopy> linear;
};

struct Wrap {
  bool wrapped = false;  // to be emptied before the next load
};

class Tlbs final : public mmu::Cpus<Mmu, Space, Wrap> {
 public:
  // `direct`: the kernel's page tables are Linux's radix tables. REQUIRES: cpus is 1 to 64. frames
  // and sink must outlive it. Errors: Error when there is no memory for the VHPTs.
  Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames, mem::ReferenceSink& sink,
       bool direct = true);

  // 0: none now.
  [[nodiscard]] Context context(MmId mm) const;

  void set_gate(VirtRange range, pt::PageTable& kernel_table) override;
  bool activate(CpuId cpu, MmId mm, pt::PageTable& table) override;
  using mmu::TlbMaintenance::flush_range;
  void flush_range(MmId mm, VirtRange range, PageShift stride, bool freed_tables,
                   mmu::RangeFlush why) override;
  void flush_page(MmId mm, VirtAddr va, PageShift size, bool /*code*/) override {
    flush_range(mm, {va, va + size.bytes()}, size, false, mmu::RangeFlush::Change);
  }
  void flush_mm(MmId mm) override;
  void flush_dead(MmId mm) override;
  using mmu::TlbMaintenance::flush_local_page;
  void flush_local_page(CpuId cpu, MmId mm, VirtAddr va, bool code) override;
  bool shrink() override;

  void for_each_entry(const TranslationVisit& visit) const override;
  [[nodiscard]] std::vector<MmId> copied() const override { return with_copy(&Space::linear); }
  void for_each_copied(MmId mm, const TranslationVisit& visit) const override;
  [[nodiscard]] mmu::Summary summary() const;
  void report(stats::Report& report) const override;

 private:
  void release(MmId mm, Space& space) override;
  [[nodiscard]] std::optional<MmId> user_of(const Cpu& cpu,
                                            const tlb::EntryView& entry) const override;
  [[nodiscard]] bool maps_table(const tlb::Payload& entry) const override {
    return (entry.extra & kEntryTable) != 0;
  }

  void load(Cpu& cpu, MmId mm, Space& space);
  Context take_context(MmId mm);
  void change_context(MmId mm, Space& space);
  void give_up_context(Space& space);
  void flush_hardware_range(Space& space, MmId mm, VirtRange range, bool linear_too);
  void purge_range(const Space& space, MmId mm, VirtRange range, bool table);
  void flush_everything();
  // The address space that can use entries with this RID on the CPU.
  [[nodiscard]] std::optional<MmId> user_of_rid(const Cpu& cpu, Rid rid) const;

  Options options_;
  std::unique_ptr<mmu::TableCopy> gate_linear_;  // null where there are none, or no gate
  mmu::Numbers contexts_;
  Context next_context_ = 1;
  FlushCounts counters_;
};

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_TLBS_H_
