#include "kernel/huge.h"

#include <algorithm>

#include "base/error.h"
#include "kernel/fault_internal.h"
#include "kernel/guard.h"
#include "kernel/linux_abi.h"

namespace mmusim::kernel {

using namespace abi;

namespace {

pt::Entry huge_leaf(const FaultContext& c, const Vma& vma, Pfn pfn, bool zero) {
  return c.core.platform.format->make_leaf({.pfn = pfn,
                                            .size = *c.core.huge(),
                                            .rights = leaf_rights(c.core, vma, !zero, !zero),
                                            .accessed = true,
                                            .dirty = !zero && vma.has(kVmWrite),
                                            .special = zero});
}

// A huge page of its own is mapped at `base` now.
void account_huge(FaultContext& c, const Vma& vma, VirtAddr base, Pfn first) {
  c.core.add_rss(c.mm, PageKind::Anonymous, static_cast<int64_t>(c.core.huge_pages()));
  if (c.core.swap == nullptr) return;
  for (uint64_t i = 0; i < c.core.huge_pages(); ++i)
    c.core.rmap->add_anonymous(first + i, vma, base + (i << c.core.page().log2()));
}

// The small pages of a split huge zero page show the small zero page, as in Linux.
void use_small_zero_page(Core& core, AddressSpace& mm, VirtRange range) {
  const auto zero = core.zero_page();
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

void split_leaf(Core& core, AddressSpace& mm, const pt::Handle& handle, pt::Entry entry) {
  core.remove_huge_leaf(mm);  // what was set aside is the split's now
  const pt::Status status = mm.table->split(handle, core.page());
  if (status != pt::Status::Ok)
    throw Error("page table", fmt::format("cannot split a huge page: {}", name_of(status)),
                "what split_reserve() asked for had been kept for it");
  const VirtRange range{handle.base, handle.base + handle.size.bytes()};
  if (core.platform.format->is_special(entry)) use_small_zero_page(core, mm, range);
  ++core.counters.huge_splits;
  core.flush_range(mm, range, core.page(), false, mmu::RangeFlush::Change);
}

bool is_huge(const Core& core, const pt::Lookup& found) {
  return found.entry != pt::kNone && core.huge() && found.size == *core.huge();
}

// A write to the huge zero page. False: no memory for a huge page.
bool replace_zero(FaultContext& c, Vma& vma, const pt::Slot& slot) {
  const auto pfn = c.core.new_huge(c.mm);
  if (!pfn) return false;
  prepare_anon(c, vma);
  put_leaf(c, slot.handle, slot.entry, huge_leaf(c, vma, *pfn, false));
  account_huge(c, vma, slot.handle.base, *pfn);
  ZapBatch batch(c.core, c.mm, ZapBatch::Scope::Change);
  batch.weaken(slot.handle.base, slot.handle.size);
  batch.finish();
  finish_fault(c, FaultCause::CowZero, false);
  ++c.core.counters.huge_faults;
  return true;
}

// Whether a huge page has no other user; it is marked so then.
bool make_exclusive(Core& core, Pfn first) {
  mem::FrameMemory& frames = *core.platform.frames;
  if (frames.frame(first).exclusive) return true;
  for (uint64_t i = 0; i < core.huge_pages(); ++i)
    if (frames.frame(first + i).references != 1) return false;
  for (uint64_t i = 0; i < core.huge_pages(); ++i)
    frames.frame(first + i).exclusive = true;
  return true;
}

}  // namespace

std::optional<FaultOutcome> map_huge(FaultContext& c, Vma& vma, VirtAddr page, AccessKind kind) {
  prepare_anon(c, vma);  // for a read too, which is why fork copies huge zero pages
  const pt::Slot slot = c.mm.table->ensure(page, *c.core.huge());
  if (slot.status != pt::Status::Ok || slot.entry != pt::kNone) return std::nullopt;
  const bool zero = !writes(kind) && c.core.settings.zero_page;
  const auto pfn = zero ? c.core.huge_zero_page() : c.core.new_huge(c.mm);
  if (!pfn) {
    ++c.core.counters.huge_fallbacks;
    return std::nullopt;
  }
  if (!c.core.add_huge_leaf(c.mm)) {
    if (!zero) c.core.put_huge(*pfn);
    return FaultOutcome::NoMemory;
  }
  put_leaf(c, slot.handle, pt::kNone, huge_leaf(c, vma, *pfn, zero));
  if (!zero) account_huge(c, vma, slot.handle.base, *pfn);
  if (vma.has(kVmImplied)) c.core.counters.implied_pages += c.core.huge_pages();
  finish_fault(c, zero ? FaultCause::AnonymousZero : FaultCause::Anonymous, false);
  ++c.core.counters.huge_faults;
  return FaultOutcome::Fixed;
}

std::optional<FaultOutcome> fix_huge(FaultContext& c, Vma& vma, VirtAddr page, const pt::Slot& slot,
                                     AccessKind kind) {
  const pt::EntryFormat& format = *c.core.platform.format;
  pt::LeafFields fields = format.parse_leaf(slot.entry, slot.handle.size);
  FaultCause cause = FaultCause::Spurious;
  bool exclusive = !fields.special && c.core.platform.frames->frame(fields.pfn).exclusive;
  if (writes(kind) && !format.is_writable(slot.entry)) {
    if (fields.special) {
      if (replace_zero(c, vma, slot)) return FaultOutcome::Fixed;
      ++c.core.counters.huge_fallbacks;
      split_leaf(c.core, c.mm, slot.handle, slot.entry);
      return std::nullopt;
    }
    exclusive = make_exclusive(c.core, fields.pfn);
    if (!exclusive) {
      split_leaf(c.core, c.mm, slot.handle, slot.entry);
      return std::nullopt;
    }
    cause = FaultCause::CowReuse;
  }
  fields.accessed = true;
  fields.dirty = fields.dirty || writes(kind);
  fields.rights = leaf_rights(c.core, vma, exclusive, fields.dirty);
  const pt::Entry next = format.make_leaf(fields);
  if (next != slot.entry) put_leaf(c, slot.handle, slot.entry, next);
  c.core.flush_local(c.cpu, c.mm, page);
  finish_fault(c, cause, false);
  return FaultOutcome::Fixed;
}

namespace {

// The block behind the one at `at`, where `found` was looked up; behind a void of several, the one
// it ends in.
VirtAddr next_block(const pt::Lookup& found, VirtAddr at, PageShift size) {
  const VirtAddr next = at + size.bytes();
  return found.entry != pt::kNone ? next : std::max(next, align_down(found.empty.end, size));
}

}  // namespace

void split_huge_at(Core& core, AddressSpace& mm, VirtAddr at) {
  if (mm.huge_leaves == 0 || is_aligned(at, *core.huge())) return;
  split_huge_page(core, mm, at);
}

void split_huge_page(Core& core, AddressSpace& mm, VirtAddr at) {
  const pt::Lookup found = mm.table->find(at);
  if (is_huge(core, found)) split_leaf(core, mm, found.handle, found.entry);
}

void split_for_move(Core& core, AddressSpace& mm, VirtAddr from, VirtAddr to, uint64_t bytes) {
  if (mm.huge_leaves == 0) return;
  const PageShift size = *core.huge();
  const bool alike = ((from.value() ^ to.value()) & size.offset_mask()) == 0;
  split_huge_at(core, mm, from);
  split_huge_at(core, mm, from + bytes);
  VirtAddr next;
  for (VirtAddr at = align_up(from, size); at < from + bytes; at = next) {
    const pt::Lookup found = mm.table->find(at);
    next = next_block(found, at, size);
    if (!is_huge(core, found)) continue;
    // Where a table stands at the target, or none can be had, the leaf cannot go there whole.
    if (alike && mm.table->ensure(to + (at - from), size).status == pt::Status::Ok) continue;
    const pt::Lookup now = mm.table->find(at);  // making a slot may have moved it
    split_leaf(core, mm, now.handle, now.entry);
  }
}

namespace {

// Gives every page of the block its part of the new huge page `first`, copying what is there.
// False: no memory for slots; nothing has changed but tables.
bool copy_into(FaultContext& c, const Vma& vma, VirtAddr base, Pfn first, ZapBatch& batch) {
  const pt::EntryFormat& format = *c.core.platform.format;
  const VirtRange block{base, base + c.core.huge()->bytes()};
  {
    const auto builder = c.mm.table->cursor(block, pt::CursorMode::Build);
    pt::Run run;
    while (builder->next(run)) {
    }
    if (builder->status() != pt::Status::Ok) return false;
  }
  pt::LeafFields fields{.pfn = first,
                        .size = c.core.page(),
                        .rights = leaf_rights(c.core, vma, true, true),
                        .accessed = true,
                        .dirty = true};
  int64_t were = 0;
  const auto cursor = c.mm.table->cursor(block);
  pt::Run run;
  while (cursor->next(run)) {
    for (uint32_t i = 0; i < run.count; ++i) {
      const pt::Entry old = run.get(i);
      fields.pfn = first + c.core.pages(run.address(i) - base);
      mem::Frame& copy = c.core.platform.frames->frame(fields.pfn);
      run.set(i, format.make_leaf(fields));
      if (old == pt::kNone) continue;
      if (format.is_special(old)) {
        batch.weaken(run.address(i), run.size);
        continue;
      }
      const Pfn pfn = format.pfn_of(old);
      copy.written = c.core.platform.frames->frame(pfn).written;
      --c.core.platform.frames->frame(pfn).mappings;
      batch.add(run.address(i), run.size, pfn);
      ++were;
    }
    run.report(*c.core.platform.sink, mem::Origin::Kernel, run.count, run.count);
  }
  c.core.add_rss(c.mm, PageKind::Anonymous, -were);
  account_huge(c, vma, base, first);
  return true;
}

enum class Collapse : uint8_t {
  Done,
  Missing,  // there is not even a table above: goes on with the next block
  Failed,   // there is no leaf table; this and all others end the call
  NoMemory,
};

// Linux tries to fault in what is not present, which a guard refuses.
bool has_guards(Core& core, AddressSpace& mm, VirtRange block) {
  const pt::EntryFormat& format = *core.platform.format;
  const auto cursor = mm.table->cursor(block);
  pt::Run run;
  bool found = false;
  while (!found && cursor->next(run))
    run.for_each([&](uint32_t, const pt::Entry& e) { found = found || is_guard(format, e); });
  return found;
}

// What of the block is in swap space comes back. False: there is no room for all of it.
bool read_back(FaultContext& c, Vma& vma, VirtAddr base) {
  const pt::EntryFormat& format = *c.core.platform.format;
  const auto is_away = [&](VirtAddr at) {
    const pt::Lookup found = c.mm.table->find(at);
    return found.entry != pt::kNone && !format.is_present(found.entry);
  };
  const VirtAddr end = base + c.core.huge()->bytes();
  for (VirtAddr at = base; at < end; at += c.core.page().bytes()) {
    if (is_away(at) && handle_fault(c, vma, at, AccessKind::Load) != FaultOutcome::Fixed)
      return false;
  }
  for (VirtAddr at = base; at < end; at += c.core.page().bytes())
    if (is_away(at)) return false;
  return true;
}

// Whether the page table shows nothing at all there: to some, a void ends at every page.
bool has_entries(FaultContext& c, VirtRange block) {
  const auto cursor = c.mm.table->cursor(block);
  pt::Run run;
  bool found = false;
  while (!found && cursor->next(run))
    run.for_each([&](uint32_t, pt::Entry& e) { found = found || e != pt::kNone; });
  return found;
}

Collapse collapse_block(FaultContext& c, Vma& vma, VirtAddr base) {
  const PageShift size = *c.core.huge();
  const pt::Lookup there = c.mm.table->find(base);
  if (is_huge(c.core, there)) return Collapse::Done;
  const bool empty = there.entry == pt::kNone && there.empty.begin <= base &&
                     there.empty.end - base >= size.bytes();
  if (empty) return there.empty.bytes() > size.bytes() ? Collapse::Missing : Collapse::Failed;
  if (!c.mm.table->capabilities().promotes) return Collapse::Failed;
  // A leaf table that holds nothing is something, where there are such.
  if (!there.has_slot && !has_entries(c, {base, base + size.bytes()})) return Collapse::Failed;
  if (has_guards(c.core, c.mm, {base, base + size.bytes()})) return Collapse::Failed;

  if (c.core.swap != nullptr && !read_back(c, vma, base)) return Collapse::NoMemory;
  const auto pfn = c.core.new_huge(c.mm);
  if (!pfn) return Collapse::NoMemory;
  ZapBatch batch(c.core, c.mm, ZapBatch::Scope::Change);
  if (!c.core.add_huge_leaf(c.mm)) {
    c.core.put_huge(*pfn);
    return Collapse::NoMemory;
  }
  if (!copy_into(c, vma, base, *pfn, batch)) {
    c.core.remove_huge_leaf(c.mm);
    c.core.put_huge(*pfn);
    return Collapse::NoMemory;
  }
  const pt::Status status = batch.promote(base, size);
  MMUSIM_ASSERT(status == pt::Status::Ok);
  batch.finish();
  ++c.core.counters.huge_collapses;
  c.core.note_tables();
  return Collapse::Done;
}

}  // namespace

namespace {

// Whether MADV_COLLAPSE has anything to do with the area (Linux: thp_vma_allowable_order, forced):
// memory, private or shared, of which the last aligned block lies in the area, and in the file as
// it lies in memory. Not files on a disk: of these Linux makes huge pages only where it was
// configured so, and nobody has them open for writing.
bool may_collapse(const Core& core, const AddressSpace& mm, const Vma& vma) {
  if (core.settings.thp == HugePages::Disabled || !core.huge()) return false;
  if (vma.has(kVmNoHugePage | kVmHugeTlb | kVmPfnMap | kVmDontExpand)) return false;
  if (mm.thp_disabled == AddressSpace::ThpDisabled::All) return false;
  if (vma.is_anonymous()) {
    if (vma.anon == AnonVmaId(0)) return false;  // no page of its own was ever there
  } else {
    if (core.cache.file(vma.file).kind != FileKind::Shmem) return false;
    if (((core.pages(vma.start.value()) - vma.pgoff) & (core.huge_pages() - 1)) != 0) return false;
  }
  const PageShift size = *core.huge();
  const VirtAddr last = align_down(vma.end, size);
  return last.value() >= size.bytes() && last - size.bytes() >= vma.start;
}

}  // namespace

int64_t collapse(FaultContext c, Vma& vma, VirtRange range) {
  if (!may_collapse(c.core, c.mm, vma)) return -kEINVAL;
  const PageShift size = *c.core.huge();
  const VirtAddr begin = align_up(range.begin, size);
  const VirtAddr end = align_down(range.end, size);
  int64_t result = begin <= end ? 0 : -kEINVAL;
  if (!vma.is_anonymous() && begin < end) return -kEINVAL;
  VirtAddr next;
  for (VirtAddr at = begin; at < end; at = next) {
    const Collapse one = collapse_block(c, vma, at);
    if (one == Collapse::NoMemory) return -kENOMEM;
    if (one == Collapse::Failed) return -kEINVAL;
    if (one == Collapse::Missing) result = -kEINVAL;
    next = next_block(c.mm.table->peek(at), at, size);
  }
  return result;
}

}  // namespace mmusim::kernel
