// Huge leaves of all sizes, counted, with the table memory that is set aside so that each private
// one can be split (Linux: the deposited tables). Not thread-safe.
#ifndef MMUSIM_KERNEL_HUGE_LEAVES_H_
#define MMUSIM_KERNEL_HUGE_LEAVES_H_

#include <cstdint>
#include <map>

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

  // What splitting one leaf of that size may need, from now on. REQUIRES: there is no such leaf
  // yet.
  void set_reserve(PageShift size, const pt::SplitReserve& reserve) { reserves_[size] = reserve; }

  // So many more, or fewer, leaves of that size in `mm`, with what must be set aside for splitting
  // them. False: no memory for all of them, and nothing has changed.
  bool add(AddressSpace& mm, PageShift size, uint64_t leaves = 1);
  void remove(AddressSpace& mm, PageShift size, uint64_t leaves = 1);
  // The same for groups of base entries (hint_group.h), for whose splitting nothing is needed.
  void add_group(AddressSpace& mm, PageShift size);
  void remove_group(AddressSpace& mm, PageShift size);
  // The same for leaves of shared memory, with which nothing is set aside (huge_file.h).
  void add_folio(AddressSpace& mm);
  void remove_folio(AddressSpace& mm);
  // So many more pages of the hugetlb pool of that size.
  void add_pool_pages(AddressSpace& mm, PageShift size, int64_t huge);

 private:
  void count(AddressSpace& mm, PageShift size, int64_t leaves);
  // So many blocks of table memory; false: there is not enough, and nothing has changed.
  bool set_aside(AddressSpace& mm, uint64_t bytes, uint64_t count);
  void give_back(AddressSpace& mm, uint64_t bytes, uint64_t count);

  pt::TableAllocator* tables_;
  const PageSizes* sizes_;
  Counters* counters_;
  std::map<PageShift, pt::SplitReserve> reserves_;  // for one leaf of each size
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_HUGE_LEAVES_H_
