// Where the VHPT has the entry of an address: thash and ttag.
//
// Short format (SDM vol. 2, 4.1.5.1, figure 4-14): architected; a linear table at the same offset
// of every region. Long format: the functions are the implementation's; these are Merced's as
// published (Intel 245320, Itanium Processor Microarchitecture Reference, 5.4 and 5.5;
// second-hand), taken for Itanium 2 as well, whose are not. With at least 10 bits of index
// (PTA.size 15, the least there is) index and tag together tell any two (RID, page) apart.
//
// Merced's index is the low bits of the page number: pages that lie a power of two apart share few
// slots. Folded, a function of the simulator's own, to tell what a better one is worth: the page
// number's further bits, up to bit 38, are folded onto them, as many at a time as an index has.
// The tag has those bits as they are, so that it and the index still tell any two pages apart.
#ifndef MMUSIM_ARCH_IA64_HASH_H_
#define MMUSIM_ARCH_IA64_HASH_H_

#include <array>
#include <cstdint>
#include <optional>

#include "arch/ia64/formats.h"
#include "base/bits.h"

namespace mmusim::ia64 {

class Hash {
 public:
  // `va_msb`: the highest implemented bit of an address within its region (IMPL_VA_MSB).
  // `preferred`: the page size of all regions but that of huge pages, which has `huge`.
  constexpr Hash(const Pta& pta, PageShift preferred, unsigned va_msb, bool folded = false,
                 std::optional<PageShift> huge = std::nullopt)
      : pta_(pta), va_mask_((uint64_t{2} << va_msb) - 1), folded_(folded) {
    preferred_.fill(preferred);
    preferred_[kHugeRegion] = huge.value_or(preferred);
  }

  [[nodiscard]] constexpr PageShift preferred(VirtAddr va) const {
    return preferred_[region_of(va)];
  }
  // The hashed page number: of the preferred page size, without the region.
  [[nodiscard]] constexpr uint64_t hpn(VirtAddr va) const {
    return (va.value() & va_mask_) >> preferred(va).log2();
  }
  [[nodiscard]] constexpr uint64_t tag(VirtAddr va, Rid rid) const {
    return hpn(va) ^ uint64_t { rid } << kRidShift;
  }
  // Of the entry, from the table's beginning (long format).
  [[nodiscard]] constexpr uint64_t offset(VirtAddr va, Rid rid) const {
    return (hpn(va) ^ (folded_ ? further_bits(va) : 0) ^ rid) * kVhptEntryBytes & size_mask();
  }
  // The address of the entry: what thash gives and IHA holds.
  [[nodiscard]] constexpr VirtAddr thash(VirtAddr va, Rid rid) const {
    if (pta_.long_format) return pta_.base + offset(va, rid);
    const uint64_t in_region =
        (pta_.base.value() & ~size_mask() & kInRegion) | (hpn(va) << 3 & size_mask());
    return region_base(region_of(va)) + in_region;
  }
  [[nodiscard]] constexpr const Pta& pta() const { return pta_; }

 private:
  static constexpr uint64_t kInRegion = (uint64_t{1} << kRegionShift) - 1;
  static constexpr unsigned kRidShift = 39;  // where the tag has the RID
  [[nodiscard]] constexpr uint64_t further_bits(VirtAddr va) const {
    const unsigned bits = pta_.size - log2_floor(kVhptEntryBytes);
    uint64_t folded = 0;
    for (uint64_t rest = (hpn(va) & ((uint64_t{1} << kRidShift) - 1)) >> bits; rest != 0;
         rest >>= bits)
      folded ^= rest;
    return folded;
  }
  [[nodiscard]] constexpr uint64_t size_mask() const { return (uint64_t{1} << pta_.size) - 1; }

  Pta pta_;
  std::array<PageShift, kRegions> preferred_{};
  uint64_t va_mask_;
  bool folded_;
};

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_HASH_H_
