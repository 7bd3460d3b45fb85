#include "kernel/page_cache.h"

#include "base/error.h"
#include "kernel/rmap.h"

namespace mmusim::kernel {

FileId PageCache::add(FileKind kind) {
  auto file = std::make_unique<File>();
  file->kind = kind;
  if (kind == FileKind::Regular) {
    file->filled = hot_ ? UINT64_MAX : 0;
    file->order_pages = folio_pages_;
  } else if (kind != FileKind::Shmem) {
    file->filled = UINT64_MAX;
  }
  if (!free_ids_.empty()) {
    const FileId id = free_ids_.back();
    free_ids_.pop_back();
    files_[id.value() - 1] = std::move(file);
    return id;
  }
  files_.push_back(std::move(file));
  return FileId(static_cast<uint32_t>(files_.size()));
}

FileId PageCache::named(std::string_view name, FileKind kind) {
  if (const auto it = names_.find(name); it != names_.end()) return it->second;
  const FileId id = add(kind);
  // Memory with a name is there like a file: somebody filled it.
  if (kind == FileKind::Shmem) file(id).filled = UINT64_MAX;
  names_.emplace(std::string(name), id);
  return id;
}

std::optional<FileId> PageCache::known(std::string_view name) const {
  const auto found = names_.find(name);
  if (found == names_.end()) return std::nullopt;
  return found->second;
}

FileId PageCache::unnamed(FileKind kind, int32_t fd) {
  const FileId id = add(kind);
  file(id).fd = fd;
  file(id).hidden = true;
  return id;
}

std::optional<Pfn> PageCache::find(FileId id, uint64_t index) const {
  return file(id).frame_of(index);
}

std::optional<Pfn> PageCache::get(FileId id, uint64_t index) {
  if (const auto found = find(id, index)) return found;
  const auto pfn = frames_->allocate(0, mem::FrameUse::File, id.value());
  if (!pfn) return std::nullopt;
  put_in(id, index, *pfn);
  return pfn;
}

void PageCache::put_in(FileId id, uint64_t index, Pfn pfn) {
  File& f = file(id);
  f.chunks[index / File::kChunk].frames[index % File::kChunk] = pfn;
  ++f.cached;
  ++cached_;
  if (map_ != nullptr && (f.kind == FileKind::Regular || f.kind == FileKind::Shmem))
    map_->add_file(pfn, id, index);
}

void PageCache::take_out(FileId id, uint64_t index) {
  File& f = file(id);
  File::Chunk& chunk = f.chunks.at(index / File::kChunk);
  chunk.frames[index % File::kChunk] = Pfn(0);
  chunk.dirty &= ~(uint64_t{1} << (index % File::kChunk));
  --f.cached;
  --cached_;
}

void PageCache::forget_span(File& file, PageSpan span) {
  file.absent.add({span.first, std::min(span.end, file.filled)});
  file.folios.erase(file.folios.lower_bound(span.first), file.folios.lower_bound(span.end));
  file.huge.erase(file.huge.lower_bound(span.first), file.huge.lower_bound(span.end));
  std::set<uint64_t>& marks = file.ahead.marks;
  marks.erase(marks.lower_bound(span.first), marks.lower_bound(span.end));
}

void PageCache::forget(FileId id) {
  MMUSIM_ASSERT(file(id).cached == 0 && file(id).mapped_pages == 0);
  files_[id.value() - 1].reset();
  free_ids_.push_back(id);
}

std::vector<FileId> PageCache::all() const {
  std::vector<FileId> ids;
  for (size_t i = 0; i < files_.size(); ++i) {
    if (files_[i] != nullptr) ids.emplace_back(static_cast<uint32_t>(i + 1));
  }
  return ids;
}

}  // namespace mmusim::kernel
