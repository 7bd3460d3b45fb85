#include "sim/stretch.h"

namespace mmusim::sim {

void Stretch::begin() {
  parts_.clear();
  totals_ = {};
  references_ = 0;
}

void Stretch::add(trace::Batch& batch) {
  if (slots_.size() == parts_.size()) slots_.emplace_back();
  Slot& slot = slots_[parts_.size()];
  if (batch.goes_on && most_.batches > 1) keep(slot, batch);
  Part part{.batch = batch};
  if ((wanted_.any || wanted_.sets) && batch.event == nullptr) {
    sifter_.sift(batch, slot.sifted);
    if (numbers_) {
      if (slot.sifted.run_begins) numberer_.begin();
      numberer_.number(slot.sifted.kept(false).refs, slot.sifted.pages);
    }
    part.sifted = &slot.sifted;
  }
  totals_ += batch.totals;
  if (batch.event != nullptr) ++totals_.events;
  references_ += references_of(part);
  parts_.push_back(part);
}

size_t Stretch::references_of(const Part& part) const {
  if (part.batch.of_pages) return part.batch.pages.size();
  if (part.sifted != nullptr) return part.sifted->kept(!wanted_.any).refs.size();
  return part.batch.blocks.size() + part.batch.totals.data_accesses();
}

void Stretch::keep(Slot& slot, trace::Batch& batch) {
  if (batch.of_pages) {
    slot.pages.assign(batch.pages.begin(), batch.pages.end());
    batch.pages = slot.pages;
    slot.known = *batch.known;
    batch.known = &slot.known;
    return;
  }
  slot.blocks.assign(batch.blocks.begin(), batch.blocks.end());
  slot.addresses.assign(batch.addresses, batch.addresses + batch.totals.data_accesses());
  batch.blocks = slot.blocks;
  batch.addresses = slot.addresses.data();
}

}  // namespace mmusim::sim
