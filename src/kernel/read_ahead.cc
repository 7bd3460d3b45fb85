#include "kernel/read_ahead.h"

#include <algorithm>
#include <bit>

#include "base/bits.h"

namespace mmusim::kernel {

namespace {

constexpr uint32_t kLotsOfMisses = 100;  // Linux: MMAP_LOTSAMISS
constexpr uint64_t kNoMark = UINT64_MAX;

class Reader {
 public:
  Reader(Core& core, FileId id)
      : core_(core),
        id_(id),
        file_(core.cache.file(id)),
        ahead_(file_.ahead),
        most_(pages_of(core.settings.readahead, core.page())) {}

  // The page is not in memory. Like hit(): whether anything was read besides.
  bool miss(const Vma& vma, uint64_t index) {
    if (file_.away.contains(index) && !core_.settings.cold_files) return false;
    if (vma.has(kVmRandom)) return false;
    if (vma.has(kVmSequential)) {
      read_on_from(index);
      return true;
    }
    ahead_.misses = std::min(ahead_.misses + 1, 10 * kLotsOfMisses);
    if (ahead_.misses > kLotsOfMisses) return false;
    ahead_.order = 0;
    if (vma.has(kVmExec)) {
      const uint64_t end = vma.pgoff + core_.pages(vma.range().bytes());
      ahead_.start = index;
      ahead_.size = std::min(most_, end - index);
      ahead_.lead = 0;
    } else {
      ahead_.start = index - std::min(index, most_ / 2);
      ahead_.size = most_;
      ahead_.lead = most_ / 4;
    }
    read_window();
    return true;
  }

  // It is: goes on reading where it is marked.
  bool hit(const Vma& vma, uint64_t index) {
    if (vma.has(kVmRandom)) return false;
    if (ahead_.misses != 0) --ahead_.misses;
    if (ahead_.marks.empty()) return false;
    const Folio folio = file_.folio_of(index);
    if (ahead_.marks.erase(folio.first) == 0) return false;
    read_on(index, folio);
    return true;
  }

 private:
  void read_on(uint64_t index, const Folio& folio) {
    const uint64_t expected = (ahead_.start + ahead_.size - ahead_.lead) & ~(folio.pages() - 1);
    if (index == expected) {
      ahead_.start += ahead_.size;
      ahead_.size = std::max(ahead_.size, next_size());
    } else {
      // Of another stream: what it has read already is as much as it reads on.
      uint64_t end = index + 1;
      while (end - index <= most_ && file_.in_memory(end))
        ++end;
      if (end - index > most_) return;
      ahead_.start = end;
      ahead_.size = end - index + most_;
      ahead_.size = next_size();
    }
    ahead_.order += 2;
    const uint64_t align =
        uint64_t{1} << std::min(ahead_.order, static_cast<unsigned>(std::countr_zero(most_)));
    const uint64_t end = ahead_.start + ahead_.size;
    if (const uint64_t aligned = end & ~(align - 1); aligned > ahead_.start)
      ahead_.size = aligned - ahead_.start;
    ahead_.lead = ahead_.size;
    read_window();
  }

  [[nodiscard]] uint64_t next_size() const {
    if (ahead_.size < most_ / 16) return 4 * ahead_.size;
    return ahead_.size <= most_ / 2 ? 2 * ahead_.size : most_;
  }

  // MADV_SEQUENTIAL (Linux: page_cache_sync_ra).
  void read_on_from(uint64_t index) {
    if (index != 0) return fill_gaps(index, most_, 0);
    ahead_.start = 0;
    ahead_.size = most_;
    ahead_.lead = most_ / 2;
    ahead_.order = 0;
    read_window();
  }

  // The window, in folios as large as they may be; from the first page on that is in memory, what
  // is missing page by page.
  void read_window() {
    if (ahead_.start >= file_.pages || ahead_.size == 0) return;
    const uint64_t last = std::min(file_.pages, ahead_.start + ahead_.size) - 1;
    const uint64_t mark = ahead_.start + ahead_.size - ahead_.lead;
    ahead_.order = std::min({ahead_.order, log2_floor(file_.order_pages), log2_floor(ahead_.size)});
    uint64_t index = ahead_.start;
    while (index <= last) {
      unsigned order = ahead_.order;
      if (index != 0) order = std::min(order, static_cast<unsigned>(std::countr_zero(index)));
      while (order > 0 && index + (uint64_t{1} << order) - 1 > last)
        --order;
      const Folio folio{index, index + (uint64_t{1} << order)};
      if (!add(folio)) break;
      if (folio.first == (mark & ~(folio.pages() - 1))) ahead_.marks.insert(folio.first);
      index = folio.end;
    }
    if (index <= last) fill_gaps(index, ahead_.size - (index - ahead_.start), ahead_.lead);
  }

  // Linux: do_page_cache_ra.
  void fill_gaps(uint64_t index, uint64_t pages, uint64_t lead) {
    if (index >= file_.pages) return;
    pages = std::min(pages, file_.pages - index);
    const uint64_t mark = lead != 0 && pages >= lead ? index + pages - lead : kNoMark;
    for (const uint64_t end = index + pages; index < end; ++index)
      if (add({index, index + 1}) && index == mark) ahead_.marks.insert(index);
  }

  // False: a page of it is in memory already, or there is no memory.
  bool add(const Folio& folio) {
    for (uint64_t i = folio.first; i < folio.end; ++i)
      if (file_.in_memory(i)) return false;
    for (uint64_t i = folio.first; i < folio.end; ++i)
      if (bool read = false; !core_.files.page(id_, i, read)) return false;
    if (folio.pages() > 1) file_.folios[folio.first] = folio.end;
    return true;
  }

  Core& core_;
  FileId id_;
  File& file_;
  File::ReadAhead& ahead_;
  uint64_t most_;
};

}  // namespace

std::optional<Pfn> read_file_page(Core& core, const Vma& vma, uint64_t index, Reading& reading) {
  const File& file = core.cache.file(vma.file);
  if (file.kind == FileKind::Regular) {
    Reader reader(core, vma.file);
    reading.major = !file.in_memory(index);
    reading.again = reading.major ? reader.miss(vma, index) : reader.hit(vma, index);
  }
  return core.files.page(vma.file, index, reading.major);
}

}  // namespace mmusim::kernel
