#include "sim/stretch.h"

namespace mmusim::sim {

void Stretch::begin() {
  parts_.clear();
  totals_ = {};
  references_ = 0;
  if (numberer_.is_full()) numberer_.begin();
}

void Stretch::add(trace::Batch& batch) {
  if (slots_.size() == parts_.size()) slots_.emplace_back();
  Slot& slot = slots_[parts_.size()];
  Part part{.batch = batch};
  if ((wanted_.any || wanted_.sets) && batch.event == nullptr) {
    part.sifted = &slot.sifted;
    if (batch.of_pages)
      number(batch, slot.sifted);
    else
      sift(batch, slot.sifted);
  }
  const bool numbered = batch.of_pages && part.sifted != nullptr;
  if (batch.goes_on && most_.batches > 1 && !numbered) keep(slot, part.batch);
  totals_ += batch.totals;
  if (batch.event != nullptr) ++totals_.events;
  references_ += references_of(part);
  parts_.push_back(part);
}

void Stretch::sift(const trace::Batch& batch, Sifted& out) {
  // Where what is kept lies on a machine hangs on the events in front of it.
  if (sifter_.at_begin()) numberer_.begin();
  sifter_.sift(batch, numberer_, out);
  for (const bool sets : {false, true})
    if (sets ? wanted_.sets : wanted_.any)
      segments_.make(out.kept(sets).numbers, numberer_.refs().size(), out.kept(sets).segments);
}

void Stretch::number(const trace::Batch& batch, Sifted& out) {
  if (batch.run_begins) numberer_.begin();
  out.run_begins = batch.run_begins;
  KeptRow& kept = out.kept(false);
  numberer_.number(batch.pages, kept.numbers);
  kept.first = batch.first_page;
  out.known(false) = *batch.known;
  segments_.make(kept.numbers, numberer_.refs().size(), kept.segments);
}

size_t Stretch::references_of(const Part& part) const {
  if (part.sifted != nullptr) return part.sifted->kept(!wanted_.any).numbers.size();
  if (part.batch.of_pages) return part.batch.pages.size();
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
