#include "pt/walk_path.h"

namespace mmusim::pt {

void WalkPath::report(mem::ReferenceSink& sink, mem::Origin origin) const {
  for (const WalkStep& step : steps())
    sink.reference(step.address, step.bytes, false,
                   {.origin = origin, .level = step.level, .dependent = step.dependent});
}

}  // namespace mmusim::pt
