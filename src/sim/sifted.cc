#include "sim/sifted.h"

namespace mmusim::sim {

void Sifter::sift(const trace::Batch& batch, Sifted& out) {
  out.run_begins = !goes_on_;
  if (out.run_begins) {
    sieve_.forget();
    kept_ = {};
  }
  goes_on_ = batch.goes_on;
  out.before = sieve_;
  for (const bool sets : {false, true}) {
    Sifted::Kept& kept = out.kept(sets);
    kept.refs.clear();
    kept.at.clear();
    kept.first = kept_[sets ? 1 : 0];
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
