// What all parts of the kernel model share: the platform, the settings, the counters, the page
// cache, and the few operations on frames and areas that keep the accounts right.
//
// Everything that takes a frame into an address space or out of it, or changes which pages an area
// covers, goes through here, so that RSS, mapping counts and file use cannot drift. Not
// thread-safe.
#ifndef MMUSIM_KERNEL_CORE_H_
#define MMUSIM_KERNEL_CORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "base/random.h"
#include "base/types.h"
#include "kernel/address_space.h"
#include "kernel/counters.h"
#include "kernel/huge_pool.h"
#include "kernel/page_cache.h"
#include "kernel/platform.h"
#include "kernel/rmap.h"
#include "kernel/settings.h"
#include "kernel/swap.h"

namespace mmusim::kernel {

// The faults of one process, as getrusage() gives them.
struct FaultCounts {
  uint64_t minor = 0;
  uint64_t major = 0;
};

class Core {
 public:
  Core(const config::Config& config, const Platform& platform_);

  Platform platform;
  Settings settings;
  Counters counters;
  PageCache cache;
  HugePool pool;
  std::map<MmId, AddressSpace*> spaces;  // alive
  // Of what is the same in all of them outside of user space; null where nothing is.
  std::unique_ptr<pt::PageTable> kernel_table;
  // Null where nothing asks for it: neither swap nor shared tables.
  std::unique_ptr<Rmap> rmap;
  // Whether somebody must say which pages are stored to (kernel/folio.h): once there was a huge
  // page, or what could become one was made without being written.
  bool tracks_stores = false;
  // Null where kernel.swap_pages is 0: nothing is ever reclaimed.
  std::unique_ptr<SwapSpace> swap;

  [[nodiscard]] PageShift page() const { return platform.page; }
  [[nodiscard]] uint64_t pages(uint64_t bytes) const { return bytes >> platform.page.log2(); }
  // What the smallest table of a radix backend covers, as Linux sizes its windows by it.
  [[nodiscard]] uint64_t table_span() const {
    return platform.page.bytes() * (platform.page.bytes() / platform.format->entry_bytes);
  }
  // Whether a leaf that can be read can refuse to be executed (not so in 32-bit paging without
  // PAE).
  [[nodiscard]] bool refuses_fetches() const { return refuses_fetches_; }
  // [start, start + length rounded up to pages) if it lies in user space and does not wrap.
  [[nodiscard]] std::optional<VirtRange> user_range(VirtAddr start, uint64_t length) const;

  // Whether one call may ask for so many bytes more of private or shared memory: for no more than
  // there is in all (Linux: OVERCOMMIT_GUESS, since 5.4).
  [[nodiscard]] bool may_commit(uint64_t bytes) const;

  // --- Address spaces
  // A new, empty one; null when there is no memory for its root.
  std::unique_ptr<AddressSpace> make_space();
  AnonVmaId new_anon_vma() { return AnonVmaId(next_anon_vma_++); }

  // --- Frames
  std::optional<Pfn> new_anonymous(const AddressSpace& mm);
  // The frame all untouched private memory reads from; nothing when no frame is free.
  std::optional<Pfn> zero_page();
  // Drops one reference; frees the frame with the last. REQUIRES: no TLB holds it for the one who
  // drops it.
  void put_frame(Pfn pfn);
  // One more leaf entry of `mm` points to `pfn`, whose reference it takes over.
  void mapped(AddressSpace& mm, Pfn pfn, PageKind kind) {
    ++platform.frames->frame(pfn).mappings;
    add_rss(mm, kind, 1);
  }
  // The same for a new anonymous page of `vma`.
  void mapped_anonymous(AddressSpace& mm, const Vma& vma, VirtAddr page, Pfn pfn) {
    mapped(mm, pfn, PageKind::Anonymous);
    if (swap != nullptr) rmap->add_anonymous(pfn, vma, page);
  }
  void add_rss(AddressSpace& mm, PageKind kind, int64_t pages);
  // --- Swap and files
  // So many entries more of `mm` name slots.
  void add_swapped(AddressSpace& mm, int64_t entries);
  // Such an entry was taken away.
  void drop_swap_entry(AddressSpace& mm, pt::Entry entry);
  void transfer(const PageTransfer& page) const {
    if (platform.transfer) platform.transfer(page);
  }
  // PageCache::get(), which reads back what was reclaimed, and then says so in `read`.
  std::optional<Pfn> file_page(FileId id, uint64_t index, bool& read);
  // The pages of the span are in memory no longer. REQUIRES: nobody maps them.
  void drop_file_span(FileId id, PageSpan span);
  // --- Huge pages
  // Their size, where architecture and page table both have leaves of it.
  [[nodiscard]] std::optional<PageShift> huge() const { return huge_; }
  [[nodiscard]] unsigned huge_order() const { return huge_->log2() - page().log2(); }
  [[nodiscard]] uint64_t huge_pages() const { return uint64_t{1} << huge_order(); }
  // 2^huge_order() frames, exclusive, with a reference and a mapping each.
  std::optional<Pfn> new_huge(const AddressSpace& mm);
  // The same for shared memory: the cache's, with its reference each, and written to.
  std::optional<Pfn> new_huge_folio(FileId file);
  // What untouched private memory reads from when it is mapped by a huge page.
  std::optional<Pfn> huge_zero_page();
  // Drops one reference of each frame of a huge page, as put_frame().
  void put_huge(Pfn first);
  void put_pool_page(Pfn first);
  // One more, or one less, huge leaf in `mm`, with what must be set aside for splitting it. False:
  // no memory.
  bool add_huge_leaf(AddressSpace& mm);
  void remove_huge_leaf(AddressSpace& mm);
  // The same for leaves of shared memory, with which nothing is set aside (huge_file.h).
  void add_folio_leaf(AddressSpace& mm);
  void remove_folio_leaf(AddressSpace& mm);
  // The hidden file behind a mapping of so many bytes of the pool, reserved unless `noreserve`.
  // Nothing: the pool has not enough.
  std::optional<FileId> pool_memory(uint64_t bytes, bool noreserve);
  void add_pool_pages(AddressSpace& mm, int64_t huge);

  // What RSS kind the cache pages of an area's file are.
  [[nodiscard]] PageKind kind_of(const Vma& vma) const;

  // --- Areas: an area begins or ends to cover these pages.
  void area_added(const Vma& vma, uint64_t pages);
  void area_removed(const Vma& vma, uint64_t pages);
  // The hidden file behind new shared anonymous memory.
  FileId shared_memory(uint64_t bytes);
  // Keeps a hidden file while nothing maps it yet; file 0 is allowed.
  void pin(FileId file);
  void unpin(FileId file);
  // mm.program = file, which stays known as long as an address space names it.
  void set_program(AddressSpace& mm, FileId file);
  // Brings the total up to date after mm's set has changed.
  void note_vmas(AddressSpace& mm);
  void note_tables();

  // --- Flushes
  void flush_range(const AddressSpace& mm, VirtRange range, PageShift stride, bool freed_tables,
                   mmu::RangeFlush why);
  // One translation, of an area of `mm`.
  void flush_page(const AddressSpace& mm, VirtAddr va, PageShift size);
  void flush_mm(const AddressSpace& mm);
  void flush_dead(const AddressSpace& mm);
  void flush_local(CpuId cpu, const AddressSpace& mm, VirtAddr va);
  // Tells the TLBs how much of the address space is resident.
  void tell_resident(const AddressSpace& mm);

  // Gives back what no process holds: the cache and the zero page.
  void drop_everything();

 private:
  void unuse(FileId file, uint64_t uses);
  void drop_file_pages(FileId id);
  void find_huge_size(const pt::PageTable& table);

  uint64_t next_mm_ = 1;
  uint64_t next_anon_vma_ = 1;
  Random places_;
  std::optional<Pfn> zero_page_;
  bool refuses_fetches_;
  bool huge_known_ = false;  // whether huge_ has been found out
  std::optional<PageShift> huge_;
  pt::SplitReserve reserve_;  // for one huge leaf
  std::optional<Pfn> huge_zero_page_;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_CORE_H_
