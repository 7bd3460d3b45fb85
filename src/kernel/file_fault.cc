#include "kernel/file_fault.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/bits.h"
#include "kernel/anon_fault.h"
#include "kernel/entries.h"
#include "kernel/huge_file.h"
#include "kernel/leaf_table.h"
#include "kernel/read_ahead.h"
#include "kernel/share.h"
#include "kernel/writeback.h"

namespace mmusim::kernel {

namespace {

struct Window {  // pages to map, as addresses
  VirtAddr begin;
  VirtAddr end;
};

uint64_t index_of(const FaultContext& c, const Vma& vma, VirtAddr page) {
  return vma.pgoff + c.core.pages(page - vma.start);
}

VirtAddr address_of(const FaultContext& c, const Vma& vma, uint64_t index) {
  return vma.start + ((index - vma.pgoff) << c.core.page().log2());
}

// The pages a read fault looks at (Linux: do_fault_around): kernel.fault_around of them, from an
// aligned place in the table or the start of the area, whichever is later, to the end of that
// window, of the table, the area or the file. Empty: it begins behind the end of the file.
Window around(const FaultContext& c, const Vma& vma, VirtAddr page, const File& file) {
  const VirtRange table = c.core.table_of(page);
  const uint64_t bytes =
      std::min(block_of_pages(c.core.settings.fault_around, c.core.page()) << c.core.page().log2(),
               table.bytes());
  Window w{std::max(VirtAddr(page.value() & ~(bytes - 1)), vma.start), VirtAddr(0)};
  w.end = std::min({w.begin + bytes, table.end, vma.end});
  const uint64_t first = index_of(c, vma, w.begin);
  const uint64_t left = first < file.pages ? file.pages - first : 0;
  if (c.core.pages(w.end - w.begin) > left) w.end = w.begin + (left << c.core.page().log2());
  return w;
}

// The folio, if all of it lies in the area and in one leaf table.
std::optional<Window> whole(const FaultContext& c, const Vma& vma, const Folio& folio) {
  if (folio.first < vma.pgoff || folio.end > vma.pgoff + c.core.pages(vma.range().bytes()))
    return std::nullopt;
  const Window w{address_of(c, vma, folio.first), address_of(c, vma, folio.end)};
  if (w.end > c.core.table_of(w.begin).end) return std::nullopt;
  return w;
}

bool is_empty(const FaultContext& c, const Window& window) {
  const auto cursor = c.mm.table->cursor({window.begin, window.end});
  bool empty = true;
  pt::Run run;
  while (empty && cursor->next(run))
    run.for_each([&](uint32_t i, const pt::Entry& e) {
      const VirtAddr at = run.address(i);
      if (e != pt::kNone && at >= window.begin && at < window.end) empty = false;
    });
  return empty;
}

bool is_marked(const File& file, uint64_t index) {
  return !file.ahead.marks.empty() && file.ahead.marks.contains(file.folio_of(index).first);
}

// Maps every page of the window that is in memory and not mapped yet.
class Mapper {
 public:
  // `asked`: the page the fault is about, once it has been read.
  Mapper(FaultContext& c, const Vma& vma, bool write, std::optional<VirtAddr> asked)
      : c_(c),
        vma_(vma),
        file_(c.core.cache.file(vma.file)),
        kind_(c.core.files.kind_of(vma)),
        asked_(asked) {
    fields_.size = c.core.page();
    fields_.rights = leaf_rights(c.core, vma, false, write);
    fields_.accessed = true;
    fields_.dirty = write;
  }

  void map(const Window& window) {
    // What the backend has slots for is filled in place, the rest afterwards: making slots would
    // disturb the cursor.
    std::vector<Window> without_slots;
    VirtAddr at = window.begin;
    const auto cursor = c_.mm.table->cursor({window.begin, window.end});
    pt::Run run;
    while (cursor->next(run)) {
      if (run.size != c_.core.page()) continue;  // an empty slot for more than a page
      if (run.start > at) without_slots.push_back({at, run.start});
      fill(run);
      at = run.address(run.count);
    }
    if (at < window.end) without_slots.push_back({at, window.end});
    for (const Window& w : without_slots)
      map_new(w);
  }

  [[nodiscard]] uint64_t mapped() const { return mapped_; }

 private:
  void fill(pt::Run& run) {
    uint64_t sets = 0;
    for (uint32_t i = 0; i < run.count; ++i) {
      if (run.get(i) != pt::kNone) continue;
      if (const pt::Entry e = leaf(run.address(i)); e != pt::kNone) {
        run.set(i, e);
        ++sets;
      }
    }
    run.report(*c_.core.platform.sink, mem::Origin::Kernel, run.count, sets);
  }

  // New shared memory has no pages but those somebody touched. What read-ahead has marked is left
  // out (Linux: next_uptodate_folio), so that a fault finds the mark.
  [[nodiscard]] bool is_wanted(VirtAddr page, uint64_t index, bool has_frame) const {
    return (has_frame || file_.is_there(index)) && (page == asked_ || !is_marked(file_, index));
  }
  [[nodiscard]] bool is_wanted(VirtAddr page) const {
    const uint64_t index = index_of(c_, vma_, page);
    return is_wanted(page, index, file_.frame_of(index).has_value());
  }

  pt::Entry leaf(VirtAddr page) {
    const uint64_t index = index_of(c_, vma_, page);
    const auto frame = file_.frame_of(index);
    if (!is_wanted(page, index, frame.has_value())) return pt::kNone;
    const auto pfn = frame ? frame : c_.core.cache.get(vma_.file, index);
    if (!pfn) return pt::kNone;
    ++c_.core.platform.frames->frame(*pfn).references;
    c_.core.mapped(c_.mm, *pfn, kind_);
    for_each_sharer(c_.core, c_.mm, page, [this](AddressSpace& other, VirtAddr /*page*/) {
      c_.core.accounts.add_rss(other, kind_, 1);
    });
    ++mapped_;
    fields_.pfn = *pfn;
    return c_.core.platform.format->make_leaf(fields_);
  }

  // Slots only for pages that get an entry, those that lie side by side at once.
  void map_new(const Window& w) {
    const uint64_t bytes = c_.core.page().bytes();
    for (VirtAddr page = w.begin; page < w.end; page += bytes) {
      const VirtAddr begin = page;
      while (page < w.end && is_wanted(page))
        page += bytes;
      if (page == begin) continue;
      const auto builder = c_.mm.table->cursor({begin, page}, pt::CursorMode::Build);
      pt::Run run;
      while (builder->next(run))
        if (run.size == c_.core.page()) fill(run);
    }
  }

  FaultContext& c_;
  const Vma& vma_;
  const File& file_;
  PageKind kind_;
  std::optional<VirtAddr> asked_;
  pt::LeafFields fields_;
  uint64_t mapped_ = 0;
};

// What a read maps without asking anybody for a page: what of a window is in memory, and folios
// that begin or end in it whole, where they fit. Pages mapped.
//
// Two rules follow from how Linux 6.18 keeps pages behind the end of a file out of tables: its last
// folio is not mapped whole (file_end in filemap_map_pages is the last page, not the one behind
// it), and where the first folio of the window is that one no leaf table is made either, so that
// without one nothing is mapped. `had_table`: whether there was one, asked where it matters.
template <class HadTable>
uint64_t map_around(FaultContext& c, const Vma& vma, VirtAddr page, const HadTable& had_table) {
  const File& file = c.core.cache.file(vma.file);
  const bool regular = file.kind == FileKind::Regular;
  Window window = around(c, vma, page, file);
  if (window.begin >= window.end) return 0;
  uint64_t first = index_of(c, vma, window.begin);
  const uint64_t end = first + c.core.pages(window.end - window.begin);
  while (first < end && (!file.in_memory(first) || is_marked(file, first)))
    ++first;
  if (first == end) return 0;
  const auto is_last = [&](const Folio& folio) { return regular && folio.end >= file.pages; };
  if (is_last(file.folio_of(first)) && !had_table()) return 0;
  if (file.order_pages > 1 || !file.folios.empty()) {
    const auto extend = [&](uint64_t index) {
      if (!file.in_memory(index) || is_marked(file, index)) return;
      const Folio folio = file.folio_of(index);
      const auto all = whole(c, vma, folio);
      if (all && !is_last(folio))
        window = {std::min(window.begin, all->begin), std::max(window.end, all->end)};
    };
    extend(index_of(c, vma, window.begin));
    extend(end - 1);
  }
  Mapper mapper(c, vma, false, std::nullopt);
  mapper.map(window);
  File& counted = c.core.cache.file(vma.file);
  counted.ahead.misses -= static_cast<uint32_t>(
      std::min<uint64_t>(counted.ahead.misses, c.core.pages(window.end - window.begin)));
  return mapper.mapped();
}

bool maps_around(const FaultContext& c, const File& file) {
  // The vdso has nothing that maps around a fault (Linux: special_mapping_vmops).
  return block_of_pages(c.core.settings.fault_around, c.core.page()) > 1 &&
         file.kind != FileKind::Vdso;
}

bool is_mapped(const FaultContext& c, VirtAddr page) {
  return c.mm.table->peek(page).entry != pt::kNone;
}

}  // namespace

FaultOutcome map_file(FaultContext& c, Vma& vma, VirtAddr page, const pt::Slot& slot,
                      AccessKind kind, const pt::Lookup& before) {
  const uint64_t index = index_of(c, vma, page);
  const File& file = c.core.cache.file(vma.file);
  Reading reading;
  if (vma.has(kVmPfnMap)) {
    const auto pfn = read_file_page(c.core, vma, index, reading);
    if (!pfn) return FaultOutcome::NoMemory;
    put_leaf(c, slot.handle, pt::kNone, special_leaf(c.core, vma, *pfn));
    finish_fault(c, FaultCause::FileMap, false);
    return FaultOutcome::Fixed;
  }
  uint64_t mapped = 0;
  const auto done = [&](FaultCause cause) {
    if (vma.has(kVmImplied)) c.core.counters.implied_pages += mapped;
    c.core.counters.around += mapped - 1;
    finish_fault(c, cause, reading.major);
    return FaultOutcome::Fixed;
  };
  const auto had_table = [&] {
    return mapped != 0 || had_leaf_table(c.core, c.mm, before, c.core.table_of(page));
  };
  const bool looks_around = !writes(kind) && maps_around(c, file);
  if (looks_around) {
    // The page asked for gets its frame before those around it.
    if (file.is_there(index) && !c.core.cache.get(vma.file, index)) return FaultOutcome::NoMemory;
    mapped = map_around(c, vma, page, had_table);
    if (is_mapped(c, page)) return done(FaultCause::FileMap);
  }
  const auto pfn = read_file_page(c.core, vma, index, reading);
  if (!pfn) return FaultOutcome::NoMemory;
  // A fault is a major one if it had to read, or was made again with a note of that (Linux:
  // FAULT_FLAG_TRIED), which only MADV_POPULATE_* keeps where nothing had to be read.
  if (reading.again && c.maker != FaultContext::Maker::Reference)
    reading.major = c.maker == FaultContext::Maker::Advice;
  if (writes(kind) && !vma.is_shared()) return install_private_copy(c, vma, slot, reading.major);
  // After a wait for read-ahead the fault is made again, and then sees what was read around it.
  if (looks_around && reading.again) {
    mapped += map_around(c, vma, page, had_table);
    if (is_mapped(c, page)) return done(FaultCause::FileMap);
  }
  const Folio folio = file.folio_of(index);
  Window window{page, page + c.core.page().bytes()};
  // Folios of memory may reach over the end.
  if (folio.pages() > 1 && (folio.end <= file.pages || file.kind == FileKind::Shmem)) {
    const auto all = whole(c, vma, folio);
    if (all && is_empty(c, *all)) window = *all;
  }
  Mapper mapper(c, vma, writes(kind), page);
  mapper.map(window);
  mapped += mapper.mapped();
  if (writes(kind)) note_written(c.core, vma, page);
  return done(writes(kind) ? FaultCause::SharedWrite : FaultCause::FileMap);
}

// A read maps what is in memory around it first, of which some may lie before the end, and folios
// of memory also behind it; else the upper tables have been made and no leaf table.
FaultOutcome fault_behind_file(FaultContext& c, Vma& vma, VirtAddr page, AccessKind kind) {
  if (writes(kind) && !vma.is_shared()) prepare_anon(c.core, c.mm, vma);
  const File& file = c.core.cache.file(vma.file);
  if (!writes(kind) && maps_around(c, file)) {
    const Window window = around(c, vma, page, file);
    if (window.begin < window.end) {
      if (const auto outcome = map_huge_folio(c, vma, page, kind)) return *outcome;
    }
    const auto had_table = [&] {
      return had_leaf_table(c.core, c.mm, c.mm.table->peek(page), c.core.table_of(page));
    };
    if (const uint64_t mapped = map_around(c, vma, page, had_table); mapped != 0) {
      c.core.counters.around += mapped;
      if (is_mapped(c, page)) {
        finish_fault(c, FaultCause::FileMap, false);
        return FaultOutcome::Fixed;
      }
      c.core.accounts.note_tables();
      return FaultOutcome::Refused;
    }
  }
  static_cast<void>(c.mm.table->ensure(page, PageShift(log2_floor(c.core.table_span()))));
  return FaultOutcome::Refused;
}

}  // namespace mmusim::kernel
