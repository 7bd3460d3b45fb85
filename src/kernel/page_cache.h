// All files the kernel knows (file.h says what one is), and the frames of their pages.
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
#include "kernel/file.h"
#include "kernel/vma.h"
#include "mem/frames.h"

namespace mmusim::kernel {

class Rmap;

class PageCache {
 public:
  // Regular files are written in folios of so many pages, and are in memory when first touched if
  // they are `hot`.
  PageCache(mem::FrameMemory& frames, uint64_t folio_pages, bool hot)
      : frames_(&frames), folio_pages_(folio_pages), hot_(hot) {}
  // From now on `map` knows the pages of files and shared memory that come into memory.
  void report_to(Rmap& map) { map_ = &map; }

  // The file of that name, made if new.
  FileId named(std::string_view name, FileKind kind);
  // The same if there is one.
  [[nodiscard]] std::optional<FileId> known(std::string_view name) const;
  // A new file nobody else can name.
  FileId unnamed(FileKind kind, int32_t fd = -1);

  [[nodiscard]] File& file(FileId id) { return *files_[id.value() - 1]; }
  [[nodiscard]] const File& file(FileId id) const { return *files_[id.value() - 1]; }

  // The frame of a page, if it is in memory.
  [[nodiscard]] std::optional<Pfn> find(FileId id, uint64_t index) const;
  // The same, brought into memory if need be; nothing when no frame is free.
  std::optional<Pfn> get(FileId id, uint64_t index);

  // Puts one in, with the reference `pfn` has. REQUIRES: it has no frame.
  void put_in(FileId id, uint64_t index, Pfn pfn);
  // Takes one page out; the cache's reference is the caller's. REQUIRES: it has a frame.
  void take_out(FileId id, uint64_t index);
  // Takes the pages of a span out, which are in memory no longer, and calls `release(Pfn)` for each
  // that has a frame: the cache's reference. Folios that lie across its ends must have been split.
  template <class Release>
  void drop_span(FileId id, PageSpan span, Release release) {
    File& f = file(id);
    for (auto at = f.chunks.lower_bound(span.first / File::kChunk);
         at != f.chunks.end() && at->first * File::kChunk < span.end; ++at) {
      for (uint64_t i = 0; i < File::kChunk; ++i) {
        const uint64_t index = at->first * File::kChunk + i;
        const Pfn pfn = at->second.frames[i];
        if (pfn == Pfn(0) || !span.contains(index)) continue;
        take_out(id, index);
        release(pfn);
      }
    }
    forget_span(f, span);
  }
  // Takes all pages of a file out and calls `release(Pfn)` for each: the cache's reference.
  template <class Release>
  void drop_pages(FileId id, Release release) {
    File& f = file(id);
    for (auto& [number, chunk] : f.chunks) {
      for (const Pfn pfn : chunk.frames) {
        if (pfn != Pfn(0)) release(pfn);
      }
    }
    cached_ -= f.cached;
    f.cached = 0;
    f.chunks.clear();
    f.huge.clear();
  }
  // Forgets a hidden file. REQUIRES: it has no pages and no mappings.
  void forget(FileId id);

  [[nodiscard]] uint64_t cached_pages() const { return cached_; }
  [[nodiscard]] uint64_t files() const { return files_.size() - free_ids_.size(); }
  // Every file there is, in order of number.
  [[nodiscard]] std::vector<FileId> all() const;

 private:
  FileId add(FileKind kind);
  static void forget_span(File& file, PageSpan span);

  mem::FrameMemory* frames_;
  uint64_t folio_pages_;
  bool hot_;
  Rmap* map_ = nullptr;                       // null: none is kept
  std::vector<std::unique_ptr<File>> files_;  // by number - 1; null: forgotten
  std::vector<FileId> free_ids_;
  std::map<std::string, FileId, std::less<>> names_;
  uint64_t cached_ = 0;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_PAGE_CACHE_H_
