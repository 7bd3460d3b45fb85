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

PageTlbs::PageTlbs(PageShift page, const CurveOptions& options) : page_(page), numbers_(page) {
  for (const CurveSide side : {CurveSide::Fetches, CurveSide::Data, CurveSide::Unified})
    if (side != CurveSide::Unified || options.unified)
      stacks_.push_back({side, std::make_unique<tlb::LruFamily>()});
  if (!options.behind) return;
  for (const FirstLevel& level : *options.behind)
    first_.emplace_back(level.sets, level.ways);
}

// What is in use is less than half of all numbers: a family has no more pages than in its most
// sets, and one of both sides none that neither side has.
void PageTlbs::make_room(size_t pages) {
  if (numbers_.room() < pages) [[unlikely]]
    numbers_.keep([&](auto action) { each_page(action); });
}

void PageTlbs::access(MmId mm, const ToldLookups& lookups) {
  make_room(ToldLookups::kMost);
  std::array<std::array<Page, ToldLookups::kMost>, 2> pages;  // by side
  std::array<size_t, 2> counts{};
  std::array<Page, ToldLookups::kMost> both;
  size_t count = 0;
  const bool unified = stacks_.back().side == CurveSide::Unified;
  lookups.each([&](VirtAddr va, bool data) {
    const size_t side = data ? 1 : 0;
    const Page page = numbers_.of(mm, va);
    if (!first_.empty()) {
      if (first_[side].use(page)) return;
      ++first_misses_[side];
    }
    pages[side][counts[side]++] = page;
    if (unified) both[count++] = page;
  });
  for (const Stacks& stacks : stacks_) {
    const size_t side = stacks.side == CurveSide::Data ? 1 : 0;
    stacks.family->access(stacks.side == CurveSide::Unified
                              ? std::span<const Page>(both).first(count)
                              : std::span<const Page>(pages[side]).first(counts[side]));
  }
}

void PageTlbs::retry(MmId mm, VirtAddr va, bool data) {
  make_room(1);
  const Page page = numbers_.of(mm, va);
  if (!first_.empty() && first_[data ? 1 : 0].use(page)) return;
  for (const Stacks& stacks : stacks_)
    if (stacks.take(data)) stacks.family->use(page);
}

void PageTlbs::fault(MmId mm, VirtAddr va, bool data, bool retry) {
  make_room(1);
  const Page page = numbers_.of(mm, va);
  const bool found = !first_.empty() && first_[data ? 1 : 0].has(page);
  if (!found && !retry) {
    ++first_misses_[data ? 1 : 0];
    for (const Stacks& stacks : stacks_)
      if (stacks.take(data)) stacks.family->count(page);
  }
  flush(page);
}

bool PageTlbs::is_last(MmId mm, VirtAddr va, bool data) const {
  const auto page = numbers_.find(mm, va);
  if (!page) return false;
  if (!first_.empty()) return first_[data ? 1 : 0].is_last(*page);
  return std::all_of(stacks_.begin(), stacks_.end(), [&](const Stacks& stacks) {
    return !stacks.take(data) || stacks.family->is_last(*page);
  });
}

void PageTlbs::flush(Page page) {
  for (tlb::LruSets& first : first_)
    first.flush(page);
  for (const Stacks& stacks : stacks_)
    stacks.family->flush(page);
}

template <class Action>
void PageTlbs::each_page(Action action) {
  for (tlb::LruSets& first : first_)
    first.each_page(action);
  for (const Stacks& stacks : stacks_)
    stacks.family->each_page(action);
}

template <class Gone>
void PageTlbs::flush_if(Gone gone) {
  each_page([&](Page& page) {
    if (gone(page)) page = tlb::LruFamily::kNoPage;
  });
}

void PageTlbs::flush_range(MmId mm, VirtRange range) {
  constexpr uint64_t kFew = 64;
  const VirtAddr first = align_down(range.begin, page_);
  const uint64_t pages = ((range.end - 1).value() - first.value()) / page_.bytes() + 1;
  if (pages <= kFew) {
    for (uint64_t i = 0; i < pages; ++i)
      if (const auto page = numbers_.find(mm, first + i * page_.bytes())) flush(*page);
    return;
  }
  flush_if([&](Page page) {
    return numbers_.space_of(page) == mm &&
           (numbers_.base_of(page) - first) / page_.bytes() < pages;
  });
}

void PageTlbs::flush_space(MmId mm) {
  flush_if([&](Page page) { return numbers_.space_of(page) == mm; });
}

void PageTlbs::take(const std::array<uint64_t, 2>& lookups, std::vector<Curve>& curves) {
  const std::array<uint64_t, 2>& told = first_.empty() ? lookups : first_misses_;
  for (const Stacks& stacks : stacks_)
    curves.push_back(
        {.side = stacks.side,
         .page = page_,
         .lookups = (stacks.take(false) ? told[0] : 0) + (stacks.take(true) ? told[1] : 0),
         .misses = stacks.family->misses()});
}

void EverySize::measure(const CurveOptions& options) {
  shared_ = options.shared();
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
  tell_all();
  std::vector<Curve> curves;
  for (PageTlbs& size : sizes_)
    size.take(lookups_, curves);
  return curves;
}

void EverySize::tell_all() {
  for (PageTlbs& size : sizes_)
    size.access(mm_, told_);
  told_.clear();
}

// What is remembered is not enough, or it is a retry.
mmu::Translation EverySize::access(VirtAddr va, AccessKind kind, bool retry) {
  mmu::Translation found = look_in_table(va);
  if (found.ok() && !found.rights.allows(kind)) found.fault = mmu::FaultReason::Protection;
  const bool data = kind != AccessKind::Fetch;
  if (found.ok() && !retry) {
    add(page(va), data);
  } else {
    tell_all();
    for (PageTlbs& size : sizes_) {
      if (found.ok())
        size.retry(mm_, va, data);
      else
        size.fault(mm_, va, data, retry);
    }
  }
  if (found.ok()) {
    leaf_at(page(va)) = {.page = page(va), .mm = mm_, .rights = found.rights};
    if (data)
      note_data(page(va), writes(kind), found.rights);
    else
      note_fetched(page(va));
  } else {
    forget_known();
  }
  return found;
}

// What is asked where what was known has been forgotten.
bool EverySize::would_change_nothing(VirtAddr va, bool data, bool write) {
  tell_all();
  const mmu::Translation found = look_in_table(va);
  const AccessKind reads = data ? AccessKind::Load : AccessKind::Fetch;
  return found.ok() && found.rights.allows(reads) &&
         (!write || found.rights.allows(AccessKind::Store)) &&
         std::all_of(sizes_.begin(), sizes_.end(),
                     [&](const PageTlbs& size) { return size.is_last(mm_, va, data); });
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
  last_.forget();
  ++generation_;
}

bool EverySize::activate(CpuId /*cpu*/, MmId mm, pt::PageTable& table) {
  if (mm != mm_ || &table != table_) {
    tell_all();
    forget_known();
  }
  mm_ = mm;
  table_ = &table;
  if (stale_.erase(mm) != 0) flush_mm(mm);
  return true;
}

// Whether the flush can wait: nobody uses those entries before the address space is loaded again.
bool EverySize::waits(MmId mm) {
  tell_all();
  forget_known();
  if (mm == mm_) return false;
  stale_.insert(mm);
  return true;
}

void EverySize::flush_range(MmId mm, VirtRange range, PageShift /*stride*/, bool /*freed_tables*/,
                            mmu::RangeFlush /*why*/) {
  if (waits(mm) || range.begin == range.end) return;
  const uint64_t first = page(range.begin);
  const uint64_t pages = (page(range.end - 1) - first) / page_.bytes() + 1;
  for (uint64_t i = 0; i < std::min<uint64_t>(pages, kLeaves); ++i)
    leaf_at(first + i * page_.bytes()) = {};
  for (PageTlbs& size : sizes_)
    size.flush_range(mm, range);
}

void EverySize::flush_mm(MmId mm) {
  if (waits(mm)) return;
  for (Leaf& leaf : leaves_)
    if (leaf.mm == mm) leaf = {};
  for (PageTlbs& size : sizes_)
    size.flush_space(mm);
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
