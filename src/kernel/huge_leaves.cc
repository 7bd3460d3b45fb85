#include "kernel/huge_leaves.h"

namespace mmusim::kernel {

namespace {

uint64_t bytes_of(const pt::SplitReserve& reserve) {
  uint64_t bytes = 0;
  for (const pt::TableBlocks& blocks : reserve)
    bytes += blocks.bytes * blocks.count;
  return bytes;
}

}  // namespace

void HugeLeaves::count(AddressSpace& mm, PageShift size, bool more) {
  const uint64_t bytes = more ? size.bytes() : -size.bytes();
  mm.huge_leaves += more ? uint64_t{1} : ~uint64_t{0};
  mm.huge_leaf_bytes += bytes;
  if (sizes_->is_small(size)) mm.small_leaf_bytes += bytes;
  counters_->huge_bytes += bytes;
  counters_->sizes[size].mapped += bytes;
}

bool HugeLeaves::add(AddressSpace& mm, PageShift size) {
  const pt::SplitReserve& reserve = reserves_.at(size);
  for (size_t kind = 0; kind < reserve.size(); ++kind) {
    for (uint64_t i = 0; i < reserve[kind].count; ++i) {
      const auto block = tables_->allocate(reserve[kind].bytes, mm.id);
      if (!block) {
        give_back(mm, reserve[kind].bytes, i);
        while (kind-- > 0)
          give_back(mm, reserve[kind].bytes, reserve[kind].count);
        return false;
      }
      mm.deposits[reserve[kind].bytes].push_back(*block);
    }
  }
  const uint64_t bytes = bytes_of(reserve);
  mm.deposit_bytes += bytes;
  counters_->deposit_bytes += bytes;
  count(mm, size, true);
  return true;
}

void HugeLeaves::remove(AddressSpace& mm, PageShift size) {
  const pt::SplitReserve& reserve = reserves_.at(size);
  for (const pt::TableBlocks& blocks : reserve)
    give_back(mm, blocks.bytes, blocks.count);
  const uint64_t bytes = bytes_of(reserve);
  mm.deposit_bytes -= bytes;
  counters_->deposit_bytes -= bytes;
  count(mm, size, false);
}

void HugeLeaves::give_back(AddressSpace& mm, uint64_t bytes, uint64_t blocks) {
  for (; blocks > 0; --blocks) {
    tables_->free(mm.deposits[bytes].back(), bytes);
    mm.deposits[bytes].pop_back();
  }
}

void HugeLeaves::add_group(AddressSpace& mm, PageShift size) {
  ++mm.groups;
  counters_->huge_bytes += size.bytes();
  counters_->sizes[size].mapped += size.bytes();
}

void HugeLeaves::remove_group(AddressSpace& mm, PageShift size) {
  --mm.groups;
  counters_->huge_bytes -= size.bytes();
  counters_->sizes[size].mapped -= size.bytes();
}

void HugeLeaves::add_folio(AddressSpace& mm) {
  ++mm.folio_leaves;
  count(mm, *sizes_->huge, true);
}

void HugeLeaves::remove_folio(AddressSpace& mm) {
  --mm.folio_leaves;
  count(mm, *sizes_->huge, false);
}

void HugeLeaves::add_pool_pages(AddressSpace& mm, PageShift size, int64_t huge) {
  const auto added = static_cast<uint64_t>(huge);
  mm.hugetlb_leaves += added;
  mm.hugetlb_pages += added * sizes_->pages(size);
  if (sizes_->is_small(size)) mm.small_hugetlb_bytes += added * size.bytes();
  counters_->hugetlb_bytes += added * size.bytes();
}

}  // namespace mmusim::kernel
