// The registry of importers: every importer is named here, and nowhere else.
#include <array>

#include "trace/import/champsim.h"
#include "trace/import/dinero.h"
#include "trace/import/drmemtrace.h"
#include "trace/import/lackey.h"
#include "trace/import/perf.h"
#include "trace/import/text.h"
#include "trace/importer.h"

namespace mmusim::trace {

std::span<const Importer> importers() {
  static const std::array all = {kLackeyImporter, kDrmemtraceImporter, kChampsimImporter,
                                 kTextImporter,   kDineroImporter,     kPerfImporter};
  return all;
}

}  // namespace mmusim::trace
