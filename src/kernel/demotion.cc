#include "kernel/demotion.h"

#include <vector>

#include "base/error.h"
#include "kernel/entries.h"
#include "kernel/zap_batch.h"

namespace mmusim::kernel {

namespace {

// The small pages of a split huge zero page show the small zero page, as in Linux.
void use_small_zero_page(Core& core, AddressSpace& mm, VirtRange range) {
  const auto zero = core.page_frames.zero_page();
  if (!zero) return;  // zeros are zeros
  const pt::EntryFormat& format = *core.platform.format;
  const auto cursor = mm.table->cursor(range);
  pt::Run run;
  while (cursor->next(run)) {
    for (uint32_t i = 0; i < run.count; ++i) {
      pt::LeafFields fields = format.parse_leaf(run.get(i), run.size);
      fields.pfn = *zero;
      run.set(i, format.make_leaf(fields));
    }
    run.report(*core.platform.sink, mem::Origin::Kernel, 0, run.count);
  }
}

bool lies_across(VirtAddr base, PageShift size, VirtAddr border) {
  return base < border && border - base < size.bytes();
}

class Demotion {
 public:
  Demotion(Core& core, AddressSpace& mm, const Apart& apart)
      : core_(core), mm_(mm), apart_(apart) {}

  // Makes smaller leaves of one, and of those that may not stay so, smaller ones again.
  void divide(const pt::Handle& handle, pt::Entry entry, bool is_part) {
    const bool zero = core_.platform.format->is_special(entry);
    const PageShift to = zero ? core_.page() : next_size(handle.size, core_.sizes.leaf_parts);
    const PageShift now = split(handle, to);
    if (!zero) count(handle, entry, now);
    if (is_part) --core_.counters.sizes[handle.size].parts;
    if (now == core_.page()) return;
    for (const VirtAddr border : {apart_.range.begin, apart_.range.end}) {
      if (!lies_across(handle.base, handle.size, border)) continue;
      const pt::Lookup found = mm_.table->find(border);
      if (is_huge(core_, found) && !may_stay(found.base, found.size))
        divide(found.handle, found.entry, true);
    }
  }

  // The superpages that are left of a group.
  void divide(const HintGroup& group, std::vector<HintGroup>& left) const {
    const PageShift to = next_size(group.size, core_.sizes.hint_parts);
    if (to == core_.page()) return;
    for (VirtAddr at = group.base; at < group.range().end; at += to.bytes()) {
      if (may_stay(at, to))
        left.push_back({at, to});
      else
        divide({at, to}, left);
    }
  }

 private:
  [[nodiscard]] bool may_stay(VirtAddr base, PageShift size) const {
    return size <= apart_.most && !lies_across(base, size, apart_.range.begin) &&
           !lies_across(base, size, apart_.range.end);
  }
  [[nodiscard]] PageShift next_size(PageShift size, const std::vector<PageShift>& parts) const {
    PageShift next = core_.page();
    for (const PageShift part : parts)
      if (part < size && part <= apart_.most) next = part;
    return next;
  }

  // Into leaves of that size, or of base pages if there is no memory for what must be set aside
  // with them; into which.
  PageShift split(const pt::Handle& handle, PageShift to) {
    const uint64_t parts = handle.size.bytes() / to.bytes();
    bool smaller = to != core_.page() && core_.huge_leaves.add(mm_, to, parts);
    core_.huge_leaves.remove(mm_, handle.size);  // what was set aside is the split's now
    if (smaller && mm_.table->split(handle, to) != pt::Status::Ok) {
      core_.huge_leaves.remove(mm_, to, parts);
      smaller = false;
    }
    if (smaller) {
      core_.counters.sizes[to].parts += parts;
      return to;
    }
    const pt::Status status = mm_.table->split(handle, core_.page());
    if (status != pt::Status::Ok)
      throw Error("page table", fmt::format("cannot split a huge page: {}", name_of(status)),
                  "what split_reserve() asked for had been kept for it");
    return core_.page();
  }

  // Of the frames of a leaf that has become leaves of that size.
  void count(const pt::Handle& handle, pt::Entry entry, PageShift to) {
    const Pfn first = core_.platform.format->parse_leaf(entry, handle.size).pfn;
    core_.counts.divide(first, core_.sizes.order(handle.size));
    if (to == core_.page()) return;
    for (uint64_t at = 0; at < handle.size.bytes(); at += to.bytes())
      core_.counts.join(first + core_.pages(at), core_.sizes.order(to));
  }

  Core& core_;
  AddressSpace& mm_;
  const Apart& apart_;
};

}  // namespace

void unmap_huge_folio(Core& core, AddressSpace& mm, const pt::Handle& handle, pt::Entry leaf) {
  ZapBatch batch(core, mm, ZapBatch::Scope::Change);
  pt::Entry old = leaf;
  const pt::Status status = mm.table->clear(handle, old);
  MMUSIM_ASSERT(status == pt::Status::Ok);
  batch.add_huge_folio(handle.base, old);
  core.accounts.add_rss(mm, PageKind::Shmem, -static_cast<int64_t>(core.huge_pages()));
  batch.finish();
  ++core.counters.huge_splits;
}

void demote_leaf(Core& core, AddressSpace& mm, const pt::Handle& handle, pt::Entry leaf,
                 const Apart& apart, SplitCause why) {
  if (shows_huge_folio(core, leaf, handle.size)) {
    unmap_huge_folio(core, mm, handle, leaf);
    return;
  }
  const VirtRange range{handle.base, handle.base + handle.size.bytes()};
  Demotion(core, mm, apart).divide(handle, leaf, false);
  if (core.platform.format->is_special(leaf)) use_small_zero_page(core, mm, range);
  ++core.counters.huge_splits;
  ++core.counters.sizes[handle.size].splits[why];
  core.flushes.range(mm, range, core.page(), false, mmu::RangeFlush::Change);
}

void demote_group(Core& core, AddressSpace& mm, const HintGroup& group, const Apart& apart,
                  SplitCause why) {
  std::vector<HintGroup> left;
  Demotion(core, mm, apart).divide(group, left);
  for (const HintGroup& part : left)
    ++core.counters.sizes[part.size].parts;
  split_group(core, mm, group, left, why);
}

}  // namespace mmusim::kernel
