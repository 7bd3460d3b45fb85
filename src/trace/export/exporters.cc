// The registry of exporters: every exporter is named here, and nowhere else.
#include <array>

#include "trace/export/text.h"
#include "trace/exporter.h"

namespace mmusim::trace {

std::span<const Exporter> exporters() {
  static const std::array all = {kTextExporter};
  return all;
}

}  // namespace mmusim::trace
