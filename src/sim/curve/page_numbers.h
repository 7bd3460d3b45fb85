// Pages of one size, of any address space, as numbers that tell them apart and have the low bits of
// the page's own number: a region of an address space, which is so many pages, has a tag.
//
// There are only so many tags. Before they run out, whoever keeps numbers says which these are, and
// gets them back with other tags (keep()). Not thread-safe.
#ifndef MMUSIM_SIM_CURVE_PAGE_NUMBERS_H_
#define MMUSIM_SIM_CURVE_PAGE_NUMBERS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/types.h"
#include "tlb/lru_family.h"

namespace mmusim::sim {

class PageNumbers {
 public:
  using Number = tlb::LruFamily::Page;
  static constexpr unsigned kLog2Region = tlb::LruFamily::kLog2MostSets;  // pages
  // The last one would make the number that stands for no page.
  static constexpr size_t kMostTags = (size_t{1} << (32 - kLog2Region)) - 1;
  static_assert(sizeof(Number) * 8 == 32);

  explicit PageNumbers(PageShift page, size_t most_tags = kMostTags)
      : page_(page), most_tags_(most_tags) {}

  // REQUIRES: room() is not 0.
  Number of(MmId mm, VirtAddr va) {
    const uint64_t page = va.value() >> page_.log2();
    const uint64_t region = page >> kLog2Region;
    const Known& known = known_[place_of(region)];
    const uint32_t tag = known.mm == mm && known.region == region ? known.tag : tag_of(mm, region);
    return tag << kLog2Region | static_cast<Number>(page & kInRegion);
  }
  // None: of() has given it none.
  [[nodiscard]] std::optional<Number> find(MmId mm, VirtAddr va) const {
    const uint64_t page = va.value() >> page_.log2();
    const auto found = tags_.find({mm, page >> kLog2Region});
    if (found == tags_.end()) return std::nullopt;
    return found->second << kLog2Region | static_cast<Number>(page & kInRegion);
  }
  // Whose page a number is, and where.
  [[nodiscard]] MmId space_of(Number number) const { return regions_[tag_in(number)].first; }
  [[nodiscard]] VirtAddr base_of(Number number) const {
    const uint64_t page = regions_[tag_in(number)].second << kLog2Region | (number & kInRegion);
    return VirtAddr(page << page_.log2());
  }

  // So many pages more are sure to get numbers.
  [[nodiscard]] size_t room() const { return most_tags_ - regions_.size(); }
  // Only the regions of numbers that each(action) tells stay known; what it is told of,
  // action(Number&), it tells twice, and gets other numbers for the second time.
  template <class Each>
  void keep(Each each) {
    constexpr uint32_t kUnused = ~uint32_t{0};
    std::vector<uint32_t> tags(regions_.size(), kUnused);
    each([&](Number& number) { tags[tag_in(number)] = 0; });
    std::vector<Region> kept;
    tags_.clear();
    for (size_t tag = 0; tag < tags.size(); ++tag) {
      if (tags[tag] == kUnused) continue;
      tags[tag] = static_cast<uint32_t>(kept.size());
      tags_.emplace(regions_[tag], tags[tag]);
      kept.push_back(regions_[tag]);
    }
    regions_ = std::move(kept);
    known_.fill({});
    each([&](Number& number) {
      number = tags[tag_in(number)] << kLog2Region | (number & kInRegion);
    });
  }

 private:
  using Region = std::pair<MmId, uint64_t>;  // by number
  struct Known {
    MmId mm{~uint64_t{0}};  // of no address space
    uint64_t region = 0;
    uint32_t tag = 0;
  };
  static constexpr Number kInRegion = (Number{1} << kLog2Region) - 1;
  static constexpr size_t kKnown = 256;

  static uint32_t tag_in(Number number) { return number >> kLog2Region; }
  static size_t place_of(uint64_t region) { return (region ^ region >> 8) % kKnown; }

  [[gnu::noinline]] uint32_t tag_of(MmId mm, uint64_t region) {
    const auto [place, fresh] =
        tags_.try_emplace({mm, region}, static_cast<uint32_t>(regions_.size()));
    if (fresh) regions_.emplace_back(mm, region);
    known_[place_of(region)] = {mm, region, place->second};
    return place->second;
  }

  PageShift page_;
  size_t most_tags_;
  std::map<Region, uint32_t> tags_;
  std::vector<Region> regions_;  // by tag
  std::array<Known, kKnown> known_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_CURVE_PAGE_NUMBERS_H_
