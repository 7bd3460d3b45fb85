#include "kernel/zap.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>

#include "kernel/entries.h"
#include "kernel/file_areas.h"
#include "kernel/hint_group.h"
#include "kernel/huge_split.h"
#include "kernel/pool_page.h"
#include "kernel/share.h"
#include "kernel/superpage_policy.h"

namespace mmusim::kernel {

namespace {

// Leaves of the hugetlb pool. Its pages go with the first leaf met; `page`: the last of them, of
// which the leaves may go on in the next run.
void zap_pool(ZapBatch& batch, const Vma& vma, pt::Run& run, std::optional<VirtAddr>& page) {
  Core& core = batch.core();
  uint64_t writes = 0;
  for (uint32_t i = 0; i < run.count; ++i) {
    const pt::Entry e = run.get(i);
    if (e == pt::kNone) continue;
    run.set(i, pt::kNone);
    ++writes;
    const PoolPage whole = pool_page_at(core, vma, run.address(i));
    if (page == whole.base) continue;
    page = whole.base;
    const Pfn first = first_frame(core, whole, run.address(i), e);
    --core.platform.frames->frame(first).mappings;
    core.huge_leaves.add_pool_pages(batch.mm(), whole.size, -1);
    batch.add_pool_page(whole.base, whole.size, first);
  }
  run.report(*core.platform.sink, mem::Origin::Kernel, run.count, writes);
}

// What has gone: pages of RSS, and private memory's huge leaves by size.
struct Gone {
  std::array<int64_t, kPageKinds> pages{};
  std::map<PageShift, uint64_t> leaves;
};

// Huge leaves of other areas.
void zap_huge(ZapBatch& batch, pt::Run& run, Gone& gone) {
  Core& core = batch.core();
  const pt::EntryFormat& format = *core.platform.format;
  const uint64_t pages = core.pages(run.size);
  uint64_t writes = 0;
  uint64_t private_leaves = 0;
  for (uint32_t i = 0; i < run.count; ++i) {
    const pt::Entry e = run.get(i);
    if (e == pt::kNone) continue;
    run.set(i, pt::kNone);
    ++writes;
    const Pfn first = format.parse_leaf(e, run.size).pfn;
    if (shows_huge_folio(core, e, run.size)) {
      batch.add_huge_folio(run.address(i), e);
      gone.pages[static_cast<unsigned>(PageKind::Shmem)] += static_cast<int64_t>(pages);
      continue;
    }
    ++private_leaves;
    if (format.is_special(e)) {
      batch.weaken(run.address(i), run.size);
      continue;
    }
    core.counts.unmap(first, core.sizes.order(run.size));
    gone.pages[static_cast<unsigned>(PageKind::Anonymous)] += static_cast<int64_t>(pages);
    batch.add_huge(run.address(i), run.size, first);
  }
  if (private_leaves != 0) gone.leaves[run.size] += private_leaves;
  run.report(*core.platform.sink, mem::Origin::Kernel, run.count, writes);
}

}  // namespace

void zap(ZapBatch& batch, const Vma& vma, VirtRange range, ZapPages which) {
  Core& core = batch.core();
  AddressSpace& mm = batch.mm();
  const pt::EntryFormat& format = *core.platform.format;
  mem::FrameMemory& frames = *core.platform.frames;
  const PageKind file_kind = core.files.kind_of(vma);
  leave_tables(core, mm, range, batch);
  split_huge_at(core, mm, range.begin, SplitCause::Unmap);
  split_huge_at(core, mm, range.end, SplitCause::Unmap);
  Gone gone;
  const auto cursor = mm.table->cursor(range, pt::CursorMode::Zap);
  pt::Run run;
  std::optional<VirtAddr> pool_page;
  while (cursor->next(run)) {
    if (vma.has(kVmHugeTlb)) {
      zap_pool(batch, vma, run, pool_page);
      continue;
    }
    if (run.size != core.page()) {
      zap_huge(batch, run, gone);
      continue;
    }
    uint64_t writes = 0;
    run.for_each([&](uint32_t i, pt::Entry& entry) {
      const pt::Entry e = entry;
      if (e == pt::kNone || (which != ZapPages::All && is_guard(format, e))) return;
      if (which == ZapPages::OfFile &&
          (!format.is_present(e) || format.is_special(e) ||
           frames.frame(format.pfn_of(e)).use == mem::FrameUse::Anonymous))
        return;
      if (const auto group = group_from(core, mm, run.address(i), e))
        core.huge_leaves.remove_group(mm, group->size);
      entry = pt::kNone;
      ++writes;
      if (!format.is_present(e)) {
        if (!is_guard(format, e)) core.drop_swap_entry(mm, e);
        return;
      }
      if (format.is_special(e)) return batch.weaken(run.address(i), run.size);
      const Pfn pfn = format.pfn_of(e);
      mem::Frame& frame = frames.frame(pfn);
      --frame.mappings;
      if (frame.use == mem::FrameUse::File && format.is_dirty(e)) frame.written = true;
      ++gone.pages[static_cast<unsigned>(frame.use == mem::FrameUse::Anonymous ? PageKind::Anonymous
                                                                               : file_kind)];
      batch.add(run.address(i), run.size, pfn);
    });
    run.report(*core.platform.sink, mem::Origin::Kernel, run.count, writes);
    batch.went_through(run.start);
    // Not in the middle of a run: its pages are still being cleared under the table's lock.
    if (batch.is_full()) batch.finish();
  }
  for (unsigned k = 0; k < kPageKinds; ++k) {
    if (gone.pages[k] != 0) core.accounts.add_rss(mm, static_cast<PageKind>(k), -gone.pages[k]);
  }
  for (const auto& [size, leaves] : gone.leaves)
    core.huge_leaves.remove(mm, size, leaves);
}

void unmap_everywhere(Core& core, FileId file, PageSpan span, ZapPages which) {
  each_area_of(core, file, span, [&](AddressSpace& mm, const Vma& vma, VirtRange part) {
    ZapBatch batch(core, mm);
    zap(batch, vma, part, which);
    batch.finish();
  });
}

}  // namespace mmusim::kernel
