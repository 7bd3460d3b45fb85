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

#include "arch/alpha/mmu.h"
#include "arch/alpha/options.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/cpus.h"
#include "stats/count.h"

namespace mmusim::alpha {

struct FlushCounts {
  stats::Count switches{"switch.loads", "events", "Loads of another address space."};
  stats::Count numbers{"switch.numbers", "numbers",
                       "Address space numbers given out, at switches and by flushes."};
  stats::Count roll_overs{"switch.roll_overs", "events",
                          "CPUs emptied because all numbers had been given out.", "switch.numbers"};
  stats::Count page_flushes{"flush.pages", "events", "Flush requests for one page."};
  stats::Count space_flushes{"flush.spaces", "events",
                             "Flush requests for more, which gave the address space a new number."};
  stats::Count renewals{"flush.renewals", "events",
                        "New numbers taken by CPUs that ran the address space when it was flushed.",
                        "flush.spaces"};
  stats::Count invalidates{"flush.tbis", "instructions",
                           "Invalidations of one page, on all CPUs, by flushes and by faults that "
                           "found the entry sufficient or made it so."};
  stats::Count interrupts{"flush.interrupts", "events",
                          "Inter-processor interrupts sent to make other CPUs flush."};
};

// A CPU's address space numbers.
struct Numbers {
  Asn next = 1;
  std::array<MmId, (Asn{1} << kMostAsnBits)> owners;  // by number

  Numbers() { owners.fill(mmu::kNobody); }
  [[nodiscard]] int of(MmId mm) const;  // -1: none
  void take_from(MmId mm);
};

class Tlbs final : public mmu::Cpus<Mmu, mmu::Space, Numbers> {
 public:
  // `direct`: the kernel's page tables are Linux's radix tables. REQUIRES: cpus is 1 to 64. frames
  // and sink must outlive it.
  Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames, mem::ReferenceSink& sink,
       bool direct = true);

  // The number an address space has on a CPU; -1: none.
  [[nodiscard]] int number_of(CpuId cpu, MmId mm) const { return cpus_[cpu.value()].of(mm); }

  bool activate(CpuId cpu, MmId mm, pt::PageTable& table) override;
  using mmu::TlbMaintenance::flush_range;
  void flush_range(MmId mm, VirtRange range, PageShift stride, bool freed_tables,
                   mmu::RangeFlush why) override;
  void flush_page(MmId mm, VirtAddr va, PageShift size, bool code) override;
  void flush_mm(MmId mm) override;
  using mmu::TlbMaintenance::flush_local_page;
  void flush_local_page(CpuId cpu, MmId mm, VirtAddr va, bool code) override;
  [[nodiscard]] mmu::Summary summary() const;
  void report(stats::Report& report) const override;

 private:
  [[nodiscard]] std::optional<MmId> user_of(const Cpu& cpu,
                                            const tlb::EntryView& entry) const override;
  [[nodiscard]] bool maps_table(const tlb::Payload& entry) const override {
    return (entry.extra & kEntryTable) != 0;
  }
  void release(MmId mm, mmu::Space& space) override;

  Asn new_number(Cpu& cpu, MmId mm);
  // Does `action` where the address space runs, takes its number where it does not or need not be
  // told.
  template <class Action>
  void flush_everywhere(MmId mm, Action action);

  Options options_;
  FlushCounts counters_;
};

}  // namespace mmusim::alpha

#endif  // MMUSIM_ARCH_ALPHA_TLBS_H_
