#include "arch/ia64/contexts.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/error.h"

namespace mmusim::ia64 {

Context Contexts::free_from(Context context) const {
  while (context < states_.size() && states_[context] != State::Free)
    ++context;
  return std::min(context, count_);
}

Contexts::Given Contexts::give(MmId mm) {
  Given given{.context = free_from(next_), .wrapped = false};
  if (given.context == count_) {
    given.wrapped = true;
    ++wraps_;
    for (State& state : states_)
      if (state == State::GivenUp) state = State::Free;
    given.context = free_from(kFirstAfterWrap);
    if (given.context == count_) given.context = free_from(1);
    if (given.context == count_)
      throw Error("",
                  fmt::format("{} address spaces are alive, and each needs a region identifier "
                              "of its own",
                              count_ - 1),
                  "give the machine more with ia64.rid_bits");
  }
  if (given.context == states_.size()) {
    states_.push_back(State::Used);
    owners_.push_back(mm);
  }
  states_[given.context] = State::Used;
  owners_[given.context] = mm;
  next_ = given.context + 1;
  return given;
}

void Contexts::give_up(Context context) {
  states_[context] = State::GivenUp;
  owners_[context] = mmu::kNobody;
}

}  // namespace mmusim::ia64
