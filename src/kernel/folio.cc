#include "kernel/folio.h"

#include <algorithm>

#include "kernel/entries.h"
#include "kernel/hint_group.h"
#include "kernel/huge_split.h"
#include "kernel/zap_batch.h"

namespace mmusim::kernel {

namespace {

// visit(run, i, entry, frame) for each leaf of the range that shows a page of the folio.
template <class Visit>
void each_leaf_of(Core& core, AddressSpace& mm, VirtRange range, Pfn first, uint64_t pages,
                  Visit visit) {
  each_leaf(core, mm, range, LeafReads::Told, [&](pt::Run& run, uint32_t i, Pfn pfn) {
    if (pfn >= first && pfn < first + pages) visit(run, i, pfn);
  });
}

// Superpages that show pages of it, leaves and groups; not another's, which may lie among its own.
void split_superpages_of(Core& core, AddressSpace& mm, VirtRange part, Pfn first, uint64_t pages) {
  if (!has_superpages(mm)) return;
  std::vector<VirtAddr> large;
  each_leaf_of(core, mm, part, first, pages, [&](const pt::Run& run, uint32_t i, Pfn) {
    if (run.size != core.page() || group_from(core, mm, run.address(i), run.get(i)))
      large.push_back(run.address(i));
  });
  for (const VirtAddr at : large)
    split_huge_page(core, mm, at, apart_to(core.page()), SplitCause::Advice);
}

// Leaves that show base pages of it, in all address spaces.
uint64_t mappings_of(const Core& core, Pfn first, uint64_t pages) {
  const mem::FrameMemory& frames = *core.platform.frames;
  uint64_t mappings = 0;
  for (Pfn pfn = first; pfn < first + pages; pfn = pfn + 1)
    if (frames.in_use(pfn) && frames.frame(pfn).folio != 0) mappings += core.counts.mappings(pfn);
  return mappings;
}

}  // namespace

FolioPlaces places_of_folio(Core& core, AddressSpace& mm, const Vma& vma, VirtAddr page, Pfn pfn) {
  const Pfn first = first_of_folio(core, pfn);
  const uint64_t pages = folio_pages(core, pfn);
  const uint64_t begin = vma.pgoff + core.pages(page - vma.start) - (pfn - first);
  const uint64_t end = begin + pages;
  FolioPlaces places;
  uint64_t mapped = 0;
  for (const auto& entry : mm.vmas.areas()) {
    const Vma& area = entry.second;
    if (area.anon == AnonVmaId(0) || area.anon_root != vma.anon_root) continue;
    const uint64_t from = std::max(begin, area.pgoff);
    const uint64_t to = std::min(end, area.pgoff + core.pages(area.range().bytes()));
    if (from >= to) continue;
    const auto address = [&](uint64_t index) {
      return area.start + ((index - area.pgoff) << core.page().log2());
    };
    const VirtRange part{address(from), address(to)};
    uint64_t here = 0;
    each_leaf_of(core, mm, part, first, pages,
                 [&](const pt::Run& run, uint32_t, Pfn) { here += core.pages(run.size.bytes()); });
    if (here == 0) continue;
    places.parts.emplace_back(&area, part);
    mapped += here;
  }
  places.shared = mapped != mappings_of(core, first, pages);
  return places;
}

void split_folio(Core& core, AddressSpace& mm, const FolioPlaces& places, Pfn pfn) {
  mem::FrameMemory& frames = *core.platform.frames;
  const Pfn first = first_of_folio(core, pfn);
  const uint64_t pages = folio_pages(core, pfn);
  const auto zero = core.settings.zero_split ? core.page_frames.zero_page() : std::nullopt;
  ZapBatch batch(core, mm);
  int64_t unused = 0;
  for (const auto& [vma, part] : places.parts) {
    split_superpages_of(core, mm, part, first, pages);
    if (vma->has(kVmLocked) || !zero) continue;
    const pt::Entry leaf = special_leaf(core, *vma, *zero);
    each_leaf_of(core, mm, part, first, pages, [&](pt::Run& run, uint32_t i, Pfn shown) {
      mem::Frame& frame = frames.frame(shown);
      if (frame.written) return;
      run.set(i, leaf);
      run.part(i, 1).report(*core.platform.sink, mem::Origin::Kernel, 0, 1);
      --frame.mappings;
      batch.add(run.address(i), run.size, shown);
      ++unused;
    });
  }
  for (Pfn at = first; at < first + pages; at = at + 1)
    if (frames.in_use(at)) frames.frame(at).folio = 0;
  if (unused != 0) core.accounts.add_rss(mm, PageKind::Anonymous, -unused);
  core.counters.huge_unused += static_cast<uint64_t>(unused);
  ++core.counters.folio_splits;
  batch.finish();
}

void note_store(Core& core, const AddressSpace& mm, VirtAddr va) {
  const pt::EntryFormat& format = *core.platform.format;
  const pt::Lookup leaf = mm.table->peek(va);
  if (leaf.entry == pt::kNone || !format.is_writable(leaf.entry)) return;
  const Pfn pfn = format.parse_leaf(leaf.entry, leaf.size).pfn + core.pages(va - leaf.base);
  mem::Frame& frame = core.platform.frames->frame(pfn);
  if (frame.use == mem::FrameUse::Anonymous) frame.written = true;
}

}  // namespace mmusim::kernel
