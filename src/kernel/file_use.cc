#include "kernel/file_use.h"

#include <algorithm>

namespace mmusim::kernel {

PageKind FileUse::kind_of(const Vma& vma) const {
  if (vma.is_anonymous()) return PageKind::Anonymous;
  return cache_->file(vma.file).kind == FileKind::Shmem ? PageKind::Shmem : PageKind::File;
}

void FileUse::area_added(const Vma& vma, uint64_t pages) {
  if (vma.is_anonymous()) return;
  File& file = cache_->file(vma.file);
  file.mapped_pages += pages;
  if (file.length_known) return;
  const uint64_t reach = vma.pgoff + sizes_->pages(vma.range().bytes());
  if (reach <= file.pages) return;
  // Somebody wrote what is new, which then is in memory as the rest of it is.
  const bool cold = settings_->cold_files && file.kind == FileKind::Regular;
  if (!cold) file.filled = std::max(file.filled, reach);
  file.pages = reach;
}

void FileUse::area_removed(const Vma& vma, uint64_t pages) {
  if (vma.has(kVmHugeOwner)) pools_->of(pool_page(vma)).unreserve(vma.file, vma.pgoff, pages);
  if (!vma.is_anonymous()) unuse(vma.file, pages);
}

void FileUse::pin(FileId file) {
  if (file != FileId(0)) ++cache_->file(file).mapped_pages;
}

void FileUse::unpin(FileId file) {
  if (file != FileId(0)) unuse(file, 1);
}

void FileUse::set_program(AddressSpace& mm, FileId file) {
  pin(file);
  unpin(mm.program);
  mm.program = file;
}

void FileUse::unuse(FileId id, uint64_t uses) {
  File& file = cache_->file(id);
  file.mapped_pages -= uses;
  if (file.mapped_pages != 0 || !file.hidden) return;
  drop_pages(id);
  if (file.pool) {
    const PageShift page = *file.pool;
    pools_->of(page).forget(id, [&](Pfn pfn) { frames_->put_pool_page(pfn, page); });
  }
  cache_->forget(id);
}

FileId FileUse::shared_memory(uint64_t bytes) {
  const FileId id = cache_->unnamed(FileKind::Shmem);
  File& file = cache_->file(id);
  file.pages = sizes_->pages(bytes);
  file.length_known = true;
  return id;
}

std::optional<FileId> FileUse::pool_memory(PageShift page, uint64_t bytes, bool noreserve) {
  const FileId file = shared_memory(bytes);
  cache_->file(file).pool = page;
  if (noreserve || pools_->of(page).reserve(file, 0, sizes_->pages(bytes))) return file;
  cache_->forget(file);
  ++counters_->hugetlb_refused;
  return std::nullopt;
}

std::optional<Pfn> FileUse::page(FileId id, uint64_t index, bool& read) {
  File& file = cache_->file(id);
  const auto away = file.away.find(index);
  const auto pfn = cache_->get(id, index);
  if (!pfn || away == file.away.end()) return pfn;
  const SlotId slot = away->second;
  if (platform_->transfer)
    platform_->transfer({.pfn = *pfn, .slot = slot.value(), .file = id.value(), .index = index});
  file.away.erase(away);
  read = true;
  if (slot == SlotId(0)) {
    ++counters_->files_reread;
  } else {
    swap_->drop(slot);
    ++counters_->swap_reads;
  }
  return pfn;
}

void FileUse::drop_span(FileId id, PageSpan span) {
  File& file = cache_->file(id);
  cache_->drop_span(id, span, [this](Pfn pfn) { frames_->put(pfn); });
  const auto first = file.away.lower_bound(span.first);
  const auto end = file.away.lower_bound(span.end);
  for (auto at = first; at != end; ++at)
    if (at->second != SlotId(0)) swap_->drop(at->second);
  file.away.erase(first, end);
}

void FileUse::drop_pages(FileId id) {
  cache_->drop_pages(id, [this](Pfn pfn) { frames_->put(pfn); });
  for (const auto& [index, slot] : cache_->file(id).away)
    if (slot != SlotId(0)) swap_->drop(slot);
  cache_->file(id).away.clear();
}

void FileUse::drop_all() {
  for (const FileId id : cache_->all())
    drop_pages(id);
}

}  // namespace mmusim::kernel
