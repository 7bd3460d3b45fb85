// Pages of any address space as numbers that tell them apart and have the low bits of the page's
// own number.
#ifndef MMUSIM_SIM_CURVE_PAGE_NUMBERS_H_
#define MMUSIM_SIM_CURVE_PAGE_NUMBERS_H_

#include <array>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/types.h"

namespace mmusim::sim {

class PageNumbers {
 public:
  // REQUIRES: the page is no larger than 2^36 bytes, so that 12 bits of its number are left.
  uint64_t of(MmId mm, VirtAddr va, PageShift page) {
    const uint64_t low = va.value() & (kPart - 1);
    return uint64_t{part(mm, va.value() >> kLog2Part)} << (kLog2Part - page.log2()) |
           low >> page.log2();
  }
  // Whose page a number is, and where.
  [[nodiscard]] MmId space_of(uint64_t number, PageShift page) const {
    return parts_[number >> (kLog2Part - page.log2())].first;
  }
  [[nodiscard]] VirtAddr base_of(uint64_t number, PageShift page) const {
    const uint64_t part = number >> (kLog2Part - page.log2());
    return VirtAddr(parts_[part].second << kLog2Part | (number << page.log2() & (kPart - 1)));
  }

 private:
  static constexpr unsigned kLog2Part = 48;  // of an address space
  static constexpr uint64_t kPart = uint64_t{1} << kLog2Part;

  uint32_t part(MmId mm, uint64_t high) {
    if (mm != last_.first || high != last_.second) [[unlikely]]
      go_to(mm, high);
    return last_number_;
  }
  [[gnu::noinline]] void go_to(MmId mm, uint64_t high) {
    const auto [place, fresh] =
        numbers_.try_emplace({mm, high}, static_cast<uint32_t>(parts_.size()));
    if (fresh) parts_.emplace_back(mm, high);
    last_ = {mm, high};
    last_number_ = place->second;
  }

  std::map<std::pair<MmId, uint64_t>, uint32_t> numbers_;
  std::vector<std::pair<MmId, uint64_t>> parts_;
  std::pair<MmId, uint64_t> last_{MmId(~uint64_t{0}), 0};
  uint32_t last_number_ = 0;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_CURVE_PAGE_NUMBERS_H_
