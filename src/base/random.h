// A small deterministic random generator: the same seed gives the same numbers on every machine and
// compiler.
//
// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
// Not thread-safe; copyable.
#ifndef MMUSIM_BASE_RANDOM_H_
#define MMUSIM_BASE_RANDOM_H_

#include <cstdint>

namespace mmusim {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  // Uniform in [0, bound). REQUIRES: bound > 0. Multiply-shift: the bias is below bound / 2^64.
  uint64_t below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<__uint128_t>(next()) * bound) >> 64);
  }

 private:
  uint64_t state_;
};

}  // namespace mmusim

#endif  // MMUSIM_BASE_RANDOM_H_
