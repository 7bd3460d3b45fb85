// Rows of references that are kept, cut into segments, with what a machine has to do of one of
// which nothing misses.
//
// A first-level hit does nothing but note the time of its use (tlb/array.h), and all that is read
// of these times is their order. So where all references of a segment would hit as it begins, none
// takes an entry away from another, and it is the same to do each of them once, in the order of
// their last uses: a fifth of them, say.
#ifndef MMUSIM_SIM_SEGMENTS_H_
#define MMUSIM_SIM_SEGMENTS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mmusim::sim {

class Segments {
 public:
  static constexpr size_t kRefs = 128;  // of the row, in each but the last

  // The different ones of a segment, by number, the one used last first.
  [[nodiscard]] std::span<const uint32_t> of(size_t segment) const {
    const uint32_t begin = segment == 0 ? 0 : ends_[segment - 1];
    return {numbers_.data() + begin, ends_[segment] - begin};
  }

 private:
  friend class SegmentMaker;
  std::vector<uint32_t> numbers_;  // of one segment after the other
  std::vector<uint32_t> ends_;     // of segments, in these
};

class SegmentMaker {
 public:
  // Of a row with numbers below `numbers`; what `out` has of another goes.
  void make(std::span<const uint32_t> row, size_t numbers, Segments& out);

 private:
  std::vector<uint64_t> seen_;  // by number: the last segment that has it
  uint64_t segments_ = 0;       // so far
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_SEGMENTS_H_
