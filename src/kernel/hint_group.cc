#include "kernel/hint_group.h"

namespace mmusim::kernel {

namespace {

// change(page, entry) for each entry of the range.
template <class Change>
void each_entry(Core& core, AddressSpace& mm, const VirtRange& range, Change change) {
  const auto cursor = mm.table->cursor(range);
  pt::Run run;
  while (cursor->next(run)) {
    uint64_t writes = 0;
    for (uint32_t i = 0; i < run.count; ++i) {
      const pt::Entry old = run.get(i);
      const pt::Entry next = change(run.address(i), old);
      if (next == old) continue;
      run.set(i, next);
      ++writes;
    }
    run.report(*core.platform.sink, mem::Origin::Kernel, run.count, writes);
  }
}

}  // namespace

std::optional<HintGroup> hinted_group(const Core& core, VirtAddr page, pt::Entry entry) {
  const pt::EntryFormat& format = *core.platform.format;
  if (entry == pt::kNone || !format.is_present(entry)) return std::nullopt;
  const auto hint = format.parse_leaf(entry, core.page()).hint;
  if (!hint) return std::nullopt;
  return HintGroup{align_down(page, *hint), *hint};
}

void split_group(Core& core, AddressSpace& mm, const HintGroup& group,
                 const std::vector<HintGroup>& left, SplitCause why) {
  const pt::EntryFormat& format = *core.platform.format;
  bool accessed = false;
  bool dirty = false;
  each_entry(core, mm, group.range(), [&](VirtAddr, pt::Entry e) {
    accessed = accessed || format.is_accessed(e);
    dirty = dirty || format.is_dirty(e);
    return e;
  });
  auto part = left.begin();
  each_entry(core, mm, group.range(), [&](VirtAddr page, pt::Entry e) {
    pt::LeafFields fields = format.parse_leaf(e, core.page());
    while (part != left.end() && part->range().end <= page)
      ++part;
    fields.hint.reset();
    if (part != left.end() && part->base <= page) fields.hint = part->size;
    fields.accessed = accessed;
    fields.dirty = dirty;
    return format.make_leaf(fields);
  });
  core.huge_leaves.remove_group(mm, group.size);
  for (const HintGroup& smaller : left)
    core.huge_leaves.add_group(mm, smaller.size);
  ++core.counters.huge_splits;
  ++core.counters.sizes[group.size].splits[why];
  core.flushes.range(mm, group.range(), core.page(), false, mmu::RangeFlush::Change);
}

void set_hint(Core& core, AddressSpace& mm, const VirtRange& range, std::optional<PageShift> size) {
  const pt::EntryFormat& format = *core.platform.format;
  each_entry(core, mm, range, [&](VirtAddr, pt::Entry e) {
    pt::LeafFields fields = format.parse_leaf(e, core.page());
    fields.hint = size;
    return format.make_leaf(fields);
  });
}

void upgrade_group(Core& core, AddressSpace& mm, const HintGroup& group, Rights rights,
                   bool dirty) {
  const pt::EntryFormat& format = *core.platform.format;
  each_entry(core, mm, group.range(), [&](VirtAddr, pt::Entry e) {
    pt::LeafFields fields = format.parse_leaf(e, core.page());
    fields.rights = rights;
    fields.accessed = true;
    fields.dirty = fields.dirty || dirty;
    return format.make_leaf(fields);
  });
}

}  // namespace mmusim::kernel
