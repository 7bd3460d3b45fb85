// What all parts of the kernel model share: the platform, the settings, the counters, and the parts
// on which all others stand.
//
// Everything that takes a frame into an address space or out of it, or changes which pages an area
// covers, goes through these, so that RSS, mapping counts and file use cannot drift. Not
// thread-safe.
#ifndef MMUSIM_KERNEL_CORE_H_
#define MMUSIM_KERNEL_CORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/random.h"
#include "base/types.h"
#include "kernel/accounts.h"
#include "kernel/address_space.h"
#include "kernel/counters.h"
#include "kernel/file_use.h"
#include "kernel/flushes.h"
#include "kernel/frame_counts.h"
#include "kernel/huge_leaves.h"
#include "kernel/huge_pool.h"
#include "kernel/page_cache.h"
#include "kernel/page_frames.h"
#include "kernel/page_sizes.h"
#include "kernel/platform.h"
#include "kernel/rmap.h"
#include "kernel/settings.h"
#include "kernel/swap.h"

namespace mmusim::kernel {

class SuperpagePolicy;

class Core {
 public:
  Core(const config::Config& config, const Platform& platform_);
  Core(const Core&) = delete;  // its parts know each other
  Core& operator=(const Core&) = delete;
  ~Core();

  Platform platform;
  Settings settings;
  Counters counters;
  PageSizes sizes;
  PageCache cache;
  HugePools pools;
  // Null where nothing asks for it: neither swap nor shared tables.
  std::unique_ptr<Rmap> rmap;
  // Null where kernel.swap_pages is 0: nothing is ever reclaimed.
  std::unique_ptr<SwapSpace> swap;
  FrameCounts counts;
  Flushes flushes;
  Accounts accounts;
  HugeLeaves huge_leaves;
  PageFrames page_frames;
  FileUse files;
  // Null where faults decide (kernel.superpage.policy=fault), and before there is a page table.
  std::unique_ptr<SuperpagePolicy> policy;

  // --- Address spaces (spaces.h)
  std::map<MmId, AddressSpace*> spaces;  // alive
  // Of what is the same in all of them outside of user space; null where nothing is.
  std::unique_ptr<pt::PageTable> kernel_table;
  MmId next_space{1};
  Random places;  // of their mmap_base
  [[nodiscard]] uint64_t spaces_made() const { return next_space.value() - 1; }
  // Once the first of them has a table: only that says what leaves it has. Errors: UsageError for
  // huge pages and superpages that are asked for and cannot be had.
  void find_sizes(const pt::PageTable& table);
  AnonVmaId new_anon_vma() { return AnonVmaId(next_anon_vma_++); }

  // --- Sizes
  [[nodiscard]] PageShift page() const { return sizes.base; }
  [[nodiscard]] uint64_t pages(uint64_t bytes) const { return sizes.pages(bytes); }
  [[nodiscard]] uint64_t pages(PageShift size) const { return sizes.pages(size); }
  // What the smallest table of a radix backend covers, as Linux sizes its windows by it.
  [[nodiscard]] uint64_t table_span() const {
    return page().bytes() * (page().bytes() / platform.format->entry_bytes);
  }
  // ... and that of them which has `va`.
  [[nodiscard]] VirtRange table_of(VirtAddr va) const {
    const VirtAddr begin(va.value() & ~(table_span() - 1));
    return {begin, begin + table_span()};
  }
  // Of the hugetlb pool that mmap takes if no size is said; nothing: there is none.
  [[nodiscard]] std::optional<PageShift> default_pool() const {
    if (sizes.huge || pools.all().empty()) return sizes.huge;
    const mmu::HugeRegion& region = platform.layout.huge_region;
    if (!region.range.empty() && pools.find(region.page) != nullptr) return region.page;
    return pools.all().front()->size();
  }
  // Of huge pages, where architecture and page table both have leaves of it.
  [[nodiscard]] std::optional<PageShift> huge() const { return sizes.huge; }
  [[nodiscard]] uint64_t huge_pages() const { return sizes.huge_pages(); }

  // Whether a leaf that can be read can refuse to be executed (not so in 32-bit paging without
  // PAE).
  [[nodiscard]] bool refuses_fetches() const { return refuses_fetches_; }
  // [start, start + length rounded up to pages) if it lies in user space and does not wrap.
  [[nodiscard]] std::optional<VirtRange> user_range(VirtAddr start, uint64_t length) const;
  // Whether pages of a pool of that size, or if none is named others, may be mapped in the range:
  // not so of what is in the layout's huge region and of another size, nor the other way round.
  [[nodiscard]] bool may_hold(VirtRange range, std::optional<PageShift> pool) const;
  // Whether one call may ask for so many bytes more of private or shared memory: for no more than
  // there is in all (Linux: OVERCOMMIT_GUESS, since 5.4).
  [[nodiscard]] bool may_commit(uint64_t bytes) const;

  // --- Entries of page tables
  // One more leaf entry of `mm` points to `pfn`, whose reference it takes over.
  void mapped(AddressSpace& mm, Pfn pfn, PageKind kind) {
    ++platform.frames->frame(pfn).mappings;
    accounts.add_rss(mm, kind, 1);
  }
  // The same for a new anonymous page of `vma`.
  void mapped_anonymous(AddressSpace& mm, const Vma& vma, VirtAddr page, Pfn pfn) {
    mapped(mm, pfn, PageKind::Anonymous);
    if (swap != nullptr) rmap->add_anonymous(pfn, vma, page);
  }
  // An entry of `mm` that names a slot of swap space was taken away.
  void drop_swap_entry(AddressSpace& mm, pt::Entry entry);
  void transfer(const PageTransfer& page) const {
    if (platform.transfer) platform.transfer(page);
  }

  // Gives back what no process holds: the cache, pages of zeros and the pool.
  void drop_everything();

 private:
  [[nodiscard]] bool a_tlb_holds(PageShift size) const;
  [[nodiscard]] SuperpageStyle style_for(PageShift size, bool has_leaf) const;
  void add_block_size(PageShift size, HugePages when, bool has_leaf);
  void find_parts(const pt::PageTable& table, const std::vector<PageShift>& leaves);
  void leave_to_policy();
  void fill_pools(const std::vector<PageShift>& leaves);

  uint64_t next_anon_vma_ = 1;
  bool refuses_fetches_;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_CORE_H_
