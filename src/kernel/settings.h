// What of the simulated Linux can be set: the keys kernel.* (its scheduler's are in scheduler.h).
//
// Plain data; read-only once the kernel is made. Sizes are in bytes, as the user gave them; what
// they come to in pages depends on the machine.
#ifndef MMUSIM_KERNEL_SETTINGS_H_
#define MMUSIM_KERNEL_SETTINGS_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bits.h"
#include "base/types.h"
#include "config/forward.h"
#include "kernel/superpages.h"

namespace mmusim::kernel {

struct Platform;

struct Settings {
  bool imply = true;
  uint64_t implied_chunk = uint64_t{64} << 10;
  uint64_t max_map_count = 65530;
  uint64_t fault_around = uint64_t{64} << 10;
  unsigned folio_order = 0;  // of regular files in the cache
  bool cold_files = false;
  uint64_t readahead = uint64_t{128} << 10;
  bool pt_reclaim = true;
  HugePages thp = HugePages::Advised;
  std::string thp_sizes;             // as the user wrote them
  std::vector<SizeRule> size_rules;  // the same, read
  SuperpageStyle superpage_style = SuperpageStyle::Auto;
  bool superpage_cow_whole = false;
  SuperpageSwap superpage_swap = SuperpageSwap::Whole;
  SuperpageDemotion superpage_demotion = SuperpageDemotion::Base;
  SuperpagePolicyKind superpage_policy = SuperpagePolicyKind::Fault;
  uint64_t superpage_populated = 90;              // per cent of its pages that must be there
  uint64_t superpage_scan_interval = 10'000'000;  // instructions
  uint64_t superpage_scan_pages = 4096;           // of one scan
  uint64_t superpage_misses = 32;                 // for each page of a candidate
  uint64_t hugetlb_pages = 0;
  std::string hugetlb_pools;  // of other sizes, as the user wrote them
  std::vector<PoolRule> pool_rules;
  bool zero_page = true;
  bool zero_split = true;
  uint64_t shared_table_bytes = 0;  // of a block; 0: no tables are shared
  unsigned aslr_bits = 0;           // of the pages by which each program's mmap_base differs
  uint64_t aslr_seed = 1;
  bool fork_copies_all = false;
  bool special_pages = false;
  uint64_t overcommit = 0;  // bytes one call may ask for at most; 0: all memory and swap
  uint64_t swap_pages = 0;

  static const config::Keys<Settings>& keys();
  // Errors: UsageError for what this machine cannot be told.
  static Settings from(const config::Config& config, const Platform& platform);
};

// Whole pages, one at least, and a power of two of them.
constexpr uint64_t pages_of(uint64_t bytes, PageShift page) {
  return std::max<uint64_t>(1, bytes >> page.log2());
}
constexpr uint64_t block_of_pages(uint64_t bytes, PageShift page) {
  return uint64_t{1} << log2_floor(pages_of(bytes, page));
}

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_SETTINGS_H_
