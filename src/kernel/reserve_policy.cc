#include "kernel/reserve_policy.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"
#include "kernel/entries.h"
#include "kernel/hint_group.h"
#include "kernel/promotion.h"

namespace mmusim::kernel {

ReservePolicy::ReservePolicy(Core& core) : core_(&core) {
  core.page_frames.wants_back = [this](Pfn pfn) { return take_back(pfn); };
}

ReservePolicy::~ReservePolicy() {
  core_->page_frames.wants_back = nullptr;
}

void ReservePolicy::give_back(const Reservation& reservation) {
  reservation.each_left([this](Pfn pfn) { core_->page_frames.unreserve(pfn); });
}

std::optional<Pfn> ReservePolicy::frames_for(const BlockSize& block) {
  const unsigned order = core_->sizes.order(block.size);
  auto first = core_->page_frames.reserve(order);
  if (!first) {
    if (const auto oldest = reservations_.remove_oldest(order)) {
      ++core_->counters.reservations_broken;
      give_back(*oldest);
      first = core_->page_frames.reserve(order);
    }
  }
  if (!first) ++core_->counters.sizes[block.size].fallbacks;
  return first;
}

// Whether the block has pages that are this address space's alone: with them it would never be full
// of what is reserved now.
bool ReservePolicy::has_own_pages(AddressSpace& mm, const VirtRange& block) {
  bool own = false;
  each_leaf(*core_, mm, block, LeafReads::Told, [&](const pt::Run&, uint32_t, Pfn pfn) {
    const mem::Frame& frame = core_->platform.frames->frame(pfn);
    own = own || (frame.use == mem::FrameUse::Anonymous && core_->counts.is_exclusive(pfn));
  });
  return own;
}

// Whether the block may be reserved: it lies in the area; or reaches beyond where that can grow, a
// stack or the heap, into what is nobody's, and is not larger than the area is now.
bool ReservePolicy::may_reserve(AddressSpace& mm, const Vma& vma, VirtAddr page,
                                const BlockSize& size) const {
  if (may_promote(mm, vma, page, size)) return true;
  if (!may_have_superpages(mm, vma, size) || size.size.bytes() > vma.range().bytes()) return false;
  const VirtAddr base = align_down(page, size.size);
  const VirtRange below{base, std::max(base, vma.start)};
  const VirtAddr end = base + size.size.bytes();
  const VirtRange above{std::min(end, vma.end), end};
  const bool is_heap = mm.brk != VirtAddr(0) && align_up(mm.brk, core_->page()) == vma.end;
  if (!below.empty() && (!vma.has(kVmGrowsDown) || mm.vmas.overlaps({base, vma.start})))
    return false;
  return above.empty() || (is_heap && !mm.vmas.overlaps({vma.end, end}));
}

Reservation* ReservePolicy::reserve(AddressSpace& mm, const Vma& vma, VirtAddr page) {
  const std::vector<BlockSize>& sizes = core_->sizes.candidates;
  for (auto size = sizes.rbegin(); size != sizes.rend(); ++size) {
    const VirtAddr base = align_down(page, size->size);
    const VirtRange block{base, base + size->size.bytes()};
    if (!may_reserve(mm, vma, page, *size) || reservations_.any_in(mm.id, block)) continue;
    if (has_own_pages(mm, block)) continue;
    const auto first = frames_for(*size);
    if (!first) continue;
    ++core_->counters.reservations;
    return &reservations_.add(mm.id, Reservation(base, size->size, *first, core_->page()));
  }
  return nullptr;
}

std::optional<Pfn> ReservePolicy::frame_for(AddressSpace& mm, const Vma& vma, VirtAddr page) {
  Reservation* found = reservations_.around(mm.id, page);
  std::optional<Pfn> pfn = found != nullptr ? found->take(page) : std::nullopt;
  if (found != nullptr && !pfn) {
    ++core_->counters.reservations_replaced;
    give_back(reservations_.remove(mm.id, page));
    found = nullptr;
  }
  if (found == nullptr) {
    found = reserve(mm, vma, page);
    if (found == nullptr) return std::nullopt;
    pfn = found->take(page);
  }
  reservations_.renew(mm.id, *found);
  if (found->is_full()) ++core_->counters.reservations_full;
  core_->page_frames.claim(mm, *pfn);
  return pfn;
}

bool ReservePolicy::take_back(Pfn pfn) {
  MmId mm;
  Reservation* reservation = reservations_.of_frame(pfn, mm);
  if (reservation == nullptr) return false;
  if (reservation->taken() == 1) {
    ++core_->counters.reservations_left;
    give_back(reservations_.remove(mm, reservation->range().begin));
    return false;
  }
  reservation->give_back(pfn);
  reservations_.renew(mm, *reservation);
  ++core_->counters.reservations_returned;
  return true;
}

void ReservePolicy::promote(AddressSpace& mm, VirtAddr page, const BlockSize& size) {
  Counters::BySize& counted = core_->counters.sizes[size.size];
  switch (promote_in_place(*core_, mm, align_down(page, size.size), size)) {
    case Promotion::Done:
      ++counted.promoted;
      break;
    case Promotion::Unfit:
      ++counted.unfit;
      break;
    case Promotion::NoMemory:
      ++counted.no_memory;
      break;
  }
}

void ReservePolicy::populated(AddressSpace& mm, const Vma& vma, VirtAddr page) {
  const Reservation* reservation = reservations_.around(mm.id, page);
  if (reservation == nullptr) return;
  const BlockSize* largest = nullptr;
  for (const BlockSize& size : core_->sizes.candidates) {
    if (size.size > reservation->size() || !reservation->is_full(page, size.size)) break;
    if (may_promote(mm, vma, page, size)) largest = &size;
  }
  if (largest != nullptr) promote(mm, page, *largest);
}

namespace {

// Of what is mapped there: a leaf's or a group's.
PageShift mapped_size(const Core& core, const AddressSpace& mm, VirtAddr page) {
  const pt::Lookup found = mm.table->peek(page);
  if (found.entry == pt::kNone) return core.page();
  const auto group = group_of(core, mm, found);
  return group ? group->size : found.size;
}

}  // namespace

// What was split where rights differed, and is alike again: of each size what is whole, the largest
// first.
void ReservePolicy::reprotected(AddressSpace& mm, const Vma& vma, const VirtRange& range) {
  std::vector<std::pair<VirtAddr, const BlockSize*>> blocks;
  const std::vector<BlockSize>& sizes = core_->sizes.candidates;
  reservations_.each_in(mm.id, range, [&](const Reservation& reservation) {
    const VirtAddr end = std::min(range.end, reservation.range().end);
    for (VirtAddr at = std::max(range.begin, reservation.range().begin); at < end;) {
      const auto fits = [&](const BlockSize& size) {
        return size.size <= reservation.size() && reservation.is_full(at, size.size) &&
               may_promote(mm, vma, at, size);
      };
      const auto largest = std::find_if(sizes.rbegin(), sizes.rend(), fits);
      const PageShift size = largest == sizes.rend() ? core_->page() : largest->size;
      if (largest != sizes.rend()) blocks.emplace_back(at, &*largest);
      at = align_down(at, size) + size.bytes();
    }
  });
  for (const auto& [at, size] : blocks)
    if (mapped_size(*core_, mm, at) < size->size) promote(mm, at, *size);
}

void ReservePolicy::leaving(AddressSpace& mm, const VirtRange& range) {
  for (const Reservation& reservation : reservations_.remove_in(mm.id, range)) {
    ++core_->counters.reservations_left;
    give_back(reservation);
  }
}

bool ReservePolicy::pressure() {
  const auto oldest = reservations_.remove_oldest(0);
  if (!oldest) return false;
  ++core_->counters.reservations_broken;
  give_back(*oldest);
  return true;
}

}  // namespace mmusim::kernel
