#include "sim/sifted.h"

#include <algorithm>

namespace mmusim::sim {

Sifted::At Sifted::at(PlaceInBatch place) const {
  if (place.is_fetch())
    return {place.block(), place.is_last() ? trace::kLastFetchOp : trace::kFetchOp};
  const auto behind = std::upper_bound(accesses.begin(), accesses.end(), place.number());
  const auto block = static_cast<uint32_t>(behind - accesses.begin()) - 1;
  return {block, place.number() - accesses[block]};
}

size_t Sifted::in_front_of(std::span<const PlaceInBatch> places, uint32_t block) const {
  const auto place = std::partition_point(places.begin(), places.end(), [&](PlaceInBatch at) {
    return at.is_fetch() ? at.block() < block : at.number() < accesses[block];
  });
  return static_cast<size_t>(place - places.begin());
}

trace::Batch SiftedBatch::columns(uint32_t first, uint32_t count) const {
  trace::Batch part = batch;
  part.blocks = batch.blocks.subspan(first, count);
  part.addresses = batch.addresses + sifted.accesses[first];
  part.totals = {};
  for (const uint32_t number : part.blocks)
    part.totals += trace::totals_of(batch.table[number]);
  return moved(part);
}

void Sifter::enter(const trace::Batch& batch) {
  if (!goes_on_) {
    sieve_.forget();
    kept_ = {};
  }
  goes_on_ = batch.goes_on;
}

uint64_t Sifter::count(const trace::Batch& batch, bool sets) {
  enter(batch);
  uint64_t kept = 0;
  const auto least = static_cast<unsigned>(sets ? trace::Needed::BySets : trace::Needed::ByAny);
  sieve_.sift(batch, [&](trace::PageRef, trace::Needed needed, uint32_t, unsigned) {
    kept += static_cast<unsigned>(needed) >= least ? 1 : 0;
  });
  kept_[sets ? 1 : 0] += kept;
  return kept;
}

void Sifter::sift(const trace::Batch& batch, RefNumberer& numberer, Sifted& out) {
  out.run_begins = !goes_on_;
  enter(batch);
  for (const bool sets : {false, true}) {
    out.kept(sets).first = kept_[sets ? 1 : 0];
    out.known(sets).begin(sieve_);
  }
  size_t count = keep_for_any(batch, out);
  if (wanted_.any) give(count, false, numberer, out);
  if (!wanted_.sets) return;
  count = keep_for_sets(count);
  give(count, true, numberer, out);
}

void Sifter::give(size_t count, bool sets, RefNumberer& numberer, Sifted& out) {
  kept_[sets ? 1 : 0] += count;
  KeptRow& kept = out.kept(sets);
  numberer.number(std::span(refs_).first(count), kept.numbers);
  kept.places.assign(places_.begin(), places_.begin() + static_cast<ptrdiff_t>(count));
}

// each_reference() by its sides' last pages, which are in registers meanwhile. Which references
// are kept cannot be foreseen, so all are written, and the next takes the place of one that does
// not stay; but those that cross are few.
size_t Sifter::keep_for_any(const trace::Batch& batch, Sifted& out) {
  const size_t blocks = batch.blocks.size();
  const size_t most = blocks * 2 + batch.totals.data_accesses() + 1;
  if (refs_.size() < most) {
    refs_.resize(most);
    places_.resize(most);
  }
  out.accesses.resize(blocks + 1);
  uint32_t* const accesses = out.accesses.data();
  trace::PageRef* const refs = refs_.data();
  PlaceInBatch* const places = places_.data();
  trace::LastPage fetched = sieve_.side(false);
  trace::LastPage accessed = sieve_.side(true);
  size_t kept = 0;
  uint32_t access = 0;
  // Not read again behind each write.
  const trace::StaticBlock* const table = batch.table.data();
  const uint32_t* const numbers = batch.blocks.data();
  const uint64_t* const addresses = batch.addresses;
  const auto fetch = [&](VirtAddr start, uint32_t index, bool last) {
    const trace::PageRef ref(start, AccessKind::Fetch, last);
    refs[kept] = ref;
    places[kept] = PlaceInBatch::fetch(index, last);
    kept += 1 - fetched.spare(ref.page().value(), 0, last ? 1 : 0);
  };
  const auto data = [&](const trace::MemOp op) {
    const VirtAddr va(addresses[access]);
    const trace::PageRef ref(va, op.kind, false);
    refs[kept] = ref;
    places[kept] = PlaceInBatch::access(access++);
    if (op.crosses(va, trace::kBlockPage)) [[unlikely]] {
      refs[kept++] = trace::PageRef(va, op.kind, true);
      accessed.forget();
      return;
    }
    kept += 1 - accessed.spare(ref.page().value(), writes(op.kind) ? 1 : 0, 0);
  };
  for (uint32_t index = 0; index < blocks; ++index) {
    const trace::StaticBlock& block = table[numbers[index]];
    const trace::MemOp* op = block.ops;
    const trace::MemOp* const end = op + block.mem_ops;
    const VirtAddr start = block.start;
    accesses[index] = access;
    if (block.crosses_page) [[unlikely]] {
      const unsigned instructions = block.instructions;
      if (instructions > 1) fetch(start, index, false);
      for (; op != end && op->instruction + 1u < instructions; ++op)
        data(*op);
      fetch(start, index, true);
    } else {
      fetch(start, index, false);
    }
    for (; op != end; ++op)
      data(*op);
  }
  accesses[blocks] = access;
  sieve_.side(false) = fetched;
  sieve_.side(true) = accessed;
  return kept;
}

size_t Sifter::keep_for_sets(size_t count) {
  return for_sets(refs_, count, sieve_, [&](size_t from, size_t to) {
    refs_[to] = refs_[from];
    places_[to] = places_[from];
  });
}

}  // namespace mmusim::sim
