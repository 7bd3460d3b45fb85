#include "kernel/reclaim.h"

#include <algorithm>
#include <utility>

#include "base/bits.h"
#include "base/error.h"
#include "kernel/folio.h"
#include "kernel/folio_split.h"
#include "kernel/hint_group.h"
#include "kernel/huge_split.h"
#include "kernel/share.h"
#include "kernel/superpage_policy.h"

namespace mmusim::kernel {

namespace {

constexpr unsigned kAttempts = 16;
constexpr uint64_t kCluster = 32;  // Linux: SWAP_CLUSTER_MAX

// Frames freed: `target`, or those of a folio more.
uint64_t reclaim(Core& core, uint64_t target) {
  PageList& pages = core.rmap->pages;
  Reclaimer reclaimer(core);
  uint64_t evicted = 0;
  // Twice around: the first time may only find that everything was used.
  for (uint64_t budget = 2 * pages.size(); budget > 0 && evicted < target; --budget) {
    const auto pfn = pages.first();
    if (!pfn) break;
    ++core.counters.reclaim_scanned;
    pages.move_to_end(*pfn);
    evicted += reclaimer.evict(*pfn, false);
  }
  reclaimer.finish();
  return evicted;
}

}  // namespace

bool make_room(Core& core, unsigned attempt) {
  if (attempt >= kAttempts) return false;
  if (core.policy != nullptr && core.policy->pressure()) return true;
  if (core.swap != nullptr) {
    ++core.counters.reclaim_runs;
    if (reclaim(core, kCluster << attempt) != 0) return true;
  }
  return core.platform.tlbs->shrink();
}

ZapBatch& Reclaimer::batch(AddressSpace& mm) {
  auto& found = batches_[mm.id];
  if (found == nullptr) found = std::make_unique<ZapBatch>(*core_, mm, ZapBatch::Scope::Pages);
  return *found;
}

void Reclaimer::split_huge_leaves(Pfn pfn, Mappers& mappers, bool all) {
  bool any = false;
  for (const Rmap::Mapper& m : mappers) {
    if (m.leaf.size == core_->page() && !group_of(*core_, *m.mm, m.leaf)) continue;
    split_huge_page(*core_, *m.mm, m.page,
                    all ? apart_to(core_->page()) : apart_around(m.page, core_->page()),
                    SplitCause::Reclaim);
    any = true;
  }
  if (any) mappers = core_->rmap->mappers(pfn);
}

bool Reclaimer::was_used(const Mappers& mappers) {
  const pt::EntryFormat& format = *core_->platform.format;
  bool used = false;
  for (const Rmap::Mapper& m : mappers) {
    const pt::Lookup leaf = m.mm->table->peek(m.page);
    if (!format.is_accessed(leaf.entry)) continue;
    used = true;
    const pt::Status status =
        m.mm->table->install(leaf.handle, leaf.entry, leaf.entry & ~format.accessed_mask);
    MMUSIM_ASSERT(status == pt::Status::Ok);
  }
  return used;
}

bool Reclaimer::replace_leaves(Pfn pfn, const Mappers& mappers, PageKind kind, pt::Entry next) {
  bool dirty = false;
  for (const Rmap::Mapper& m : mappers) {
    const pt::Lookup leaf = m.mm->table->peek(m.page);  // the one before may have moved it
    dirty = dirty || core_->platform.format->is_dirty(leaf.entry);
    pt::Entry old = leaf.entry;
    const pt::Status status = next == pt::kNone
                                  ? m.mm->table->clear(leaf.handle, old)
                                  : m.mm->table->install(leaf.handle, leaf.entry, next);
    MMUSIM_ASSERT(status == pt::Status::Ok);
    --core_->platform.frames->frame(pfn).mappings;
    core_->accounts.add_rss(*m.mm, kind, -1);
    for_each_sharer(*core_, *m.mm, m.page, [&](AddressSpace& other, VirtAddr page) {
      core_->accounts.add_rss(other, kind, -1);
      batch(other).weaken(page, core_->page());
    });
    batch(*m.mm).add(m.page, core_->page(), pfn);
  }
  return dirty;
}

uint64_t Reclaimer::evict(Pfn pfn, bool force) {
  const PageRecord* record = core_->rmap->pages.find(pfn);
  if (record == nullptr) return 0;
  if (!record->file && in_large_folio(*core_, pfn) &&
      core_->settings.superpage_swap != SuperpageSwap::Split) {
    const Pfn first = first_of_folio(*core_, pfn);
    if (const auto evicted = evict_folio(first, folio_pages(*core_, pfn), force)) return *evicted;
    if (core_->rmap->pages.find(pfn) == nullptr) return 0;  // it held zeros
  }
  return evict_page(pfn, force) ? 1 : 0;
}

std::optional<Reclaimer::Mappers> Reclaimer::mappers_of(Pfn pfn) {
  const PageRecord* record = core_->rmap->pages.find(pfn);
  const uint32_t mappings = core_->counts.mappings(pfn);
  if (core_->counts.references(pfn) != mappings + (record->file ? 1 : 0)) return std::nullopt;
  Mappers mappers = core_->rmap->mappers(pfn);
  if (mappers.size() != mappings) return std::nullopt;
  if (std::any_of(mappers.begin(), mappers.end(),
                  [](const auto& m) { return m.vma->has(kVmLocks | kVmPfnMap); }))
    return std::nullopt;
  return mappers;
}

bool Reclaimer::evict_page(Pfn pfn, bool force) {
  auto known = mappers_of(pfn);
  if (!known) return false;
  Mappers& mappers = *known;
  const PageRecord* record = core_->rmap->pages.find(pfn);
  const FileId file(record->file ? static_cast<uint32_t>(record->id) : 0);
  const bool huge_folio = record->file && core_->cache.file(file).is_huge(record->index);
  if (!huge_folio) split_huge_leaves(pfn, mappers, false);
  if (was_used(mappers) && !force) return false;
  if (huge_folio) {
    split_huge_folio(*core_, file, record->index);
    mappers.clear();
  }
  const bool done = record->file ? evict_file_page(pfn, mappers) : evict_anonymous(pfn, mappers);
  if (done) core_->rmap->pages.remove(pfn);
  return done;
}

// Whether none of its pages has gone, been given up or is in swap space.
bool Reclaimer::is_whole_folio(Pfn first, uint64_t pages) const {
  const mem::FrameMemory& frames = *core_->platform.frames;
  for (Pfn pfn = first; pfn < first + pages; pfn = pfn + 1) {
    if (!frames.in_use(pfn) || core_->rmap->pages.find(pfn) == nullptr) return false;
    const mem::Frame& frame = frames.frame(pfn);
    if (uint64_t{1} << frame.folio != pages || frame.lazy || core_->swap->slot_behind(pfn))
      return false;
  }
  return true;
}

std::optional<uint64_t> Reclaimer::evict_folio(Pfn first, uint64_t pages, bool force) {
  if (!is_whole_folio(first, pages)) return std::nullopt;
  bool used = false;
  std::optional<std::pair<Pfn, Rmap::Mapper>> shown;
  for (Pfn pfn = first; pfn < first + pages; pfn = pfn + 1) {
    const auto mappers = mappers_of(pfn);
    if (!mappers) return 0;
    used = was_used(*mappers) || used;
    if (!mappers->empty()) shown.emplace(pfn, mappers->front());
  }
  if (used && !force) {
    for (Pfn pfn = first; pfn < first + pages; pfn = pfn + 1)
      core_->rmap->pages.move_to_end(pfn);
    return 0;
  }
  const unsigned order = core_->platform.frames->frame(first).folio;
  Counters::BySize& counted = core_->counters.sizes[PageShift(core_->page().log2() + order)];
  const auto slot = core_->swap->allocate(order);
  if (!slot) {
    ++counted.swap_fallbacks;
    if (shown) divide_folio(first, pages, shown->first, shown->second);
    return std::nullopt;
  }
  ++counted.swapped_whole;
  for (uint64_t i = 0; i < pages; ++i) {
    Mappers mappers = core_->rmap->mappers(first + i);
    split_huge_leaves(first + i, mappers, true);
    write_out(first + i, mappers, SlotId(slot->value() + i));
    core_->rmap->pages.remove(first + i);
  }
  return pages;
}

// As Linux's split_folio_to_list() does it.
void Reclaimer::divide_folio(Pfn first, uint64_t pages, Pfn shown, const Rmap::Mapper& mapper) {
  const FolioPlaces places = places_of_folio(*core_, *mapper.mm, *mapper.vma, mapper.page, shown);
  if (!places.shared) return split_folio(*core_, *mapper.mm, places, shown);
  for (mem::Frame& frame : core_->platform.frames->block(first, log2_floor(pages)))
    frame.folio = 0;
}

bool Reclaimer::evict_anonymous(Pfn pfn, const Mappers& mappers) {
  const pt::EntryFormat& format = *core_->platform.format;
  SwapSpace& swap = *core_->swap;
  mem::Frame& frame = core_->platform.frames->frame(pfn);
  if (frame.lazy) {
    const bool written = std::any_of(mappers.begin(), mappers.end(), [&](const auto& m) {
      return format.is_dirty(m.mm->table->peek(m.page).entry);
    });
    frame.lazy = false;
    if (written) return false;
    replace_leaves(pfn, mappers, PageKind::Anonymous, pt::kNone);
    ++core_->counters.lazily_freed;
    return true;
  }
  const auto behind = swap.slot_behind(pfn);
  const auto slot = behind ? behind : swap.allocate();
  if (!slot) return false;
  write_out(pfn, mappers, *slot);
  return true;
}

// All who map the page hold the slot instead, where it is, or goes now.
void Reclaimer::write_out(Pfn pfn, const Mappers& mappers, SlotId slot) {
  SwapSpace& swap = *core_->swap;
  if (swap.slot_behind(pfn) != slot) {
    core_->transfer({.pfn = pfn, .out = true, .slot = slot.value()});
    ++core_->counters.swap_writes;
  }
  for (const Rmap::Mapper& m : mappers) {
    swap.add(slot);
    core_->accounts.add_swapped(*m.mm, 1);
  }
  replace_leaves(pfn, mappers, PageKind::Anonymous, swap.entry(slot));
}

bool Reclaimer::evict_file_page(Pfn pfn, const Mappers& mappers) {
  const PageRecord record = *core_->rmap->pages.find(pfn);
  const FileId id(static_cast<uint32_t>(record.id));
  File& file = core_->cache.file(id);
  const bool shared_memory = file.kind == FileKind::Shmem;
  SlotId slot;
  if (shared_memory) {
    const auto found = core_->swap->allocate();
    if (!found) return false;
    slot = *found;
    core_->swap->add(slot);
    ++core_->counters.swap_writes;
  } else {
    ++core_->counters.files_dropped;
  }
  core_->transfer(
      {.pfn = pfn, .out = true, .slot = slot.value(), .file = id.value(), .index = record.index});
  const bool dirty =
      replace_leaves(pfn, mappers, shared_memory ? PageKind::Shmem : PageKind::File, pt::kNone);
  if (dirty && !shared_memory) ++core_->counters.files_written;
  core_->cache.take_out(id, record.index);
  file.away[record.index] = slot;
  file.absent.add({record.index, std::min(record.index + 1, file.filled)});
  from_cache_.push_back(pfn);
  return true;
}

void Reclaimer::finish() {
  for (auto& [mm, gathered] : batches_)
    gathered->finish();
  batches_.clear();
  for (const Pfn pfn : from_cache_)
    core_->page_frames.put(pfn);
  from_cache_.clear();
}

}  // namespace mmusim::kernel
