// The radix table that x86 hardware walks when the kernel's page table is one it cannot read.
//
// A Shadow is one address space's: a table in the hardware's own format, in simulated memory, kept
// as a software TLB of the kernel's table. It starts empty. A walk that faults is first shown to
// fill(), which looks the page up in the kernel's table, as the page-fault handler of such a kernel
// would, and if that allows the access puts it here; only what the kernel's table does not allow is
// a fault for the kernel. A flush of the kernel's is a purge() here before the TLBs are flushed;
// the tables emptied by it are freed after.
//
// Accessed and dirty bits live in the kernel's table: fill() sets accessed there, and dirty at the
// first store, up to which the page is mapped read-only here (hardware's own A and D updates would
// end in this copy and be lost). A leaf of a size the hardware has not is mapped in pieces of the
// largest size it has, one at a time as they are touched. After a fault of the kernel's the retry
// fills at once (what Linux calls update_mmu_cache), so that it does not fault twice.
//
// Shadow paging as in VMware's and Xen's MMUs before nested paging (K. Adams and O. Agesen, ASPLOS
// 2006), with the kernel's table in the guest's place. Not thread-safe.
#ifndef MMUSIM_ARCH_X86_SHADOW_H_
#define MMUSIM_ARCH_X86_SHADOW_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "arch/x86/entry_format.h"
#include "arch/x86/options.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/miss_path.h"
#include "pt/gather.h"
#include "pt/mlpt/mlpt.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"

namespace mmusim::x86 {

struct ShadowCounters {
  uint64_t lookups = 0;      // of the kernel's table, because a walk here faulted
  uint64_t fills = 0;        // ... that found what the access needed
  uint64_t preloads = 0;     // pages put here right after the kernel fixed a fault
  uint64_t dirty_fills = 0;  // fills whose purpose was to let the first store through
  uint64_t purged = 0;       // entries removed by flushes of ranges
  uint64_t dropped = 0;      // whole tables given up by flushes of address spaces
  uint64_t bytes = 0;        // of shadow tables now, roots included
  uint64_t peak_bytes = 0;
};

// What all shadows of a machine share.
class ShadowMemory {
 public:
  ShadowMemory(const Options& options, mem::FrameMemory& frames, mem::ReferenceSink& sink);
  ShadowMemory(const ShadowMemory&) = delete;
  ShadowMemory& operator=(const ShadowMemory&) = delete;

  [[nodiscard]] const EntryFormat& format() const { return format_; }
  [[nodiscard]] const pt::Environment& environment() const { return environment_; }
  [[nodiscard]] const pt::mlpt::Shape& shape() const { return shape_; }
  // Errors: Error when simulated memory is exhausted.
  [[nodiscard]] PhysAddr new_root(MmId mm);
  void note_bytes();

  ShadowCounters counters;

 private:
  EntryFormat format_;
  pt::TableAllocator allocator_;
  pt::Environment environment_;
  pt::mlpt::Shape shape_;
};

class Shadow {
 public:
  // `memory` and `table`, the kernel's, must outlive it.
  Shadow(ShadowMemory& memory, MmId mm, pt::PageTable& table);

  [[nodiscard]] PhysAddr root() const { return radix_.root().address; }
  // Whether the kernel's table allows the access; if so the hardware finds it from now on.
  // `preload`: the kernel has just fixed a fault here. `path` is told. Errors: Error when memory is
  // exhausted.
  bool fill(VirtAddr va, AccessKind kind, bool preload, mmu::MissPath& path);
  // What is in `range` goes; emptied tables into the gather. Flush, then release them.
  void purge(VirtRange range, pt::Gather& gather);
  // Everything goes.
  void drop(pt::Gather& gather);

  // Every translation the hardware could find here.
  void for_each(const std::function<void(VirtAddr base, PageShift size, Pfn pfn, Rights rights)>&
                    visit) const;

 private:
  pt::Slot slot_for(VirtAddr va, PageShift size);

  ShadowMemory& memory_;
  pt::PageTable& kernel_table_;
  pt::mlpt::Mlpt radix_;
};

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_SHADOW_H_
