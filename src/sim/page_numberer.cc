#include "sim/page_numberer.h"

namespace mmusim::sim {

void PageNumberer::begin() {
  for (const uint16_t slot : used_)
    slots_[slot].page = kNone;
  used_.clear();
  anew_ = true;
}

void PageNumberer::number(std::span<const trace::PageRef> refs, NumberedPages& out) {
  if (used_.size() >= kMost) begin();
  out.anew = anew_;
  anew_ = false;
  out.numbers.resize(refs.size());
  out.firsts.clear();
  for (size_t i = 0; i < refs.size(); ++i) {
    const trace::PageRef ref = refs[i];
    const size_t place = slot_of(ref.page().value());
    Slot& slot = slots_[place];
    if (slot.page != ref.page().value() || (ref.crosses() && !slot.crossed)) [[unlikely]] {
      slot = {ref.page().value(), static_cast<uint32_t>(used_.size()), ref.crosses()};
      used_.push_back(static_cast<uint16_t>(place));
      out.firsts.push_back(ref);
    }
    out.numbers[i] = slot.number;
  }
}

}  // namespace mmusim::sim
