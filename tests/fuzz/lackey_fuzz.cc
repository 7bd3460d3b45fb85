// The lackey importer on anything: two logs cut out of the input, strict or not. Whatever comes
// must end in a trace or an Error, and what reaches the sink must keep to the writer's contract.
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <vector>

#include "checking_sink.h"
#include "memory_file.h"
#include "trace/import/lackey_import.h"

namespace {

using mmusim::Error;
using mmusim::fuzz::CheckingSink;
using mmusim::fuzz::MemoryFile;
namespace trace = mmusim::trace;

}  // namespace

// The first byte chooses the mode. A 0xff byte ends the first log. In most modes the logs are given
// a good header, so that fuzzing need not find one.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t mode = data[0];
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t cut = std::min(rest.find('\xff'), rest.size());
  std::vector<std::string> paths;
  std::array<std::optional<MemoryFile>, 2> files;
  const std::string_view parts[] = {rest.substr(0, cut),
                                    cut < rest.size() ? rest.substr(cut + 1) : ""};
  for (int i = 0; i < 2; ++i) {
    const std::string_view part = parts[static_cast<size_t>(i)];
    const std::string header = fmt::format(
        "=={0}== Lackey, an example Valgrind tool\n=={0}== Command: x\n=={0}== Parent "
        "PID: {1}\n",
        7 + i, 6 + i);
    paths.push_back(files[static_cast<size_t>(i)]
                        .emplace((mode & 1) != 0 ? std::string(part) : header + std::string(part))
                        .path());
  }
  trace::lackey::Options options;
  options.strict = (mode & 2) != 0;
  options.quantum = 1 + (mode >> 4);
  try {
    CheckingSink sink;
    trace::lackey::Import<CheckingSink>(trace::lackey::open_logs(paths), sink, options).run();
  } catch (const Error&) {
  }
  return 0;
}
