#include "sim/ref_numberer.h"

namespace mmusim::sim {

void RefNumberer::begin() {
  for (const trace::PageRef ref : refs_)
    slots_[slot_of(ref)].number = kNone;
  refs_.clear();
  ++serial_;
}

void RefNumberer::number(std::span<const trace::PageRef> row, std::vector<uint32_t>& numbers) {
  numbers.resize(row.size());
  uint32_t* const to = numbers.data();
  for (size_t i = 0; i < row.size(); ++i) {
    const trace::PageRef ref = row[i];
    Slot& slot = slots_[slot_of(ref)];
    if (!(slot.ref == ref) || slot.number == kNone) [[unlikely]] {
      slot = {ref, static_cast<uint32_t>(refs_.size())};
      refs_.push_back(ref);
    }
    to[i] = slot.number;
  }
}

}  // namespace mmusim::sim
