// All CPUs' TLBs and the hash table they share, as the simulated kernel drives them: what 64-bit
// PowerPC Linux 3.12 does in arch/powerpc/mm/{tlb_hash64,hash_native_64,mmu_context_hash64,slb}.c.
//
// **Contexts.** An address space gets the lowest free number when it first runs, and keeps it until
// it ends: nothing rolls over, since no entry of an ended one is left.
//
// **Flushes** go page by page, and only to pages that have been hashed: for each the HPTE its hint
// leads to is made invalid, if it is still the page's, and tlbie removes the page from the TLBs in
// either case, since evictions left it there. Pages are gathered in batches of 192 of one segment
// size. A batch is tlbiel, on the asker's CPU only, where the address space has run on no other.
// There is no flush of a whole context: flush_mm is a flush of every page.
//
// **Usable** (for_each_entry): every entry, since a context is given to another address space only
// when it has none left. No walk cache exists.
//
// Not thread-safe.
#ifndef MMUSIM_ARCH_PPC64_TLBS_H_
#define MMUSIM_ARCH_PPC64_TLBS_H_

#include "arch/ppc64/htab.h"
#include "arch/ppc64/mmu.h"
#include "arch/ppc64/options.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/cpus.h"
#include "stats/count.h"

namespace mmusim::ppc64 {

struct FlushCounts {
  stats::Count switches{"switch.loads", "events", "Loads of another address space."};
  stats::Count contexts{"switch.contexts", "events", "Contexts given out."};
  stats::Count requests{"flush.requests", "events", "Flush requests."};
  stats::Count batches{"flush.batches", "events",
                       "Batches of at most 192 pages that were flushed together."};
  stats::Count tlbie{"flush.tlbie", "instructions",
                     "Pages removed from all CPUs' TLBs, by flushes and changes of protection."};
  stats::Count tlbiel{"flush.tlbiel", "instructions",
                      "... from the one CPU's the address space has run on."};
};

// ran_on: ever.
struct Space : mmu::Space {
  Context context = 0;
};

class Tlbs final : public mmu::Cpus<Mmu, Space> {
 public:
  static constexpr unsigned kBatch = 192;

  // REQUIRES: cpus is 1 to 64. frames and sink must outlive it. Errors: Error when there is no
  // memory for the hash table.
  Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames, mem::ReferenceSink& sink,
       bool direct = true);

  [[nodiscard]] Htab& htab() { return htab_; }
  // 0: none.
  [[nodiscard]] Context context(MmId mm) const;

  bool activate(CpuId cpu, MmId mm, pt::PageTable& table) override;
  using mmu::TlbMaintenance::flush_range;
  void flush_range(MmId mm, VirtRange range, PageShift stride, bool freed_tables,
                   mmu::RangeFlush why) override;
  void flush_mm(MmId mm) override;
  // Nothing: an entry that allows too little leads to a hash fault, which mends it.
  using mmu::TlbMaintenance::flush_local_page;
  void flush_local_page(CpuId, MmId, VirtAddr, bool) override {}
  void forget(MmId mm) override;

  void for_each_entry(const TranslationVisit& visit) const override;
  [[nodiscard]] bool walk_caches_reach(PhysAddr, uint64_t) const override { return false; }
  [[nodiscard]] mmu::Summary summary() const;
  void report(stats::Report& report) const override;

 private:
  void release(MmId mm, Space& space) override;
  [[nodiscard]] std::optional<MmId> user_of(const Cpu& cpu,
                                            const tlb::EntryView& entry) const override;
  void flush_pages(Space& space, VirtRange range);
  // Whether the address space has run on no CPU but the asker's (Linux: mm_is_thread_local).
  [[nodiscard]] bool is_local(const Space& space) const { return space.ran_on == asker_bit(); }
  // True: by tlbiel, on the asker's.
  bool invalidate(const Space& space, VirtAddr va);

  Options options_;
  Htab htab_;
  mmu::Numbers contexts_{kLastUserContext + 1};
  FlushCounts counters_;
};

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_TLBS_H_
