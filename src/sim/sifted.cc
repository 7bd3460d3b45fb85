#include "sim/sifted.h"

#include <algorithm>

namespace mmusim::sim {

void Sifted::Kept::keep(std::span<const trace::PageRef> some, std::span<const PlaceInBatch> where) {
  own_refs.assign(some.begin(), some.end());
  own_places.assign(where.begin(), where.end());
  refs = own_refs;
  places = own_places;
}

Sifted::At Sifted::at(PlaceInBatch place) const {
  if (place.is_fetch())
    return {place.block(), place.is_last() ? trace::kLastFetchOp : trace::kFetchOp};
  const auto behind = std::upper_bound(accesses.begin(), accesses.end(), place.number());
  const auto block = static_cast<uint32_t>(behind - accesses.begin()) - 1;
  return {block, place.number() - accesses[block]};
}

size_t Sifted::in_front_of(const Kept& kept, uint32_t block) const {
  const auto place =
      std::partition_point(kept.places.begin(), kept.places.end(), [&](PlaceInBatch at) {
        return at.is_fetch() ? at.block() < block : at.number() < accesses[block];
      });
  return static_cast<size_t>(place - kept.places.begin());
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

void Sifter::sift(const trace::Batch& batch, Sifted& out) {
  out.run_begins = !goes_on_;
  enter(batch);
  for (const bool sets : {false, true}) {
    Sifted::Kept& kept = out.kept(sets);
    kept.first = kept_[sets ? 1 : 0];
    kept.known.begin(sieve_);
  }
  size_t count = keep_for_any(batch, out);
  if (wanted_.any) give(count, false, out);
  if (!wanted_.sets) return;
  count = keep_for_sets(count);
  give(count, true, out);
}

void Sifter::give(size_t count, bool sets, Sifted& out) {
  kept_[sets ? 1 : 0] += count;
  out.kept(sets).keep(std::span(refs_).first(count), std::span(places_).first(count));
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
  out.own_accesses.resize(blocks + 1);
  out.accesses = out.own_accesses;
  uint32_t* const accesses = out.own_accesses.data();
  trace::PageRef* const refs = refs_.data();
  PlaceInBatch* const places = places_.data();
  trace::LastPage fetched = sieve_.side(false);
  trace::LastPage accessed = sieve_.side(true);
  size_t kept = 0;
  uint32_t access = 0;
  const auto fetch = [&](const trace::StaticBlock& block, uint32_t index, bool last) {
    refs[kept] = trace::PageRef(block.start, AccessKind::Fetch, last);
    places[kept] = PlaceInBatch::fetch(index, last);
    kept += 1 - fetched.spare(refs[kept].page().value(), 0, last ? 1 : 0);
  };
  const auto data = [&](const trace::MemOp& op) {
    const VirtAddr va(batch.addresses[access]);
    places[kept] = PlaceInBatch::access(access++);
    refs[kept] = trace::PageRef(va, op.kind, false);
    if (op.crosses(va, trace::kBlockPage)) [[unlikely]] {
      refs[kept++] = trace::PageRef(va, op.kind, true);
      accessed.forget();
      return;
    }
    kept += 1 - accessed.spare(refs[kept].page().value(), writes(op.kind) ? 1 : 0, 0);
  };
  for (uint32_t index = 0; index < blocks; ++index) {
    const trace::StaticBlock& block = batch.table[batch.blocks[index]];
    accesses[index] = access;
    unsigned op = 0;
    if (block.crosses_page) [[unlikely]] {
      if (block.instructions > 1) fetch(block, index, false);
      for (; op < block.mem_ops && block.ops[op].instruction + 1u < block.instructions; ++op)
        data(block.ops[op]);
      fetch(block, index, true);
    } else {
      fetch(block, index, false);
    }
    for (; op < block.mem_ops; ++op)
      data(block.ops[op]);
  }
  accesses[blocks] = access;
  sieve_.side(false) = fetched;
  sieve_.side(true) = accessed;
  return kept;
}

namespace {

// Of what is kept for any, so many, what is kept for sets, told to put(i, count): number `i` is
// number `count` of those if it stays. As above.
template <class Put>
size_t for_sets(std::span<const trace::PageRef> any, trace::PageSieve& sieve, Put put) {
  size_t count = 0;
  for (size_t i = 0; i < any.size(); ++i) {
    const trace::PageRef ref = any[i];
    put(i, count);
    if (ref.crosses()) [[unlikely]] {
      sieve.cross_slots(ref);
      ++count;
    } else {
      count += 1 - sieve.spare_by_slot(ref);
    }
  }
  return count;
}

// Spans of its own, so that where they are stays in registers.
void move_all(std::span<const trace::PageRef> refs, std::span<const uint32_t> pages,
              std::span<const uint64_t> distances, std::span<trace::PageRef> moved) {
  for (size_t i = 0; i < refs.size(); ++i)
    moved[i] = refs[i].moved(distances[pages[i]]);
}

}  // namespace

size_t Sifter::keep_for_sets(size_t count) {
  return for_sets(std::span(refs_).first(count), sieve_, [&](size_t from, size_t to) {
    refs_[to] = refs_[from];
    places_[to] = places_[from];
  });
}

void MovedSifter::move(const trace::Batch& batch, const Sifted& recorded, Relocator& relocator,
                       bool sets, Sifted& out) {
  if (recorded.run_begins) {
    sieve_.forget();
    kept_for_sets_ = 0;
  }
  out.run_begins = recorded.run_begins;
  out.accesses = recorded.accesses;
  const Sifted::Kept& source = recorded.kept(false);
  Sifted::Kept& any = out.kept(false);
  any.first = source.first;
  any.known.begin(sieve_);
  if (any.own_refs.size() < source.refs.size()) any.own_refs.resize(source.refs.size());
  any.refs = std::span(any.own_refs).first(source.refs.size());
  any.places = source.places;
  Sifted::Kept& by_sets = out.kept(true);
  by_sets.first = kept_for_sets_;
  by_sets.known.begin(sieve_);
  const NumberedPages& pages = recorded.pages;
  if (pages.anew) distances_.clear();
  relocator.distances(batch.thread.pid, pages.firsts, distances_);
  move_all(source.refs, pages.numbers, distances_, any.own_refs);
  sieve_.learn(any.refs, false);
  if (!sets) return;
  by_sets.own_refs.resize(any.refs.size());
  by_sets.own_places.resize(any.refs.size());
  const size_t count = for_sets(any.refs, sieve_, [&](size_t from, size_t to) {
    by_sets.own_refs[to] = any.refs[from];
    by_sets.own_places[to] = any.places[from];
  });
  by_sets.refs = std::span(by_sets.own_refs).first(count);
  by_sets.places = std::span(by_sets.own_places).first(count);
  kept_for_sets_ += count;
}

}  // namespace mmusim::sim
