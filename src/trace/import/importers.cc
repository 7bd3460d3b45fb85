// The registry of importers: every importer is named here, and nowhere else.
#include <array>
#include <fmt/format.h>

#include "base/error.h"
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

void finish_import(Writer& writer, ImportResult& result, const std::string& input,
                   const char* format, bool events_do) {
  if (!writer.has_instructions() && (!events_do || writer.totals().events == 0)) {
    throw Error(input,
                events_do ? "no instruction, data access or event is in it"
                          : "no instruction or data access is in it",
                fmt::format("see 'mmusim trace import --help-format {}'", format));
  }
  writer.finish();
  result.totals = writer.totals();
}

}  // namespace mmusim::trace
