// The registry of exporters: every exporter is named here, and nowhere else.
#include <array>

#include "trace/export/champsim.h"
#include "trace/export/drmemtrace.h"
#include "trace/export/text.h"
#include "trace/exporter.h"

namespace mmusim::trace {

std::span<const Exporter> exporters() {
  static const std::array all = {kTextExporter, kChampsimExporter, kDrmemtraceExporter};
  return all;
}

}  // namespace mmusim::trace
