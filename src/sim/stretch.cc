#include "sim/stretch.h"

namespace mmusim::sim {

void StretchMaker::begin(Stretch& out) {
  out.parts_.clear();
  out.totals_ = {};
  out.references_ = 0;
  out.sifted_ = wanted_;
  if (numberer_.is_full()) numberer_.begin();
}

void StretchMaker::add(trace::Batch& batch, BatchSlots::Slot& slot, Stretch& out) {
  Stretch::Part part{.batch = batch};
  if ((wanted_.any || wanted_.sets) && batch.event == nullptr) {
    part.sifted = &slot.sifted;
    if (batch.of_pages)
      number(batch, slot.sifted);
    else
      sift(batch, slot.sifted);
  }
  const bool numbered = batch.of_pages && part.sifted != nullptr;
  const bool followed = batch.goes_on && most_.batches > 1;
  if ((most_.kept || followed) && !numbered) keep(part.batch, slot);
  out.totals_ += batch.totals;
  if (batch.event != nullptr) ++out.totals_.events;
  out.references_ += references_of(part);
  out.parts_.push_back(part);
}

void StretchMaker::sift(const trace::Batch& batch, Sifted& out) {
  // Where what is kept lies on a machine hangs on the events in front of it.
  if (sifter_.at_begin()) numberer_.begin();
  sifter_.sift(batch, numberer_, out);
  for (const bool sets : {false, true})
    if (sets ? wanted_.sets : wanted_.any)
      segments_.make(out.kept(sets).numbers, numberer_.refs().size(), out.kept(sets).segments);
}

void StretchMaker::number(const trace::Batch& batch, Sifted& out) {
  if (batch.run_begins) numberer_.begin();
  out.run_begins = batch.run_begins;
  KeptRow& kept = out.kept(false);
  numberer_.number(batch.pages, kept.numbers);
  kept.first = batch.first_page;
  out.known(false) = *batch.known;
  segments_.make(kept.numbers, numberer_.refs().size(), kept.segments);
}

size_t StretchMaker::references_of(const Stretch::Part& part) const {
  if (part.sifted != nullptr) return part.sifted->kept(!wanted_.any).numbers.size();
  if (part.batch.of_pages) return part.batch.pages.size();
  return part.batch.blocks.size() + part.batch.totals.data_accesses();
}

void StretchMaker::keep(trace::Batch& batch, BatchSlots::Slot& slot) {
  if (batch.event != nullptr) {
    batch.event = &slot.event.emplace(*batch.event);
    return;
  }
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
