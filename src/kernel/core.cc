#include "kernel/core.h"

#include <algorithm>

#include "base/error.h"
#include "kernel/reclaim.h"
#include "kernel/share.h"
#include "mmu/random_base.h"

namespace mmusim::kernel {

namespace {

bool is_code(const AddressSpace& mm, VirtAddr va) {
  const Vma* vma = mm.vmas.find(va);
  return vma != nullptr && vma->has(kVmExec);
}

}  // namespace

Core::Core(const config::Config& config, const Platform& platform_)
    : platform(platform_),
      settings(Settings::from(config, platform_)),
      cache(*platform_.frames, settings.folio_pages, !settings.cold_files),
      pool(*platform_.frames),
      places_(settings.aslr_seed) {
  const pt::EntryFormat& format = *platform.format;
  const pt::Entry readable = format.make_leaf(
      {.pfn = Pfn(1), .size = page(), .rights = Rights(Rights::kRead | Rights::kUser)});
  refuses_fetches_ = !format.parse_leaf(readable, page()).rights.has(Rights::kExec);
  if (settings.swap_pages == 0 && settings.shared_table_bytes == 0) return;
  rmap = std::make_unique<Rmap>(*platform.format, page());
  if (settings.swap_pages == 0) return;
  swap = std::make_unique<SwapSpace>(*platform.format, settings.swap_pages);
  cache.report_to(*rmap);
}

std::optional<VirtRange> Core::user_range(VirtAddr start, uint64_t length) const {
  const uint64_t top = platform.layout.top.value();
  if (!is_aligned(start, page()) || length == 0 || length > top || start.value() > top - length)
    return std::nullopt;
  const VirtAddr end = align_up(start + length, page());
  if (end.value() > top || end <= start) return std::nullopt;
  return VirtRange{start, end};
}

bool Core::may_commit(uint64_t bytes) const {
  if (settings.overcommit != 0) return bytes <= settings.overcommit;
  return pages(bytes) <= platform.frames->total_frames() + settings.swap_pages;
}

std::unique_ptr<AddressSpace> Core::make_space() {
  const MmId id(next_mm_);
  auto table = platform.page_tables->create(id);
  for (unsigned attempt = 0; table == nullptr && make_room(*this, attempt); ++attempt)
    table = platform.page_tables->create(id);
  if (table == nullptr) return nullptr;
  if (!huge_known_) {
    choose_shared_blocks(*this, *table);
    find_huge_size(*table);
  }
  ++next_mm_;
  const uint64_t root_bytes = table->stats().root_bytes;
  counters.root_bytes += root_bytes;
  counters.spaces_peak = std::max(counters.spaces_peak, ++counters.spaces);
  auto mm = std::make_unique<AddressSpace>(id, page(), std::move(table));
  mm->root_bytes = root_bytes;
  mm->mmap_base = mmu::random_mmap_base(platform.layout, settings.aslr_bits, places_);
  if (rmap != nullptr) rmap->watch(*mm);
  spaces[id] = mm.get();
  return mm;
}

std::optional<Pfn> Core::new_anonymous(const AddressSpace& mm) {
  const auto pfn = platform.frames->allocate(0, mem::FrameUse::Anonymous, mm.id.value());
  if (!pfn) return pfn;
  mem::Frame& frame = platform.frames->frame(*pfn);
  frame.exclusive = true;
  frame.written = true;  // is about to be
  return pfn;
}

std::optional<Pfn> Core::zero_page() {
  if (!zero_page_) zero_page_ = platform.frames->allocate(0, mem::FrameUse::Reserved, 0);
  return zero_page_;
}

void Core::put_frame(Pfn pfn) {
  mem::Frame& frame = platform.frames->frame(pfn);
  if (--frame.references != 0) return;
  if (frame.order != 0) {  // of a huge page, whose frames go one by one from here on
    const uint64_t block = (uint64_t{1} << frame.order) - 1;
    platform.frames->break_up(Pfn(pfn.value() & ~block), frame.order);
  }
  if (platform.before_free) platform.before_free(pfn, 0);
  if (swap != nullptr) {
    rmap->pages.remove(pfn);
    swap->forget(pfn);
  }
  platform.frames->free(pfn, 0);
  ++counters.frames_freed;
}

void Core::add_rss(AddressSpace& mm, PageKind kind, int64_t pages) {
  mm.add_rss(kind, pages);
  const auto k = static_cast<unsigned>(kind);
  counters.rss[k] += static_cast<uint64_t>(pages);
  if (pages <= 0) return;
  counters.rss_peak[k] = std::max(counters.rss_peak[k], counters.rss[k]);
  counters.rss_total_peak =
      std::max(counters.rss_total_peak, counters.rss[0] + counters.rss[1] + counters.rss[2]);
}

void Core::add_swapped(AddressSpace& mm, int64_t entries) {
  mm.swapped += static_cast<uint64_t>(entries);
  counters.swapped += static_cast<uint64_t>(entries);
}

void Core::drop_swap_entry(AddressSpace& mm, pt::Entry entry) {
  swap->drop(swap->slot_of(entry));
  add_swapped(mm, -1);
}

std::optional<Pfn> Core::file_page(FileId id, uint64_t index, bool& read) {
  File& file = cache.file(id);
  const auto away = file.away.find(index);
  const auto pfn = cache.get(id, index);
  if (!pfn || away == file.away.end()) return pfn;
  const SlotId slot = away->second;
  transfer({.pfn = *pfn, .slot = slot.value(), .file = id.value(), .index = index});
  file.away.erase(away);
  read = true;
  if (slot == SlotId(0)) {
    ++counters.files_reread;
  } else {
    swap->drop(slot);
    ++counters.swap_reads;
  }
  return pfn;
}

void Core::drop_file_pages(FileId id) {
  cache.drop_pages(id, [this](Pfn pfn) { put_frame(pfn); });
  for (const auto& [index, slot] : cache.file(id).away)
    if (slot != SlotId(0)) swap->drop(slot);
  cache.file(id).away.clear();
}

void Core::drop_file_span(FileId id, PageSpan span) {
  File& file = cache.file(id);
  cache.drop_span(id, span, [this](Pfn pfn) { put_frame(pfn); });
  const auto first = file.away.lower_bound(span.first);
  const auto end = file.away.lower_bound(span.end);
  for (auto at = first; at != end; ++at)
    if (at->second != SlotId(0)) swap->drop(at->second);
  file.away.erase(first, end);
}

PageKind Core::kind_of(const Vma& vma) const {
  if (vma.is_anonymous()) return PageKind::Anonymous;
  return cache.file(vma.file).kind == FileKind::Shmem ? PageKind::Shmem : PageKind::File;
}

void Core::area_added(const Vma& vma, uint64_t pages) {
  if (vma.is_anonymous()) return;
  File& file = cache.file(vma.file);
  file.mapped_pages += pages;
  if (file.length_known) return;
  const uint64_t reach = vma.pgoff + this->pages(vma.range().bytes());
  if (reach <= file.pages) return;
  // Somebody wrote what is new, which then is in memory as the rest of it is.
  const bool cold = settings.cold_files && file.kind == FileKind::Regular;
  if (!cold) file.filled = std::max(file.filled, reach);
  file.pages = reach;
}

void Core::area_removed(const Vma& vma, uint64_t pages) {
  if (vma.has(kVmHugeOwner)) pool.unreserve(vma.file, vma.pgoff, pages);
  if (!vma.is_anonymous()) unuse(vma.file, pages);
}

void Core::unuse(FileId id, uint64_t uses) {
  File& file = cache.file(id);
  file.mapped_pages -= uses;
  if (file.mapped_pages != 0 || !file.hidden) return;
  drop_file_pages(id);
  pool.forget(id, [this](Pfn pfn) { put_pool_page(pfn); });
  cache.forget(id);
}

FileId Core::shared_memory(uint64_t bytes) {
  const FileId id = cache.unnamed(FileKind::Shmem);
  File& file = cache.file(id);
  file.pages = pages(bytes);
  file.length_known = true;
  return id;
}

void Core::pin(FileId file) {
  if (file != FileId(0)) ++cache.file(file).mapped_pages;
}

void Core::unpin(FileId file) {
  if (file != FileId(0)) unuse(file, 1);
}

void Core::set_program(AddressSpace& mm, FileId file) {
  pin(file);
  unpin(mm.program);
  mm.program = file;
}

void Core::note_vmas(AddressSpace& mm) {
  counters.vmas += mm.vmas.size() - mm.vmas_accounted;
  mm.vmas_accounted = mm.vmas.size();
  counters.vmas_peak = std::max(counters.vmas_peak, counters.vmas);
}

void Core::note_tables() {
  const uint64_t in_use = platform.tables->bytes_in_use() - counters.root_bytes;
  counters.table_bytes_peak = std::max(counters.table_bytes_peak, in_use);
}

void Core::flush_range(const AddressSpace& mm, VirtRange range, PageShift stride, bool freed_tables,
                       mmu::RangeFlush why) {
  ++counters.flush_ranges;
  counters.flush_pages += range.bytes() >> stride.log2();
  platform.tlbs->flush_range(mm.id, range, stride, freed_tables, why);
}

void Core::flush_page(const AddressSpace& mm, VirtAddr va, PageShift size) {
  ++counters.flush_single;
  platform.tlbs->flush_page(mm.id, va, size, is_code(mm, va));
}

void Core::flush_mm(const AddressSpace& mm) {
  ++counters.flush_mms;
  platform.tlbs->flush_mm(mm.id);
}

void Core::flush_dead(const AddressSpace& mm) {
  ++counters.flush_mms;
  platform.tlbs->flush_dead(mm.id);
}

void Core::flush_local(CpuId cpu, const AddressSpace& mm, VirtAddr va) {
  ++counters.flush_local;
  platform.tlbs->flush_local_page(cpu, mm.id, va, is_code(mm, va));
}

void Core::tell_resident(const AddressSpace& mm) {
  uint64_t pages = 0;
  for (unsigned kind = 0; kind < kPageKinds; ++kind)
    pages += mm.rss(static_cast<PageKind>(kind));
  uint64_t huge_leaves = 0;
  if (huge_) {
    // Of the huge leaves those of zeros are not in RSS.
    pages -= std::min(pages, mm.huge_leaves * huge_pages());
    huge_leaves = mm.huge_leaves + mm.hugetlb_pages / huge_pages();
  }
  platform.tlbs->resident(mm.id, pages, huge_leaves);
}

void Core::drop_everything() {
  for (const FileId id : cache.all())
    drop_file_pages(id);
  if (zero_page_) {
    if (platform.before_free) platform.before_free(*zero_page_, 0);
    platform.frames->free(*zero_page_, 0);
    zero_page_.reset();
  }
  if (huge_zero_page_) {
    if (platform.before_free) platform.before_free(*huge_zero_page_, huge_order());
    platform.frames->free(*huge_zero_page_, huge_order());
    huge_zero_page_.reset();
  }
  pool.drain();
}

}  // namespace mmusim::kernel
