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
  out.notable.clear();
  for (size_t i = 0; i < refs.size(); ++i) {
    const uint64_t page = refs[i].page().value();
    const size_t place = slot_of(page);
    Slot& slot = slots_[place];
    const bool crosses = refs[i].crosses() && !slot.crossed;
    if (slot.page != page || crosses) [[unlikely]] {
      if (slot.page != page) {
        slot = {page, static_cast<uint32_t>(used_.size()), false};
        used_.push_back(static_cast<uint16_t>(place));
      }
      slot.crossed = refs[i].crosses();
      out.notable.push_back(static_cast<uint32_t>(i));
    }
    out.numbers[i] = slot.number;
  }
}

}  // namespace mmusim::sim
