// The walk of a page table that is not in x86's format, by hardware made for it (paging.walk =
// native): what mmu::NativeWalker reads, judged as an x86 leaf entry.
//
// P, reserved bits, rights, A and D of the leaf are as in walker.h; rights that a shared part of
// the table restricts (pt::Lookup::mask) are and-ed. Every access is a program's. Entries above the
// leaf have no A bits that would have to be set: Linux sets them when it makes a table, and other
// page tables' have none. A leaf that stands in several words gets its bits in each, a locked write
// for each. With PAE the walk begins at the root in memory, and no register is loaded with CR3.
#ifndef MMUSIM_ARCH_X86_NATIVE_WALK_H_
#define MMUSIM_ARCH_X86_NATIVE_WALK_H_

#include <cstdint>

#include "arch/x86/options.h"
#include "arch/x86/walker.h"
#include "mmu/miss_path.h"
#include "mmu/native_walk.h"
#include "pt/page_table.h"

namespace mmusim::x86 {

class NativeWalk {
 public:
  // `path` must outlive it.
  NativeWalk(const Options& options, mmu::MissPath& path);

  // Errors: as mmu::NativeWalker::walk().
  Walker::Result walk(pt::PageTable& table, VirtAddr va, Pcid pcid, AccessKind kind);

  [[nodiscard]] mmu::TableCache& cache() { return walker_.cache(); }
  [[nodiscard]] const mmu::TableCache& cache() const { return walker_.cache(); }
  [[nodiscard]] const mmu::NativeWalkCounters& counters() const { return walker_.counters(); }

 private:
  mmu::NativeWalker walker_;
  uint64_t reserved_;
};

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_NATIVE_WALK_H_
