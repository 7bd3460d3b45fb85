#include "kernel/reservations.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace mmusim::kernel {

Reservation::Reservation(VirtAddr base, PageShift size, Pfn first, PageShift page)
    : base_(base), size_(size), page_(page), first_(first), places_(size.bytes() >> page.log2()) {}

std::optional<Pfn> Reservation::take(VirtAddr page) {
  const uint64_t place = (page - base_) >> page_.log2();
  if (places_[place]) return std::nullopt;
  places_[place] = true;
  ++taken_;
  return first_ + place;
}

void Reservation::give_back(Pfn pfn) {
  const uint64_t place = pfn.value() - first_.value();
  MMUSIM_ASSERT(places_[place]);
  places_[place] = false;
  --taken_;
}

namespace {

bool all_are(const std::vector<bool>& places, uint64_t first, uint64_t count, bool taken) {
  for (uint64_t i = first; i < first + count; ++i)
    if (places[i] != taken) return false;
  return true;
}

}  // namespace

bool Reservation::is_full(VirtAddr page, PageShift size) const {
  const uint64_t first = (align_down(page, size) - base_) >> page_.log2();
  return all_are(places_, first, size.bytes() >> page_.log2(), true);
}

bool Reservation::has_left(unsigned order) const {
  const uint64_t count = uint64_t{1} << order;
  for (uint64_t first = 0; first + count <= places_.size(); first += count)
    if (all_are(places_, first, count, false)) return true;
  return false;
}

Reservations::All::const_iterator Reservations::first_in(MmId mm, const VirtRange& range) const {
  auto at = all_.upper_bound({mm, range.begin});
  if (at != all_.begin()) {
    const auto before = std::prev(at);
    if (before->first.mm == mm && before->second.reservation.range().end > range.begin)
      return before;
  }
  return at != all_.end() && at->first.mm == mm && at->first.base < range.end ? at : all_.end();
}

Reservation* Reservations::around(MmId mm, VirtAddr page) {
  const auto found = first_in(mm, {page, page + 1});
  return found == all_.end() ? nullptr : &all_.at(found->first).reservation;
}

Reservation* Reservations::of_frame(Pfn pfn, MmId& mm) {
  auto at = by_frame_.upper_bound(pfn);
  if (at == by_frame_.begin()) return nullptr;
  --at;
  Reservation& reservation = all_.at(at->second).reservation;
  if (reservation.last() < pfn) return nullptr;
  mm = at->second.mm;
  return &reservation;
}

bool Reservations::any_in(MmId mm, const VirtRange& range) const {
  return first_in(mm, range) != all_.end();
}

Reservation& Reservations::add(MmId mm, const Reservation& reservation) {
  const Key key{mm, reservation.range().begin};
  MMUSIM_ASSERT(!any_in(mm, reservation.range()));
  const auto [added, fresh] = all_.insert({key, {reservation, ++clock_}});
  by_age_[clock_] = key;
  by_frame_[reservation.first()] = key;
  return added->second.reservation;
}

void Reservations::renew(MmId mm, const Reservation& reservation) {
  Held& held = all_.at({mm, reservation.range().begin});
  by_age_.erase(held.age);
  held.age = 0;
  if (reservation.is_full()) return;
  held.age = ++clock_;
  by_age_[held.age] = {mm, reservation.range().begin};
}

Reservation Reservations::take_out(All::const_iterator at) {
  Reservation removed = at->second.reservation;
  by_age_.erase(at->second.age);
  by_frame_.erase(removed.first());
  all_.erase(at);
  return removed;
}

Reservation Reservations::remove(MmId mm, VirtAddr page) {
  const auto found = first_in(mm, {page, page + 1});
  MMUSIM_ASSERT(found != all_.end());
  return take_out(found);
}

std::vector<Reservation> Reservations::remove_in(MmId mm, const VirtRange& range) {
  std::vector<Reservation> removed;
  for (auto at = first_in(mm, range); at != all_.end(); at = first_in(mm, range))
    removed.push_back(take_out(at));
  return removed;
}

std::optional<Reservation> Reservations::remove_oldest(unsigned order) {
  for (const auto& [age, key] : by_age_)
    if (all_.at(key).reservation.has_left(order)) return remove(key.mm, key.base);
  return std::nullopt;
}

}  // namespace mmusim::kernel
