#include "arch/x86/walk_caches.h"

namespace mmusim::x86 {

namespace {

using PrefixField =
    BitField<0, 36>;  // address bits 56:21 (31:22), those below the entry's reach cleared
using PcidField = BitField<36, 12>;
using ValidField = BitField<63>;

}  // namespace

uint64_t WalkCaches::tag_of(VirtAddr va, unsigned level, Pcid pcid) const {
  const uint64_t prefix = va.value() >> paging_.shift(level)
                                            << (paging_.index_bits() * (level - 1));
  return ValidField::set(PcidField::set(PrefixField::set(0, prefix), pcid), 1);
}

WalkCaches::WalkCaches(const std::array<uint32_t, kMostLevels>& entries, Paging paging)
    : paging_(paging) {
  for (unsigned level = 1; level < paging.walked(); ++level) {
    if (entries[level] == 0) continue;
    tlb::Geometry geometry;
    geometry.entries = geometry.ways = entries[level];
    caches_[level].emplace(geometry);
  }
}

std::optional<WalkStart> WalkCaches::find(VirtAddr va, Pcid pcid) {
  for (unsigned level = 1; level < paging_.walked(); ++level) {
    if (!caches_[level]) continue;
    Array& cache = *caches_[level];
    const uint32_t index = cache.find(0, tag_of(va, level, pcid));
    if (index == Array::kNone) continue;
    cache.touch(index, ++clock_);
    const Payload& payload = cache.payload(index);
    return WalkStart{level - 1, payload.table, payload.rights};
  }
  return std::nullopt;
}

void WalkCaches::fill(VirtAddr va, Pcid pcid, unsigned level, PhysAddr table, WalkRights rights) {
  if (!caches_[level]) return;
  Array& cache = *caches_[level];
  const uint64_t tag = tag_of(va, level, pcid);
  uint32_t index = cache.find(0, tag);
  if (index == Array::kNone) index = cache.victim(0);
  cache.fill(index, tag, {table, rights}, ++clock_);
}

template <class Predicate>
void WalkCaches::remove_if(Predicate predicate) {
  for (unsigned level = 1; level < paging_.walked(); ++level) {
    if (!caches_[level]) continue;
    Array& cache = *caches_[level];
    for (uint32_t index = 0; index < cache.entries(); ++index)
      if (cache.valid(index) && predicate(cache.tag(index))) cache.invalidate(index);
  }
}

void WalkCaches::invalidate_address(VirtAddr va, Pcid pcid) {
  for (unsigned level = 1; level < paging_.walked(); ++level) {
    if (!caches_[level]) continue;
    const uint32_t index = caches_[level]->find(0, tag_of(va, level, pcid));
    if (index != Array::kNone) caches_[level]->invalidate(index);
  }
}

void WalkCaches::invalidate_pcid(Pcid pcid) {
  remove_if([pcid](uint64_t tag) { return PcidField::get(tag) == pcid; });
}

void WalkCaches::invalidate_all() {
  remove_if([](uint64_t) { return true; });
}

void WalkCaches::for_each(const std::function<void(Pcid, PhysAddr)>& visit) const {
  for (unsigned level = 1; level < paging_.walked(); ++level) {
    if (!caches_[level]) continue;
    const Array& cache = *caches_[level];
    for (uint32_t index = 0; index < cache.entries(); ++index)
      if (cache.valid(index))
        visit(static_cast<Pcid>(PcidField::get(cache.tag(index))), cache.payload(index).table);
  }
}

}  // namespace mmusim::x86
