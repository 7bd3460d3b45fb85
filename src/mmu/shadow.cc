#include "mmu/shadow.h"

#include <fmt/format.h>

#include "base/error.h"

namespace mmusim::mmu {

std::unique_ptr<Shadow> Shadows::make(MmId mm, pt::PageTable& table) {
  auto copy = copies_.make(mm, table);
  return copy == nullptr ? nullptr : std::make_unique<Shadow>(*this, std::move(copy), table);
}

Shadow::Fill Shadow::fill(VirtAddr va, AccessKind kind, bool preload, MissPath& path) {
  const pt::EntryFormat& format = shared_.copies_.format();
  ShadowCounts& counters = shared_.counters_;
  if (!preload) ++counters.lookups;
  pt::WalkPath words;
  const pt::Lookup found = kernel_table_.walk(va, words);
  const bool present = found.entry != pt::kNone && format.is_present(found.entry);
  const Rights rights(
      present ? format.parse_leaf(found.entry, found.size).rights.bits() & found.mask.bits() : 0);
  if (!rights.allows(kind)) {
    if (!preload) path.remark("the kernel's page table does not allow it either: its own fault");
    return present ? Fill::Forbidden : Fill::Refused;
  }
  // What the kernel puts here on its way back is its own work.
  const mem::Origin who = preload ? mem::Origin::Kernel : mem::Origin::Handler;
  if (preload) {
    path.remark("the kernel puts the entry it has just made into the copy, too");
  } else {
    path.step(shared_.steps_.fault);
    path.step(shared_.steps_.lookup);
    static_cast<void>(path.walk(kernel_table_, va, shared_.steps_.lookup));
  }

  if (copy_->join(va, found, who)) {
    if (!preload) path.step(shared_.steps_.join);
    const pt::Lookup there = copy_->table().peek(va);
    if (there.entry != pt::kNone &&
        format.parse_leaf(there.entry, there.size).rights.allows(kind)) {
      ++(preload ? counters.preloads : counters.fills);
      return Fill::Done;
    }
  }
  if (!preload) path.step(shared_.steps_.fill);
  // The largest piece of the leaf that the hardware can map.
  const PageShift page = shared_.copies_.page();
  PageShift size = page;
  for (const pt::RadixLevel& level : shared_.copies_.geometry())
    if (level.leaf_allowed && level.shift <= found.size.log2()) size = PageShift(level.shift);
  const uint64_t before = path.made(who);
  const auto slot = copy_->slot_for(va, size, who);
  if (!slot) return Fill::NoRoom;
  if (path.narrated())
    path.remark(fmt::format("{} references to the copy's tables on the way to the slot",
                            path.made(who) - before));
  if (slot->entry != pt::kNone && writes(kind)) ++counters.dirty_fills;
  put(*slot, va, found, words, kind, who, path);
  ++(preload ? counters.preloads : counters.fills);
  if (slot->handle.size == page && shared_.prefill_ > 1) prefill(va, words, who, path);
  return Fill::Done;
}

// The part of the leaf `found` that the slot has room for, as an access of that kind leaves it.
void Shadow::put(const pt::Slot& slot, VirtAddr va, const pt::Lookup& found,
                 const pt::WalkPath& words, AccessKind kind, mem::Origin who, MissPath& path) {
  const pt::EntryFormat& format = shared_.copies_.format();
  pt::LeafFields leaf = format.parse_leaf(found.entry, found.size);
  const Rights rights(leaf.rights.bits() & found.mask.bits());
  const bool mark = !leaf.accessed || (writes(kind) && !leaf.dirty);
  leaf.accessed = true;
  leaf.dirty = leaf.dirty || writes(kind);
  if (mark) {
    // Nothing happens between taking the handle and using it.
    const pt::Entry next = format.make_leaf(leaf);
    const pt::Status status =
        who == mem::Origin::Handler
            ? path.install(kernel_table_, va, found, next, words.steps().back())
            : kernel_table_.install(found.handle, found.entry, next);
    MMUSIM_ASSERT(status == pt::Status::Ok);
  }
  leaf.pfn += (slot.handle.base - found.base) >> shared_.copies_.page().log2();
  leaf.size = slot.handle.size;
  leaf.rights = leaf.dirty ? rights : rights.without(Rights::kWrite);
  const uint64_t before = path.made(who);
  copy_->put(slot, format.make_leaf(leaf), who);
  path.tell_store(copy_->table(), va, who, before);
}

// Only what has been used, as the accessed bit in the kernel's table would have to be set else.
// What is read for it are the words of its look-up that were not read for the page before.
void Shadow::prefill(VirtAddr va, const pt::WalkPath& words, mem::Origin who, MissPath& path) {
  const pt::EntryFormat& format = shared_.copies_.format();
  const PageShift size = shared_.copies_.page();
  const uint64_t bytes = uint64_t{shared_.prefill_} << size.log2();
  const VirtAddr begin(va.value() & ~(bytes - 1));
  pt::WalkPath before = words;
  for (VirtAddr page = begin; page < begin + bytes; page += size.bytes()) {
    if (page == align_down(va, size) || copy_->table().peek(page).entry != pt::kNone) continue;
    pt::WalkPath now;
    const pt::Lookup found = kernel_table_.walk(page, now);
    const auto steps = now.steps();
    size_t known = 0;
    while (known < steps.size() && known < before.steps().size() &&
           steps[known].address == before.steps()[known].address)
      ++known;
    for (const pt::WalkStep& step : steps.subspan(known))
      path.read(kernel_table_, page, step,
                {.origin = who, .level = step.level, .dependent = step.dependent, .through = {}});
    before = now;
    if (found.entry == pt::kNone || !format.is_present(found.entry) || found.size != size ||
        !format.is_accessed(found.entry))
      continue;
    const auto slot = copy_->slot_for(page, size, who);
    if (!slot) return;
    if (who == mem::Origin::Handler) path.step(shared_.steps_.prefill);
    put(*slot, page, found, now, AccessKind::Load, who, path);
    ++shared_.counters_.prefills;
  }
}

void Shadow::for_each(
    const std::function<void(VirtAddr base, PageShift size, Pfn pfn, Rights rights)>& visit) const {
  copy_->table().for_each_leaf([&](VirtAddr base, PageShift size, pt::Entry e) {
    const pt::LeafFields leaf = shared_.copies_.format().parse_leaf(e, size);
    visit(base, size, leaf.pfn, leaf.rights);
  });
}

}  // namespace mmusim::mmu
