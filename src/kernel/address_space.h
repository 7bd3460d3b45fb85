// One address space (Linux: struct mm): its areas, its page table and what is counted of it.
//
// Plain data that the parts of the kernel model keep right. `users` processes share it (threads do
// not count); it is torn down when the last one lets go. Not thread-safe.
#ifndef MMUSIM_KERNEL_ADDRESS_SPACE_H_
#define MMUSIM_KERNEL_ADDRESS_SPACE_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/types.h"
#include "kernel/vma.h"
#include "pt/page_table.h"

namespace mmusim::kernel {

// Whose the kernel's own page table is; no program's has this number.
inline constexpr MmId kKernelSpace{0};

enum class PageKind : uint8_t { Anonymous, File, Shmem };
inline constexpr unsigned kPageKinds = 3;

class AddressSpace {
 public:
  AddressSpace(MmId id_, PageShift page, std::unique_ptr<pt::PageTable> table_)
      : id(id_), table(std::move(table_)), vmas(page) {}

  const MmId id;
  std::unique_ptr<pt::PageTable> table;
  std::unique_ptr<AreaWatcher> watcher;  // of its areas; null: nobody asks
  VmaSet vmas;
  uint32_t users = 1;
  FileId program;      // the file its implied text comes from; 0: unknown
  VirtAddr brk_start;  // 0: not known yet
  VirtAddr brk;        // the break: end of the heap in bytes
  VirtAddr stack_top;  // 0: not known
  VirtAddr mmap_base;  // where mmap begins to look for a place (kernel.aslr)
  uint64_t root_bytes = 0;
  uint64_t vmas_accounted = 0;  // of vmas.size(), in the kernel's total
  uint32_t lock_flags = 0;      // what new areas get (mlockall with MCL_FUTURE)
  // prctl(PR_SET_THP_DISABLE): None: areas decide; kept by fork and exec.
  enum class ThpDisabled : uint8_t { None, All, ExceptAdvised };
  ThpDisabled thp_disabled = ThpDisabled::None;

  // Transparent huge pages: leaves of all sizes above the page, and the table memory set aside so
  // that each of them can be split (Linux: the deposited tables). huge_leaves.h keeps them in step.
  uint64_t huge_leaves = 0;
  uint64_t huge_leaf_bytes = 0;   // they map
  uint64_t small_leaf_bytes = 0;  // of these: leaves smaller than the machine's own huge pages
  uint64_t groups = 0;            // of base entries that hint a superpage (hint_group.h)
  uint64_t folio_leaves = 0;      // of the leaves: of shared memory, for which nothing is set aside
  struct Deposit {
    uint64_t count = 0;
    std::vector<PhysAddr> blocks;  // of a page or more; smaller pieces are reserved only
  };
  std::map<uint64_t, Deposit> deposits;  // by the bytes of each
  uint64_t deposit_bytes = 0;
  // Pages in swap space, as VmSwap counts them.
  uint64_t swapped = 0;
  // Leaves of the hugetlb pools, and what they map in base pages; not in RSS.
  uint64_t hugetlb_leaves = 0;
  uint64_t small_hugetlb_bytes = 0;  // mapped by those smaller than the machine's huge pages
  uint64_t hugetlb_pages = 0;
  // Blocks whose tables it uses with others, or once did (share.h).
  std::set<VirtAddr> shared_blocks;

  // Pages mapped, by kind, as VmRSS counts them.
  [[nodiscard]] uint64_t rss(PageKind kind) const { return rss_[static_cast<unsigned>(kind)]; }
  void add_rss(PageKind kind, int64_t pages) {
    rss_[static_cast<unsigned>(kind)] += static_cast<uint64_t>(pages);
    if (pages > 0 && resident() > peak_) peak_ = resident();
  }
  [[nodiscard]] uint64_t resident() const { return rss_[0] + rss_[1] + rss_[2]; }
  // The most pages resident at any time, or since start_peak() (VmHWM, and what clears it).
  [[nodiscard]] uint64_t peak() const { return peak_; }
  void start_peak() { peak_ = resident(); }
  // VmPTE, in bytes: with the tables set aside for huge pages, as Linux counts it.
  [[nodiscard]] uint64_t page_table_bytes() const { return table->table_bytes() + deposit_bytes; }

 private:
  std::array<uint64_t, kPageKinds> rss_{};
  uint64_t peak_ = 0;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_ADDRESS_SPACE_H_
