#include "kernel/reclaim_advice.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "kernel/entries.h"
#include "kernel/folio.h"
#include "kernel/huge_split.h"
#include "kernel/reclaim.h"
#include "kernel/zap_batch.h"

namespace mmusim::kernel {

namespace {

class Adviser {
 public:
  Adviser(Core& core, AddressSpace& mm, const Vma& vma, ReclaimAdvice advice)
      : core_(core), mm_(mm), vma_(vma), advice_(advice) {}

  void run(VirtRange range) {
    // Pages of a group are dirty together, and here each matters.
    if (mm_.groups != 0) split_superpages_in(core_, mm_, range, SplitCause::Advice);
    if (core_.page_frames.tracks_stores) split_covered_in_part(range);
    if (advice_ != ReclaimAdvice::Free && has_file_folios()) leave_file_folios(range);
    walk(range);
    if (advice_ == ReclaimAdvice::PageOut) {
      core_.swap != nullptr ? reclaim() : page_out();
    } else if (core_.swap != nullptr) {
      // The first of the range shall be the first to go.
      for (auto it = found_.rbegin(); it != found_.rend(); ++it)
        if (core_.rmap->pages.find(it->pfn) != nullptr) core_.rmap->pages.move_to_front(it->pfn);
    }
  }

 private:
  struct Page {
    VirtAddr at;
    Pfn pfn;
  };
  // A folio, and what of it the range shows. Of another's pages nothing can be asked once one has
  // been split, since it may have lost them.
  struct Covered {
    Pfn folio;
    uint64_t pages = 0;  // it has
    Page first;          // shown
    uint64_t shown = 0;
  };

  mem::Frame& frame(Pfn pfn) { return core_.platform.frames->frame(pfn); }

  // What of the leaf lies in the range.
  static VirtRange covered(const pt::Run& run, uint32_t i, VirtRange range) {
    return {std::max(run.address(i), range.begin),
            std::min(run.address(i) + run.size.bytes(), range.end)};
  }

  // By their first pages in the range; pages of one may lie among another's.
  std::vector<Covered> folios_in(VirtRange range) {
    std::vector<Covered> folios;
    std::map<Pfn, size_t> known;
    each_leaf(core_, mm_, range, LeafReads::Untold, [&](const pt::Run& run, uint32_t i, Pfn pfn) {
      if (!in_large_folio(core_, pfn)) return;
      const VirtRange part = covered(run, i, range);
      const Page page{part.begin, pfn + core_.pages(part.begin - run.address(i))};
      const Pfn folio = first_of_folio(core_, page.pfn);
      const auto [place, is_new] = known.emplace(folio, folios.size());
      if (is_new) folios.push_back({folio, folio_pages(core_, page.pfn), page});
      folios[place->second].shown += core_.pages(part.bytes());
    });
    return folios;
  }

  // Whether all of it is shown, in one leaf table.
  [[nodiscard]] bool is_whole(const Covered& folio) const {
    const uint64_t bytes = folio.pages << core_.page().log2();
    return folio.shown == folio.pages &&
           folio.first.at + bytes <= core_.table_of(folio.first.at).end;
  }

  void split_covered_in_part(VirtRange range) {
    for (const Covered& folio : folios_in(range)) {
      const FolioPlaces places = places_of_folio(core_, mm_, vma_, folio.first.at, folio.first.pfn);
      if (places.shared)
        left_alone_.insert(folio.folio);
      else if (!is_whole(folio))
        split_folio(core_, mm_, places, folio.first.pfn);
    }
  }

  bool is_left_alone(VirtAddr at, Pfn pfn) {
    const mem::Frame& shown = frame(pfn);
    if (shown.use == mem::FrameUse::File) return file_left_alone_.contains(index_of(at));
    return shown.folio != 0 && left_alone_.contains(first_of_folio(core_, pfn));
  }

  // --- Folios of files

  [[nodiscard]] uint64_t index_of(VirtAddr at) const {
    return vma_.pgoff + core_.pages(at - vma_.start);
  }
  [[nodiscard]] bool has_file_folios() const {
    if (vma_.is_anonymous()) return false;
    const File& file = core_.cache.file(vma_.file);
    return file.kind == FileKind::Regular || !file.folios.empty();
  }

  // Those that lie side by side in the range, by the pages of them that are shown there.
  std::vector<std::pair<Folio, uint64_t>> file_folios_in(VirtRange range) {
    const File& file = core_.cache.file(vma_.file);
    std::vector<std::pair<Folio, uint64_t>> folios;
    each_leaf(core_, mm_, range, LeafReads::Untold, [&](const pt::Run& run, uint32_t i, Pfn pfn) {
      if (frame(pfn).use != mem::FrameUse::File) return;
      const VirtRange part = covered(run, i, range);
      const uint64_t index = index_of(part.begin);
      if (folios.empty() || !folios.back().first.contains(index))
        folios.emplace_back(file.folio_of(index), 0);
      folios.back().second += core_.pages(part.bytes());
    });
    return folios;
  }

  // Those that were not split, though the range does not show them whole, since they are dirty or
  // others show them; and those that are shown elsewhere too.
  void leave_file_folios(VirtRange range) {
    const File& file = core_.cache.file(vma_.file);
    for (const auto& [folio, shown] : file_folios_in(range)) {
      if (folio.pages() == 1) continue;
      uint64_t mappings = 0;
      for (uint64_t i = folio.first; i < folio.end; ++i)
        if (const auto pfn = file.frame_of(i)) mappings += core_.counts.mappings(*pfn);
      if (shown != folio.pages() || mappings != shown) file_left_alone_.add(folio);
    }
  }

  // Whether the advice is for the page of this leaf; notes it then.
  bool take(VirtAddr at, Pfn pfn, bool shared_table) {
    mem::Frame& page = frame(pfn);
    if (is_left_alone(at, pfn) || page.use == mem::FrameUse::Reserved) return false;
    if (advice_ == ReclaimAdvice::Free) {
      if (core_.swap != nullptr) {
        if (core_.swap->slot_behind(pfn) && core_.counts.mappings(pfn) != 1) return false;
        core_.swap->forget(pfn);
      }
      page.lazy = true;
    } else if (core_.counts.mappings(pfn) != 1 || shared_table) {
      return false;
    }
    found_.push_back({at, pfn});
    return true;
  }

  void walk(VirtRange range) {
    const pt::EntryFormat& format = *core_.platform.format;
    const bool free = advice_ == ReclaimAdvice::Free;
    const pt::Entry cleared = (advice_ == ReclaimAdvice::PageOut ? 0 : format.accessed_mask) |
                              (free ? format.dirty_mask : 0);
    ZapBatch batch(core_, mm_);
    const auto cursor = mm_.table->cursor(range, free ? pt::CursorMode::Zap : pt::CursorMode::Read);
    pt::Run run;
    while (cursor->next(run)) {
      uint64_t writes = 0;
      for (uint32_t i = 0; i < run.count; ++i) {
        const pt::Entry e = run.get(i);
        if (e == pt::kNone) continue;
        if (!format.is_present(e)) {
          if (!free || is_guard(format, e)) continue;
          core_.drop_swap_entry(mm_, e);
          run.set(i, pt::kNone);
          ++writes;
          continue;
        }
        if (format.is_special(e) || !take_leaf(run, i, format.parse_leaf(e, run.size).pfn))
          continue;
        if (const pt::Entry next = e & ~cleared; next != e) {
          run.set(i, next);
          ++writes;
          batch.weaken(run.address(i), run.size);
        }
      }
      run.report(*core_.platform.sink, mem::Origin::Kernel, run.count, writes);
    }
    batch.finish();
  }

  // A huge leaf stands for all its pages.
  bool take_leaf(const pt::Run& run, uint32_t i, Pfn pfn) {
    bool taken = true;
    for (uint64_t page = 0; page < core_.pages(run.size.bytes()) && taken; ++page)
      taken = take(run.address(i) + (page << core_.page().log2()), pfn + page, run.shared);
    return taken;
  }

  // With swap space.
  void reclaim() {
    Reclaimer reclaimer(core_);
    for (const Page& page : found_)
      reclaimer.evict(page.pfn, true);
    reclaimer.finish();
  }

  // Without.
  void page_out() {
    ZapBatch batch(core_, mm_);
    std::vector<uint64_t> clean;
    const pt::EntryFormat& format = *core_.platform.format;
    for (const Page& page : found_) {
      // A huge page that was split meanwhile has lost pages nobody wrote to.
      const pt::Lookup leaf = mm_.table->peek(page.at);
      if (leaf.entry == pt::kNone || format.is_special(leaf.entry)) continue;
      if (leaf.size != core_.page() && shows_huge_folio(core_, leaf.entry, leaf.size)) {
        // The folio stays as it is, in the cache.
        unmap_huge_folio(core_, mm_, leaf.handle, leaf.entry);
        core_.counters.paged_out += core_.huge_pages();
        continue;
      }
      if (frame(page.pfn).use == mem::FrameUse::Anonymous)
        page_out_private(page, leaf, batch);
      else
        page_out_shared(page, batch, clean);
    }
    batch.finish();
    for (const uint64_t index : clean)
      core_.files.drop_span(vma_.file, {index, index + 1});
  }

  void page_out_private(const Page& page, const pt::Lookup& leaf, ZapBatch& batch) {
    if (!frame(page.pfn).lazy) {
      if (!in_large_folio(core_, page.pfn)) return;
      split_folio(core_, mm_, places_of_folio(core_, mm_, vma_, page.at, page.pfn), page.pfn);
      return;
    }
    if (leaf.size != core_.page())
      split_huge_page(core_, mm_, page.at, apart_to(core_.page()), SplitCause::Advice);
    if (core_.platform.format->is_dirty(leaf.entry)) {
      frame(page.pfn).lazy = false;
      return;
    }
    ++core_.counters.lazily_freed;
    unmap(page, PageKind::Anonymous, batch);
  }

  void page_out_shared(const Page& page, ZapBatch& batch, std::vector<uint64_t>& clean) {
    const uint64_t index = index_of(page.at);
    File& file = core_.cache.file(vma_.file);
    if (file.kind != FileKind::Regular && file.kind != FileKind::Shmem) return;
    bool dirty = unmap(page, core_.files.kind_of(vma_), batch) || frame(page.pfn).written;
    if (file.kind == FileKind::Regular) {
      const Folio folio = file.folio_of(index);
      dirty = dirty || file.is_dirty(folio);
      // To be given up when it is written back, which Linux says by the bit that also marks where
      // to read ahead: no fault maps it on its way.
      if (dirty) file.ahead.marks.insert(folio.first);
    }
    // Shared memory that is there from the beginning was written by who made it.
    if (dirty || (file.kind == FileKind::Shmem && index < file.filled)) return;
    clean.push_back(index);
    ++core_.counters.files_dropped;
  }

  // Takes the leaf away; whether it was dirty.
  bool unmap(const Page& page, PageKind kind, ZapBatch& batch) {
    const pt::Lookup leaf = mm_.table->find(page.at);
    pt::Entry old = leaf.entry;
    const pt::Status status = mm_.table->clear(leaf.handle, old);
    MMUSIM_ASSERT(status == pt::Status::Ok);
    const bool dirty = core_.platform.format->is_dirty(old);
    mem::Frame& shown = frame(page.pfn);
    --shown.mappings;
    if (shown.use == mem::FrameUse::File && dirty) shown.written = true;
    core_.accounts.add_rss(mm_, kind, -1);
    ++core_.counters.paged_out;
    batch.add(page.at, core_.page(), page.pfn);
    return dirty;
  }

  Core& core_;
  AddressSpace& mm_;
  const Vma& vma_;
  ReclaimAdvice advice_;
  std::set<Pfn> left_alone_;  // folios that others show
  PageSpans file_left_alone_;
  std::vector<Page> found_;
};

}  // namespace

void advise_reclaim(Core& core, AddressSpace& mm, const Vma& vma, VirtRange range,
                    ReclaimAdvice advice) {
  Adviser(core, mm, vma, advice).run(range);
}

}  // namespace mmusim::kernel
