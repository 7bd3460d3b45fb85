// All CPUs' TLBs and VHPTs as the simulated kernel drives them: what Linux does in
// arch/ia64/mm/tlb.c and include/asm/{mmu_context,tlb}.h, and the LVHPT patches for the long
// format.
//
// **Contexts.** An address space gets one (contexts.h) when it is first loaded, and a new one when
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

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "arch/ia64/contexts.h"
#include "arch/ia64/mmu.h"
#include "arch/ia64/options.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/mmu.h"
#include "mmu/table_copy.h"

namespace mmusim::ia64 {

struct FlushCounters {
  uint64_t switches = 0;         // loads of another address space
  uint64_t contexts = 0;         // contexts given out
  uint64_t wrap_purges = 0;      // CPUs emptied because contexts had wrapped
  uint64_t range_flushes = 0;    // requests carried out by ptc
  uint64_t context_flushes = 0;  // ... by giving the address space a new context
  uint64_t contexts_ended = 0;   // ... by giving up the one of an address space that has died
  uint64_t full_flushes = 0;     // ... by emptying everything
  uint64_t ptc_local = 0;
  uint64_t ptc_global = 0;
  uint64_t ptc_table = 0;  // of either, for pages of the linear table
  uint64_t emptied = 0;    // CPUs that took a new context at once, or purged everything
  uint64_t interrupts = 0;
};

class Tlbs final : public mmu::TlbMaintenance {
 public:
  // `direct`: the kernel's page tables are Linux's radix tables. REQUIRES: cpus is 1 to 64. frames
  // and sink must outlive it. Errors: Error when there is no memory for the VHPTs.
  Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames, mem::ReferenceSink& sink,
       bool direct = true);

  [[nodiscard]] Mmu& mmu(CpuId cpu) { return *cpus_[cpu.value()].mmu; }
  [[nodiscard]] const FlushCounters& flush_counters() const { return counters_; }
  // 0: none now.
  [[nodiscard]] Context context(MmId mm) const;

  void set_gate(VirtRange range, pt::PageTable& kernel_table) override;
  bool activate(CpuId cpu, MmId mm, pt::PageTable& table) override;
  void shared(MmId mm, bool more_than_one) override { spaces_[mm].shared = more_than_one; }
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
  void forget(MmId mm) override;
  bool shrink() override;

  void for_each_entry(
      const std::function<void(const mmu::CachedTranslation&)>& visit) const override;
  [[nodiscard]] std::vector<MmId> copied() const override;
  void for_each_copied(MmId mm, const TranslationVisit& visit) const override;
  [[nodiscard]] bool walk_caches_reach(PhysAddr address, uint64_t bytes) const override;
  void report(stats::Report& report) const override;

 private:
  static constexpr MmId kNobody = Contexts::kNobody;
  struct Space {
    Context context = 0;  // 0: a new one when next loaded
    uint64_t ran_on = 0;  // CPUs that have loaded the context
    bool shared = false;
    pt::PageTable* table = nullptr;
    std::unique_ptr<mmu::TableCopy> linear;
  };
  struct Cpu {
    std::unique_ptr<Mmu> mmu;
    MmId current = kNobody;
    bool wrapped = false;  // to be emptied before the next load
  };

  void load(CpuId id, MmId mm, Space& space);
  static void leave(Cpu& cpu);
  void change_context(MmId mm, Space& space);
  [[nodiscard]] uint64_t asker_bit() const { return uint64_t{1} << asker().value(); }
  void flush_hardware_range(Space& space, MmId mm, VirtRange range, bool linear_too);
  void purge_range(const Space& space, MmId mm, VirtRange range, bool table);
  void flush_everything();
  // The address space that can use entries with this RID on the CPU; kNobody: none.
  [[nodiscard]] MmId user_of(const Cpu& cpu, Rid rid) const;

  Options options_;
  const mem::ReferenceSink* sink_;
  EntryFormat format_;
  std::optional<mmu::TableCopies> linear_tables_;  // none where the walker can do without
  std::unique_ptr<mmu::TableCopy> gate_linear_;    // null where there are none, or no gate
  Contexts contexts_;
  std::map<MmId, Space> spaces_;
  std::vector<Cpu> cpus_;
  FlushCounters counters_;
};

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_TLBS_H_
