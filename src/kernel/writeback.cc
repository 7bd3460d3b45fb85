#include "kernel/writeback.h"

#include <algorithm>
#include <vector>

#include "base/linux_abi.h"
#include "kernel/file_areas.h"
#include "kernel/zap_batch.h"

namespace mmusim::kernel {

namespace {

// Makes the leaves of the part clean. Of a table that several use each user's TLB has to forget.
void clean_leaves(Core& core, AddressSpace& mm, VirtRange part) {
  const pt::EntryFormat& format = *core.platform.format;
  ZapBatch batch(core, mm);
  const auto cursor = mm.table->cursor(part);
  pt::Run run;
  while (cursor->next(run)) {
    uint64_t writes = 0;
    for (uint32_t i = 0; i < run.count; ++i) {
      const pt::Entry e = run.get(i);
      if (e == pt::kNone || !format.is_present(e) || format.is_special(e)) continue;
      if (run.shared) batch.weaken(run.address(i), run.size);
      if (!format.is_dirty(e) && !format.is_writable(e)) continue;
      pt::LeafFields fields = format.parse_leaf(e, run.size);
      fields.dirty = false;
      fields.rights = Rights(fields.rights.bits() & ~uint32_t{Rights::kWrite});
      run.set(i, format.make_leaf(fields));
      ++writes;
      if (!run.shared) batch.weaken(run.address(i), run.size);
    }
    run.report(*core.platform.sink, mem::Origin::Kernel, run.count, writes);
  }
  batch.finish();
}

}  // namespace

void note_written(Core& core, const Vma& vma, VirtAddr page) {
  if (!vma.is_shared() || vma.is_anonymous()) return;
  File& file = core.cache.file(vma.file);
  const uint64_t index = vma.pgoff + core.pages(page - vma.start);
  if (file.kind == FileKind::Regular && file.frame_of(index)) file.mark_dirty(index);
}

void write_back(Core& core, FileId id, PageSpan span) {
  File& file = core.cache.file(id);
  if (file.kind != FileKind::Regular || span.first >= span.end) return;
  // Neighbours are cleaned together.
  std::vector<PageSpan> dirty;
  // A folio that reaches into the span may be dirty outside of it.
  if (file.in_memory(span.first)) span.first = file.folio_of(span.first).first;
  if (file.in_memory(span.end - 1)) span.end = file.folio_of(span.end - 1).end;
  for (auto chunk = file.chunks.lower_bound(span.first / File::kChunk);
       chunk != file.chunks.end() && chunk->first * File::kChunk < span.end; ++chunk) {
    for (uint64_t i = 0; i < File::kChunk && chunk->second.dirty >> i != 0; ++i) {
      if ((chunk->second.dirty >> i & 1) == 0) continue;
      const Folio folio = file.folio_of(chunk->first * File::kChunk + i);
      if (folio.end <= span.first || folio.first >= span.end) continue;
      if (!dirty.empty() && folio.first <= dirty.back().end)
        dirty.back().end = std::max(dirty.back().end, folio.end);
      else
        dirty.push_back(folio);
    }
  }
  for (const PageSpan& pages : dirty) {
    each_area_of(core, id, pages, [&](AddressSpace& mm, const Vma& vma, VirtRange part) {
      if (vma.is_shared()) clean_leaves(core, mm, part);
    });
    core.counters.written_back += pages.pages();
    file.clean(pages);
    for (uint64_t i = pages.first; i < pages.end; ++i)
      if (const auto pfn = file.frame_of(i)) core.platform.frames->frame(*pfn).written = false;
  }
}

int64_t sync_range(Core& core, AddressSpace& mm, VirtRange range, uint32_t flags) {
  constexpr uint32_t kKnown = abi::kMsAsync | abi::kMsInvalidate | abi::kMsSync;
  constexpr uint32_t kBoth = abi::kMsAsync | abi::kMsSync;
  if ((flags & ~kKnown) != 0 || (flags & kBoth) == kBoth) return -abi::kEINVAL;
  int64_t result = 0;
  for (VirtAddr at = range.begin; at < range.end;) {
    const Vma* vma = mm.vmas.find_from(at);
    if (vma == nullptr) return -abi::kENOMEM;
    if (vma->start > at) {
      result = -abi::kENOMEM;
      if (flags == abi::kMsAsync) return result;
      at = vma->start;
      if (at >= range.end) return result;
    }
    if ((flags & abi::kMsInvalidate) != 0 && vma->has(kVmLocked)) return -abi::kEBUSY;
    const VirtAddr end = std::min(range.end, vma->end);
    const uint64_t first = vma->pgoff + core.pages(at - vma->start);
    const bool written = (flags & abi::kMsSync) != 0 && vma->is_shared() && !vma->is_anonymous();
    const FileId file = vma->file;
    if (written) write_back(core, file, {first, first + core.pages(end - at)});
    at = end;
  }
  return result;
}

}  // namespace mmusim::kernel
