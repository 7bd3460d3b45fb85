#include "kernel/zap.h"

#include <algorithm>

#include "base/error.h"
#include "kernel/guard.h"
#include "kernel/huge.h"
#include "kernel/huge_file.h"
#include "kernel/share.h"
#include "kernel/writeback.h"

namespace mmusim::kernel {

void ZapBatch::zap(const Vma& vma, VirtRange range, Pages which) {
  const pt::EntryFormat& format = *core_->platform.format;
  mem::FrameMemory& frames = *core_->platform.frames;
  const PageKind file_kind = core_->kind_of(vma);
  leave_tables(*core_, *mm_, range, *this);
  split_huge_at(*core_, *mm_, range.begin);
  split_huge_at(*core_, *mm_, range.end);
  std::array<int64_t, kPageKinds> gone{};
  const auto cursor = mm_->table->cursor(range, pt::CursorMode::Zap);
  pt::Run run;
  while (cursor->next(run)) {
    if (run.size != core_->page()) {
      zap_huge(vma, run, gone);
      continue;
    }
    uint64_t writes = 0;
    run.for_each([&](uint32_t i, pt::Entry& entry) {
      const pt::Entry e = entry;
      if (e == pt::kNone || (which != Pages::All && is_guard(format, e))) return;
      if (which == Pages::OfFile &&
          (!format.is_present(e) || format.is_special(e) ||
           frames.frame(format.pfn_of(e)).use == mem::FrameUse::Anonymous))
        return;
      entry = pt::kNone;
      ++writes;
      if (!format.is_present(e)) {
        if (!is_guard(format, e)) core_->drop_swap_entry(*mm_, e);
        return;
      }
      gather_.leaf(run.address(i), run.size);
      if (format.is_special(e)) return;
      const Pfn pfn = format.pfn_of(e);
      mem::Frame& frame = frames.frame(pfn);
      --frame.mappings;
      if (frame.use == mem::FrameUse::File && format.is_dirty(e)) frame.written = true;
      ++gone[static_cast<unsigned>(frame.use == mem::FrameUse::Anonymous ? PageKind::Anonymous
                                                                         : file_kind)];
      pages_.push_back(pfn);
    });
    run.report(*core_->platform.sink, mem::Origin::Kernel, run.count, writes);
    const uint64_t span = core_->table_span();
    const VirtAddr first(run.start.value() & ~(span - 1));
    if (spans_.empty() || spans_.back() != first) spans_.push_back(first);
    // Not in the middle of a run: its pages are still being cleared under the table's lock.
    if (pages_.size() >= kMaxPages && scope_ == Scope::Unmap) finish();
  }
  for (unsigned k = 0; k < kPageKinds; ++k) {
    if (gone[k] != 0) core_->add_rss(*mm_, static_cast<PageKind>(k), -gone[k]);
  }
}

// Huge leaves, of one kind or the other; adds the pages of RSS they had to what is gone.
void ZapBatch::zap_huge(const Vma& vma, pt::Run& run, std::array<int64_t, kPageKinds>& gone) {
  const pt::EntryFormat& format = *core_->platform.format;
  mem::FrameMemory& frames = *core_->platform.frames;
  const auto pages = static_cast<int64_t>(core_->huge_pages());
  uint64_t writes = 0;
  for (uint32_t i = 0; i < run.count; ++i) {
    const pt::Entry e = run.get(i);
    if (e == pt::kNone) continue;
    run.set(i, pt::kNone);
    ++writes;
    const Pfn first = format.parse_leaf(e, run.size).pfn;
    if (!vma.has(kVmHugeTlb) && shows_huge_folio(*core_, e)) {
      add_huge_folio(run.address(i), e);
      gone[static_cast<unsigned>(PageKind::Shmem)] += pages;
      continue;
    }
    gather_.leaf(run.address(i), run.size);
    if (vma.has(kVmHugeTlb)) {
      --frames.frame(first).mappings;
      core_->add_pool_pages(*mm_, -1);
      pool_pages_.push_back(first);
      continue;
    }
    core_->remove_huge_leaf(*mm_);
    if (format.is_special(e)) continue;
    for (uint64_t page = 0; page < core_->huge_pages(); ++page)
      --frames.frame(first + page).mappings;
    gone[static_cast<unsigned>(PageKind::Anonymous)] += pages;
    huge_.push_back(first);
  }
  run.report(*core_->platform.sink, mem::Origin::Kernel, run.count, writes);
}

void ZapBatch::trim(VirtRange range, VirtAddr floor, VirtAddr ceiling) {
  mm_->table->trim(range, floor, ceiling, gather_);
}

void ZapBatch::trim_areas(std::span<const Vma> dead, VirtAddr floor, VirtAddr ceiling) {
  for (size_t i = 0; i < dead.size();) {
    VirtRange group = dead[i].range();
    for (++i; i < dead.size() && dead[i].start - group.end <= core_->table_span(); ++i)
      group.end = dead[i].end;
    trim(group, floor, i < dead.size() ? dead[i].start : ceiling);
  }
}

void ZapBatch::reclaim_tables(VirtRange range) {
  const uint64_t span = core_->table_span();
  for (const VirtAddr first : spans_) {
    if (first < range.begin || range.end - first < span) continue;
    mm_->table->trim({first, first + span}, first, first + span, gather_);
  }
  spans_.clear();
}

void ZapBatch::add(VirtAddr va, PageShift size, Pfn pfn) {
  weaken(va, size);
  pages_.push_back(pfn);
}

void ZapBatch::add_pool_page(VirtAddr va, PageShift size, Pfn pfn) {
  weaken(va, size);
  pool_pages_.push_back(pfn);
}

void ZapBatch::add_huge_folio(VirtAddr va, pt::Entry leaf) {
  const pt::EntryFormat& format = *core_->platform.format;
  const Pfn first = format.parse_leaf(leaf, *core_->huge()).pfn;
  weaken(va, *core_->huge());
  core_->remove_folio_leaf(*mm_);
  for (uint64_t i = 0; i < core_->huge_pages(); ++i)
    --core_->platform.frames->frame(first + i).mappings;
  huge_.push_back(first);
}

void ZapBatch::flush() {
  if (!gather_.needs_flush()) return;
  const auto range_as = [this](mmu::RangeFlush why) {
    core_->flush_range(*mm_, gather_.range(), gather_.smallest(), gather_.freed_tables(), why);
  };
  switch (scope_) {
    case Scope::Unmap:
      range_as(mmu::RangeFlush::Unmap);
      break;
    case Scope::Protect:
      range_as(mmu::RangeFlush::Protect);
      break;
    case Scope::Change:
      range_as(mmu::RangeFlush::Change);
      break;
    case Scope::Pages:
      MMUSIM_ASSERT(!gather_.freed_tables());
      for (const auto& [va, size] : leaves_)
        core_->flush_page(*mm_, va, size);
      leaves_.clear();
      break;
    case Scope::WholeSpace:
      core_->flush_dead(*mm_);
      break;
  }
}

void ZapBatch::finish() {
  flush();
  for (const Pfn pfn : pages_)
    core_->put_frame(pfn);
  pages_.clear();
  for (const Pfn first : huge_)
    core_->put_huge(first);
  huge_.clear();
  for (const Pfn first : pool_pages_)
    core_->put_pool_page(first);
  pool_pages_.clear();
  if (gather_.freed_tables()) {
    core_->counters.tables_freed += gather_.tables().size();
    gather_.release_tables();
  }
  gather_ = pt::Gather{};
}

void tear_down(Core& core, AddressSpace& mm) {
  ZapBatch batch(core, mm, ZapBatch::Scope::WholeSpace);
  std::vector<Vma> all;
  all.reserve(mm.vmas.size());
  mm.vmas.for_each([&](Vma& vma) {
    batch.zap(vma, vma.range());
    all.push_back(vma);
  });
  batch.trim_areas(all, VirtAddr(0), VirtAddr(0));
  batch.finish();
  mm.vmas.for_each([&](Vma& vma) { core.area_removed(vma, core.pages(vma.range().bytes())); });
  while (!mm.vmas.empty())
    mm.vmas.erase(mm.vmas.areas().rbegin()->first);
  core.note_vmas(mm);
  core.set_program(mm, FileId(0));
  core.platform.tlbs->forget(mm.id);
  MMUSIM_ASSERT(mm.table->table_bytes() == 0 && mm.huge_leaves == 0 && mm.hugetlb_pages == 0);
  core.spaces.erase(mm.id);
  core.counters.root_bytes -= mm.root_bytes;
  --core.counters.spaces;
}

void unmap_everywhere(Core& core, FileId file, PageSpan span, ZapBatch::Pages which) {
  each_area_of(core, file, span, [&](AddressSpace& mm, const Vma& vma, VirtRange part) {
    ZapBatch batch(core, mm);
    batch.zap(vma, part, which);
    batch.finish();
  });
}

}  // namespace mmusim::kernel
