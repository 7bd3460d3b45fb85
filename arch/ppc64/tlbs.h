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

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "arch/ppc64/contexts.h"
#include "arch/ppc64/htab.h"
#include "arch/ppc64/mmu.h"
#include "arch/ppc64/options.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/mmu.h"

namespace mmusim::ppc64 {

struct FlushCounters {
  uint64_t switches = 0;
  uint64_t contexts = 0;  // given out
  uint64_t requests = 0;
  uint64_t batches = 0;
  uint64_t tlbie = 0;   // broadcast
  uint64_t tlbiel = 0;  // on one CPU
};

class Tlbs final : public mmu::TlbMaintenance {
 public:
  static constexpr unsigned kBatch = 192;

  // REQUIRES: cpus is 1 to 64. frames and sink must outlive it. Errors: Error when there is no
  // memory for the hash table.
  Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames, mem::ReferenceSink& sink,
       bool direct = true);

  [[nodiscard]] Mmu& mmu(CpuId cpu) { return *cpus_[cpu.value()].mmu; }
  [[nodiscard]] Htab& htab() { return htab_; }
  [[nodiscard]] const FlushCounters& flush_counters() const { return counters_; }
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

  void for_each_entry(
      const std::function<void(const mmu::CachedTranslation&)>& visit) const override;
  [[nodiscard]] bool walk_caches_reach(PhysAddr, uint64_t) const override { return false; }
  void report(stats::Report& report) const override;

 private:
  static constexpr MmId kNobody = Contexts::kNobody;
  struct Space {
    Context context = 0;
    uint64_t ran_on = 0;  // CPUs
  };
  struct Cpu {
    std::unique_ptr<Mmu> mmu;
    MmId current = kNobody;
  };

  void flush_pages(Space& space, VirtRange range);
  // Whether the address space has run on no CPU but the asker's (Linux: mm_is_thread_local).
  [[nodiscard]] bool is_local(const Space& space) const;
  // True: by tlbiel, on the asker's.
  bool invalidate(const Space& space, VirtAddr va);

  Options options_;
  const mem::ReferenceSink* sink_;
  Htab htab_;
  std::map<MmId, Space> spaces_;
  Contexts contexts_;
  std::vector<Cpu> cpus_;
  FlushCounters counters_;
};

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_TLBS_H_
