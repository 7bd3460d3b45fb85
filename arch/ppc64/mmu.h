// One PowerPC CPU's memory management: ERATs, SLB, TLB, the hardware's search of the hashed page
// table, and Linux's handlers.
//
// **An access** asks its side's ERAT; on a miss the SLB, which a handler fills; then the TLB; then
// the hardware searches the hash table and fills both. Nothing there, or not with the rights
// needed: a storage interrupt, whose handler searches the kernel's page table, sets accessed and
// (for a store) dirty there, and makes the hash table's entry, or changes it, after which the
// access begins again. Only what the kernel's table does not allow is a fault to the caller. Before
// an access repeated after the kernel's fault, the kernel has hashed the page (hash_preload).
//
// **The kernel's accesses** go through its linear map and the same TLBs: see linear_map.h.
//
// **Tags.** An address space's segments and their VSIDs correspond one to one, so entries are
// tagged with its context and the effective address, which match when VSID and offset do. ERATs
// lose what was made of a segment when the SLB loses it, at each switch; the TLB loses nothing.
//
// Rights are those of problem state. Not thread-safe.
#ifndef MMUSIM_ARCH_PPC64_MMU_H_
#define MMUSIM_ARCH_PPC64_MMU_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "arch/ppc64/entry_format.h"
#include "arch/ppc64/formats.h"
#include "arch/ppc64/htab.h"
#include "arch/ppc64/linear_map.h"
#include "arch/ppc64/options.h"
#include "arch/ppc64/segments.h"
#include "arch/ppc64/steps.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/cpu.h"
#include "pt/page_table.h"
#include "stats/count.h"

namespace mmusim::ppc64 {

struct HashCounts {
  SlbCounts slb;
  stats::Count hash_faults{"hash.faults", "faults",
                           "Storage interrupts (0x300, 0x400): no usable entry in the hash table."};
  stats::Count hash_faults_fixed{
      "hash.fixed", "faults", "... that the kernel's page table had the answer to.", "hash.faults"};
  stats::Count pieces{
      "hash.pieces", "pages",
      "Base pages hashed, by hash faults and by the kernel, as parts of a page of a "
      "larger actual size (ppc64.mpss)."};
  stats::Count preloads{"hash.preloads", "pages",
                        "Pages the kernel hashed right after a page fault."};
};

struct MmuCounts : HashCounts {
  LinearCounts linear;
};

class Mmu final : public mmu::Cpu<k4K.log2(), MmuCounts> {
 public:
  // How a handler has a page's entry removed from the TLBs; true: on this CPU only.
  using Invalidate = std::function<bool(VirtAddr va)>;

  // `code`: where the handlers lie. All references must outlive it.
  Mmu(const Options& options, Htab& htab, mem::FrameMemory& frames, mem::ReferenceSink& sink,
      PhysAddr code, Invalidate invalidate);

  [[gnu::always_inline]] void expect(VirtAddr va) {
    if (const Slb::Entry* const segment = slb_.find_again(va))
      htab_->expect(page_of(va, Slb::segment_of(*segment)));
  }
  mmu::Translation access(VirtAddr va, AccessKind kind, bool retry);

  // Changes also when a translation may have been taken away by the kernel's code where that is
  // fetched amid a data access: it may have evicted the page that the program's own code is in.
  [[nodiscard]] uint64_t generation() const {
    return Cpu::generation() + (linear_ ? linear_->counters().fetch_lookups : uint64_t{0});
  }

  // --- What the kernel does to this CPU
  // Switches to an address space: the SLB is emptied and two segments loaded ahead. `table` must
  // outlive its use.
  void load(Context context, pt::PageTable& table);
  // No address space: every access faults as not present.
  void unload();
  // What tlbie does here.
  void invalidate(VirtAddr va, Context context);
  // The kernel is about to access that address on this CPU.
  void kernel_access(PhysAddr address) {
    if (linear_) linear_->reach(address);
  }

  // --- For checks and reports
  [[nodiscard]] const Slb& slb() const { return slb_; }
  [[nodiscard]] Counters counters() const;

 private:
  [[nodiscard]] Htab::Page page_of(VirtAddr va, const Segment& segment) const {
    return {context_, align_down(va, page_), segment};
  }
  [[nodiscard]] Htab::Page page_of(VirtAddr va) const {
    return page_of(va, user_segment(va, context_, options_->tera_segments));
  }
  // A null hit: nothing in the hash table. kPlain: nobody listens.
  template <bool kPlain>
  [[gnu::always_inline]] Hit translate(const SideLevels& side, VirtAddr va, AccessKind kind,
                                       bool first, bool retry);
  [[gnu::noinline]] Hit translate_told(const SideLevels& side, VirtAddr va, AccessKind kind,
                                       bool first, bool retry);
  // Ends an access for which translate() has not done.
  mmu::Translation hash_fault(const SideLevels& side, VirtAddr va, AccessKind kind, bool retry);
  // What the kernel finds in its own page table.
  struct Walked {
    Walked(const pt::PageTable& table, const EntryFormat& format, VirtAddr va)
        : found(table.walk(va, words)),
          present(found.entry != pt::kNone && format.is_present(found.entry)) {
      if (present) leaf = format.parse_leaf(found.entry, found.size);
    }
    pt::WalkPath words;  // before what is found by them
    pt::Lookup found;
    bool present;
    pt::LeafFields leaf{};  // if it is present
  };
  // It hashes that; None: done.
  mmu::FaultReason hash_page(VirtAddr va, AccessKind kind, unsigned step, const Walked& walked);
  // The size of the HPTE's page for that. REQUIRES: present.
  [[nodiscard]] PageShift actual_of(const pt::LeafFields& leaf) const;
  // An HPTE for what was found, and the entry written: __hash_page_4K or __hash_page_64K.
  void hash_entry(VirtAddr va, const Walked& walked, pt::Entry marked);
  void make_segment(VirtAddr va, unsigned step);
  // What the kernel does at the end of a fault it has fixed.
  void finish_fault(VirtAddr va, AccessKind kind);
  void preload(VirtAddr va, AccessKind kind, const Walked& walked);
  // What the kernel touched to fix a fault at `va`: the entry, and the page.
  void note_kernel_work(VirtAddr va, const Walked& walked);
  void empty_slb();

  const Options* options_;
  Htab* htab_;
  const mem::FrameMemory* frames_;
  EntryFormat format_;
  std::vector<PageShift> actual_pages_;  // ascending, the base page first
  const PteForm* form_;
  Invalidate broadcast_;
  Slb slb_;
  std::optional<LinearMap> linear_;  // none: nothing the kernel does is looked up

  pt::PageTable* table_ = nullptr;  // null: no address space
  Context context_ = 0;
};

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_MMU_H_
