// The keys kernel.*, as read: what the kernel model is told to do (but for its scheduler,
// scheduler.h).
#ifndef MMUSIM_KERNEL_SETTINGS_H_
#define MMUSIM_KERNEL_SETTINGS_H_

#include <cstdint>

#include "config/schema.h"
#include "kernel/platform.h"

namespace mmusim::kernel {

// Where a fault may map a transparent huge page: nowhere, in areas advised so, in all. Disabled:
// nowhere, and MADV_COLLAPSE makes none either.
enum class HugePages : uint8_t { Disabled, Never, Advised, Always };

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
  HugePages thp = HugePages::Advised;
  uint64_t hugetlb_pages = 0;
  bool fork_copies_all = false;
  bool special_pages = false;
  uint64_t swap_pages = 0;
  uint64_t shared_table_bytes = 0;  // of a block; 0: no tables are shared
  unsigned aslr_bits = 0;           // of the pages by which each program's mmap_base differs
  uint64_t aslr_seed = 1;
  uint64_t overcommit = 0;  // bytes one call may ask for at most; 0: all memory and swap

  static void declare(config::Schema& schema);
  // Errors: UsageError for what this machine cannot be told.
  static Settings from(const config::Config& config, const Platform& platform);
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_SETTINGS_H_
