// Reservations: aligned blocks of frames set aside for aligned blocks of address space, page for
// page, so that what gets mapped there lies in one piece and can become a superpage (J. Navarro et
// al., OSDI 2002; FreeBSD's vm_reserv.c, where the object has them, as here the address space).
//
// Only who has which place is kept here: a place that was taken stays so until its frame is given
// back, whatever becomes of the page. Reservations of one address space do not overlap, nor do
// those of all in memory. They are known by age, which counts from when a place was last taken or
// given back, but for those that are full. Plain data; not thread-safe.
#ifndef MMUSIM_KERNEL_RESERVATIONS_H_
#define MMUSIM_KERNEL_RESERVATIONS_H_

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/types.h"

namespace mmusim::kernel {

class Reservation {
 public:
  Reservation(VirtAddr base, PageShift size, Pfn first, PageShift page);

  [[nodiscard]] VirtRange range() const { return {base_, base_ + size_.bytes()}; }
  [[nodiscard]] PageShift size() const { return size_; }
  // The frame for the page at `page`; nothing: taken before. REQUIRES: it lies in the range.
  std::optional<Pfn> take(VirtAddr page);
  // REQUIRES: it is one that was taken.
  void give_back(Pfn pfn);
  // Whether all of the aligned part of that size around `page` is taken.
  [[nodiscard]] bool is_full(VirtAddr page, PageShift size) const;
  [[nodiscard]] bool is_full() const { return taken_ == places_.size(); }
  [[nodiscard]] uint64_t taken() const { return taken_; }
  [[nodiscard]] Pfn first() const { return first_; }
  [[nodiscard]] Pfn last() const { return first_ + (places_.size() - 1); }
  // Whether 2^order frames in one piece are not taken.
  [[nodiscard]] bool has_left(unsigned order) const;
  // visit(pfn) for each frame that is not taken.
  template <class Visit>
  void each_left(Visit visit) const {
    for (uint64_t i = 0; i < places_.size(); ++i)
      if (!places_[i]) visit(first_ + i);
  }

 private:
  VirtAddr base_;
  PageShift size_;
  PageShift page_;
  Pfn first_;
  std::vector<bool> places_;  // taken or not, by page
  uint64_t taken_ = 0;
};

class Reservations {
 public:
  // Null: none.
  Reservation* around(MmId mm, VirtAddr page);
  // The one that has the frame, and whose it is; null: none.
  Reservation* of_frame(Pfn pfn, MmId& mm);
  // visit(reservation) for each that reaches into the range, in order.
  template <class Visit>
  void each_in(MmId mm, const VirtRange& range, Visit visit) const {
    for (auto at = first_in(mm, range);
         at != all_.end() && at->first.mm == mm && at->first.base < range.end; ++at)
      visit(at->second.reservation);
  }
  [[nodiscard]] bool any_in(MmId mm, const VirtRange& range) const;
  // REQUIRES: there is none in its range.
  Reservation& add(MmId mm, const Reservation& reservation);
  // A place of it was taken or given back.
  void renew(MmId mm, const Reservation& reservation);
  // Takes out and returns the one around `page`; those that reach into the range; the oldest that
  // has 2^order frames left in one piece. The frames left are the caller's, and so are those taken,
  // once they are given back.
  Reservation remove(MmId mm, VirtAddr page);
  std::vector<Reservation> remove_in(MmId mm, const VirtRange& range);
  std::optional<Reservation> remove_oldest(unsigned order);

 private:
  struct Key {
    MmId mm;
    VirtAddr base;
    auto operator<=>(const Key&) const = default;
  };
  struct Held {
    Reservation reservation;
    uint64_t age;  // 0: full
  };
  using All = std::map<Key, Held>;

  [[nodiscard]] All::const_iterator first_in(MmId mm, const VirtRange& range) const;
  Reservation take_out(All::const_iterator at);

  All all_;
  std::map<Pfn, Key> by_frame_;  // the first
  std::map<uint64_t, Key> by_age_;
  uint64_t clock_ = 0;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_RESERVATIONS_H_
