#include "sim/relocation/space.h"

namespace mmusim::sim {

void KnownParts::split(uint64_t at) {
  auto it = parts_.lower_bound(at);
  if (it == parts_.begin()) return;
  --it;
  if (it->second.end <= at) return;
  parts_.emplace(at, it->second);
  it->second.end = at;
}

void KnownParts::set(VirtRange range, uint32_t prot) {
  erase(range);
  parts_.emplace(range.begin.value(), Part{range.end.value(), prot});
}

void KnownParts::protect(VirtRange range, uint32_t prot) {
  split(range.begin.value());
  split(range.end.value());
  for (auto it = parts_.lower_bound(range.begin.value());
       it != parts_.end() && it->first < range.end.value(); ++it)
    it->second.prot = prot;
}

void KnownParts::erase(VirtRange range) {
  split(range.begin.value());
  split(range.end.value());
  parts_.erase(parts_.lower_bound(range.begin.value()), parts_.lower_bound(range.end.value()));
}

std::optional<uint32_t> KnownParts::rights(VirtRange range) const {
  std::optional<uint32_t> all;
  auto it = parts_.upper_bound(range.begin.value());
  if (it != parts_.begin() && std::prev(it)->second.end > range.begin.value()) --it;
  for (; it != parts_.end() && it->first < range.end.value(); ++it)
    all = all.value_or(0) | it->second.prot;
  return all;
}

}  // namespace mmusim::sim
