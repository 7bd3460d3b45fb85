// All CPUs' TLBs and all address spaces' TSBs, as the simulated kernel drives them: what sparc64
// Linux 4.13 does in arch/sparc/mm/{tlb,tsb,init_64}.c and include/asm/mmu_context_64.h.
//
// **Contexts** (contexts.h). A CPU that runs an address space for the first time under a number
// demaps that number first, so that nothing is flushed when a number is given back or all are begun
// anew.
//
// **Flushes.** Linux flushes nothing by range: each change of a valid page-table entry puts the
// page into a batch of at most 192 pages of one size, for which TSB entries are made invalid, and
// then TLB entries demapped on every CPU the address space has run on, by cross-calls; but where
// the asker is its only thread, on that CPU only, and the others count as not having run it. The
// simulated kernel asks by range, after the change; so a request is carried out on those pages of
// it that a handler has loaded and whose entry now says something else. A larger range costs
// nothing more. The TLBs of an address space whose number is of an old version are left alone. When
// nothing at all is left of it (flush_mm at its end), its number is demapped and the TSBs are as
// good as gone: Linux does neither then.
//
// **TSBs** grow with resident memory: when it exceeds 3/4 of the entries, to the smallest that has
// more room, until the largest. The first one is made when the address space first runs, of the
// size its memory asks for by then, as fork does it. Old entries are put at their new places.
//
// **Usable** (for_each_entry): entries of a number whose owner has run on that CPU, and all valid
// entries of TSBs. No walk cache exists.
//
// Not thread-safe.
#ifndef MMUSIM_ARCH_SPARC64_TLBS_H_
#define MMUSIM_ARCH_SPARC64_TLBS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "arch/sparc64/contexts.h"
#include "arch/sparc64/mmu.h"
#include "arch/sparc64/options.h"
#include "arch/sparc64/tsb.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/mmu.h"

namespace mmusim::sparc64 {

struct FlushCounters {
  uint64_t switches = 0;
  uint64_t contexts = 0;        // numbers given out
  uint64_t context_demaps = 0;  // before a number was first run on a CPU
  uint64_t wraps = 0;           // versions begun
  uint64_t requests = 0;
  uint64_t batches = 0;
  uint64_t pages = 0;       // flushed
  uint64_t demaps = 0;      // of pages, on all CPUs
  uint64_t end_demaps = 0;  // of contexts of which nothing was left, on all CPUs
  uint64_t cross_calls = 0;
  uint64_t tsb_flushed = 0;  // entries of TSBs made invalid
  uint64_t ends = 0;         // address spaces of which nothing was left
  uint64_t tsb_made = 0;
  uint64_t tsb_grown = 0;
  uint64_t tsb_copied = 0;  // entries
  uint64_t tsb_failed = 0;  // no memory for a larger one
  uint64_t tsb_bytes = 0;   // now
  uint64_t tsb_bytes_peak = 0;
};

class Tlbs final : public mmu::TlbMaintenance {
 public:
  static constexpr size_t kBatch = 192;

  // `direct`: page tables are of Linux's shape. REQUIRES: cpus is 1 to 64. frames and sink must
  // outlive it. Errors: UsageError for more memory than a TTE can address; Error when there is no
  // memory for the handlers' data.
  Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames, mem::ReferenceSink& sink,
       bool direct = true);

  [[nodiscard]] Mmu& mmu(CpuId cpu) { return *cpus_[cpu.value()].mmu; }
  [[nodiscard]] const FlushCounters& flush_counters() const { return counters_; }
  // 0: none of the current version.
  [[nodiscard]] Context context(MmId mm) const;
  // Null: none.
  [[nodiscard]] const Tsb* base_tsb(MmId mm) const;
  [[nodiscard]] const Tsb* huge_tsb(MmId mm) const;

  bool activate(CpuId cpu, MmId mm, pt::PageTable& table) override;
  void shared(MmId mm, bool more_than_one) override { spaces_[mm].shared = more_than_one; }
  using mmu::TlbMaintenance::flush_range;
  void flush_range(MmId mm, VirtRange range, PageShift stride, bool freed_tables,
                   mmu::RangeFlush why) override;
  void flush_mm(MmId mm) override;
  using mmu::TlbMaintenance::flush_local_page;
  void flush_local_page(CpuId cpu, MmId mm, VirtAddr va, bool code) override;
  void resident(MmId mm, uint64_t base_pages, uint64_t huge_leaves) override;
  void forget(MmId mm) override;

  void for_each_entry(
      const std::function<void(const mmu::CachedTranslation&)>& visit) const override;
  [[nodiscard]] bool walk_caches_reach(PhysAddr, uint64_t) const override { return false; }
  void report(stats::Report& report) const override;

 private:
  static constexpr MmId kNobody = Contexts::kNobody;
  static constexpr uint64_t kNoLimit = ~uint64_t{0};
  struct TsbSlot {
    std::unique_ptr<Tsb> tsb;
    uint64_t limit = 0;  // of resident pages, above which it grows
  };
  struct Space {
    Context context = 0;
    uint64_t version = 0;
    uint64_t ran_on = 0;  // CPUs, under that number
    bool shared = false;
    pt::PageTable* table = nullptr;
    LoadedPages loaded;
    TsbSlot base;
    TsbSlot huge;
    uint64_t base_pages = 0;  // resident, as told last
    uint64_t huge_pages = 0;  // ... in the hardware's size
  };
  struct Cpu {
    std::unique_ptr<Mmu> mmu;
    MmId current = kNobody;
  };
  using Page = std::pair<VirtAddr, uint64_t>;  // base, and the TTE that was loaded

  [[nodiscard]] bool is_valid(const Space& space) const {
    return space.context != 0 && space.version == contexts_.version();
  }
  void take_context(MmId mm, Space& space);
  void load(Cpu& cpu, Space& space);
  void reload_everywhere(MmId mm, Space& space);
  // True: it has a larger one now.
  bool grow(MmId mm, TsbSlot& slot, PageShift page, uint64_t resident_pages);
  bool make_huge_tsb(MmId mm);
  void drop_tsb(TsbSlot& slot);

  [[nodiscard]] std::vector<Page> changed_pages(const Space& space, VirtRange range) const;
  void flush_pages(MmId mm, Space& space, std::span<const Page> pages);
  uint64_t flush_tsbs(Space& space, const Page& page);
  void end(Space& space);
  [[nodiscard]] MmId user_of(uint32_t cpu, Context context) const;

  Options options_;
  mem::FrameMemory* frames_;
  mem::ReferenceSink* sink_;
  EntryFormat format_;
  std::unique_ptr<Tsb> kernel_tsb_;
  Contexts contexts_;
  std::map<MmId, Space> spaces_;
  std::vector<Cpu> cpus_;
  FlushCounters counters_;
};

}  // namespace mmusim::sparc64

#endif  // MMUSIM_ARCH_SPARC64_TLBS_H_
