// The importers of small formats on anything: plain text, ChampSim's, Dinero's and perf's traces.
// Whatever comes must end in a trace or an Error; the writer asserts its contract. And no two
// importers of all may take a file for theirs.
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "memory_file.h"
#include "trace/importer.h"

namespace {

namespace trace = mmusim::trace;

void require(bool condition) {
  if (!condition) std::abort();
}

const trace::Importer& importer_named(std::string_view name) {
  for (const trace::Importer& importer : trace::importers())
    if (name == importer.name) return importer;
  std::abort();
}

}  // namespace

// The first byte chooses format, strictness and kind of record.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr const char* kFormats[] = {"text", "champsim", "dinero", "perf"};
  const uint8_t mode = data[0];
  const trace::Importer& importer = importer_named(kFormats[mode & 3]);
  // All but the first byte.
  const mmusim::fuzz::MemoryFile file(
      std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  int owners = 0;
  for (const trace::Importer& one : trace::importers()) {
    try {
      owners += one.recognises(file.path()) ? 1 : 0;
    } catch (const mmusim::Error&) {  // what calls itself compressed and is not
    }
  }
  require(owners <= 1);
  mmusim::config::Schema schema;
  importer.declare(schema);
  mmusim::config::Config keys(schema);
  if ((mode & 11) == 9) keys.set("champsim.record", "cloudsuite", "fuzz");
  trace::ImportOptions options;
  options.strict = (mode & 4) != 0;
  trace::WriterOptions writer;
  writer.zstd_level = 1;
  const std::string path = file.path();
  try {
    importer.import({&path, 1}, "/dev/null", writer, options, keys);
  } catch (const mmusim::Error&) {
  }
  return 0;
}
