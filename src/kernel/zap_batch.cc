#include "kernel/zap_batch.h"

#include "base/error.h"

namespace mmusim::kernel {

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

void ZapBatch::went_through(VirtAddr va) {
  const VirtAddr first = core_->table_of(va).begin;
  if (spans_.empty() || spans_.back() != first) spans_.push_back(first);
}

void ZapBatch::reclaim_tables(VirtRange range) {
  const uint64_t span = core_->table_span();
  for (const VirtAddr first : spans_) {
    if (first < range.begin || range.end - first < span) continue;
    mm_->table->trim({first, first + span}, first, first + span, gather_);
  }
  spans_.clear();
}

void ZapBatch::add_pool_page(VirtAddr va, PageShift size, Pfn pfn) {
  weaken(va, size);
  pool_pages_.emplace_back(pfn, size);
}

void ZapBatch::add_huge_folio(VirtAddr va, pt::Entry leaf) {
  const pt::EntryFormat& format = *core_->platform.format;
  const Pfn first = format.parse_leaf(leaf, *core_->huge()).pfn;
  weaken(va, *core_->huge());
  core_->huge_leaves.remove_folio(*mm_);
  core_->counts.unmap(first, core_->sizes.huge_order());
  huge_.emplace_back(first, core_->sizes.huge_order());
}

void ZapBatch::flush() {
  if (!gather_.needs_flush()) return;
  const auto range_as = [this](mmu::RangeFlush why) {
    core_->flushes.range(*mm_, gather_.range(), gather_.smallest(), gather_.freed_tables(), why);
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
        core_->flushes.page(*mm_, va, size);
      leaves_.clear();
      break;
    case Scope::WholeSpace:
      core_->flushes.dead(*mm_);
      break;
  }
}

void ZapBatch::finish() {
  flush();
  for (const Pfn pfn : pages_)
    core_->page_frames.put(pfn);
  pages_.clear();
  for (const auto& [first, order] : huge_)
    core_->page_frames.put_huge(first, order);
  huge_.clear();
  for (const auto& [first, size] : pool_pages_)
    core_->page_frames.put_pool_page(first, size);
  pool_pages_.clear();
  if (gather_.freed_tables()) {
    core_->counters.tables_freed += gather_.tables().size();
    gather_.release_tables();
  }
  gather_ = pt::Gather{};
}

}  // namespace mmusim::kernel
