#include "sim/sifted.h"

namespace mmusim::sim {

void Sifted::Kept::make_room(size_t most) {
  if (room_for_refs.size() >= most) return;
  room_for_refs.resize(most);
  room_for_places.resize(most);
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

namespace {

// Of what is kept for any, what is kept for sets. Which it is cannot be foreseen, so all are
// written, and the next takes the place of one that does not stay.
void keep_for_sets(const Sifted::Kept& any, trace::PageSieve& sieve, Sifted::Kept& by_sets) {
  by_sets.make_room(any.refs.size());
  size_t count = 0;
  for (size_t i = 0; i < any.refs.size(); ++i) {
    const trace::PageRef ref = any.refs[i];
    by_sets.room_for_refs[count] = ref;
    by_sets.room_for_places[count] = any.at[i];
    if (ref.crosses()) [[unlikely]] {
      sieve.cross_slots(ref);
      ++count;
    } else {
      count += 1 - sieve.spare_by_slot(ref);
    }
  }
  by_sets.refs = std::span(by_sets.room_for_refs).first(count);
  by_sets.at = std::span(by_sets.room_for_places).first(count);
}

}  // namespace

void Sifter::sift(const trace::Batch& batch, Sifted& out) {
  out.run_begins = !goes_on_;
  enter(batch);
  for (const bool sets : {false, true}) {
    Sifted::Kept& kept = out.kept(sets);
    kept.first = kept_[sets ? 1 : 0];
    kept.known.begin(sieve_);
  }
  Sifted::Kept& any = out.kept(false);
  keep_for_any(batch, any);
  kept_[0] += any.refs.size();
  if (out.sets_wanted) {
    keep_for_sets(any, sieve_, out.kept(true));
    kept_[1] += out.kept(true).refs.size();
  }
  out.behind = sieve_;
}

void Sifter::keep_for_any(const trace::Batch& batch, Sifted::Kept& any) {
  any.make_room(batch.blocks.size() * 2 + batch.totals.data_accesses());
  size_t count = 0;
  trace::each_reference(batch, [&](trace::PageRef ref, uint32_t block, unsigned op) {
    any.room_for_refs[count] = ref;
    any.room_for_places[count] = {block, op};
    count += 1 - sieve_.side(ref.is_data()).spare(ref);
  });
  any.refs = std::span(any.room_for_refs).first(count);
  any.at = std::span(any.room_for_places).first(count);
}

void MovedSifter::move(const trace::Batch& batch, const Sifted& recorded, Relocator& relocator,
                       bool sets, Sifted& out) {
  if (recorded.run_begins) {
    sieve_.forget();
    kept_for_sets_ = 0;
  }
  out.run_begins = recorded.run_begins;
  const Sifted::Kept& source = recorded.kept(false);
  Sifted::Kept& any = out.kept(false);
  any.first = source.first;
  any.known.begin(sieve_);
  any.make_room(source.refs.size());
  any.refs = std::span(any.room_for_refs).first(source.refs.size());
  any.at = source.at;
  Sifted::Kept& by_sets = out.kept(true);
  by_sets.first = kept_for_sets_;
  by_sets.known.begin(sieve_);
  relocator.move(batch.thread.pid, source.refs, any.room_for_refs);
  sieve_.learn(any.refs, false);
  if (sets) {
    keep_for_sets(any, sieve_, by_sets);
    kept_for_sets_ += by_sets.refs.size();
  }
  out.behind = sieve_;
}

}  // namespace mmusim::sim
