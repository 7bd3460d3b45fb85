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

#include <cstdint>

#include "arch/ppc64/formats.h"
#include "arch/ppc64/htab.h"
#include "arch/ppc64/segments.h"
#include "base/types.h"
#include "mmu/miss_path.h"
#include "tlb/level.h"

namespace mmusim::ppc64 {

// What ERAT and TLB entries of the linear map are tagged with.
inline constexpr tlb::Space kLinearSpace = kFirstKernelContext;

struct LinearCounters {
  uint64_t lookups = 0;  // of data
  uint64_t misses = 0;
  uint64_t fetch_lookups = 0;
  uint64_t fetch_misses = 0;
  uint64_t slb_misses = 0;
  uint64_t tlb_misses = 0;
  void add(const LinearCounters& o);
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

  [[nodiscard]] const LinearCounters& counters() const { return counters_; }

 private:
  // True: a hit.
  bool look_up(tlb::Level& erat, const char* name, VirtAddr va);
  void refill(tlb::Level& erat, VirtAddr va);

  Parts parts_;
  LinearCounters counters_;
};

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_LINEAR_MAP_H_
