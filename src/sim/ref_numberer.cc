#include "sim/ref_numberer.h"

#include <algorithm>
#include <utility>

namespace mmusim::sim {

void RefNumberer::begin() {
  for (const trace::PageRef ref : refs())
    slots_[slot_of(ref)].number = kNone;
  ++serial_;
  if (refs_.use_count() > 1) {
    std::shared_ptr<Refs> next = unused();
    earlier_.push_back(std::move(refs_));
    refs_ = std::move(next);
  }
  refs_->clear();
}

std::shared_ptr<RefNumberer::Refs> RefNumberer::unused() {
  for (std::shared_ptr<Refs>& refs : earlier_) {
    if (refs.use_count() > 1) continue;
    std::swap(refs, earlier_.back());
    std::shared_ptr<Refs> found = std::move(earlier_.back());
    earlier_.pop_back();
    return found;
  }
  return std::make_shared<Refs>();
}

uint32_t RefNumberer::add(trace::PageRef ref) {
  if (refs_->size() == refs_->capacity()) {
    auto wider = std::make_shared<Refs>();
    wider->reserve(std::max(kMost, 2 * refs_->size()));
    wider->assign(refs_->begin(), refs_->end());
    refs_ = std::move(wider);
  }
  refs_->push_back(ref);
  return static_cast<uint32_t>(refs_->size() - 1);
}

void RefNumberer::number(std::span<const trace::PageRef> row, std::vector<uint32_t>& numbers) {
  numbers.resize(row.size());
  uint32_t* const to = numbers.data();
  for (size_t i = 0; i < row.size(); ++i) {
    const trace::PageRef ref = row[i];
    Slot& slot = slots_[slot_of(ref)];
    if (!(slot.ref == ref) || slot.number == kNone) [[unlikely]]
      slot = {ref, add(ref)};
    to[i] = slot.number;
  }
}

}  // namespace mmusim::sim
