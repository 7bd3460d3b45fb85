// Flushes of TLBs as the kernel model asks for them, each counted; mmu::TlbMaintenance says what
// they must do. Not thread-safe.
#ifndef MMUSIM_KERNEL_FLUSHES_H_
#define MMUSIM_KERNEL_FLUSHES_H_

#include "base/types.h"
#include "kernel/address_space.h"
#include "kernel/counters.h"
#include "kernel/page_sizes.h"
#include "mmu/mmu.h"

namespace mmusim::kernel {

class Flushes {
 public:
  // All must outlive it.
  Flushes(mmu::TlbMaintenance& tlbs, const PageSizes& sizes, Counters& counters)
      : tlbs_(&tlbs), sizes_(&sizes), counters_(&counters) {}

  // What changed of a range, in leaves not smaller than `stride`.
  void range(const AddressSpace& mm, VirtRange range, PageShift stride, bool freed_tables,
             mmu::RangeFlush why);
  // One translation, of an area of `mm`.
  void page(const AddressSpace& mm, VirtAddr va, PageShift size);
  // All of an address space; the same as it dies.
  void space(const AddressSpace& mm);
  void dead(const AddressSpace& mm);
  // One translation that became better, on one CPU only.
  void local(CpuId cpu, const AddressSpace& mm, VirtAddr va);
  // No flush: tells the TLBs how much of the address space is resident.
  void resident(const AddressSpace& mm);

 private:
  mmu::TlbMaintenance* tlbs_;
  const PageSizes* sizes_;
  Counters* counters_;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_FLUSHES_H_
