#include "sim/moment.h"

#include <fmt/format.h>

#include "base/units.h"

namespace mmusim::sim {

std::string Moment::text() const {
  return fmt::format("process {} after {} {}", pid.value(),
                     format_count(script != nullptr ? steps : instructions),
                     script != nullptr ? "steps" : "instructions");
}

}  // namespace mmusim::sim
