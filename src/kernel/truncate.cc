#include "kernel/truncate.h"

#include <algorithm>

#include "base/linux_abi.h"
#include "kernel/zap.h"

namespace mmusim::kernel {

namespace {

class Truncation {
 public:
  Truncation(Core& core, FileId id) : core_(core), id_(id), file_(core.cache.file(id)) {
    if (file_.laid_out == 0) file_.laid_out = file_.pages;
  }

  void unmap(PageSpan span, ZapPages which) { unmap_everywhere(core_, id_, span, which); }

  // The folio of the page, if it is in memory and lies partly outside of the span. (A page of its
  // own that does is wiped in part, and stays where it is.)
  [[nodiscard]] std::optional<Folio> partial(uint64_t index, PageSpan span) const {
    if (index >= kMostPages || !file_.in_memory(index)) return std::nullopt;
    const Folio folio = file_.folio_of(index);
    if (folio.pages() == 1 || (folio.first >= span.first && folio.end <= span.end))
      return std::nullopt;
    return folio;
  }

  // Divides a folio at `from`, and at the end of the span. False: it is dirty, and stays.
  bool divide(const Folio& folio, uint64_t from, PageSpan span) {
    unmap(folio, ZapPages::OfFile);
    if (file_.is_dirty(folio)) {
      keep(folio);
      return false;
    }
    file_.split(folio, std::max(folio.first, from));
    if (folio.end > span.end) {
      const Folio last = file_.folio_of(span.end);
      if (last.pages() > 1) file_.split(last, span.end);
    }
    if (file_.kind == FileKind::Shmem) drop_behind_end(folio);
    return true;
  }

  void drop(PageSpan span) {
    if (span.first >= span.end) return;
    core_.files.drop_span(id_, span);
  }

 private:
  // Of a folio just divided what begins behind the end of the file goes.
  void drop_behind_end(const Folio& folio) {
    if (folio.end <= file_.pages) return;
    uint64_t from = std::max(folio.first, file_.pages);
    if (const Folio across = file_.folio_of(from); across.first < from) from = across.end;
    drop({from, folio.end});
  }

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

void truncate_file(Core& core, FileId id, uint64_t bytes) {
  File& file = core.cache.file(id);
  ++core.counters.truncations;
  const uint64_t whole = core.pages(bytes);  // pages that keep all they have
  const uint64_t pages = core.pages(bytes + core.page().offset_mask());
  if (pages >= file.pages) {
    // What is new was never written.
    if (file.length_known) {
      file.filled = std::min(file.filled, file.pages);
      if (file.laid_out == 0) file.laid_out = file.pages;
    }
    file.pages = pages;
    return;
  }
  Truncation truncation(core, id);
  PageSpan gone{pages, UINT64_MAX};
  file.pages = pages;
  truncation.unmap(gone, ZapPages::Contents);
  if (const auto folio = truncation.partial(whole, gone))
    if (!truncation.divide(*folio, whole, gone)) gone.first = std::max(pages, folio->end);
  truncation.drop(gone);
  file.filled = std::min(file.filled, pages);
  file.absent.cut(file.filled);
}

void punch_hole(Core& core, FileId id, uint64_t offset, uint64_t bytes) {
  File& file = core.cache.file(id);
  ++core.counters.holes;
  const uint64_t from = core.pages(offset);
  PageSpan span{core.pages(offset + core.page().offset_mask()), core.pages(offset + bytes)};
  if (file.kind == FileKind::Regular) span.end = std::min(span.end, file.pages);
  if (span.first >= span.end) return;
  Truncation truncation(core, id);
  truncation.unmap(span, ZapPages::OfFile);
  PageSpan gone = span;
  const bool one_folio = file.in_memory(from) && file.folio_of(from).contains(span.end - 1);
  if (const auto folio = truncation.partial(from, span)) {
    if (!truncation.divide(*folio, from, span)) {
      gone.first = std::max(gone.first, folio->end);
      if (one_folio) return;
    }
  }
  if (!one_folio) {
    if (const auto folio = truncation.partial(span.end - 1, span))
      if (!truncation.divide(*folio, from, span)) gone.end = folio->first;
  }
  truncation.drop(gone);
}

int64_t allocate_file(Core& core, FileId id, uint32_t mode, uint64_t offset, uint64_t bytes) {
  constexpr uint32_t kHole = abi::kFallocPunchHole | abi::kFallocKeepSize;
  constexpr uint64_t kMost = INT64_MAX;
  if (bytes == 0 || offset > kMost || bytes > kMost) return -abi::kEINVAL;
  if (offset + bytes > kMost) return -abi::kEFBIG;
  File& file = core.cache.file(id);
  const bool zeros = (mode & ~uint32_t{abi::kFallocKeepSize}) == abi::kFallocZeroRange;
  const bool memory = file.kind == FileKind::Shmem;
  if ((mode != kHole && !zeros && (mode & ~uint32_t{abi::kFallocKeepSize}) != 0) ||
      (zeros && memory))
    return -abi::kEOPNOTSUPP;
  if (mode == kHole || zeros) punch_hole(core, id, offset, bytes);
  if (mode == kHole) return 0;
  const uint64_t end = core.pages(offset + bytes + core.page().offset_mask());
  if ((mode & abi::kFallocKeepSize) == 0 && end > file.pages)
    truncate_file(core, id, offset + bytes);
  if (memory) {
    if (end - core.pages(offset) > core.platform.frames->total_frames()) return -abi::kENOSPC;
    for (uint64_t i = core.pages(offset); i < end; ++i)
      if (bool read = false; !file.is_there(i) && !core.files.page(id, i, read))
        return -abi::kENOMEM;
  }
  return 0;
}

}  // namespace mmusim::kernel
