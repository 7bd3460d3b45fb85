// The numbers by which TLBs tell address spaces apart (contexts, from which IA-64 makes region
// identifiers): which are given out, and to whom.
//
// 0 is the kernel's. Which free one is next, and what happens when there is none, each port has its
// own rule for. Not thread-safe.
#ifndef MMUSIM_MMU_NUMBERS_H_
#define MMUSIM_MMU_NUMBERS_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/types.h"

namespace mmusim::mmu {

// No address space: what a CPU runs that runs none, and who owns a number nobody has.
inline constexpr MmId kNobody{~uint64_t{0}};

class Numbers {
 public:
  // From 1 up to, but not including, `end`.
  explicit Numbers(uint32_t end) : end_(end) {}

  // The first free one from `from` on. REQUIRES: from > 0.
  [[nodiscard]] std::optional<uint32_t> free_from(uint32_t from) const {
    uint32_t number = std::max(from, lowest_);
    while (number < owners_.size() && owners_[number] != kNobody)
      ++number;
    if (number >= end_) return std::nullopt;
    return number;
  }
  // REQUIRES: it is free.
  void give(uint32_t number, MmId mm) {
    if (number >= owners_.size()) owners_.resize(number + size_t{1}, kNobody);
    owners_[number] = mm;
    if (number == lowest_) ++lowest_;
  }
  // It is free from now on ...
  void release(uint32_t number) {
    owners_[number] = kNobody;
    lowest_ = std::min(lowest_, number);
  }
  // ... or nobody's, and free only from free_retired() on.
  void retire(uint32_t number) { owners_[number] = kRetired; }
  void free_retired() {
    std::replace(owners_.begin(), owners_.end(), kRetired, kNobody);
    lowest_ = 1;
  }
  // All but these are free.
  void keep_only(std::span<const uint32_t> kept) {
    std::vector<MmId> before = std::exchange(owners_, {kNobody});
    lowest_ = 1;
    for (const uint32_t number : kept)
      give(number, before[number]);
  }

  // kNobody: it is not given out.
  [[nodiscard]] MmId owner(uint32_t number) const {
    return number < owners_.size() && owners_[number] != kRetired ? owners_[number] : kNobody;
  }

 private:
  static constexpr MmId kRetired{kNobody.value() - 1};

  uint32_t end_;
  std::vector<MmId> owners_{kNobody};  // by number, as far as they have been given out
  uint32_t lowest_ = 1;                // all below it are given out
};

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_NUMBERS_H_
