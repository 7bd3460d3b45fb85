// How one CPU's kernel reaches memory while translation is on: through its linear map, which begins
// at 0xc000000000000000 and has all of physical memory in bolted pages of 16M.
//
// **What goes through it.** Each load and store of the storage interrupts' handlers, to page table
// and hash table; their code; the entry and the page of each fault the kernel fixes; what flushes
// do to the hash table. Handlers of segment interrupts run in real mode and need nothing.
//
// **An access** asks its side's ERAT; on a miss the SLB, where the first segment is bolted, and
// others are filled in, round-robin among those of user space; then the TLB; then the hardware
// searches the hash table, whose entry is always there, so that nothing ever faults. ERATs that
// hold no pages of 16M hold the parts touched.
//
// **Tags.** Entries have the kernel's context, which no address space has: no flush of one finds
// them. Counted are they apart from the program's.
//
// Linux 3.12, arch/powerpc/mm/{hash_utils_64.c,slb_low.S}: htab_address and page tables are
// addresses of the linear map, mmu_linear_psize is 16M. Not thread-safe.
#ifndef MMUSIM_ARCH_PPC64_LINEAR_MAP_H_
#define MMUSIM_ARCH_PPC64_LINEAR_MAP_H_

#include <array>
#include <cstdint>

#include "arch/ppc64/formats.h"
#include "arch/ppc64/htab.h"
#include "arch/ppc64/segments.h"
#include "base/types.h"
#include "mmu/miss_path.h"
#include "stats/count.h"
#include "tlb/level.h"

namespace mmusim::ppc64 {

// What ERAT and TLB entries of the linear map are tagged with.
inline constexpr tlb::Space kLinearSpace = kFirstKernelContext;

struct LinearCounts {
  stats::Count lookups{"linear.lookups", "accesses",
                       "Lookups in the data ERAT for the kernel's own accesses, through its linear "
                       "map: handlers' to page table and hash table, flushes' to the hash table, "
                       "and for each fault it fixed the entry and the page; in no other count of "
                       "lookups."};
  stats::Count misses{"linear.misses", "accesses", "... that the ERAT did not know.",
                      "linear.lookups"};
  stats::Count fetch_lookups{"linear.fetch_lookups", "pages",
                             "Lookups in the instruction ERAT for the kernel's code: one for each "
                             "page of it that a step of a handler runs in; in no other count of "
                             "lookups."};
  stats::Count fetch_misses{"linear.fetch_misses", "pages", "... that the ERAT did not know.",
                            "linear.fetch_lookups"};
  stats::Count slb_misses{"linear.slb_misses", "lookups",
                          "ERAT misses of either kind that found no segment, so that a handler "
                          "made the entry; not among slb.misses."};
  stats::Count tlb_misses{"linear.tlb_misses", "lookups",
                          "ERAT misses of either kind that the TLB did not know: searches of the "
                          "hash table, not among htab.lookups."};
};

class LinearMap final : public mmu::HandlerView {
 public:
  // What it goes through, which must outlive it. `page`: the machine's base page.
  struct Parts {
    tlb::Level& ierat;
    tlb::Level& derat;
    tlb::Level& tlb;
    Slb& slb;
    Htab& htab;
    mmu::MissPath& path;
    PageShift page;
  };
  explicit LinearMap(const Parts& parts) : parts_(parts) {}

  void fetch(unsigned step, PhysAddr code, uint64_t bytes) override;
  VirtAddr reach(PhysAddr address) override;

  // ERATs have lost entries.
  void emptied() { instructions_.last = data_.last = Erat::kNone; }

  [[nodiscard]] const LinearCounts& counters() const { return counters_; }

 private:
  // An ERAT, and entries found in it lately: the kernel goes to few pages, and often to each.
  struct Erat {
    tlb::Level& level;
    const char* name;
    PageShift size{kLargePage};  // of the entry found last
    std::array<tlb::Level::Hit, 64> found{};
    // The page of that size that was hit last, if by the last look-up; and the level's time then.
    uint64_t last = kNone;
    uint64_t time = 0;
    static constexpr uint64_t kNone = ~uint64_t{0};

    // By the address, if it is of a page of that size.
    [[nodiscard]] tlb::Level::Hit& found_of(VirtAddr va) {
      return found[va.value() >> size.log2() & (found.size() - 1)];
    }
  };
  // True: a hit. Where nothing has been used since, the page hit last is still there, and one more
  // use of it changes nothing. Most others are of what was found lately. Each has a function of its
  // own, so that those before take little.
  bool look_up(Erat& erat, VirtAddr va) {
    const uint64_t page = va.value() >> erat.size.log2();
    return (page == erat.last && erat.level.time() == erat.time) || look_up_another(erat, va);
  }
  bool look_up_another(Erat& erat, VirtAddr va);
  bool look_up_all(Erat& erat, VirtAddr va);
  void refill(tlb::Level& erat, VirtAddr va);

  Parts parts_;
  Erat instructions_{parts_.ierat, "instruction ERAT"};
  Erat data_{parts_.derat, "data ERAT"};
  LinearCounts counters_;
};

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_LINEAR_MAP_H_
