#include "kernel/promotion.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "kernel/entries.h"
#include "kernel/hint_group.h"
#include "kernel/huge.h"
#include "kernel/huge_split.h"
#include "kernel/zap_batch.h"
#include "pt/joined.h"

namespace mmusim::kernel {

namespace {

// What a block consists of that is to be one superpage.
class Parts {
 public:
  Parts(Core& core, AddressSpace& mm, const VirtRange& block, PageShift to)
      : joined_(*core.platform.format, core.page(), to) {
    const pt::EntryFormat& format = *core.platform.format;
    const auto cursor = mm.table->cursor(block);
    pt::Run run;
    while (fit_ && cursor->next(run)) {
      for (uint32_t i = 0; i < run.count && fit_; ++i)
        add(core, mm, format, run, i);
      run.report(*core.platform.sink, mem::Origin::Kernel, run.count, 0);
    }
    fit_ = fit_ && joined_.complete();
  }

  [[nodiscard]] bool fit() const { return fit_; }
  [[nodiscard]] Pfn first() const { return first_; }
  [[nodiscard]] const std::map<PageShift, uint64_t>& leaves() const { return leaves_; }
  [[nodiscard]] const std::vector<HintGroup>& groups() const { return groups_; }

 private:
  void add(const Core& core, const AddressSpace& mm, const pt::EntryFormat& format,
           const pt::Run& run, uint32_t i) {
    const pt::Entry e = run.get(i);
    fit_ = e != pt::kNone && joined_.add(run.size, e) && !format.is_special(e);
    if (!fit_) return;
    const Pfn pfn = format.parse_leaf(e, run.size).pfn;
    const mem::Frame& frame = core.platform.frames->frame(pfn);
    fit_ = frame.use == mem::FrameUse::Anonymous && core.counts.is_exclusive(pfn);
    if (!begun_) first_ = pfn;
    begun_ = true;
    if (run.size != core.page()) ++leaves_[run.size];
    if (const auto group = group_from(core, mm, run.address(i), e)) groups_.push_back(*group);
  }

  pt::Joined joined_;
  bool fit_ = true;
  bool begun_ = false;
  Pfn first_;
  std::map<PageShift, uint64_t> leaves_;  // larger than a page, by size
  std::vector<HintGroup> groups_;
};

// Gives every page of the block its part of the new block `first`, copying what is there. False: no
// memory for slots; nothing has changed but tables.
bool copy_into(Core& core, AddressSpace& mm, const Vma& vma, VirtAddr base, const BlockSize& to,
               Pfn first, ZapBatch& batch) {
  const pt::EntryFormat& format = *core.platform.format;
  const VirtRange block{base, base + to.size.bytes()};
  {
    const auto builder = mm.table->cursor(block, pt::CursorMode::Build);
    pt::Run run;
    while (builder->next(run)) {
    }
    if (builder->status() != pt::Status::Ok) return false;
  }
  pt::LeafFields fields{.pfn = first,
                        .size = core.page(),
                        .rights = leaf_rights(core, vma, true, true),
                        .accessed = true,
                        .dirty = true};
  if (!to.is_leaf()) fields.hint = to.size;
  int64_t were = 0;
  const auto cursor = mm.table->cursor(block);
  pt::Run run;
  while (cursor->next(run)) {
    for (uint32_t i = 0; i < run.count; ++i) {
      const pt::Entry old = run.get(i);
      fields.pfn = first + core.pages(run.address(i) - base);
      mem::Frame& copy = core.platform.frames->frame(fields.pfn);
      run.set(i, format.make_leaf(fields));
      if (old == pt::kNone) continue;
      if (format.is_special(old)) {
        batch.weaken(run.address(i), run.size);
        continue;
      }
      const Pfn pfn = format.pfn_of(old);
      copy.written = core.platform.frames->frame(pfn).written;
      --core.platform.frames->frame(pfn).mappings;
      batch.add(run.address(i), run.size, pfn);
      ++were;
    }
    run.report(*core.platform.sink, mem::Origin::Kernel, run.count, run.count);
  }
  core.accounts.add_rss(mm, PageKind::Anonymous, -were);
  account_huge(core, mm, vma, base, to.size, first);
  core.counters.promotion_copies += static_cast<uint64_t>(were);
  return true;
}

}  // namespace

bool may_have_superpages(const AddressSpace& mm, const Vma& vma, const BlockSize& to) {
  return vma.is_anonymous() && !vma.has(kVmNoHugePage | kVmHugeTlb | kVmPfnMap) &&
         wants(to.when, vma) && !thp_disabled(mm, vma);
}

bool may_promote(const AddressSpace& mm, const Vma& vma, VirtAddr page, const BlockSize& to) {
  return may_have_superpages(mm, vma, to) && lies_in(vma, page, to.size);
}

Promotion promote_in_place(Core& core, AddressSpace& mm, VirtAddr base, const BlockSize& to) {
  const Parts parts(core, mm, {base, base + to.size.bytes()}, to.size);
  if (!parts.fit()) return Promotion::Unfit;
  if (to.is_leaf()) {
    if (!core.huge_leaves.add(mm, to.size)) return Promotion::NoMemory;
    for (const HintGroup& group : parts.groups())
      set_hint(core, mm, group.range(), std::nullopt);
    ZapBatch batch(core, mm, ZapBatch::Scope::Change);
    const pt::Status status = batch.promote(base, to.size);
    if (status != pt::Status::Ok) {
      for (const HintGroup& group : parts.groups())
        set_hint(core, mm, group.range(), group.size);
      core.huge_leaves.remove(mm, to.size);
      MMUSIM_ASSERT(status == pt::Status::NoMemory);
      return Promotion::NoMemory;
    }
    core.counts.join(parts.first(), core.sizes.order(to.size));
    for (const auto& [size, count] : parts.leaves())
      for (uint64_t i = 0; i < count; ++i)
        core.huge_leaves.remove(mm, size);
    batch.finish();
  } else {
    if (!parts.leaves().empty()) return Promotion::Unfit;
    set_hint(core, mm, {base, base + to.size.bytes()}, to.size);
    core.huge_leaves.add_group(mm, to.size);
    core.flushes.range(mm, {base, base + to.size.bytes()}, core.page(), false,
                       mmu::RangeFlush::Change);
  }
  for (const HintGroup& group : parts.groups())
    core.huge_leaves.remove_group(mm, group.size);
  const auto order = static_cast<uint8_t>(core.sizes.order(to.size));
  for (uint64_t i = 0; i < core.pages(to.size); ++i)
    core.platform.frames->frame(parts.first() + i).folio = order;
  core.accounts.note_tables();
  return Promotion::Done;
}

Promotion promote_by_copy(Core& core, AddressSpace& mm, const Vma& vma, VirtAddr base,
                          const BlockSize& to) {
  split_superpages_in(core, mm, {base, base + to.size.bytes()}, SplitCause::Promotion);
  const unsigned order = core.sizes.order(to.size);
  const auto first = core.page_frames.new_huge(mm, order, false);
  if (!first) return Promotion::NoMemory;
  ZapBatch batch(core, mm, ZapBatch::Scope::Change);
  if (to.is_leaf() && !core.huge_leaves.add(mm, to.size)) {
    core.page_frames.discard_huge(*first, order);
    return Promotion::NoMemory;
  }
  if (!copy_into(core, mm, vma, base, to, *first, batch)) {
    if (to.is_leaf()) core.huge_leaves.remove(mm, to.size);
    core.page_frames.discard_huge(*first, order);
    return Promotion::NoMemory;
  }
  pt::Status status = pt::Status::Ok;
  if (to.is_leaf())
    status = batch.promote(base, to.size);
  else
    core.huge_leaves.add_group(mm, to.size);
  // Without memory for the leaf's table the pages have moved, and are base pages still.
  if (status != pt::Status::Ok)
    core.huge_leaves.remove(mm, to.size);
  else if (to.is_leaf())
    core.counts.join(*first, order);
  batch.finish();
  core.accounts.note_tables();
  return status == pt::Status::Ok ? Promotion::Done : Promotion::NoMemory;
}

Promotion promote(Core& core, AddressSpace& mm, const Vma& vma, const Survey& survey, VirtAddr base,
                  const BlockSize& to) {
  Counters::BySize& counted = core.counters.sizes[to.size];
  const Survey::Part part = survey.part(base, to.size);
  const uint64_t pages = core.pages(to.size);
  if (!part.fit || part.promoted || part.pages * 100 < pages * core.settings.superpage_populated) {
    ++counted.unfit;
    return Promotion::Unfit;
  }
  Promotion result = Promotion::Unfit;
  if (part.pages == pages) result = promote_in_place(core, mm, base, to);
  if (result == Promotion::Unfit) {
    result = promote_by_copy(core, mm, vma, base, to);
    if (result == Promotion::Done) ++counted.copied;
  }
  ++(result == Promotion::Done ? counted.promoted : counted.no_memory);
  return result;
}

Survey::Survey(Core& core, AddressSpace& mm, const VirtRange& range)
    : begin_(range.begin),
      page_(core.page()),
      places_(range.bytes() >> page_.log2(), Place{Page::None, page_}) {
  const pt::EntryFormat& format = *core.platform.format;
  const auto cursor = mm.table->cursor(range);
  pt::Run run;
  while (cursor->next(run)) {
    for (uint32_t i = 0; i < run.count; ++i) {
      const pt::Entry e = run.get(i);
      if (e == pt::kNone || (format.is_present(e) && format.is_special(e) && run.size == page_))
        continue;  // zeros count as nothing
      Place place{Page::Hindrance, run.size};
      if (format.is_present(e) && !format.is_special(e)) {
        const pt::LeafFields leaf = format.parse_leaf(e, run.size);
        const mem::Frame& frame = core.platform.frames->frame(leaf.pfn);
        if (frame.use == mem::FrameUse::Anonymous && core.counts.is_exclusive(leaf.pfn))
          place.page = Page::There;
        place.size = leaf.hint.value_or(run.size);
      }
      // A leaf may stick out of the range.
      const VirtAddr from = std::max(run.address(i), range.begin);
      const VirtAddr to = std::min(run.address(i) + run.size.bytes(), range.end);
      for (VirtAddr at = from; at < to; at += page_.bytes(), ++pages_)
        places_[(at - begin_) >> page_.log2()] = place;
    }
    run.report(*core.platform.sink, mem::Origin::Kernel, run.count, 0);
  }
}

Survey::Part Survey::part(VirtAddr base, PageShift size) const {
  Part part;
  const uint64_t first = (base - begin_) >> page_.log2();
  const uint64_t count = size.bytes() >> page_.log2();
  for (uint64_t i = first; i < first + count; ++i) {
    const Place& place = places_[i];
    part.fit = part.fit && place.page != Page::Hindrance;
    part.promoted = part.promoted || place.size >= size;
    part.pages += place.page == Page::There ? 1 : 0;
  }
  return part;
}

}  // namespace mmusim::kernel
