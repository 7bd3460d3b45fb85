// All CPUs' TLBs and all address spaces' TSBs, as the simulated kernel drives them: what sparc64
// Linux 4.13 does in arch/sparc/mm/{tlb,tsb,init_64}.c and include/asm/mmu_context_64.h.
//
// **Contexts** are given out from the one after the last on to the end, then from 1. One is free
// again when its address space ends. When none is free a new *version* begins: all are free but
// those of the address spaces that are running at that moment, which keep theirs; all others must
// take a new one when they next run (get_new_mmu_context, mmu_context_wrap). A CPU that runs an
// address space for the first time under a number demaps that number first, so that nothing is
// flushed when a number is given back or all are begun anew.
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
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "arch/sparc64/mmu.h"
#include "arch/sparc64/options.h"
#include "arch/sparc64/tsb.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/cpus.h"
#include "stats/count.h"

namespace mmusim::sparc64 {

struct TsbCounts {
  stats::Count flushed{"tsb.flushed", "entries", "Entries that flushes made invalid."};
  stats::Count made{"tsb.made", "events", "First TSBs of address spaces."};
  stats::Count grown{"tsb.grown", "events", "Times resident memory asked for a larger one."};
  stats::Count copied{"tsb.copied", "entries", "Entries put at new places by that."};
  stats::Count failed{"tsb.failed", "events",
                      "Times there was no memory for a TSB, so that the old one stays for good."};
  stats::Count bytes =
      stats::Count::state("tsb.bytes", "bytes", "Memory of all address spaces' TSBs.");
  stats::Count bytes_peak = stats::Count::state("tsb.bytes.peak", "bytes", "... at most.");
};

struct FlushCounts {
  stats::Count switches{"switch.loads", "events", "Loads of another address space."};
  stats::Count contexts{"switch.contexts", "contexts", "Context numbers given out.",
                        "switch.loads"};
  stats::Count context_demaps{"switch.demaps", "events",
                              "Contexts demapped because a CPU ran an address space for the first "
                              "time under that number.",
                              "switch.loads"};
  stats::Count wraps{"switch.wraps", "events", "Times numbers had run out and all began anew.",
                     "switch.contexts"};
  stats::Count requests{"flush.requests", "events", "Flush requests."};
  stats::Count batches{"flush.batches", "events",
                       "Batches of at most 192 pages of one size that were flushed together."};
  stats::Count pages{"flush.pages", "pages",
                     "Pages flushed: of those requested, what had been loaded and was changed."};
  stats::Count demaps{"flush.demaps", "instructions",
                      "Pages demapped, on all CPUs that ran the address space."};
  stats::Count cross_calls{"flush.cross_calls", "events",
                           "Cross-calls that made other CPUs demap pages or load a new TSB."};
  stats::Count ends{"flush.ends", "events",
                    "Requests when nothing of an address space was left, done without a batch."};
  stats::Count end_demaps;  // of contexts, for those, on all CPUs
};

struct TsbSlot {
  std::unique_ptr<Tsb> tsb;
  uint64_t limit = 0;  // of resident pages, above which it grows
};

// ran_on: under the number it has.
struct Space : mmu::Space {
  Context context = 0;
  uint64_t version = 0;
  LoadedPages loaded;
  TsbSlot base;
  TsbSlot huge;
  uint64_t base_pages = 0;  // resident, as told last
  uint64_t huge_pages = 0;  // ... in the hardware's size
};

class Tlbs final : public mmu::Cpus<Mmu, Space> {
 public:
  static constexpr size_t kBatch = 192;

  // `direct`: page tables are of Linux's shape. REQUIRES: cpus is 1 to 64. frames and sink must
  // outlive it. Errors: UsageError for more memory than a TTE can address; Error when there is no
  // memory for the handlers' data.
  Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames, mem::ReferenceSink& sink,
       bool direct = true);

  // 0: none of the current version.
  [[nodiscard]] Context context(MmId mm) const;
  // Null: none.
  [[nodiscard]] const Tsb* base_tsb(MmId mm) const;
  [[nodiscard]] const Tsb* huge_tsb(MmId mm) const;

  bool activate(CpuId cpu, MmId mm, pt::PageTable& table) override;
  using mmu::TlbMaintenance::flush_range;
  void flush_range(MmId mm, VirtRange range, PageShift stride, bool freed_tables,
                   mmu::RangeFlush why) override;
  void flush_mm(MmId mm) override;
  using mmu::TlbMaintenance::flush_local_page;
  void flush_local_page(CpuId cpu, MmId mm, VirtAddr va, bool code) override;
  void resident(MmId mm, uint64_t base_pages, uint64_t huge_leaves) override;

  void for_each_entry(const TranslationVisit& visit) const override;
  [[nodiscard]] bool walk_caches_reach(PhysAddr, uint64_t) const override { return false; }
  [[nodiscard]] mmu::Summary summary() const;
  void report(stats::Report& report) const override;

 private:
  static constexpr uint64_t kNoLimit = ~uint64_t{0};
  using Page = std::pair<VirtAddr, uint64_t>;  // base, and the TTE that was loaded

  [[nodiscard]] bool is_valid(const Space& space) const {
    return space.context != 0 && space.version == version_;
  }
  void take_context(MmId mm, Space& space);
  void wrap_contexts();
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
  void release(MmId mm, Space& space) override;
  [[nodiscard]] std::optional<MmId> user_of(const Cpu& cpu,
                                            const tlb::EntryView& entry) const override;

  Options options_;
  EntryFormat format_;
  std::unique_ptr<Tsb> kernel_tsb_;
  mmu::Numbers contexts_{Context{1} << kContextBits};
  Context last_context_ = 0;
  uint64_t version_ = 1;  // of contexts
  FlushCounts counters_;
  TsbCounts tsb_counters_;
};

}  // namespace mmusim::sparc64

#endif  // MMUSIM_ARCH_SPARC64_TLBS_H_
