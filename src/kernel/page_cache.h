// Files as the kernel sees them: identity, length and the pages that are in memory.
//
// Shared anonymous memory is a hidden file, as in Linux, and goes away with its last mapping; named
// files keep their pages until the end of the run. What a trace does not tell is assumed kindly: a
// file of unknown length reaches as far as anybody maps it. Pages are looked up by index; each page
// in the cache holds one reference on its frame. Not thread-safe.
#ifndef MMUSIM_KERNEL_PAGE_CACHE_H_
#define MMUSIM_KERNEL_PAGE_CACHE_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "kernel/swap.h"
#include "kernel/vma.h"
#include "mem/frames.h"

namespace mmusim::kernel {

enum class FileKind : uint8_t {
  Regular,  // a named file: writes are tracked, so a clean page is mapped read-only
  Shmem,    // shared anonymous memory, tmpfs: no such tracking
  Vdso,     // pages of the kernel mapped into programs
  Vvar,     // the same, but not counted by anybody
};

struct File {
  FileKind kind = FileKind::Regular;
  int32_t fd = -1;     // of the mapping that first showed an unnamed file; -1: named
  uint64_t pages = 0;  // length
  bool length_known = false;
  bool hidden = false;        // reachable only through its mappings
  uint64_t mapped_pages = 0;  // in all areas together, and users; 0 drops a hidden file
  // Read-ahead, for files that are not in memory at first.
  uint64_t ahead_end = 0;   // first page behind the last window read
  uint64_t ahead_mark = 0;  // reaching this page reads the next window

  static constexpr unsigned kChunk = 64;
  std::map<uint64_t, std::array<Pfn, kChunk>> chunks;  // Pfn(0): not in memory
  uint64_t cached = 0;
  // Pages that were reclaimed, and have to be read again: of shared memory from this slot, of
  // others, with slot 0, from where the file is.
  std::map<uint64_t, SlotId> away;
};

class PageCache {
 public:
  explicit PageCache(mem::FrameMemory& frames) : frames_(&frames) {}
  // From now on `map` knows the pages of files and shared memory that come into memory.
  void report_to(Rmap& map) { map_ = &map; }

  // The file of that name, made if new.
  FileId named(std::string_view name, FileKind kind);
  // A new file nobody else can name.
  FileId unnamed(FileKind kind, int32_t fd = -1);

  [[nodiscard]] File& file(FileId id) { return *files_[id.value() - 1]; }
  [[nodiscard]] const File& file(FileId id) const { return *files_[id.value() - 1]; }

  // The frame of a page, if it is in memory.
  [[nodiscard]] std::optional<Pfn> find(FileId id, uint64_t index) const;
  // The same, brought into memory if need be; nothing when no frame is free.
  std::optional<Pfn> get(FileId id, uint64_t index);

  // Takes one page out; the cache's reference is the caller's. REQUIRES: it is in memory.
  void take_out(FileId id, uint64_t index);
  // Takes all pages of a file out and calls `release(Pfn)` for each: the cache's reference.
  template <class Release>
  void drop_pages(FileId id, Release release) {
    File& f = file(id);
    for (auto& [chunk, pages] : f.chunks) {
      for (const Pfn pfn : pages) {
        if (pfn != Pfn(0)) release(pfn);
      }
    }
    cached_ -= f.cached;
    f.cached = 0;
    f.chunks.clear();
  }
  // Forgets a hidden file. REQUIRES: it has no pages and no mappings.
  void forget(FileId id);

  [[nodiscard]] uint64_t cached_pages() const { return cached_; }
  [[nodiscard]] uint64_t files() const { return files_.size() - free_ids_.size(); }
  // Every file there is, in order of number.
  [[nodiscard]] std::vector<FileId> all() const;

 private:
  FileId add(FileKind kind);

  mem::FrameMemory* frames_;
  Rmap* map_ = nullptr;                       // null: none is kept
  std::vector<std::unique_ptr<File>> files_;  // by number - 1; null: forgotten
  std::vector<FileId> free_ids_;
  std::map<std::string, FileId, std::less<>> names_;
  uint64_t cached_ = 0;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_PAGE_CACHE_H_
