#include "sim/sifted.h"

namespace mmusim::sim {

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
    kept.refs.clear();
    kept.at.clear();
    kept.first = kept_[sets ? 1 : 0];
    kept.known.begin(sieve_);
  }
  Sifted::Kept& any = out.kept(false);
  Sifted::Kept& by_sets = out.kept(true);
  sieve_.sift(batch, [&](trace::PageRef ref, trace::Needed needed, uint32_t block, unsigned op) {
    if (needed == trace::Needed::ByNobody) [[likely]]
      return;
    if (any.wanted) {
      any.refs.push_back(ref);
      any.at.push_back({block, op});
    }
    if (by_sets.wanted && needed == trace::Needed::BySets) {
      by_sets.refs.push_back(ref);
      by_sets.at.push_back({block, op});
    }
  });
  for (const bool sets : {false, true})
    kept_[sets ? 1 : 0] += out.kept(sets).refs.size();
  out.behind = sieve_;
}

}  // namespace mmusim::sim
