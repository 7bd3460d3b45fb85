// Superpages as a user asks for them: which sizes private memory may have (kernel.thp.sizes), how
// they are mapped (kernel.superpage.style), and pools of them (kernel.hugetlb.pools).
//
// Plain data, read out of the keys' texts. Whether a machine can have what is asked for is for
// Core::find_sizes() to say, once there is a page table.
#ifndef MMUSIM_KERNEL_SUPERPAGES_H_
#define MMUSIM_KERNEL_SUPERPAGES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"
#include "config/forward.h"
#include "pt/page_table.h"

namespace mmusim::kernel {

// Where a fault may map a transparent huge page: nowhere, in areas advised so, in all. Disabled:
// nowhere, and MADV_COLLAPSE makes none either.
enum class HugePages : uint8_t { Disabled, Never, Advised, Always };

// How a page table shows a block of frames.
enum class SuperpageStyle : uint8_t {
  Auto,  // the first of these that processor and page table can do
  Leaf,  // by one leaf of that size
  Hint,  // by entries of base pages that say the size: a group (hint_group.h)
  Base,  // by entries of base pages: nothing a TLB could see
};

// What is left of one of which a part changes (demotion.h).
enum class SuperpageDemotion : uint8_t {
  Base,    // base pages
  Binary,  // halves, and halves of these, as far as they do not change
  Step,    // superpages of the next smaller size that is configured
};

// When superpages of private memory are made (superpage_policy.h).
enum class SuperpagePolicyKind : uint8_t {
  Fault,    // by the first fault, as large as fits: none but faults decides
  Reserve,  // when all their pages have been touched, in frames set aside for them by the first
  Promote,  // when scans find enough of their pages there
  Online,   // when their pages have missed in TLBs often enough
};

// How blocks of private memory go to swap space and come back.
enum class SuperpageSwap : uint8_t {
  Split,  // page by page
  Whole,  // out in one piece, and back page by page
  Both,   // back in one piece too
};

// One size of kernel.thp.sizes. `when`: nothing where it goes by kernel.thp (Linux: inherit).
struct SizeRule {
  PageShift size;
  std::optional<HugePages> when;
};

// "64K:always,1M:madvise,2M:inherit,4M:never"; a size alone inherits. In ascending order. Errors:
// UsageError, naming `place`, for what is no such list, and for sizes that are no power of two or
// not larger than `page`.
std::vector<SizeRule> parse_sizes(const std::string& text, PageShift page,
                                  const std::string& place);

// One size of kernel.hugetlb.pools.
struct PoolRule {
  PageShift size;
  uint64_t pages = 0;
};

// "64K:100,256M:2". Ascending. Errors: as parse_sizes(), and for what is no count.
std::vector<PoolRule> parse_pools(const std::string& text, PageShift page,
                                  const std::string& place);

// Whether the keys name superpages, of private memory or of a pool.
bool asks_for_superpages(const config::Config& config);

// The leaves a machine must ask its page tables for: those of the levels of `geometry`, and those
// of the keys. REQUIRES: the kernel's keys are declared. Errors: as parse_sizes().
std::vector<PageShift> leaf_sizes(const config::Config& config, const pt::RadixGeometry& geometry,
                                  PageShift page);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_SUPERPAGES_H_
