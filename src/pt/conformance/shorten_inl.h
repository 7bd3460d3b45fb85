// shortest() of operation.h.
#ifndef MMUSIM_PT_CONFORMANCE_SHORTEN_INL_H_
#define MMUSIM_PT_CONFORMANCE_SHORTEN_INL_H_

#include <functional>
#include <utility>

#include "pt/conformance/operation.h"

namespace mmusim::pt::conformance {

// Visits simpler sequences, most promising first, until `take` returns true. False: none was taken.
bool visit_simpler(const Sequence& sequence, const std::function<bool(const Sequence&)>& take);

template <class Fails>
Sequence shortest(Sequence sequence, size_t most, Fails fails) {
  bool found = true;
  while (found && most != 0) {
    Sequence next;
    found = visit_simpler(sequence, [&](const Sequence& candidate) {
      if (most == 0) return true;
      --most;
      if (!fails(candidate)) return false;
      next = candidate;
      return true;
    });
    if (next.empty()) break;
    sequence = std::move(next);
  }
  return sequence;
}

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_SHORTEN_INL_H_
