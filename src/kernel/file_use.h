// Files as long as somebody uses them: what areas show of them, and how what is in memory comes and
// goes. Hidden files end with their last use. Not thread-safe.
#ifndef MMUSIM_KERNEL_FILE_USE_H_
#define MMUSIM_KERNEL_FILE_USE_H_

#include <cstdint>
#include <optional>

#include "base/types.h"
#include "kernel/address_space.h"
#include "kernel/counters.h"
#include "kernel/huge_pool.h"
#include "kernel/page_cache.h"
#include "kernel/page_frames.h"
#include "kernel/page_sizes.h"
#include "kernel/platform.h"
#include "kernel/settings.h"
#include "kernel/swap.h"

namespace mmusim::kernel {

class FileUse {
 public:
  // All must outlive it. `swap` is null where nothing is reclaimed.
  FileUse(const Platform& platform, const Settings& settings, const PageSizes& sizes,
          PageCache& cache, HugePools& pools, PageFrames& frames, SwapSpace* swap,
          Counters& counters)
      : platform_(&platform),
        settings_(&settings),
        sizes_(&sizes),
        cache_(&cache),
        pools_(&pools),
        frames_(&frames),
        swap_(swap),
        counters_(&counters) {}

  // What RSS kind the cache pages of an area's file are.
  [[nodiscard]] PageKind kind_of(const Vma& vma) const;

  // An area begins or ends to cover these pages.
  void area_added(const Vma& vma, uint64_t pages);
  void area_removed(const Vma& vma, uint64_t pages);
  // Keeps a hidden file while nothing maps it yet; file 0 is allowed.
  void pin(FileId file);
  void unpin(FileId file);
  // mm.program = file, which stays known as long as an address space names it.
  void set_program(AddressSpace& mm, FileId file);

  // The hidden file behind new shared anonymous memory.
  FileId shared_memory(uint64_t bytes);
  // That behind a mapping of so many bytes of the hugetlb pool of that size, reserved unless
  // `noreserve`. Nothing: the pool has not enough. REQUIRES: there is such a pool.
  std::optional<FileId> pool_memory(PageShift page, uint64_t bytes, bool noreserve);
  // The pages of an area of such memory.
  [[nodiscard]] PageShift pool_page(const Vma& vma) const { return *cache_->file(vma.file).pool; }

  // PageCache::get(), which reads back what was reclaimed, and then says so in `read`.
  std::optional<Pfn> page(FileId id, uint64_t index, bool& read);
  // The pages of the span are in memory no longer. REQUIRES: nobody maps them.
  void drop_span(FileId id, PageSpan span);
  // Nothing of any file is in memory. REQUIRES: nobody maps them.
  void drop_all();

 private:
  void unuse(FileId file, uint64_t uses);
  void drop_pages(FileId id);

  const Platform* platform_;
  const Settings* settings_;
  const PageSizes* sizes_;
  PageCache* cache_;
  HugePools* pools_;
  PageFrames* frames_;
  SwapSpace* swap_;
  Counters* counters_;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_FILE_USE_H_
