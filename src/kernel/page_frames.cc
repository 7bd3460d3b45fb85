#include "kernel/page_frames.h"

#include <span>

namespace mmusim::kernel {

std::optional<Pfn> PageFrames::new_anonymous(const AddressSpace& mm) {
  const auto pfn = platform_->frames->allocate(0, mem::FrameUse::Anonymous, mm.id.value());
  if (!pfn) return pfn;
  mem::Frame& frame = platform_->frames->frame(*pfn);
  frame.exclusive = true;
  frame.written = true;  // is about to be
  return pfn;
}

std::optional<Pfn> PageFrames::zero_page() {
  if (!zero_page_) zero_page_ = platform_->frames->allocate(0, mem::FrameUse::Reserved, 0);
  return zero_page_;
}

void PageFrames::put(Pfn pfn) {
  --platform_->frames->frame(pfn).references;
  if (counts_->references(pfn) == 0) free(pfn);
}

void PageFrames::free(Pfn pfn) {
  mem::Frame& frame = platform_->frames->frame(pfn);
  if (frame.order != 0) {  // of a huge page, whose frames go one by one from here on
    const uint64_t block = (uint64_t{1} << frame.order) - 1;
    platform_->frames->break_up(Pfn(pfn.value() & ~block), frame.order);
  }
  note_bloat(frame);
  if (platform_->before_free) platform_->before_free(pfn, 0);
  if (swap_ != nullptr) {
    rmap_->pages.remove(pfn);
    swap_->forget(pfn);
  }
  ++counters_->frames_freed;
  if (wants_back && frame.use == mem::FrameUse::Anonymous && wants_back(pfn)) {
    platform_->frames->reassign(pfn, mem::FrameUse::Reserved, 0);
    frame.folio = 0;
    frame.exclusive = frame.written = frame.lazy = false;
    ++counters_->reserved_pages;
    return;
  }
  platform_->frames->free(pfn, 0);
}

std::optional<Pfn> PageFrames::new_huge(const AddressSpace& mm, unsigned order, bool one_leaf) {
  const auto first = platform_->frames->allocate(order, mem::FrameUse::Anonymous, mm.id.value());
  if (!first) return std::nullopt;
  for (mem::Frame& frame : platform_->frames->block(*first, order)) {
    frame.folio = static_cast<uint8_t>(order);
    if (one_leaf) continue;
    frame.references = 1;
    frame.mappings = 1;
    frame.exclusive = true;
  }
  if (one_leaf) counts_->start(*first, order);
  tracks_stores = true;
  return first;
}

void PageFrames::discard_huge(Pfn first, unsigned order) {
  counts_->unmap(first, order);
  put_huge(first, order);
}

std::optional<Pfn> PageFrames::reserve(unsigned order) {
  mem::FrameMemory& frames = *platform_->frames;
  const auto first = frames.allocate(order, mem::FrameUse::Anonymous, 0);
  if (!first) return std::nullopt;
  frames.break_up(*first, order);
  frames.frame(*first).references = 0;
  const uint64_t count = uint64_t{1} << order;
  for (uint64_t i = 0; i < count; ++i)
    frames.reassign(*first + i, mem::FrameUse::Reserved, 0);
  counters_->reserved_pages += count;
  return first;
}

void PageFrames::claim(const AddressSpace& mm, Pfn reserved) {
  platform_->frames->reassign(reserved, mem::FrameUse::Anonymous, mm.id.value());
  mem::Frame& frame = platform_->frames->frame(reserved);
  frame.references = 1;
  frame.exclusive = true;
  frame.written = true;  // is about to be
  --counters_->reserved_pages;
}

void PageFrames::unreserve(Pfn reserved) {
  platform_->frames->free(reserved, 0);
  --counters_->reserved_pages;
}

std::array<uint64_t, mem::FrameMemory::kMaxOrder + 1> PageFrames::never_written() const {
  std::array<uint64_t, mem::FrameMemory::kMaxOrder + 1> frames{};
  platform_->frames->each_in_use([&](const mem::Frame& frame) {
    if (is_bloat(frame)) ++frames[frame.folio];
  });
  return frames;
}

std::optional<Pfn> PageFrames::new_huge_folio(FileId file) {
  const auto first =
      platform_->frames->allocate(sizes_->huge_order(), mem::FrameUse::File, file.value());
  if (!first) return std::nullopt;
  for (uint64_t i = 0; i < sizes_->huge_pages(); ++i) {
    mem::Frame& frame = platform_->frames->frame(*first + i);
    frame.references = 1;
    frame.written = true;
  }
  return first;
}

std::optional<Pfn> PageFrames::huge_zero_page() {
  if (!huge_zero_page_)
    huge_zero_page_ = platform_->frames->allocate(sizes_->huge_order(), mem::FrameUse::Reserved, 0);
  return huge_zero_page_;
}

void PageFrames::put_huge(Pfn first, unsigned order) {
  mem::FrameMemory& frames = *platform_->frames;
  if (!counts_->drop(first, order)) return;
  const std::span<mem::Frame> block = frames.block(first, order);
  const auto is_unused = [this, first](uint64_t i) { return counts_->references(first + i) == 0; };
  uint64_t unused = 0;
  while (unused < block.size() && is_unused(unused))
    ++unused;
  if (unused == block.size() && block.front().order == order) {
    for (const mem::Frame& frame : block)
      note_bloat(frame);
    if (platform_->before_free) platform_->before_free(first, order);
    if (swap_ != nullptr) {
      for (uint64_t i = 0; i < block.size(); ++i)
        rmap_->pages.remove(first + i);
    }
    frames.free(first, order);
    counters_->frames_freed += block.size();
    return;
  }
  for (uint64_t i = 0; i < block.size(); ++i)
    if (is_unused(i)) free(first + i);
}

void PageFrames::put_pool_page(Pfn first, PageShift size) {
  if (--platform_->frames->frame(first).references != 0) return;
  if (platform_->before_free) platform_->before_free(first, sizes_->order(size));
  pools_->of(size).give_back(first);
}

void PageFrames::free_zero_pages() {
  if (zero_page_) {
    if (platform_->before_free) platform_->before_free(*zero_page_, 0);
    platform_->frames->free(*zero_page_, 0);
    zero_page_.reset();
  }
  if (huge_zero_page_) {
    if (platform_->before_free) platform_->before_free(*huge_zero_page_, sizes_->huge_order());
    platform_->frames->free(*huge_zero_page_, sizes_->huge_order());
    huge_zero_page_.reset();
  }
}

}  // namespace mmusim::kernel
