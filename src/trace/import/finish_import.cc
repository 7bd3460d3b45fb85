#include <fmt/format.h>

#include "base/error.h"
#include "trace/importer.h"

namespace mmusim::trace {

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
