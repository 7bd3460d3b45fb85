#include "record/plugin/placement.h"

#include <algorithm>
#include <malloc.h>
#include <sys/mman.h>

#include "record/plugin/maps.h"

namespace mmusim::record::plugin {
namespace {

constexpr uint64_t kHugePage = uint64_t{2} << 20;
// What QEMU 7.2 adds to a position-independent program, for its heap; and what it takes for the
// code it makes, once the plug-in is there.
constexpr uint64_t kHeapReserve = uint64_t{32} << 20;
constexpr uint64_t kCodeBuffer = uint64_t{128} << 20;
constexpr uint64_t kBehindProgram = uint64_t{64} << 20;
constexpr uint64_t kHostTop = 0x7ffffffff000;

}  // namespace

// Nothing of QEMU's may be moved, so a place that is taken stays as it is.
void Placement::block_place(uint64_t begin, uint64_t end) {
  if (begin >= end) return;
  const void* at = mmap(reinterpret_cast<void*>(begin), end - begin, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (at == reinterpret_cast<void*>(begin)) blocked_.push_back({begin, end, 0});
}

void Placement::before_load(Guest& guest, uint64_t program_bytes) {
  const Isa& isa = guest.isa();
  if ((isa.mmap_top == 0 && isa.mmap_bottom == 0) || !guest.can_place()) return;
  on_ = true;
  if (isa.mmap_bottom != 0) {  // and what is loaded goes up from there too
    bottom_ = isa.mmap_bottom;
    top_ = kHostTop;
    guest.place_next_at(bottom_);
    return;
  }
  top_ = isa.mmap_top;
  guest.place_next_at(program_bytes != 0 ? isa.program_at : isa.mmap_top);
  if (!isa.wide) return;
  // What QEMU itself allocates must not take the places of the program's mappings.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_ARENA_MAX, 1);
  // Room for the code buffer is left right above; the 2 MiB more are for kernels that align it.
  uint64_t end = top_ + kCodeBuffer + kHugePage;
  for (const HostMapping& mapping : host_mappings()) {
    if (mapping.begin > kHostTop) break;
    if (mapping.begin > end && mapping.name != "[stack]") block_place(end, mapping.begin);
    end = std::max(end, mapping.end);
  }
  if (program_bytes != 0) {
    const uint64_t behind =
        (isa.program_at + program_bytes + kHeapReserve + 3 * kPage) & ~(kPage - 1);
    block_place(behind, behind + kBehindProgram);
  }
}

void Placement::after_load(Guest& guest, const std::vector<Region>& regions) {
  for (const Region& region : blocked_)
    munmap(reinterpret_cast<void*>(region.begin), region.end - region.begin);
  blocked_.clear();
  if (!on_) return;
  if (guest.isa().wide && !guest.shares_host_addresses()) {
    on_ = false;
    return;
  }
  for (const Region& region : regions)
    mapped(region.begin, region.end - region.begin);
  if (!guest.shares_host_addresses()) return;
  for (const HostMapping& mapping : host_mappings())
    mapped(mapping.begin, mapping.end - mapping.begin);
}

void Placement::choose(Guest& guest, uint64_t bytes, bool huge) {
  if (!on_ || bytes == 0) return;
  const uint64_t page = uint64_t{1} << guest.isa().page_shift;
  bytes = (bytes + page - 1) & ~(page - 1);
  const uint64_t mask = huge && bytes % kHugePage == 0 ? ~(kHugePage - 1) : ~(page - 1);
  const uint64_t place = bottom_ != 0 ? lowest_hole(bytes, mask) : highest_hole(bytes, mask);
  if (place != 0) guest.place_next_at(place);
}

uint64_t Placement::highest_hole(uint64_t bytes, uint64_t mask) const {
  uint64_t end = top_;  // of the hole looked at
  for (auto area = taken_.rbegin();; ++area) {
    const uint64_t begin = area == taken_.rend() ? kPage : area->second;
    if (end > begin && end - begin >= bytes) {
      const uint64_t place = (end - bytes) & mask;
      if (place >= begin) return place;
    }
    if (area == taken_.rend()) return 0;
    end = std::min(end, area->first);
  }
}

uint64_t Placement::lowest_hole(uint64_t bytes, uint64_t mask) const {
  uint64_t place = bottom_;
  for (auto area = taken_.begin(); area != taken_.end(); ++area) {
    if (area->second <= place) continue;
    if (area->first >= place && area->first - place >= bytes) return place;
    place = (area->second + ~mask) & mask;
  }
  return place < top_ && top_ - place >= bytes ? place : 0;
}

void Placement::mapped(uint64_t begin, uint64_t bytes) {
  if (!on_ || bytes == 0 || begin >= top_) return;
  uint64_t end = std::min(begin + bytes, top_);
  auto next = taken_.upper_bound(begin);
  if (next != taken_.begin() && std::prev(next)->second >= begin) --next;
  while (next != taken_.end() && next->first <= end) {
    begin = std::min(begin, next->first);
    end = std::max(end, next->second);
    next = taken_.erase(next);
  }
  taken_.emplace_hint(next, begin, end);
}

void Placement::unmapped(uint64_t begin, uint64_t bytes) {
  if (!on_ || bytes == 0) return;
  const uint64_t end = begin + bytes;
  auto next = taken_.upper_bound(begin);
  if (next != taken_.begin() && std::prev(next)->second > begin) --next;
  while (next != taken_.end() && next->first < end) {
    const auto [old_begin, old_end] = *next;
    next = taken_.erase(next);
    if (old_begin < begin) taken_.emplace(old_begin, begin);
    if (old_end > end) taken_.emplace(end, old_end);
  }
}

}  // namespace mmusim::record::plugin
