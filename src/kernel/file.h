// One file as the kernel sees it: its length, which of its pages are in memory, in which folios,
// and which of those are dirty.
//
// A *folio* is the run of pages that the page cache keeps as one: faults map it whole where they
// can, and it is dirty, written back and dropped as one. Writing a file makes folios of 2^order
// pages (kernel.folio_order) and, of what is left at its end, the largest powers of two that fit,
// as ext4 does (Linux: fgf_set_order). Nothing is stored for these; only what became otherwise is:
// pieces of a split folio, pages read by read-ahead. Pages count from the file's start.
//
// A page is *in memory* if it has a frame, or if it is there from the beginning: pages below
// `filled` that no hole or reclaim took away. Such pages get their frame when somebody maps them,
// so that a large file costs nothing before. Plain data; page_cache.h keeps frames and counts.
#ifndef MMUSIM_KERNEL_FILE_H_
#define MMUSIM_KERNEL_FILE_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "base/types.h"
#include "kernel/swap.h"

namespace mmusim::kernel {

enum class FileKind : uint8_t {
  Regular,  // a named file: writes are tracked, so a clean page is mapped read-only
  Shmem,    // shared anonymous memory, tmpfs: no such tracking
  Vdso,     // pages of the kernel mapped into programs
  Vvar,     // the same, but not counted by anybody
};

struct PageSpan {  // pages of a file, [first, end)
  uint64_t first = 0;
  uint64_t end = 0;
  [[nodiscard]] uint64_t pages() const { return end - first; }
  [[nodiscard]] bool contains(uint64_t index) const { return index >= first && index < end; }
};
using Folio = PageSpan;

// A set of page numbers, kept as spans that do not touch.
class PageSpans {
 public:
  void add(PageSpan span);
  [[nodiscard]] bool contains(uint64_t index) const;
  [[nodiscard]] bool empty() const { return spans_.empty(); }
  // Those at or behind `index` are in it no longer.
  void cut(uint64_t index);

 private:
  std::map<uint64_t, uint64_t> spans_;  // first -> end
};

struct File {
  FileKind kind = FileKind::Regular;
  int32_t fd = -1;     // of the mapping that first showed an unnamed file; -1: named
  uint64_t pages = 0;  // length
  bool length_known = false;
  bool hidden = false;            // reachable only through its mappings
  std::optional<PageShift> pool;  // memory of the hugetlb pool of that size
  uint64_t mapped_pages = 0;      // in all areas together, and users; 0 drops a hidden file

  uint64_t filled = 0;       // pages below it are there from the beginning, but for `absent`
  PageSpans absent;          // below `filled`: punched out or reclaimed since
  uint64_t order_pages = 1;  // of the folios that writing it made
  uint64_t laid_out = 0;     // its length when it was written; 0: as long as it is
  std::map<uint64_t, uint64_t> folios;  // first -> end, of those that are not as it was written
  // First pages of those among them whose frames lie side by side, so that one huge leaf can show
  // the folio (huge_file.h).
  std::set<uint64_t> huge;

  // Read-ahead (Linux: struct file_ra_state, one per open file; here per file).
  struct ReadAhead {
    uint64_t start = 0;        // of the window last read
    uint64_t size = 0;         // its pages
    uint64_t lead = 0;         // so many of them, the last ones, were read ahead of need
    unsigned order = 0;        // log2 of the pages of folios made
    uint32_t misses = 0;       // more misses than hits, so far
    std::set<uint64_t> marks;  // first pages of folios that, when asked for, have it read on
  };
  ReadAhead ahead;

  static constexpr unsigned kChunk = 64;
  struct Chunk {
    std::array<Pfn, kChunk> frames{};  // Pfn(0): none
    uint64_t dirty = 0;                // a bit each: written since it was last written back
  };
  std::map<uint64_t, Chunk> chunks;
  uint64_t cached = 0;  // pages with a frame
  // Pages that were reclaimed, and have to be read again: of shared memory from this slot, of
  // others, with slot 0, from where the file is.
  std::map<uint64_t, SlotId> away;

  [[nodiscard]] std::optional<Pfn> frame_of(uint64_t index) const;
  // Whether it is in memory, with a frame or without.
  [[nodiscard]] bool in_memory(uint64_t index) const { return frame_of(index) || is_there(index); }
  // Whether it is from the beginning, and untouched by holes and reclaim.
  [[nodiscard]] bool is_there(uint64_t index) const {
    return index < filled && !absent.contains(index) && !away.contains(index);
  }

  // The folio of a page that is in memory.
  [[nodiscard]] Folio folio_of(uint64_t index) const;
  // Whether that is a huge one.
  [[nodiscard]] bool is_huge(uint64_t index) const {
    return !huge.empty() && huge.contains(folio_of(index).first);
  }
  // Divides it so that `at` begins a folio, as Linux 6.16 and later do: halves the part around
  // `at` again and again (non-uniform split).
  void split(const Folio& folio, uint64_t at);
  // Divides it into pages.
  void split_into_pages(const Folio& folio);

  // REQUIRES: the page has a frame.
  void mark_dirty(uint64_t index) {
    chunks.at(index / kChunk).dirty |= uint64_t{1} << (index % kChunk);
  }
  [[nodiscard]] bool is_dirty(const Folio& folio) const;
  void clean(const Folio& folio);
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_FILE_H_
