// What all parts of the kernel model share: the platform, the settings, the counters, the page
// cache, and the few operations on frames and areas that keep the accounts right.
//
// Everything that takes a frame into an address space or out of it, or changes which pages an area
// covers, goes through here, so that RSS, mapping counts and file use cannot drift. Not
// thread-safe.
#ifndef MMUSIM_KERNEL_CORE_H_
#define MMUSIM_KERNEL_CORE_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "base/types.h"
#include "kernel/address_space.h"
#include "kernel/counters.h"
#include "kernel/kernel.h"
#include "kernel/page_cache.h"

namespace mmusim::kernel {

struct Settings {
  bool imply = true;
  bool pt_reclaim = true;
  bool zero_page = true;
  bool cold_files = false;
  uint64_t max_map_count = 65530;
  uint64_t fault_around_pages = 16;
  uint64_t folio_pages = 1;  // of regular files in the cache
  uint64_t readahead_pages = 32;
  uint64_t implied_pages = 16;  // what an implied area is rounded to

  static void declare(config::Schema& schema);
  static Settings from(const config::Config& config, PageShift page);
};

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

  [[nodiscard]] PageShift page() const { return platform.page; }
  [[nodiscard]] uint64_t pages(uint64_t bytes) const { return bytes >> platform.page.log2(); }
  // What the smallest table of a radix backend covers, as Linux sizes its windows by it.
  [[nodiscard]] uint64_t table_span() const {
    return platform.page.bytes() * (platform.page.bytes() / sizeof(pt::Entry));
  }
  // [start, start + length rounded up to pages) if it lies in user space and does not wrap.
  [[nodiscard]] std::optional<VirtRange> user_range(VirtAddr start, uint64_t length) const;

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
  void add_rss(AddressSpace& mm, PageKind kind, int64_t pages);
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
  void flush_range(const AddressSpace& mm, VirtRange range, PageShift stride, bool freed_tables);
  void flush_mm(const AddressSpace& mm);
  void flush_local(CpuId cpu, const AddressSpace& mm, VirtAddr va);

  // Gives back what no process holds: the cache and the zero page.
  void drop_everything();

 private:
  void unuse(FileId file, uint64_t uses);

  uint64_t next_mm_ = 1;
  uint64_t next_anon_vma_ = 1;
  std::optional<Pfn> zero_page_;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_CORE_H_
