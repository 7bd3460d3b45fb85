#include "sim/stretch.h"

namespace mmusim::sim {

void Stretch::begin() {
  parts_.clear();
  totals_ = {};
}

void Stretch::add(Slot& slot, trace::Batch& batch) {
  if (batch.goes_on && slots_.size() > 1) keep(slot, batch);
  Part part{.batch = batch};
  if (sifts_ && batch.event == nullptr) {
    sifter_.sift(batch, slot.sifted);
    part.sifted = &slot.sifted;
  }
  totals_ += batch.totals;
  if (batch.event != nullptr) ++totals_.events;
  parts_.push_back(part);
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
