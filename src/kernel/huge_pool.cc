#include "kernel/huge_pool.h"

#include <algorithm>

#include "base/error.h"

namespace mmusim::kernel {

bool HugePool::fill(uint64_t count) {
  for (; total_ < count; ++total_) {
    const auto page = frames_->reserve(size_.bytes(), mem::FrameUse::Reserved);
    if (!page) return false;
    free_.insert(frames_->frame_of(*page));
  }
  return true;
}

void HugePool::drain() {
  MMUSIM_ASSERT(free_.size() == total_);
  const unsigned piece = std::min(order_, mem::FrameMemory::kMaxOrder);
  for (const Pfn page : free_)
    for (uint64_t i = 0; i < uint64_t{1} << order_; i += uint64_t{1} << piece)
      frames_->free(page + i, piece);
  free_.clear();
  total_ = 0;
}

HugePool& HugePools::add(PageShift size, unsigned order, PageShift leaf) {
  auto at = std::find_if(pools_.begin(), pools_.end(),
                         [&](const auto& pool) { return pool->size() > size; });
  return **pools_.insert(at, std::make_unique<HugePool>(*frames_, size, order, leaf));
}

HugePool* HugePools::find(PageShift size) const {
  for (const auto& pool : pools_)
    if (pool->size() == size) return pool.get();
  return nullptr;
}

void HugePools::drain() {
  for (const auto& pool : pools_)
    pool->drain();
}

bool HugePool::reserve(FileId file, uint64_t first, uint64_t pages) {
  const uint64_t step = uint64_t{1} << order_;
  if (pages / step > free_.size() - reserved_) return false;
  for (uint64_t index = first; index < first + pages; index += step)
    files_[file].reserved.insert(index);
  reserved_ += pages / step;
  return true;
}

void HugePool::unreserve(FileId file, uint64_t first, uint64_t pages) {
  const auto found = files_.find(file);
  if (found == files_.end()) return;
  std::set<uint64_t>& reserved = found->second.reserved;
  const auto begin = reserved.lower_bound(first);
  const auto end = reserved.lower_bound(first + pages);
  reserved_ -= static_cast<uint64_t>(std::distance(begin, end));
  reserved.erase(begin, end);
}

std::optional<Pfn> HugePool::take(FileId file, uint64_t index, bool may_use_reservation) {
  const auto found = files_.find(file);
  if (may_use_reservation && found != files_.end() && found->second.reserved.erase(index) != 0) {
    --reserved_;
  } else if (free_.size() <= reserved_) {
    return std::nullopt;
  }
  const Pfn page = *free_.begin();
  free_.erase(free_.begin());
  mem::Frame& frame = frames_->frame(page);
  frame.references = 1;
  frame.exclusive = false;
  return page;
}

std::optional<Pfn> HugePool::page_of(FileId file, uint64_t index) const {
  const auto found = files_.find(file);
  if (found == files_.end()) return std::nullopt;
  const auto page = found->second.pages.find(index);
  if (page == found->second.pages.end()) return std::nullopt;
  return page->second;
}

void HugePool::forget(FileId file, const std::function<void(Pfn)>& release) {
  const auto found = files_.find(file);
  if (found == files_.end()) return;
  reserved_ -= found->second.reserved.size();
  for (const auto& [index, page] : found->second.pages)
    release(page);
  files_.erase(found);
}

}  // namespace mmusim::kernel
