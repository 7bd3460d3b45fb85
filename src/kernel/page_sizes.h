// The sizes of pages of one machine.
#ifndef MMUSIM_KERNEL_PAGE_SIZES_H_
#define MMUSIM_KERNEL_PAGE_SIZES_H_

#include <cstdint>
#include <optional>

#include "base/types.h"

namespace mmusim::kernel {

struct PageSizes {
  PageShift base;
  // Where architecture and page table both have leaves of it; known once there is a page table.
  std::optional<PageShift> huge;

  [[nodiscard]] uint64_t pages(uint64_t bytes) const { return bytes >> base.log2(); }
  // REQUIRES: there are huge pages.
  [[nodiscard]] unsigned huge_order() const { return huge->log2() - base.log2(); }
  [[nodiscard]] uint64_t huge_pages() const { return uint64_t{1} << huge_order(); }
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_PAGE_SIZES_H_
