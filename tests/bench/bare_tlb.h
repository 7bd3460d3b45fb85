// The yardstick of the replay benchmark: the same TLBs as configs/machines/skylake-sp.cfg has for 4
// KiB pages, and nothing around them. Rows are kept most recent first, so that exact LRU is a
// rotation and a repeat hit one compare.
#ifndef MMUSIM_TESTS_BENCH_BARE_TLB_H_
#define MMUSIM_TESTS_BENCH_BARE_TLB_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mmusim::bench {

template <size_t kSets, size_t kWays>
class BareTlb {
 public:
  BareTlb() : rows_(kSets * kWays, ~uint64_t{0}) {}

  // Whether `page` was there; it is the most recent of its set afterwards.
  bool look_up(uint64_t page) {
    uint64_t* const row = &rows_[(page & (kSets - 1)) * kWays];
    if (row[0] == page) return true;
    uint64_t carried = row[0];
    for (size_t way = 1; way < kWays; ++way) {
      const uint64_t here = row[way];
      row[way] = carried;
      if (here == page) {
        row[0] = page;
        return true;
      }
      carried = here;
    }
    row[0] = page;
    return false;
  }

 private:
  std::vector<uint64_t> rows_;
};

struct BareCounts {
  uint64_t references = 0;
  uint64_t l1i_misses = 0;
  uint64_t l1d_misses = 0;
  uint64_t l2_misses = 0;
};

// One reference in 8 bytes: the address in bits 0..47, a process number in bits 48..62, bit 63 set
// for a fetch.
inline constexpr uint64_t kFetchBit = uint64_t{1} << 63;

class BareMmu {
 public:
  void run(const std::vector<uint64_t>& references) {
    for (const uint64_t reference : references) {
      const uint64_t page = (reference & ~kFetchBit) >> 12;
      if ((reference & kFetchBit) != 0) {
        if (!l1i_.look_up(page)) {
          ++counts_.l1i_misses;
          counts_.l2_misses += l2_.look_up(page) ? 0 : 1;
        }
      } else if (!l1d_.look_up(page)) {
        ++counts_.l1d_misses;
        counts_.l2_misses += l2_.look_up(page) ? 0 : 1;
      }
    }
    counts_.references += references.size();
  }
  [[nodiscard]] const BareCounts& counts() const { return counts_; }

 private:
  BareTlb<16, 8> l1i_;
  BareTlb<16, 4> l1d_;
  BareTlb<128, 12> l2_;
  BareCounts counts_;
};

}  // namespace mmusim::bench

#endif  // MMUSIM_TESTS_BENCH_BARE_TLB_H_
