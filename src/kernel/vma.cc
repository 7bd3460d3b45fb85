#include "kernel/vma.h"

#include <algorithm>

#include "base/error.h"

namespace mmusim::kernel {

namespace {

// Areas that are gone through, in search of room, before gaps are looked up in an index.
constexpr unsigned kOneByOne = 32;

}  // namespace

Vma* VmaSet::find(VirtAddr va) {
  if (last_ != nullptr && last_->range().contains(va)) return last_;
  Vma* vma = find_from(va);
  if (vma == nullptr || va < vma->start) return nullptr;
  last_ = vma;
  return vma;
}

const Vma* VmaSet::find(VirtAddr va) const {
  auto it = areas_.upper_bound(va);
  if (it == areas_.begin()) return nullptr;
  --it;
  return it->second.range().contains(va) ? &it->second : nullptr;
}

VmaSet::Map::iterator VmaSet::at_or_after(VirtAddr va) {
  auto it = areas_.upper_bound(va);
  if (it == areas_.begin()) return it;
  auto before = std::prev(it);
  return before->second.end > va ? before : it;
}

Vma* VmaSet::find_from(VirtAddr va) {
  auto it = at_or_after(va);
  return it == areas_.end() ? nullptr : &it->second;
}

const Vma* VmaSet::find_from(VirtAddr va) const {
  auto it = areas_.upper_bound(va);
  if (it != areas_.begin() && std::prev(it)->second.end > va) --it;
  return it == areas_.end() ? nullptr : &it->second;
}

const Vma* VmaSet::find_before(VirtAddr va) const {
  const auto it = areas_.lower_bound(va);
  return it == areas_.begin() ? nullptr : &std::prev(it)->second;
}

Vma* VmaSet::find_before(VirtAddr va) {
  auto it = areas_.lower_bound(va);
  return it == areas_.begin() ? nullptr : &std::prev(it)->second;
}

Vma* VmaSet::next(const Vma& vma) {
  auto it = areas_.upper_bound(vma.start);
  return it == areas_.end() ? nullptr : &it->second;
}

bool VmaSet::overlaps(VirtRange range) {
  const Vma* vma = find_from(range.begin);
  return vma != nullptr && vma->start < range.end;
}

bool VmaSet::covers(VirtRange range) {
  VirtAddr at = range.begin;
  while (at < range.end) {
    const Vma* vma = find_from(at);
    if (vma == nullptr || vma->start > at) return false;
    at = vma->end;
  }
  return true;
}

Vma& VmaSet::insert(const Vma& vma) {
  MMUSIM_ASSERT(vma.start < vma.end && !overlaps(vma.range()));
  const auto made = areas_.emplace(vma.start, vma).first;
  note_gap(made);
  note_gap(std::next(made));
  note_added(made->second);
  return made->second;
}

void VmaSet::note_gap(Map::const_iterator area) const {
  if (!gaps_ || area == areas_.end()) return;
  const VirtAddr begin = area == areas_.begin() ? VirtAddr(0) : std::prev(area)->second.end;
  gaps_->set(area->first, area->first - begin);
}

const GapIndex& VmaSet::gaps() const {
  if (!gaps_) {
    gaps_.emplace();
    for (auto area = areas_.begin(); area != areas_.end(); ++area)
      note_gap(area);
  }
  return *gaps_;
}

void VmaSet::note_added(const Vma& vma) {
  if (watcher_ != nullptr) watcher_->area_added(vma);
}

void VmaSet::note_removed(const Vma& vma) {
  if (watcher_ != nullptr) watcher_->area_removed(vma);
}

void VmaSet::set_anon(Vma& vma, AnonVmaId anon, AnonVmaId root, uint32_t chain) {
  note_removed(vma);
  vma.anon = anon;
  vma.anon_root = root;
  vma.anon_chain = chain;
  note_added(vma);
}

Vma& VmaSet::insert_and_merge(const Vma& vma) {
  insert(vma);
  merge(vma.start);
  merge(vma.end);
  return *find(vma.start);
}

void VmaSet::erase(VirtAddr start) {
  const auto it = areas_.find(start);
  MMUSIM_ASSERT(it != areas_.end());
  if (last_ == &it->second) last_ = nullptr;
  note_removed(it->second);
  if (gaps_) gaps_->set(start, 0);
  note_gap(areas_.erase(it));
}

bool VmaSet::split(VirtAddr at) {
  Vma* low = find(at);
  if (low == nullptr || low->start == at) return false;
  Vma high = *low;
  high.start = at;
  high.pgoff += (at - low->start) >> page_.log2();
  low->end = at;
  note_added(areas_.emplace(at, high).first->second);
  return true;
}

bool VmaSet::can_merge(const Vma& a, const Vma& b) const {
  if (a.end != b.start || ((a.flags ^ b.flags) & ~kVmSticky) != 0 || a.file != b.file) return false;
  if (a.has(kVmPfnMap | kVmDontExpand)) return false;
  if (a.pgoff + (a.range().bytes() >> page_.log2()) != b.pgoff) return false;
  if (a.anon == b.anon) return true;
  if (a.anon == AnonVmaId(0)) return b.anon_chain == 1;
  if (b.anon == AnonVmaId(0)) return a.anon_chain == 1;
  return false;
}

bool VmaSet::merge(VirtAddr at) {
  auto high = areas_.find(at);
  if (high == areas_.end() || high == areas_.begin()) return false;
  auto low = std::prev(high);
  if (!can_merge(low->second, high->second)) return false;
  Vma& kept = low->second;
  kept.end = high->second.end;
  kept.flags |= high->second.flags & kVmSticky;
  if (kept.anon == AnonVmaId(0) && high->second.anon != AnonVmaId(0))
    set_anon(kept, high->second.anon, high->second.anon_root, high->second.anon_chain);
  if (last_ == &high->second) last_ = nullptr;
  note_removed(high->second);
  areas_.erase(high);
  return true;
}

void VmaSet::merge_around(VirtRange range) {
  merge(range.begin);
  VirtAddr at = range.begin;
  while (const Vma* vma = find_from(at)) {
    at = vma->end;
    if (at > range.end) return;
    if (merge(at)) at = range.begin > vma->start ? range.begin : vma->start;
  }
}

Vma& VmaSet::set_start(Vma& vma, VirtAddr start) {
  MMUSIM_ASSERT(start < vma.end);
  last_ = nullptr;
  note_removed(vma);
  if (gaps_) gaps_->set(vma.start, 0);
  auto node = areas_.extract(vma.start);
  Vma& moved = node.mapped();
  const uint64_t shift = page_.log2();
  moved.pgoff = moved.pgoff + (start.value() >> shift) - (moved.start.value() >> shift);
  moved.start = start;
  node.key() = start;
  note_added(moved);
  const auto area = areas_.insert(std::move(node)).position;
  note_gap(area);
  return area->second;
}

void VmaSet::set_end(Vma& vma, VirtAddr end) {
  const auto above = areas_.upper_bound(vma.start);
  MMUSIM_ASSERT(end >= vma.end && (above == areas_.end() || end <= above->first));
  vma.end = end;
  note_gap(above);
}

std::optional<VirtAddr> VmaSet::highest_gap(uint64_t bytes, VirtAddr low, VirtAddr high,
                                            uint64_t guard) const {
  // As Linux looks: for room first, then at the area above it. Where that is a stack too near, only
  // what lies below the stack's guard gap is looked at from then on, whatever it is; a stack above
  // other areas is in nobody's way (unmapped_area_topdown).
  VirtAddr limit = high;
  auto it = areas_.lower_bound(limit);
  for (unsigned looked_at = 0;; ++looked_at) {
    const VirtAddr begin = it == areas_.begin() ? low : std::max(low, std::prev(it)->second.end);
    const VirtAddr end = it == areas_.end() ? limit : std::min(limit, it->second.start);
    if (begin <= end && end - begin >= bytes) {
      if (it == areas_.end() || !it->second.has(kVmGrowsDown)) return end - bytes;
      const uint64_t start = it->second.start.value();
      const VirtAddr guarded(start > guard ? start - guard : 0);
      if (guarded >= end) return end - bytes;
      if (guarded <= low) return std::nullopt;
      limit = guarded;
      it = areas_.lower_bound(limit);
      continue;
    }
    if (it == areas_.begin()) return std::nullopt;
    --it;
    if (it->second.end <= low) return std::nullopt;
    if (looked_at < kOneByOne) continue;
    const auto next = gaps().highest(it->first, bytes);
    if (!next) return std::nullopt;
    it = areas_.find(*next);
  }
}

std::optional<VirtAddr> VmaSet::lowest_gap(uint64_t bytes, VirtAddr low, VirtAddr high,
                                           uint64_t guard) const {
  auto it = areas_.lower_bound(low);
  VirtAddr gap_begin = it == areas_.begin() ? low : std::max(low, std::prev(it)->second.end);
  for (unsigned looked_at = 0;; ++it, ++looked_at) {
    if (looked_at > kOneByOne && it != areas_.end()) {
      const auto next = gaps().lowest(it->first, bytes);
      it = next ? areas_.find(*next) : areas_.end();
      gap_begin = std::max(gap_begin, std::prev(it)->second.end);
    }
    VirtAddr gap_end = high;
    if (it != areas_.end()) {
      uint64_t start = it->second.start.value();
      if (it->second.has(kVmGrowsDown)) start = start > guard ? start - guard : 0;
      gap_end = std::min(gap_end, VirtAddr(start));
    }
    if (gap_begin <= gap_end && gap_end - gap_begin >= bytes) return gap_begin;
    if (it == areas_.end() || it->second.start >= high) return std::nullopt;
    gap_begin = std::max(gap_begin, it->second.end);
  }
}

}  // namespace mmusim::kernel
