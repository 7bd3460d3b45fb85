#include "kernel/truncate.h"

#include <algorithm>

#include "kernel/writeback.h"
#include "kernel/zap.h"

namespace mmusim::kernel {

namespace {

class Truncation {
 public:
  Truncation(Core& core, FileId id) : core_(core), id_(id), file_(core.cache.file(id)) {
    if (file_.laid_out == 0) file_.laid_out = file_.pages;
  }

  void unmap(PageSpan span, ZapBatch::Pages which) {
    each_area_of(core_, id_, span, [&](AddressSpace& mm, const Vma& vma, VirtRange part) {
      ZapBatch batch(core_, mm);
      batch.zap(vma, part, which);
      batch.finish();
    });
  }

  // The folio of the page, if it is in memory and lies partly outside of the span.
  [[nodiscard]] std::optional<Folio> partial(uint64_t index, PageSpan span) const {
    if (index >= kMostPages || !file_.in_memory(index)) return std::nullopt;
    const Folio folio = file_.folio_of(index);
    if (folio.first >= span.first && folio.end <= span.end) return std::nullopt;
    return folio;
  }

  // Divides a folio at the borders of the span. False: it is dirty, and stays.
  bool divide(const Folio& folio, PageSpan span) {
    unmap(folio, ZapBatch::Pages::OfFile);
    if (file_.is_dirty(folio)) {
      keep(folio);
      return false;
    }
    file_.split(folio, std::max(folio.first, span.first));
    if (folio.end > span.end) {
      const Folio last = file_.folio_of(span.end);
      if (last.pages() > 1) file_.split(last, span.end);
    }
    return true;
  }

  void drop(PageSpan span) {
    if (span.first >= span.end) return;
    core_.drop_file_span(id_, span);
  }

 private:
  static constexpr uint64_t kMostPages = uint64_t{1} << 52;

  // What is in memory of a file may from now on end within the folio, which does not.
  void keep(const Folio& folio) {
    for (uint64_t i = folio.first; i < folio.end; ++i)
      if (!core_.cache.get(id_, i)) return;
    file_.folios[folio.first] = folio.end;
  }

  Core& core_;
  FileId id_;
  File& file_;
};

}  // namespace

void truncate_file(Core& core, FileId id, uint64_t pages) {
  File& file = core.cache.file(id);
  ++core.counters.truncations;
  if (pages >= file.pages) {
    // What is new was never written.
    if (file.length_known) file.filled = std::min(file.filled, file.pages);
    file.pages = pages;
    return;
  }
  Truncation truncation(core, id);
  PageSpan gone{pages, UINT64_MAX};
  file.pages = pages;
  truncation.unmap(gone, ZapBatch::Pages::All);
  if (const auto folio = truncation.partial(pages, gone))
    if (!truncation.divide(*folio, gone)) gone.first = folio->end;
  truncation.drop(gone);
  file.filled = std::min(file.filled, pages);
  file.absent.cut(file.filled);
}

void punch_hole(Core& core, FileId id, PageSpan span) {
  File& file = core.cache.file(id);
  ++core.counters.holes;
  if (file.kind == FileKind::Regular) span.end = std::min(span.end, file.pages);
  if (span.first >= span.end) return;
  Truncation truncation(core, id);
  truncation.unmap(span, ZapBatch::Pages::OfFile);
  PageSpan gone = span;
  const bool one_folio =
      file.in_memory(span.first) && file.folio_of(span.first).contains(span.end - 1);
  if (const auto folio = truncation.partial(span.first, span)) {
    if (!truncation.divide(*folio, span)) {
      gone.first = folio->end;
      if (one_folio) gone.end = folio->first;
    }
  }
  if (!one_folio) {
    if (const auto folio = truncation.partial(span.end - 1, span))
      if (!truncation.divide(*folio, span)) gone.end = folio->first;
  }
  truncation.drop(gone);
}

}  // namespace mmusim::kernel
