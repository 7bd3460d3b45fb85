// Runs a piece of work in a process of its own, so that it may crash or hang.
#ifndef MMUSIM_PT_CONFORMANCE_ISOLATE_H_
#define MMUSIM_PT_CONFORMANCE_ISOLATE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "pt/conformance/verdict.h"

namespace mmusim::pt::conformance {

// Shared with the child: how far it got.
struct Reached {
  volatile uint64_t seed = 0;
  volatile uint64_t step = 0;
  volatile uint64_t operations = 0;
};

// What `work` threw (Broken; any other exception, a signal and a time-out become one), or nothing.
// `reached` is where the child wrote it, also when it died. Errors: Error when no process can be
// made.
std::optional<Broken> isolated(unsigned seconds, Reached& reached,
                               const std::function<void(Reached&)>& work);

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_ISOLATE_H_
