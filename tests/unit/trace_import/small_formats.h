// Imports of small files in the formats that name nothing themselves, and what becomes of them.
#ifndef MMUSIM_TESTS_UNIT_TRACE_IMPORT_SMALL_FORMATS_H_
#define MMUSIM_TESTS_UNIT_TRACE_IMPORT_SMALL_FORMATS_H_

#include <fmt/format.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../trace/history.h"
#include "base/error.h"
#include "import_with.h"
#include "trace/dump.h"

namespace mmusim::trace {

using Settings = std::vector<std::pair<std::string, std::string>>;

struct SmallImport {
  std::string records;  // a line each, events as dump prints them
  ImportResult result;
  Header header;
  // How often what begins with `text` was remarked.
  [[nodiscard]] uint64_t remarked(std::string_view text) const {
    for (const Remark& remark : result.remarks)
      if (remark.text.starts_with(text)) return remark.count;
    return UINT64_MAX;
  }
};

inline SmallImport import_small(std::string_view format, const std::string& content,
                                const Settings& settings = {}, const ImportOptions& options = {}) {
  const testing::TemporaryFile file("in");
  testing::write_file(file.path(), content);
  const std::string output = file.directory() + "/out.mmt";
  SmallImport got;
  got.result = import_with(format, {file.path()}, output, settings, options);
  for (const testing::Happening& h : testing::read_history(output)) {
    got.records += fmt::format("{}/{} ", h.thread.pid.value(), h.thread.tid.value());
    got.records += h.is_event ? describe(h.event) + "\n"
                              : fmt::format("{} {:x},{}\n", name_of(h.kind), h.address, h.bytes);
  }
  got.header = Reader(output).header();
  return got;
}

// The message of what an import of it throws, from the file's name on.
inline std::string small_error(std::string_view format, const std::string& content,
                               const Settings& settings = {}) {
  try {
    import_small(format, content, settings);
  } catch (const Error& error) {
    const std::string what = error.what();
    const size_t at = what.find("/in");
    return at == std::string::npos ? what : what.substr(at + 1);
  }
  return "no error";
}

// Which formats take `content` for their own.
inline std::string recognised_as(const std::string& content) {
  const testing::TemporaryFile file("in");
  testing::write_file(file.path(), content);
  std::string names;
  for (const Importer& importer : importers())
    if (importer.recognises(file.path())) names += fmt::format("{} ", importer.name);
  return names;
}

}  // namespace mmusim::trace

#endif  // MMUSIM_TESTS_UNIT_TRACE_IMPORT_SMALL_FORMATS_H_
