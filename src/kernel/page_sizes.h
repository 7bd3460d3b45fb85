// The sizes of pages of one machine.
#ifndef MMUSIM_KERNEL_PAGE_SIZES_H_
#define MMUSIM_KERNEL_PAGE_SIZES_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/types.h"
#include "kernel/superpages.h"

namespace mmusim::kernel {

// A size that faults of private memory may map besides `PageSizes::huge` (Linux: multi-size THP).
struct BlockSize {
  PageShift size;
  HugePages when = HugePages::Never;            // never Disabled
  SuperpageStyle style = SuperpageStyle::Base;  // never Auto

  [[nodiscard]] bool is_leaf() const { return style == SuperpageStyle::Leaf; }
};

struct PageSizes {
  PageShift base;
  // Of huge pages: where architecture and page table both have leaves of it; known once there is a
  // page table.
  std::optional<PageShift> huge;
  // Where faults may map one of that size.
  HugePages huge_when = HugePages::Never;
  // The other ones that are to be used, ascending.
  std::vector<BlockSize> blocks = {};
  // What kernel.superpage.policy may make superpages of, with `huge` among them, ascending; no
  // fault maps any then. Empty: faults do.
  std::vector<BlockSize> candidates = {};
  // What superpages may be demoted to, leaves and groups, ascending (kernel.superpage.demote);
  // empty: to base pages.
  std::vector<PageShift> leaf_parts = {};
  std::vector<PageShift> hint_parts = {};

  [[nodiscard]] uint64_t pages(uint64_t bytes) const { return bytes >> base.log2(); }
  [[nodiscard]] uint64_t pages(PageShift size) const { return pages(size.bytes()); }
  [[nodiscard]] unsigned order(PageShift size) const { return size.log2() - base.log2(); }
  // Whether it is smaller than the machine's own huge pages.
  [[nodiscard]] bool is_small(PageShift size) const { return huge && size < *huge; }
  // Whether there are huge pages of any size.
  [[nodiscard]] bool any() const { return huge || !blocks.empty(); }
  // Of all that leaves of private memory may have, and groups.
  [[nodiscard]] PageShift largest() const {
    PageShift most = huge.value_or(base);
    if (!blocks.empty()) most = std::max(most, blocks.back().size);
    return most;
  }
  // Whether private memory may have superpages of other sizes.
  [[nodiscard]] bool any_besides_huge() const { return !blocks.empty() || !leaf_parts.empty(); }
  // REQUIRES: there are such.
  [[nodiscard]] PageShift smallest() const {
    PageShift least = huge.value_or(largest());
    for (const BlockSize& block : blocks)
      if (block.style != SuperpageStyle::Base) least = std::min(least, block.size);
    for (const auto* parts : {&leaf_parts, &hint_parts})
      if (!parts->empty()) least = std::min(least, parts->front());
    return least;
  }
  // REQUIRES: there are huge pages.
  [[nodiscard]] unsigned huge_order() const { return order(*huge); }
  [[nodiscard]] uint64_t huge_pages() const { return uint64_t{1} << huge_order(); }
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_PAGE_SIZES_H_
