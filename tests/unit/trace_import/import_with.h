// Importers and exporters run through the registries, as the commands do it.
#ifndef MMUSIM_TESTS_UNIT_TRACE_IMPORT_IMPORT_WITH_H_
#define MMUSIM_TESTS_UNIT_TRACE_IMPORT_IMPORT_WITH_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "config/schema.h"
#include "trace/exporter.h"
#include "trace/importer.h"
#include "trace/reader.h"

namespace mmusim::trace {

// `settings`: keys that are not at their defaults.
inline ImportResult import_with(
    std::string_view format, const std::vector<std::string>& inputs, const std::string& output,
    const std::vector<std::pair<std::string, std::string>>& settings = {},
    const ImportOptions& options = {}) {
  for (const Importer& importer : importers()) {
    if (format != importer.name) continue;
    config::Schema schema;
    importer.declare(schema);
    config::Config keys(schema);
    for (const auto& [name, value] : settings)
      keys.set(name, value, "test");
    return importer.import(inputs, output, {}, options, keys);
  }
  throw Error(std::string(format), "no such format");
}

// An exporter, likewise, of the whole trace.
inline ExportResult export_with(
    std::string_view format, const std::string& trace, const std::string& output,
    const std::vector<std::pair<std::string, std::string>>& settings = {}) {
  for (const Exporter& exporter : exporters()) {
    if (format != exporter.name) continue;
    config::Schema schema;
    exporter.declare(schema);
    config::Config keys(schema);
    for (const auto& [name, value] : settings)
      keys.set(name, value, "test");
    Reader reader(trace);
    return exporter.write(reader, output, {}, keys);
  }
  throw Error(std::string(format), "no such format");
}

}  // namespace mmusim::trace

#endif  // MMUSIM_TESTS_UNIT_TRACE_IMPORT_IMPORT_WITH_H_
