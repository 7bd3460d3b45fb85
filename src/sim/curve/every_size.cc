#include "sim/curve/every_size.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

#include "base/error.h"
#include "base/units.h"

namespace mmusim::sim {

const char* name_of(CurveSide side) {
  switch (side) {
    case CurveSide::Fetches:
      return "fetches";
    case CurveSide::Data:
      return "data";
    case CurveSide::Unified:
      break;
  }
  return "unified";
}

PageTlbs::PageTlbs(PageShift page, const CurveOptions& options) : page_(page) {
  for (const CurveSide side : {CurveSide::Fetches, CurveSide::Data, CurveSide::Unified})
    if (side != CurveSide::Unified || options.unified)
      stacks_.push_back({side, std::make_unique<tlb::LruFamily>()});
  if (!options.behind) return;
  for (const FirstLevel& level : *options.behind)
    first_.emplace_back(level.sets, level.ways);
}

void PageTlbs::fault(PageNumbers& numbers, MmId mm, VirtAddr va, AccessKind kind, bool retry) {
  const uint64_t page = numbers.of(mm, va, page_);
  const bool data = is_data(kind);
  const bool found = !first_.empty() && first_[data ? 1 : 0].has(page);
  if (!found && !retry) {
    ++first_misses_[data ? 1 : 0];
    for (const Stacks& stacks : stacks_)
      if (stacks.take(data)) stacks.family->count(page);
  }
  flush(page);
}

bool PageTlbs::is_last(PageNumbers& numbers, MmId mm, VirtAddr va, AccessKind kind) const {
  const uint64_t page = numbers.of(mm, va, page_);
  const bool data = is_data(kind);
  if (!first_.empty()) return first_[data ? 1 : 0].is_last(page);
  return std::all_of(stacks_.begin(), stacks_.end(), [&](const Stacks& stacks) {
    return !stacks.take(data) || stacks.family->is_last(page);
  });
}

void PageTlbs::flush(uint64_t page) {
  for (tlb::LruSets& first : first_)
    first.flush(page);
  for (const Stacks& stacks : stacks_)
    stacks.family->flush(page);
}

template <class Gone>
void PageTlbs::flush_if(Gone gone) {
  for (tlb::LruSets& first : first_)
    first.flush_if(gone);
  for (const Stacks& stacks : stacks_)
    stacks.family->flush_if(gone);
}

void PageTlbs::flush_range(PageNumbers& numbers, MmId mm, VirtRange range) {
  constexpr uint64_t kFew = 64;
  const VirtAddr first = align_down(range.begin, page_);
  const uint64_t pages = ((range.end - 1).value() - first.value()) / page_.bytes() + 1;
  if (pages <= kFew) {
    for (uint64_t i = 0; i < pages; ++i)
      flush(numbers.of(mm, first + i * page_.bytes(), page_));
    return;
  }
  flush_if([&](uint64_t page) {
    return numbers.space_of(page, page_) == mm &&
           (numbers.base_of(page, page_) - first) / page_.bytes() < pages;
  });
}

void PageTlbs::flush_space(const PageNumbers& numbers, MmId mm) {
  flush_if([&](uint64_t page) { return numbers.space_of(page, page_) == mm; });
}

void PageTlbs::take(const std::array<uint64_t, 2>& lookups, std::vector<Curve>& curves) {
  const std::array<uint64_t, 2>& told = first_.empty() ? lookups : first_misses_;
  for (Stacks& stacks : stacks_)
    curves.push_back(
        {.side = stacks.side,
         .page = page_,
         .lookups = (stacks.take(false) ? told[0] : 0) + (stacks.take(true) ? told[1] : 0),
         .family = std::move(stacks.family)});
}

void EverySize::measure(const CurveOptions& options) {
  pages_.log2 = page_.log2();
  pages_.unified = options.shared();
  std::vector<PageShift> sizes = options.pages;
  if (sizes.empty()) sizes.push_back(page_);
  for (const PageShift size : sizes) {
    if (size < page_ || size > kLargestCurvePage)
      throw UsageError(
          "--pages",
          fmt::format("{} is no page size of this machine's curves", format_size(size.bytes())),
          fmt::format("they go from its base pages of {} to {}", format_size(page_.bytes()),
                      format_size(kLargestCurvePage.bytes())));
    sizes_.emplace_back(size, options);
  }
}

std::vector<Curve> EverySize::take() {
  std::vector<Curve> curves;
  for (PageTlbs& size : sizes_)
    size.take(lookups_, curves);
  return curves;
}

mmu::Translation EverySize::access(VirtAddr va, AccessKind kind, bool retry) {
  const mmu::Translation found = translation_of(va, kind);
  if (pages_.known(va, kind) && found.ok()) return found;
  for (PageTlbs& size : sizes_) {
    if (found.ok())
      size.access(numbers_, mm_, va, kind, retry);
    else
      size.fault(numbers_, mm_, va, kind, retry);
  }
  if (found.ok())
    note_page(va, kind, found.rights);
  else
    forget_known();
  return found;
}

// What is asked where what was known has been forgotten.
bool EverySize::would_change_nothing(VirtAddr va, bool data, bool write) {
  const mmu::Translation found = look_in_table(va);
  const AccessKind reads = data ? AccessKind::Load : AccessKind::Fetch;
  return found.ok() && found.rights.allows(reads) &&
         (!write || found.rights.allows(AccessKind::Store)) &&
         std::all_of(sizes_.begin(), sizes_.end(),
                     [&](const PageTlbs& size) { return size.is_last(numbers_, mm_, va, reads); });
}

// The next access like it is known to change nothing.
void EverySize::note_page(VirtAddr va, AccessKind kind, Rights rights) {
  const uint64_t page = pages_.page(va);
  pages_.last = page;
  if (kind == AccessKind::Fetch) {
    pages_.fetched = page;
    return;
  }
  if (pages_.data != page) pages_.loaded = pages_.stored = false;
  pages_.data = page;
  pages_.loaded = pages_.loaded || rights.allows(AccessKind::Load);
  pages_.stored = pages_.stored || kind != AccessKind::Load;
}

mmu::Translation EverySize::translation_of(VirtAddr va, AccessKind kind) {
  const uint64_t page = pages_.page(va);
  Leaf& leaf = leaves_[page % kLeaves];
  const bool known = leaf.page == page && leaf.mm == mm_ && leaf.found.ok();
  if (!known || !leaf.found.rights.allows(kind))
    leaf = {.page = page, .mm = mm_, .found = look_in_table(va)};
  mmu::Translation found = leaf.found;
  if (found.ok() && !found.rights.allows(kind)) found.fault = mmu::FaultReason::Protection;
  return found;
}

mmu::Translation EverySize::look_in_table(VirtAddr va) const {
  mmu::Translation none{
      .fault = mmu::FaultReason::NotPresent, .size = page_, .rights = {}, .pfn = {}};
  const pt::PageTable* const table = gate_.contains(va) ? gate_table_ : table_;
  if (table == nullptr || (table == table_ && va >= top_)) return none;
  const pt::Lookup found = table->peek(va);
  if (found.entry == pt::kNone || !format_.is_present(found.entry)) return none;
  const pt::LeafFields fields = format_.parse_leaf(found.entry, found.size);
  return {.fault = mmu::FaultReason::None,
          .size = found.size,
          .rights = fields.rights,
          .pfn = fields.pfn + ((va - found.base) >> page_.log2())};
}

void EverySize::forget_known() {
  pages_.fetched = pages_.data = pages_.last = LastPages::kNone;
  pages_.loaded = pages_.stored = false;
  ++generation_;
}

bool EverySize::activate(CpuId /*cpu*/, MmId mm, pt::PageTable& table) {
  if (mm != mm_ || &table != table_) forget_known();
  mm_ = mm;
  table_ = &table;
  if (stale_.erase(mm) != 0) flush_mm(mm);
  return true;
}

// Whether the flush can wait: nobody uses those entries before the address space is loaded again.
bool EverySize::waits(MmId mm) {
  forget_known();
  if (mm == mm_) return false;
  stale_.insert(mm);
  return true;
}

void EverySize::flush_range(MmId mm, VirtRange range, PageShift /*stride*/, bool /*freed_tables*/,
                            mmu::RangeFlush /*why*/) {
  if (waits(mm) || range.begin == range.end) return;
  for (Leaf& leaf : leaves_)
    if (leaf.mm == mm) leaf.page = LastPages::kNone;
  for (PageTlbs& size : sizes_)
    size.flush_range(numbers_, mm, range);
}

void EverySize::flush_mm(MmId mm) {
  if (waits(mm)) return;
  for (Leaf& leaf : leaves_)
    if (leaf.mm == mm) leaf.page = LastPages::kNone;
  for (PageTlbs& size : sizes_)
    size.flush_space(numbers_, mm);
}

void EverySize::flush_local_page(CpuId /*cpu*/, MmId mm, VirtAddr va, bool /*code*/) {
  const VirtAddr first = align_down(va, page_);
  flush_range(mm, {first, first + page_.bytes()}, page_, false, mmu::RangeFlush::Unmap);
}

void EverySize::forget(MmId mm) {
  forget_known();
  stale_.erase(mm);
  if (mm == mm_) table_ = nullptr;
}

}  // namespace mmusim::sim
