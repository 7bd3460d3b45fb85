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

void HugeLeaves::count(AddressSpace& mm, PageShift size, int64_t leaves) {
  const uint64_t bytes = static_cast<uint64_t>(leaves) << size.log2();
  mm.huge_leaves += static_cast<uint64_t>(leaves);
  mm.huge_leaf_bytes += bytes;
  if (sizes_->is_small(size)) mm.small_leaf_bytes += bytes;
  counters_->huge_bytes += bytes;
  counters_->sizes[size].mapped += bytes;
}

bool HugeLeaves::set_aside(AddressSpace& mm, uint64_t bytes, uint64_t count) {
  AddressSpace::Deposit& deposit = mm.deposits[bytes];
  if (bytes < sizes_->base.bytes()) {
    if (!tables_->reserve_pieces(bytes, count)) return false;
    deposit.count += count;
    return true;
  }
  for (uint64_t i = 0; i < count; ++i) {
    const auto block = tables_->set_aside(bytes, mm.id);
    if (!block) {
      give_back(mm, bytes, i);
      return false;
    }
    deposit.blocks.push_back(*block);
    ++deposit.count;
  }
  return true;
}

void HugeLeaves::give_back(AddressSpace& mm, uint64_t bytes, uint64_t count) {
  AddressSpace::Deposit& deposit = mm.deposits[bytes];
  deposit.count -= count;
  if (bytes < sizes_->base.bytes()) {
    tables_->unreserve_pieces(bytes, count);
    return;
  }
  for (; count > 0; --count) {
    tables_->free(deposit.blocks.back(), bytes);
    deposit.blocks.pop_back();
  }
}

bool HugeLeaves::add(AddressSpace& mm, PageShift size, uint64_t leaves) {
  const pt::SplitReserve& reserve = reserves_.at(size);
  for (size_t kind = 0; kind < reserve.size(); ++kind) {
    if (set_aside(mm, reserve[kind].bytes, leaves * reserve[kind].count)) continue;
    while (kind-- > 0)
      give_back(mm, reserve[kind].bytes, leaves * reserve[kind].count);
    return false;
  }
  const uint64_t bytes = leaves * bytes_of(reserve);
  mm.deposit_bytes += bytes;
  counters_->deposit_bytes += bytes;
  count(mm, size, static_cast<int64_t>(leaves));
  return true;
}

void HugeLeaves::remove(AddressSpace& mm, PageShift size, uint64_t leaves) {
  const pt::SplitReserve& reserve = reserves_.at(size);
  for (const pt::TableBlocks& blocks : reserve)
    give_back(mm, blocks.bytes, leaves * blocks.count);
  const uint64_t bytes = leaves * bytes_of(reserve);
  mm.deposit_bytes -= bytes;
  counters_->deposit_bytes -= bytes;
  count(mm, size, -static_cast<int64_t>(leaves));
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
  count(mm, *sizes_->huge, 1);
}

void HugeLeaves::remove_folio(AddressSpace& mm) {
  --mm.folio_leaves;
  count(mm, *sizes_->huge, -1);
}

void HugeLeaves::add_pool_pages(AddressSpace& mm, PageShift size, int64_t huge) {
  const auto added = static_cast<uint64_t>(huge);
  mm.hugetlb_leaves += added;
  mm.hugetlb_pages += added * sizes_->pages(size);
  if (sizes_->is_small(size)) mm.small_hugetlb_bytes += added * size.bytes();
  counters_->hugetlb_bytes += added * size.bytes();
}

}  // namespace mmusim::kernel
