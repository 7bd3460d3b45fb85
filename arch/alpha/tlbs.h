// All CPUs' TLBs as the simulated kernel drives them: what Linux does in
// arch/alpha/include/asm/{mmu_context,tlbflush}.h and arch/alpha/kernel/smp.c.
//
// **Address space numbers** are each CPU's own. An address space gets its next one when it is
// loaded there without, or with one from before a roll-over; when the last one has been given out,
// the CPU's TLBs are emptied (tbiap) and numbers begin anew, from 0 (the first time from 1).
//
// **Flushes** of a range, however small, invalidate nothing: flush_tlb_range and the mmu_gather
// look at no range, and the address space gets a new number where it runs, and loses the one it has
// elsewhere. Only a flush of a single page, which a fault or the page's reverse map asks for, is a
// tbis where the address space runs. Of a page that may be executed not even that on Linux, since
// no instruction can drop one page from the instruction cache, which is tagged with numbers too:
// here by option, as that cache is not simulated. (On Linux a fault that finds nothing to change,
// or only adds rights, flushes its page like any other: flush_tlb_fix_spurious_fault is
// flush_tlb_page.)
//
// Other CPUs are told by an interrupt, all of them, unless the asker is the only thread of the
// address space: then their numbers for it are just taken away, and a CPU that idles in it takes a
// new one when it comes back.
//
// **Usable** (for_each_entry): an entry whose number is some address space's on that CPU. Entries
// of pages of the linear page table are walk caches (walk_caches_reach).
//
// Not thread-safe.
#ifndef MMUSIM_ARCH_ALPHA_TLBS_H_
#define MMUSIM_ARCH_ALPHA_TLBS_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "arch/alpha/mmu.h"
#include "arch/alpha/options.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/mmu.h"

namespace mmusim::alpha {

struct FlushCounters {
  uint64_t switches = 0;       // loads of another address space
  uint64_t numbers = 0;        // given out
  uint64_t roll_overs = 0;     // CPUs emptied because there were none left
  uint64_t page_flushes = 0;   // requests for one page
  uint64_t space_flushes = 0;  // ... for a range or all, or a page of code
  uint64_t invalidates = 0;    // tbis, on all CPUs
  uint64_t renewals = 0;       // new numbers for address spaces as they ran, on all CPUs
  uint64_t interrupts = 0;
};

class Tlbs final : public mmu::TlbMaintenance {
 public:
  // `direct`: the kernel's page tables are Linux's radix tables. REQUIRES: cpus is 1 to 64. frames
  // and sink must outlive it.
  Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames, mem::ReferenceSink& sink,
       bool direct = true);

  [[nodiscard]] Mmu& mmu(CpuId cpu) { return *cpus_[cpu.value()].mmu; }
  // The number an address space has on a CPU; -1: none.
  [[nodiscard]] int number_of(CpuId cpu, MmId mm) const;

  bool activate(CpuId cpu, MmId mm, pt::PageTable& table) override;
  void shared(MmId mm, bool more_than_one) override;
  using mmu::TlbMaintenance::flush_range;
  void flush_range(MmId mm, VirtRange range, PageShift stride, bool freed_tables,
                   mmu::RangeFlush why) override;
  void flush_page(MmId mm, VirtAddr va, PageShift size, bool code) override;
  void flush_mm(MmId mm) override;
  using mmu::TlbMaintenance::flush_local_page;
  void flush_local_page(CpuId cpu, MmId mm, VirtAddr va, bool code) override;
  void forget(MmId mm) override;

  void for_each_entry(
      const std::function<void(const mmu::CachedTranslation&)>& visit) const override;
  [[nodiscard]] bool walk_caches_reach(PhysAddr address, uint64_t bytes) const override;
  void report(stats::Report& report) const override;

 private:
  static constexpr MmId kNobody{~uint64_t{0}};
  struct Cpu {
    std::unique_ptr<Mmu> mmu;
    MmId current = kNobody;
    Asn next = 1;
    std::array<MmId, (Asn{1} << kMostAsnBits)> owners;  // by number
  };

  void load(Cpu& cpu, MmId mm, pt::PageTable& table);
  Asn new_number(Cpu& cpu, MmId mm);
  static int number_of(const Cpu& cpu, MmId mm);
  static void take_number(Cpu& cpu, MmId mm);
  static void leave(Cpu& cpu);
  // Does `action` where the address space runs, takes its number where it does not or need not be
  // told.
  template <class Action>
  void flush_everywhere(MmId mm, Action action);

  Options options_;
  const mem::ReferenceSink* sink_;
  std::map<MmId, pt::PageTable*> tables_;
  std::set<MmId> shared_;
  std::vector<Cpu> cpus_;
  FlushCounters counters_;
};

}  // namespace mmusim::alpha

#endif  // MMUSIM_ARCH_ALPHA_TLBS_H_
