// What is counted of address spaces, each and all together: resident pages, slots, areas, tables.
// Not thread-safe.
#ifndef MMUSIM_KERNEL_ACCOUNTS_H_
#define MMUSIM_KERNEL_ACCOUNTS_H_

#include <cstdint>

#include "kernel/address_space.h"
#include "kernel/counters.h"
#include "pt/table_allocator.h"

namespace mmusim::kernel {

class Accounts {
 public:
  // Both must outlive it.
  Accounts(const pt::TableAllocator& tables, Counters& counters)
      : tables_(&tables), counters_(&counters) {}

  void space_made(const AddressSpace& mm);
  void space_gone(const AddressSpace& mm);
  // So many pages more, or fewer, are resident.
  void add_rss(AddressSpace& mm, PageKind kind, int64_t pages);
  // So many entries more of `mm` name slots of swap space.
  void add_swapped(AddressSpace& mm, int64_t entries);
  // Brings the total up to date after mm's set of areas has changed.
  void note_vmas(AddressSpace& mm);
  // Page tables may have grown.
  void note_tables();

 private:
  const pt::TableAllocator* tables_;
  Counters* counters_;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_ACCOUNTS_H_
