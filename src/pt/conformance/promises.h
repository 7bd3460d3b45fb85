// What the page-table interface promises, case by case: named checks that need no luck to find what
// they look for. The random runs of model.h find the rest.
//
// A case makes its own tables on a fresh Machine. Errors: Broken.
#ifndef MMUSIM_PT_CONFORMANCE_PROMISES_H_
#define MMUSIM_PT_CONFORMANCE_PROMISES_H_

#include <string>
#include <vector>

#include "pt/conformance/machine.h"
#include "pt/conformance/verdict.h"

namespace mmusim::pt::conformance {

struct PromiseCase {
  const char* name;
  const char* sentence;
  void (*check)(Machine& machine);
  Scrutiny scrutiny;  // of the machine it wants
};
const std::vector<PromiseCase>& promise_cases();

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_PROMISES_H_
