#include "sim/stretch.h"

namespace mmusim::sim {

bool Stretch::next(TraceSource& source, RunLimit& limit, const Looks& looks, uint64_t before) {
  parts_.clear();
  totals_ = {};
  for (Slot& slot : slots_) {
    Part part;
    if (!source.next(part.batch)) break;
    if (part.batch.goes_on && slots_.size() > 1) keep(slot, part.batch);
    if (part.batch.event == nullptr && !whole_) part.kept = slot.sieve.sift(part.batch);
    totals_ += part.batch.totals;
    if (part.batch.event != nullptr) ++totals_.events;
    limit.add(part.batch.totals.instructions, part.batch.event != nullptr ? 1 : 0);
    parts_.push_back(part);
    if (!part.batch.goes_on || limit.reached() || looks.due(before + totals_.instructions)) break;
  }
  return !parts_.empty();
}

void Stretch::keep(Slot& slot, trace::Batch& batch) {
  slot.blocks.assign(batch.blocks.begin(), batch.blocks.end());
  slot.addresses.assign(batch.addresses, batch.addresses + batch.totals.data_accesses());
  batch.blocks = slot.blocks;
  batch.addresses = slot.addresses.data();
}

}  // namespace mmusim::sim
