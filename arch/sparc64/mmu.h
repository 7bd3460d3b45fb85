// One sun4u CPU's memory management: its TLBs, and Linux's handlers for the traps they cause.
//
// **An access** that misses traps; the handler looks into the address space's TSB (tsb.h), then
// walks the page table, puts what it found into the TSB and the TLB, and the instruction is
// retried. A store by an entry without W traps and goes to the kernel at once. Only what the
// handlers do not find, or must not load, is a fault to the caller. After a fault the kernel has
// put the page into the TSB, so that the retry's miss ends there.
//
// **The kernel** has locked entries for its image and, where TSBs are read by virtual addresses,
// for the TSBs. Its accesses to the page and the page's entry while it fixes a fault take entries
// of its linear mapping, in context 0, by a TSB of their own.
//
// Not thread-safe.
#ifndef MMUSIM_ARCH_SPARC64_MMU_H_
#define MMUSIM_ARCH_SPARC64_MMU_H_

#include <cstdint>
#include <functional>
#include <optional>

#include "arch/sparc64/entry_format.h"
#include "arch/sparc64/formats.h"
#include "arch/sparc64/loaded_pages.h"
#include "arch/sparc64/options.h"
#include "arch/sparc64/steps.h"
#include "arch/sparc64/tsb.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/cpu.h"
#include "pt/page_table.h"
#include "stats/count.h"

namespace mmusim::sparc64 {

struct LinearCounts {
  stats::Count linear_lookups{
      "linear.lookups", "accesses",
      "Accesses through the kernel's linear mapping while it fixed faults."};
  stats::Count linear_misses{"linear.misses", "accesses",
                             "... for which the data TLB had no entry.", "linear.lookups"};
  stats::Count linear_tsb_hits{"linear.tsb_hits", "accesses", "... but the kernel's TSB had.",
                               "linear.misses"};
};

struct HandlerCounts {
  stats::Count tsb_lookups{"tsb.lookups", "lookups",
                           "Looks into the TSB of base pages; retries included."};
  stats::Count tsb_hits{"tsb.hits", "lookups", "... that found the page.", "tsb.lookups"};
  stats::Count huge_lookups{"tsb.huge.lookups", "lookups",
                            "Looks into the TSB of huge pages, after one in vain into the other."};
  stats::Count huge_hits{"tsb.huge.hits", "lookups", "... that found the page.",
                         "tsb.huge.lookups"};
  stats::Count walks{"tsb.walks", "walks", "Walks of the page table by miss handlers."};
  stats::Count updates{"tsb.updates", "pages",
                       "Pages the kernel put into a TSB right after it had fixed a fault."};
};

struct MmuCounts : LinearCounts, HandlerCounts {};

class Mmu final : public mmu::Cpu<kPage.log2(), MmuCounts> {
 public:
  // What an address space has.
  struct Space {
    Context context = 0;
    pt::PageTable* table = nullptr;
    LoadedPages* loaded = nullptr;
    Tsb* base = nullptr;  // null: no TSB
    Tsb* huge = nullptr;
  };
  // Makes a TSB of huge pages for the address space that runs here, and loads it; false: cannot.
  using NeedHuge = std::function<bool()>;
  // The machine's own, which all CPUs share.
  struct Shared {
    PhysAddr code;          // where the handlers lie
    PhysAddr cpu_block;     // this CPU's block of data for them
    Tsb* kernel = nullptr;  // of the linear mapping
  };

  // All references must outlive it.
  Mmu(const Options& options, mem::FrameMemory& frames, mem::ReferenceSink& sink,
      const Shared& shared, NeedHuge need_huge);

  [[gnu::always_inline]] void expect(VirtAddr va) {
    if (space_.base != nullptr) space_.base->expect(va);
  }
  mmu::Translation access(VirtAddr va, AccessKind kind, bool retry);

  // --- What the kernel does to this CPU
  // Switches to an address space; also after its TSBs have changed. What it has must outlive its
  // use.
  void load(const Space& space);
  // No address space: every access faults as not present.
  void unload();
  void demap_page(VirtAddr va, Context context);
  void demap_context(Context context);

  [[nodiscard]] Counters counters() const { return all_counters(); }

 private:
  [[nodiscard]] bool outside(VirtAddr va) const;
  void lock_image();
  void lock_tsb(unsigned slot, const Tsb& tsb);
  // So many locked entries are in the data TLB, and no longer for anything else.
  void take_data_entries(unsigned locked);
  void touch_block(unsigned offset, bool write, uint64_t value);
  [[nodiscard]] uint64_t huge_register() const;

  // --- Misses (miss.cc). A null hit: the kernel must see to it.
  Hit refill(const SideLevels& side, VirtAddr va);
  Hit walk_at_once(const SideLevels& side, VirtAddr va);
  Hit walk_and_insert(const SideLevels& side, VirtAddr va);
  std::optional<uint64_t> search(VirtAddr va, unsigned step, const WalkInstructions& more);
  Hit load_tlb(const SideLevels& side, VirtAddr va, uint64_t tte);
  Hit refuse(const SideLevels& side, mmu::FaultReason reason);
  void after_fault(VirtAddr va);
  void touch_linear(PhysAddr address);
  Tsb& tsb_for(uint64_t tte) {
    return huge_wanted(tte) && space_.huge ? *space_.huge : *space_.base;
  }
  [[nodiscard]] bool huge_wanted(uint64_t tte) const {
    return options_->tsb == TsbMode::Two && size_of(tte) == kLargePage;
  }
  void remember(VirtAddr va, uint64_t tte) {
    space_.loaded->set(align_down(va, size_of(tte)), tte);
  }

  const Options* options_;
  EntryFormat format_;
  Shared shared_;
  NeedHuge need_huge_;
  Space space_;               // table null: none
  unsigned locked_data_ = 0;  // entries of the data TLB
};

}  // namespace mmusim::sparc64

#endif  // MMUSIM_ARCH_SPARC64_MMU_H_
