// What all guarded page tables of a machine have in common: their shape's policy, the addresses
// they map, and what walks cost.
#ifndef MMUSIM_PT_GPT_RULES_H_
#define MMUSIM_PT_GPT_RULES_H_

#include "base/types.h"
#include "pt/gpt/entry.h"
#include "pt/gpt/handler_counts.h"
#include "pt/gpt/policy.h"

namespace mmusim::pt::gpt {

// What all tables of a factory agree on.
struct Rules {
  Policy policy;
  unsigned address_bits = 64;
  PageShift largest;                       // leaf
  const HandlerCounts* handler = nullptr;  // of the architecture's miss handler

  // Whether the tables have a place for the address.
  [[nodiscard]] bool have(VirtAddr va) const {
    return bits_of(va.value(), 0, kKeyBits - address_bits) == 0;
  }
};

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_RULES_H_
