#include "kernel/huge_leaves.h"

namespace mmusim::kernel {

bool HugeLeaves::add(AddressSpace& mm) {
  const size_t before = mm.deposits.size();
  for (uint64_t i = 0; i < reserve_.blocks; ++i) {
    const auto block = tables_->allocate(reserve_.bytes, mm.id);
    if (!block) {
      for (; mm.deposits.size() > before; mm.deposits.pop_back())
        tables_->free(mm.deposits.back(), reserve_.bytes);
      return false;
    }
    mm.deposits.push_back(*block);
  }
  ++mm.huge_leaves;
  mm.deposit_bytes += reserve_.blocks * reserve_.bytes;
  counters_->deposit_bytes += reserve_.blocks * reserve_.bytes;
  counters_->huge_bytes += sizes_->huge->bytes();
  return true;
}

void HugeLeaves::remove(AddressSpace& mm) {
  for (uint64_t i = 0; i < reserve_.blocks; ++i) {
    tables_->free(mm.deposits.back(), reserve_.bytes);
    mm.deposits.pop_back();
  }
  --mm.huge_leaves;
  mm.deposit_bytes -= reserve_.blocks * reserve_.bytes;
  counters_->deposit_bytes -= reserve_.blocks * reserve_.bytes;
  counters_->huge_bytes -= sizes_->huge->bytes();
}

void HugeLeaves::add_folio(AddressSpace& mm) {
  ++mm.huge_leaves;
  ++mm.folio_leaves;
  counters_->huge_bytes += sizes_->huge->bytes();
}

void HugeLeaves::remove_folio(AddressSpace& mm) {
  --mm.huge_leaves;
  --mm.folio_leaves;
  counters_->huge_bytes -= sizes_->huge->bytes();
}

void HugeLeaves::add_pool_pages(AddressSpace& mm, int64_t huge) {
  const auto added = static_cast<uint64_t>(huge);
  mm.hugetlb_pages += added * sizes_->huge_pages();
  counters_->hugetlb_bytes += added * sizes_->huge->bytes();
}

}  // namespace mmusim::kernel
