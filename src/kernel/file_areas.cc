#include "kernel/file_areas.h"

#include <algorithm>

namespace mmusim::kernel {

void each_area_of(Core& core, FileId id, PageSpan span,
                  const std::function<void(AddressSpace&, Vma&, VirtRange)>& visit) {
  if (core.cache.file(id).mapped_pages == 0) return;
  const unsigned shift = core.page().log2();
  for (const auto& [number, mm] : core.spaces) {
    mm->vmas.for_each([&, mm = mm](Vma& vma) {
      const uint64_t end = vma.pgoff + core.pages(vma.range().bytes());
      if (vma.file != id || vma.pgoff >= span.end || end <= span.first) return;
      const uint64_t from = std::max(vma.pgoff, span.first);
      const uint64_t to = std::min(end, span.end);
      visit(*mm, vma,
            {vma.start + ((from - vma.pgoff) << shift), vma.start + ((to - vma.pgoff) << shift)});
    });
  }
}

}  // namespace mmusim::kernel
