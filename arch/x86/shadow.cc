#include "arch/x86/shadow.h"

#include "arch/x86/steps.h"
#include "base/error.h"

namespace mmusim::x86 {

namespace {

constexpr unsigned kAll = Rights::kRead | Rights::kWrite | Rights::kExec | Rights::kUser;

}  // namespace

std::unique_ptr<Shadow> Shadows::make(MmId mm, pt::PageTable& table) {
  auto copy = copies_.make(mm);
  return copy == nullptr ? nullptr : std::make_unique<Shadow>(*this, std::move(copy), table);
}

Shadow::Fill Shadow::fill(VirtAddr va, AccessKind kind, bool preload, mmu::MissPath& path) {
  const EntryFormat& format = shared_.format_;
  ShadowCounters& counters = shared_.counters_;
  if (!preload) {
    ++counters.lookups;
    path.step(kShadowFaultStep);
  }
  path.step(kShadowLookupStep);
  const pt::Lookup found = path.walk(kernel_table_, va, kShadowLookupStep);
  if (found.entry == pt::kNone || !format.is_present(found.entry)) return Fill::Refused;
  pt::LeafFields leaf = format.parse_leaf(found.entry, found.size);
  const Rights rights(leaf.rights.bits() & found.mask.bits());
  if (!rights.allows(kind)) return Fill::Refused;

  path.step(kShadowFillStep);
  // The largest piece of the leaf that the hardware can map.
  PageShift size = k4K;
  for (const pt::RadixLevel& level : shared_.copies_.geometry())
    if (level.leaf_allowed && level.shift <= found.size.log2()) size = PageShift(level.shift);
  const auto slot = copy_->slot_for(va, size);
  if (!slot) return Fill::NoRoom;

  const bool mark = !leaf.accessed || (writes(kind) && !leaf.dirty);
  leaf.accessed = true;
  leaf.dirty = leaf.dirty || writes(kind);
  if (mark) {
    // Nothing happens between taking the handle and using it.
    const pt::Status status =
        kernel_table_.install(found.handle, found.entry, format.make_leaf(leaf));
    MMUSIM_ASSERT(status == pt::Status::Ok);
  }
  leaf.pfn += (slot->handle.base - found.base) >> k4K.log2();
  leaf.size = slot->handle.size;
  leaf.rights = leaf.dirty ? rights : rights.without(Rights::kWrite);
  if (slot->entry != pt::kNone && writes(kind)) ++counters.dirty_fills;
  copy_->put(*slot, format.make_leaf(leaf));
  ++(preload ? counters.preloads : counters.fills);
  return Fill::Done;
}

void Shadow::for_each(
    const std::function<void(VirtAddr base, PageShift size, Pfn pfn, Rights rights)>& visit) const {
  copy_->table().for_each_leaf([&](VirtAddr base, PageShift size, pt::Entry e) {
    const pt::LeafFields leaf = shared_.format_.parse_leaf(e, size);
    visit(base, size, leaf.pfn, Rights(leaf.rights.bits() & kAll));
  });
}

}  // namespace mmusim::x86
