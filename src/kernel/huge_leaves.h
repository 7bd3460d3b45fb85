// Huge leaves, counted, with the table memory that is set aside so that each private one can be
// split (Linux: the deposited tables). Not thread-safe.
#ifndef MMUSIM_KERNEL_HUGE_LEAVES_H_
#define MMUSIM_KERNEL_HUGE_LEAVES_H_

#include <cstdint>

#include "kernel/address_space.h"
#include "kernel/counters.h"
#include "kernel/page_sizes.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"

namespace mmusim::kernel {

class HugeLeaves {
 public:
  // All must outlive it.
  HugeLeaves(pt::TableAllocator& tables, const PageSizes& sizes, Counters& counters)
      : tables_(&tables), sizes_(&sizes), counters_(&counters) {}

  // What splitting one leaf may need, from now on. REQUIRES: there is no leaf yet.
  void set_reserve(const pt::SplitReserve& reserve) { reserve_ = reserve; }

  // One more, or one less, huge leaf in `mm`, with what must be set aside for splitting it. False:
  // no memory.
  bool add(AddressSpace& mm);
  void remove(AddressSpace& mm);
  // The same for leaves of shared memory, with which nothing is set aside (huge_file.h).
  void add_folio(AddressSpace& mm);
  void remove_folio(AddressSpace& mm);
  // So many more of pages of the hugetlb pool.
  void add_pool_pages(AddressSpace& mm, int64_t huge);

 private:
  pt::TableAllocator* tables_;
  const PageSizes* sizes_;
  Counters* counters_;
  pt::SplitReserve reserve_;  // for one leaf
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_HUGE_LEAVES_H_
