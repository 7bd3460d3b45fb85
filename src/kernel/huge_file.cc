#include "kernel/huge_file.h"

#include "kernel/entries.h"
#include "kernel/file_areas.h"
#include "kernel/leaf_table.h"
#include "kernel/zap.h"

namespace mmusim::kernel {

namespace {

uint64_t index_of(const Core& core, const Vma& vma, VirtAddr page) {
  return vma.pgoff + core.pages(page - vma.start);
}

// The first frame of the huge folio that begins with the page `index` of the file.
Pfn first_frame(const File& file, uint64_t index) {
  return *file.frame_of(index);
}

// Whether one leaf may show the folio around `page` (Linux: do_set_pmd).
bool may_map(const Core& core, const AddressSpace& mm, const Vma& vma, VirtAddr page) {
  if (vma.has(kVmNoHugePage) || mm.thp_disabled == AddressSpace::ThpDisabled::All) return false;
  if (!may_have_huge_folios(core, vma)) return false;
  const VirtAddr base = align_down(page, *core.huge());
  return base >= vma.start && base < vma.end && vma.end - base >= core.huge()->bytes();
}

// A huge leaf for the folio at `base`; false: there is no room for one, or no memory for a table.
bool map_leaf(FaultContext& c, const Vma& vma, VirtAddr base, bool write) {
  Core& core = c.core;
  const pt::Slot slot = c.mm.table->ensure(base, *core.huge());
  if (slot.status != pt::Status::Ok || slot.entry != pt::kNone) return false;
  const Pfn first = first_frame(core.cache.file(vma.file), index_of(core, vma, base));
  put_leaf(c, slot.handle, pt::kNone,
           core.platform.format->make_leaf({.pfn = first,
                                            .size = *core.huge(),
                                            .rights = leaf_rights(core, vma, false, write),
                                            .accessed = true,
                                            .dirty = write}));
  core.counts.map(first, core.sizes.huge_order());
  core.huge_leaves.add_folio(c.mm);
  core.accounts.add_rss(c.mm, PageKind::Shmem, static_cast<int64_t>(core.huge_pages()));
  ++core.counters.huge_shared_maps;
  core.accounts.note_tables();
  return true;
}

}  // namespace

bool may_have_huge_folios(const Core& core, const Vma& vma) {
  if (vma.is_anonymous() || !core.huge() || core.settings.thp == HugePages::Disabled) return false;
  if (core.settings.shared_table_bytes != 0 || vma.has(kVmHugeTlb)) return false;
  if (core.cache.file(vma.file).kind != FileKind::Shmem) return false;
  return ((core.pages(vma.start.value()) - vma.pgoff) & (core.huge_pages() - 1)) == 0;
}

std::optional<FaultOutcome> map_huge_folio(FaultContext& c, Vma& vma, VirtAddr page,
                                           AccessKind kind) {
  // A private write makes a copy of one page.
  if (writes(kind) && !vma.is_shared()) return std::nullopt;
  if (!c.core.cache.file(vma.file).is_huge(index_of(c.core, vma, page))) return std::nullopt;
  if (!may_map(c.core, c.mm, vma, page) || has_leaf_table(c.core, c.mm, page, *c.core.huge()))
    return std::nullopt;
  if (!map_leaf(c, vma, align_down(page, *c.core.huge()), writes(kind))) return std::nullopt;
  if (vma.has(kVmImplied)) c.core.counters.implied_pages += c.core.huge_pages();
  c.core.counters.around += c.core.huge_pages() - 1;
  finish_fault(c, writes(kind) ? FaultCause::SharedWrite : FaultCause::FileMap, false);
  return FaultOutcome::Fixed;
}

namespace {

// Whether the block has a page at all, in memory or swap space.
bool holds_any(const File& file, const Folio& block) {
  for (uint64_t i = block.first; i < block.end; ++i)
    if (file.frame_of(i) || file.away.contains(i) || (i < file.pages && file.is_there(i)))
      return true;
  return false;
}

// Its pages become one folio, with zeros where there was none. Failed: it has none. What Linux does
// for one address space after the other, and flushes at the end, is one flush for each here.
Collapse make_folio(Core& core, FileId id, const Folio& block) {
  File& file = core.cache.file(id);
  if (!holds_any(file, block)) return Collapse::Failed;
  const auto first = core.page_frames.new_huge_folio(id);
  if (!first) return Collapse::NoMemory;
  for (uint64_t i = block.first; i < block.end; ++i) {
    bool read = false;
    if (!file.away.contains(i) || core.files.page(id, i, read)) continue;
    core.page_frames.put_huge(*first, core.sizes.huge_order());
    return Collapse::NoMemory;
  }
  unmap_everywhere(core, id, block, ZapPages::OfFile);
  for (uint64_t i = block.first; i < block.end; ++i) {
    if (const auto old = file.frame_of(i)) {
      core.cache.take_out(id, i);
      core.page_frames.put(*old);
    }
    core.cache.put_in(id, i, *first + (i - block.first));
  }
  file.folios.erase(file.folios.lower_bound(block.first), file.folios.lower_bound(block.end));
  file.folios[block.first] = block.end;
  file.huge.insert(block.first);
  ++core.counters.huge_shared;
  return Collapse::Done;
}

// The block's leaf table, if it is empty, goes, so that a huge leaf has room. Not where private
// pages are, or guards ever were (Linux: retract_page_tables).
void retract_table(Core& core, AddressSpace& mm, const Vma& vma, VirtRange block) {
  if (vma.anon != AnonVmaId(0) || vma.has(kVmMaybeGuard)) return;
  if (block.bytes() != core.huge()->bytes() || !is_aligned(block.begin, *core.huge())) return;
  ZapBatch batch(core, mm, ZapBatch::Scope::Change);
  batch.trim(block, block.begin, block.end);
  batch.finish();
}

// What stands in the way of a huge leaf: Failed: pages that are not the folio's; Missing: guards,
// and what is in swap space.
Collapse look_for_others(Core& core, AddressSpace& mm, VirtRange block, Pfn first) {
  const pt::EntryFormat& format = *core.platform.format;
  const auto cursor = mm.table->cursor(block);
  pt::Run run;
  Collapse found = Collapse::Done;
  while (found == Collapse::Done && cursor->next(run)) {
    for (uint32_t i = 0; i < run.count && found == Collapse::Done; ++i) {
      const pt::Entry e = run.get(i);
      if (e == pt::kNone) continue;
      if (!format.is_present(e))
        found = Collapse::Missing;
      else if (format.pfn_of(e) != first + core.pages(run.address(i) - block.begin))
        found = Collapse::Failed;
    }
    run.report(*core.platform.sink, mem::Origin::Kernel, run.count, 0);
  }
  return found;
}

}  // namespace

Collapse collapse_shared_block(FaultContext& c, Vma& vma, VirtAddr base) {
  Core& core = c.core;
  const FileId id = vma.file;
  const uint64_t index = index_of(core, vma, base);
  const Folio folio{index, index + core.huge_pages()};
  const VirtRange block{base, base + core.huge()->bytes()};
  if (!core.cache.file(id).huge.contains(index)) {
    if (const Collapse made = make_folio(core, id, folio); made != Collapse::Done) return made;
    each_area_of(core, id, folio, [&](AddressSpace& mm, const Vma& area, VirtRange part) {
      retract_table(core, mm, area, part);
    });
  }
  if (is_huge(core, c.mm.table->find(base))) return Collapse::Done;
  const Pfn first = first_frame(core.cache.file(id), index);
  if (const Collapse others = look_for_others(core, c.mm, block, first); others != Collapse::Done)
    return others;
  ZapBatch batch(core, c.mm, ZapBatch::Scope::Change);
  zap(batch, vma, block, ZapPages::OfFile);
  batch.trim(block, block.begin, block.end);
  batch.finish();
  if (map_leaf(c, vma, base, false)) {
    ++core.counters.huge_collapses;
    return Collapse::Done;
  }
  ++core.counters.huge_fallbacks;
  return Collapse::Failed;
}

}  // namespace mmusim::kernel
