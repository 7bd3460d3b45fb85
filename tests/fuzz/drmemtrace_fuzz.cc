// The drmemtrace importer on anything: one file, or two, strict or not. Whatever comes must end in
// a trace or an Error, and what reaches the sink must keep to the writer's contract.
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "checking_sink.h"
#include "memory_file.h"
#include "trace/import/drmemtrace_import.h"

namespace {

using mmusim::Error;
using mmusim::fuzz::CheckingSink;
using mmusim::fuzz::MemoryFile;
namespace drmemtrace = mmusim::trace::drmemtrace;

template <class Address>
void add(std::string& text, unsigned type, unsigned size, uint64_t value) {
  const auto word = [&](auto number) {
    text.append(reinterpret_cast<const char*>(&number), sizeof number);
  };
  word(static_cast<uint16_t>(type));
  word(static_cast<uint16_t>(size));
  word(static_cast<Address>(value));
}

// A good beginning, so that fuzzing need not find one.
template <class Address>
std::string beginning(uint64_t thread, uint64_t file_type) {
  std::string text;
  add<Address>(text, drmemtrace::kHeader, 0, drmemtrace::kNewestVersion);
  add<Address>(text, drmemtrace::kMarker, drmemtrace::kFileType, file_type);
  add<Address>(text, drmemtrace::kThread, 4, thread);
  add<Address>(text, drmemtrace::kPid, 4, 7);
  add<Address>(text, drmemtrace::kMarker, drmemtrace::kTimestamp, 100);
  return text;
}

const std::string kModulesHead =
    "Module Table: version 5, count 9\n"
    "Columns: id, start, end, offset, (custom fields), path\n";

std::string file_of(uint8_t mode, uint64_t thread, std::string content) {
  if ((mode & 2) == 0) return content;
  const bool wide = (mode & 4) != 0;
  const uint64_t isa = (mode & 8) != 0 ? drmemtrace::kArchAarch64 : drmemtrace::kArchX86_64;
  const uint64_t file_type = isa | ((mode & 16) != 0 ? drmemtrace::kWholeSystem : 0);
  std::string text = wide ? beginning<uint64_t>(thread, file_type)
                          : beginning<uint32_t>(thread, drmemtrace::kArchArm32);
  text += content;
  if (wide) {
    add<uint64_t>(text, drmemtrace::kFooter, 0, 0);
  } else {
    add<uint32_t>(text, drmemtrace::kFooter, 0, 0);
  }
  return text;
}

}  // namespace

// The first byte chooses the mode: 1 strict, 2 with a good beginning and end, 4 of 64 bits, 8
// aarch64, 16 a view of a whole system, 32 two files, 64 lines of a modules.log behind.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t mode = data[0];
  const std::string all(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t records = (mode & 64) != 0 ? all.size() / 24 * 12 : all.size();
  const std::string rest = all.substr(0, records);
  const size_t cut = (mode & 32) != 0 ? rest.size() / 24 * 12 : rest.size();
  const MemoryFile first(file_of(mode, 7, rest.substr(0, cut)));
  const MemoryFile second(file_of(mode, 8, rest.substr(cut)));
  std::vector<std::string> paths = {first.path()};
  if ((mode & 32) != 0) paths.push_back(second.path());
  drmemtrace::Options options;
  options.strict = (mode & 1) != 0;
  try {
    drmemtrace::Recording recording = drmemtrace::open_recording(paths);
    const bool wide = recording.inputs.front().head.is_64_bit;
    const drmemtrace::Isa isa =
        drmemtrace::isa_of(recording.file_types)
            .value_or(wide ? drmemtrace::Isa::X86_64 : drmemtrace::Isa::I386);
    if ((mode & 64) != 0)
      recording.modules.assign(recording.modules.size(),
                               {"modules.log", kModulesHead + all.substr(records), 4096});
    CheckingSink sink;
    drmemtrace::Import<CheckingSink> import(std::move(recording), isa, sink, options);
    const mmusim::trace::ImportResult result = import.run();
    uint64_t taken = 0;
    for (const uint64_t count : import.records())
      taken += count;
    mmusim::fuzz::require(taken == result.input_records);
  } catch (const Error&) {
  }
  return 0;
}
