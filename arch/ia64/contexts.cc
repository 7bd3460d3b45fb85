#include "arch/ia64/contexts.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/error.h"

namespace mmusim::ia64 {

Context Contexts::free_from(Context context) const {
  while (context < states_.size() && states_[context] != State::Free)
    ++context;
  return context;
}

Contexts::Given Contexts::give(MmId mm) {
  Given given{.context = free_from(next_), .wrapped = false};
  if (given.context == states_.size()) {
    given.wrapped = true;
    ++wraps_;
    for (State& state : states_)
      if (state == State::GivenUp) state = State::Free;
    given.context = free_from(kFirstAfterWrap);
    if (given.context == states_.size()) given.context = free_from(1);
    if (given.context == states_.size())
      throw Error("",
                  fmt::format("{} address spaces are alive, and each needs a region identifier "
                              "of its own",
                              states_.size() - 1),
                  "give the machine more with ia64.rid_bits");
  }
  states_[given.context] = State::Used;
  owners_[given.context] = mm;
  next_ = given.context + 1;
  return given;
}

void Contexts::give_up(Context context) {
  states_[context] = State::GivenUp;
  owners_[context] = kNobody;
}

}  // namespace mmusim::ia64
