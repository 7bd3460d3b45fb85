// The order of a touch, the same for the simulated and the real kernel. Needs no memory.
#ifndef MMUSIM_SIM_WORKLOAD_TOUCH_H_
#define MMUSIM_SIM_WORKLOAD_TOUCH_H_

#include "base/bits.h"
#include "base/random.h"
#include "sim/workload/plan.h"

namespace mmusim::sim::workload {

// An order of [0, places) that has each number once: a Feistel network over the next even power of
// two, walked until it comes back into the range (J. Black, P. Rogaway, "Ciphers with Arbitrary
// Finite Domains", CT-RSA 2002).
class Permutation {
 public:
  Permutation(uint64_t places, uint64_t seed)
      : places_(places), seed_(seed), half_(places < 4 ? 1 : (log2_floor(places - 1) + 2) / 2) {}
  [[nodiscard]] uint64_t at(uint64_t i) const {
    do {
      i = shuffled(i);
    } while (i >= places_);
    return i;
  }

 private:
  [[nodiscard]] uint64_t shuffled(uint64_t i) const {
    const uint64_t mask = (uint64_t{1} << half_) - 1;
    uint64_t left = i >> half_;
    uint64_t right = i & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      const uint64_t mixed = Random(seed_ + (right << 8) + round).next() & mask;
      const uint64_t next = left ^ mixed;
      left = right;
      right = next;
    }
    return left << half_ | right;
  }

  uint64_t places_;
  uint64_t seed_;
  unsigned half_;
};

// The addresses one touch accesses, in order.
template <class Visit>
void for_each_touch(const Step& step, Visit visit) {
  const uint64_t places = (step.range.bytes() + step.stride - 1) / step.stride;
  const uint64_t count = step.count == 0 ? places : step.count;
  Random random(step.seed);
  const Permutation permutation(places, step.seed);
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t place = i % places;
    switch (step.order) {
      case Order::Forward:
        break;
      case Order::Backwards:
        place = places - 1 - place;
        break;
      case Order::Random:
        place = random.below(places);
        break;
      case Order::Permuted:
        place = permutation.at(place);
        break;
    }
    visit(step.range.begin + place * step.stride);
  }
}

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_TOUCH_H_
