#include "kernel/flushes.h"

#include <algorithm>
#include <cstdint>

namespace mmusim::kernel {

namespace {

bool is_code(const AddressSpace& mm, VirtAddr va) {
  const Vma* vma = mm.vmas.find(va);
  return vma != nullptr && vma->has(kVmExec);
}

}  // namespace

void Flushes::range(const AddressSpace& mm, VirtRange range, PageShift stride, bool freed_tables,
                    mmu::RangeFlush why) {
  ++counters_->flush_ranges;
  counters_->flush_pages += range.bytes() >> stride.log2();
  tlbs_->flush_range(mm.id, range, stride, freed_tables, why);
}

void Flushes::page(const AddressSpace& mm, VirtAddr va, PageShift size) {
  ++counters_->flush_single;
  tlbs_->flush_page(mm.id, va, size, is_code(mm, va));
}

void Flushes::space(const AddressSpace& mm) {
  ++counters_->flush_mms;
  tlbs_->flush_mm(mm.id);
}

void Flushes::dead(const AddressSpace& mm) {
  ++counters_->flush_mms;
  tlbs_->flush_dead(mm.id);
}

void Flushes::local(CpuId cpu, const AddressSpace& mm, VirtAddr va) {
  ++counters_->flush_local;
  tlbs_->flush_local_page(cpu, mm.id, va, is_code(mm, va));
}

void Flushes::resident(const AddressSpace& mm) {
  uint64_t pages = 0;
  for (unsigned kind = 0; kind < kPageKinds; ++kind)
    pages += mm.rss(static_cast<PageKind>(kind));
  // Leaves of less than the machine's own huge pages are cached as base pages are. Of the huge ones
  // those of zeros are not in RSS.
  const uint64_t large = mm.huge_leaf_bytes - mm.small_leaf_bytes;
  pages -= std::min(pages, sizes_->pages(large));
  pages += sizes_->pages(mm.small_hugetlb_bytes);
  const uint64_t pool = (mm.hugetlb_pages << sizes_->base.log2()) - mm.small_hugetlb_bytes;
  const PageShift huge = sizes_->huge.value_or(sizes_->base);
  tlbs_->resident(mm.id, pages, (large + pool) >> huge.log2());
}

}  // namespace mmusim::kernel
