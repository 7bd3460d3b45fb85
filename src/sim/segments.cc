#include "sim/segments.h"

#include <algorithm>

namespace mmusim::sim {

// Which ones were met before cannot be foreseen, so each is written, and the next takes the place
// of one that does not stay.
void SegmentMaker::make(std::span<const uint32_t> row, size_t numbers, Segments& out) {
  if (seen_.size() < numbers) seen_.resize(numbers);
  out.numbers_.resize(row.size() + 1);
  out.ends_.clear();
  const uint32_t* const from = row.data();
  uint32_t* const to = out.numbers_.data();
  uint64_t* const seen = seen_.data();
  uint32_t count = 0;
  for (size_t begin = 0; begin < row.size(); begin += Segments::kRefs) {
    const uint64_t segment = ++segments_;
    for (size_t i = std::min(begin + Segments::kRefs, row.size()); i-- > begin;) {
      const uint32_t number = from[i];
      to[count] = number;
      count += seen[number] != segment ? 1 : 0;
      seen[number] = segment;
    }
    out.ends_.push_back(count);
  }
}

}  // namespace mmusim::sim
