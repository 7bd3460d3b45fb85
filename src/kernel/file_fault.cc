// Faults in areas with a file behind them: fault-around, folios, private copies, shared writes
// (Linux: do_read_fault, do_cow_fault, do_shared_fault, filemap_map_pages).
#include <algorithm>
#include <vector>

#include "base/bits.h"
#include "base/error.h"
#include "kernel/fault_internal.h"
#include "kernel/share.h"

namespace mmusim::kernel {

namespace {

struct Window {  // pages to map, as addresses
  VirtAddr begin;
  VirtAddr end;
};

uint64_t index_of(const FaultContext& c, const Vma& vma, VirtAddr page) {
  return vma.pgoff + c.core.pages(page - vma.start);
}

// What a fault at `page` may map: within the area, the leaf table and the file.
Window limits(const FaultContext& c, const Vma& vma, VirtAddr page, const File& file) {
  const uint64_t span = c.core.table_span();
  const VirtAddr table(page.value() & ~(span - 1));
  Window w{std::max(vma.start, table), std::min(vma.end, table + span)};
  const uint64_t pages_left = file.pages - index_of(c, vma, page);
  if (c.core.pages(w.end - page) > pages_left) w.end = page + (pages_left << c.core.page().log2());
  return w;
}

// Linux's do_fault_around: a window of so many pages, from an aligned place in the table or the
// start of the area, whichever is later.
Window around(const FaultContext& c, const Vma& vma, VirtAddr page, const Window& limit) {
  const uint64_t bytes =
      std::min(c.core.settings.fault_around_pages << c.core.page().log2(), c.core.table_span());
  const VirtAddr begin = std::max(VirtAddr(page.value() & ~(bytes - 1)), vma.start);
  return {begin, std::min(begin + bytes, limit.end)};
}

// The folio of the page, where the area shows it.
Window folio(const FaultContext& c, const Vma& vma, VirtAddr page, const Window& limit) {
  const uint64_t pages = c.core.settings.folio_pages;
  const unsigned shift = c.core.page().log2();
  const uint64_t within = index_of(c, vma, page) & (pages - 1);
  const uint64_t before = std::min(within << shift, page - limit.begin);
  const uint64_t after = std::min((pages - within) << shift, limit.end - page);
  return {page - before, page + after};
}

// Makes sure the page is in memory. `major` is set if it had to be read.
std::optional<Pfn> read_page(FaultContext& c, FileId id, uint64_t index, bool& major) {
  File& file = c.core.cache.file(id);
  const bool cold = c.core.settings.cold_files && file.kind == FileKind::Regular;
  if (!cold) return c.core.file_page(id, index, major);
  const uint64_t window = c.core.settings.readahead_pages;
  const auto read = [&](uint64_t from) {
    file.ahead_end = std::min(from + window, file.pages);
    file.ahead_mark = from + window - window / 4;
    for (uint64_t i = from; i < file.ahead_end; ++i) {
      if (!c.core.file_page(id, i, major)) return;
    }
  };
  if (!c.core.cache.find(id, index)) {
    major = true;
    read(index > window / 2 ? index - window / 2 : 0);
  }
  return c.core.file_page(id, index, major);
}

// Reading on: once a fault maps pages near the end of the last window, the next one is fetched in
// the background.
void read_ahead(FaultContext& c, FileId id, uint64_t last_index) {
  File& file = c.core.cache.file(id);
  if (!c.core.settings.cold_files || file.kind != FileKind::Regular) return;
  if (file.ahead_end == 0 || last_index < file.ahead_mark || last_index >= file.ahead_end) return;
  const uint64_t window = c.core.settings.readahead_pages;
  const uint64_t from = file.ahead_end;
  file.ahead_end = std::min(from + window, file.pages);
  file.ahead_mark = from + window - window / 4;
  for (uint64_t i = from; i < file.ahead_end; ++i) {
    if (bool ahead = false; !c.core.file_page(id, i, ahead)) return;
  }
}

// Maps every page of the window that is in memory and not mapped yet. The page asked for is in
// memory and has a slot.
class Mapper {
 public:
  Mapper(FaultContext& c, const Vma& vma, bool write)
      : c_(c), vma_(vma), kind_(c.core.kind_of(vma)) {
    const File& file = c.core.cache.file(vma.file);
    // New shared memory has no pages but those somebody touched; a file is all there unless cold.
    only_cached_ = file.kind == FileKind::Regular ? c.core.settings.cold_files
                                                  : file.kind == FileKind::Shmem && file.hidden;
    fields_.size = c.core.page();
    fields_.rights = leaf_rights(c.core, vma, false, write);
    fields_.accessed = true;
    fields_.dirty = write;
  }

  void map(const Window& window) {
    // What the backend has slots for is filled in place, the rest page by page afterwards: making
    // slots would disturb the cursor.
    std::vector<Window> without_slots;
    VirtAddr at = window.begin;
    const auto cursor = c_.mm.table->cursor({window.begin, window.end});
    pt::Run run;
    while (cursor->next(run)) {
      if (run.size != c_.core.page()) continue;  // an empty slot for more than a page
      if (run.start > at) without_slots.push_back({at, run.start});
      uint64_t sets = 0;
      for (uint32_t i = 0; i < run.count; ++i) {
        if (run.get(i) != pt::kNone) continue;
        if (const pt::Entry e = leaf(run.address(i)); e != pt::kNone) {
          run.set(i, e);
          ++sets;
        }
      }
      run.report(*c_.core.platform.sink, mem::Origin::Kernel, run.count, sets);
      at = run.address(run.count);
    }
    if (at < window.end) without_slots.push_back({at, window.end});
    for (const Window& w : without_slots)
      map_singly(w);
  }

  [[nodiscard]] uint64_t mapped() const { return mapped_; }

  // Whether there is a page to map in the window.
  [[nodiscard]] bool finds_any(const Window& w) const {
    if (!only_cached_) return w.begin < w.end;
    for (VirtAddr page = w.begin; page < w.end; page += c_.core.page().bytes())
      if (c_.core.cache.find(vma_.file, index_of(c_, vma_, page))) return true;
    return false;
  }

 private:
  pt::Entry leaf(VirtAddr page) {
    const uint64_t index = index_of(c_, vma_, page);
    const bool only_cached = only_cached_ || c_.core.cache.file(vma_.file).away.contains(index);
    const auto pfn =
        only_cached ? c_.core.cache.find(vma_.file, index) : c_.core.cache.get(vma_.file, index);
    if (!pfn) return pt::kNone;
    ++c_.core.platform.frames->frame(*pfn).references;
    c_.core.mapped(c_.mm, *pfn, kind_);
    for_each_sharer(c_.core, c_.mm, page, [this](AddressSpace& other, VirtAddr /*page*/) {
      c_.core.add_rss(other, kind_, 1);
    });
    ++mapped_;
    fields_.pfn = *pfn;
    return c_.core.platform.format->make_leaf(fields_);
  }

  void map_singly(const Window& w) {
    for (VirtAddr page = w.begin; page < w.end; page += c_.core.page().bytes()) {
      const pt::Slot slot = c_.mm.table->ensure(page, c_.core.page());
      if (slot.status != pt::Status::Ok || slot.entry != pt::kNone) continue;
      if (const pt::Entry e = leaf(page); e != pt::kNone) put_leaf(c_, slot.handle, pt::kNone, e);
    }
  }

  FaultContext& c_;
  const Vma& vma_;
  PageKind kind_;
  bool only_cached_ = false;
  pt::LeafFields fields_;
  uint64_t mapped_ = 0;
};

}  // namespace

FaultOutcome map_file(FaultContext& c, Vma& vma, VirtAddr page, const pt::Slot& slot,
                      AccessKind kind) {
  const uint64_t index = index_of(c, vma, page);
  const File& file = c.core.cache.file(vma.file);
  bool major = false;
  const auto pfn = read_page(c, vma.file, index, major);
  if (!pfn) return FaultOutcome::NoMemory;

  if (vma.has(kVmPfnMap)) {
    put_leaf(c, slot.handle, pt::kNone,
             c.core.platform.format->make_leaf({.pfn = *pfn,
                                                .size = c.core.page(),
                                                .rights = leaf_rights(c.core, vma, false, false),
                                                .accessed = true,
                                                .special = true}));
    finish_fault(c, FaultCause::FileMap, false);
    return FaultOutcome::Fixed;
  }
  if (writes(kind) && !vma.is_shared()) return install_private_copy(c, vma, slot, major);

  const Window limit = limits(c, vma, page, file);
  Window window{page, page + c.core.page().bytes()};
  // The vdso has nothing that maps around a fault (Linux: special_mapping_vmops).
  if (!writes(kind) && !major && file.kind != FileKind::Vdso) window = around(c, vma, page, limit);
  if (file.kind == FileKind::Regular && c.core.settings.folio_pages > 1) {
    const Window whole = folio(c, vma, page, limit);
    window = {std::min(window.begin, whole.begin), std::max(window.end, whole.end)};
  }
  Mapper mapper(c, vma, writes(kind));
  mapper.map(window);
  read_ahead(c, vma.file, index_of(c, vma, window.end) - 1);
  if (vma.has(kVmImplied)) c.core.counters.implied_pages += mapper.mapped();
  c.core.counters.around += mapper.mapped() - 1;
  finish_fault(c, writes(kind) ? FaultCause::SharedWrite : FaultCause::FileMap, major);
  return FaultOutcome::Fixed;
}

// A read maps what is in memory around it first, of which some may lie before the end; else the
// upper tables have been made and no leaf table.
FaultOutcome fault_behind_file(FaultContext& c, Vma& vma, VirtAddr page, AccessKind kind) {
  if (writes(kind) && !vma.is_shared()) prepare_anon(c, vma);
  const File& file = c.core.cache.file(vma.file);
  const uint64_t bytes =
      std::min(c.core.settings.fault_around_pages << c.core.page().log2(), c.core.table_span());
  Window window{std::max(VirtAddr(page.value() & ~(bytes - 1)), vma.start), page};
  const uint64_t first = index_of(c, vma, window.begin);
  if (!writes(kind) && first < file.pages && bytes > c.core.page().bytes()) {
    window.end = window.begin + ((file.pages - first) << c.core.page().log2());
    Mapper mapper(c, vma, false);
    if (mapper.finds_any(window)) {
      mapper.map(window);
      c.core.counters.around += mapper.mapped();
      c.core.note_tables();
      return FaultOutcome::Refused;
    }
  }
  static_cast<void>(c.mm.table->ensure(page, PageShift(log2_floor(c.core.table_span()))));
  return FaultOutcome::Refused;
}

}  // namespace mmusim::kernel
