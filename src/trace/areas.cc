#include "trace/areas.h"

#include "base/error.h"

namespace mmusim::trace {

const std::string& Area::name_text() const {
  static const std::string kNone;
  return name == nullptr ? kNone : *name;
}

const Area* AreaMap::find(VirtAddr at) const {
  const Area* const area = find_from(at);
  return area != nullptr && area->range.begin <= at ? area : nullptr;
}

const Area* AreaMap::find_from(VirtAddr at) const {
  auto next = areas_.upper_bound(at);
  if (next != areas_.begin()) {
    const auto before = std::prev(next);
    if (before->second.range.end > at) return &before->second;
  }
  return next == areas_.end() ? nullptr : &next->second;
}

bool AreaMap::overlaps(VirtRange range) const {
  const Area* const area = find_from(range.begin);
  return area != nullptr && area->range.begin < range.end;
}

bool AreaMap::covers(VirtRange range) const {
  for (VirtAddr at = range.begin; at < range.end;) {
    const Area* const area = find(at);
    if (area == nullptr) return false;
    at = area->range.end;
  }
  return true;
}

void AreaMap::split(VirtAddr at) {
  const auto next = areas_.upper_bound(at);
  if (next == areas_.begin()) return;
  const auto before = std::prev(next);
  Area& low = before->second;
  if (low.range.begin == at || low.range.end <= at) return;
  Area high = low;
  high.offset = low.offset_at(at);
  high.range.begin = at;
  low.range.end = at;
  areas_.emplace_hint(next, at, std::move(high));
}

void AreaMap::remove(VirtRange range) {
  split(range.begin);
  split(range.end);
  areas_.erase(areas_.lower_bound(range.begin), areas_.lower_bound(range.end));
}

void AreaMap::put(const Area& area) {
  MMUSIM_ASSERT(!area.range.empty());
  remove(area.range);
  areas_.emplace(area.range.begin, area);
}

void AreaMap::set_begin(VirtAddr start, VirtAddr begin) {
  auto node = areas_.extract(start);
  MMUSIM_ASSERT(!node.empty() && begin < node.mapped().range.end);
  node.mapped().offset = node.mapped().offset_at(begin);
  node.mapped().range.begin = begin;
  node.key() = begin;
  areas_.insert(std::move(node));
}

void AreaMap::set_end(VirtAddr start, VirtAddr end) {
  const auto at = areas_.find(start);
  MMUSIM_ASSERT(at != areas_.end() && start < end);
  at->second.range.end = end;
}

}  // namespace mmusim::trace
