#include "trace/import/champsim.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstring>
#include <fmt/format.h>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"
#include "config/keys.h"
#include "trace/champsim_record.h"
#include "trace/import/byte_source.h"
#include "trace/import/line_reader.h"
#include "trace/import/reference_stream.h"

namespace mmusim::trace {
namespace {

constexpr const char* kChampsimRecord =
    R"(To record, with the tracer that comes with ChampSim, or to take one of those published:

    pin -t champsim_tracer.so -o NAME.champsim -t 10000000 -- COMMAND ARGS...
    mmusim trace import --format champsim NAME.champsim.xz -o NAME.mmt
)";

constexpr const char* kChampsimHelp =
    R"(A trace is one stream of instructions, 64 bytes each: instruction pointer, whether it is a branch
and was taken, registers, up to 2 addresses stored to and 4 loaded from. Those of CloudSuite have 96
bytes, with 4 addresses stored to and an address space; they are read with
--champsim.record=cloudsuite only. Plain, or compressed with xz, gzip, zstd or others.

What becomes of it:
  - Each record is an instruction that makes its loads, then its stores. It all is one process, or in
    CloudSuite's traces one for each address space.
  - An instruction is as long as the way to the next one, where that is 1 to 15 bytes and no branch
    was taken. A branch that was taken is as long as it was when it was not taken, as far as a table
    of 65,536 branches remembers. All others are given --champsim.instruction_bytes, and counted.

What the format does not tell:
  - Sizes of data accesses. Each is given --champsim.access_bytes, but not more than up to the end
    of its 64-byte line, so that none crosses a page that the trace does not say was crossed.
  - System calls, mappings, threads, and what happened before the first record. The trace has no
    areas: a replay implies them as they are touched.
  - The ISA: --champsim.isa says it.
Registers are not kept.
)";

enum class Layout : uint8_t { Standard, Cloudsuite };

struct ChampsimOptions {
  Layout layout = Layout::Standard;
  std::string isa = "x86_64";
  unsigned access_bytes = 8;
  unsigned instruction_bytes = 4;
  static const config::Keys<ChampsimOptions>& keys() {
    static const auto kKeys =
        config::Keys<ChampsimOptions>()
            .choice("champsim.record", &ChampsimOptions::layout,
                    {{"standard", Layout::Standard}, {"cloudsuite", Layout::Cloudsuite}},
                    "What the records are.")
            .text("champsim.isa", &ChampsimOptions::isa, "The ISA that the trace is of.")
            .number("champsim.access_bytes", &ChampsimOptions::access_bytes,
                    "Bytes of each data access, which the trace does not tell.", 1, 64)
            .number("champsim.instruction_bytes", &ChampsimOptions::instruction_bytes,
                    "Bytes of an instruction whose length the next one does not tell.", 1,
                    kMaxInstructionBytes);
    return kKeys;
  }
};

uint64_t word_at(const uint8_t* at) {
  uint64_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// How long branches were when they were not taken. Direct-mapped.
class BranchLengths {
 public:
  void learn(uint64_t ip, unsigned bytes) { entries_[slot(ip)] = {ip, bytes}; }
  // 0: not known.
  [[nodiscard]] unsigned of(uint64_t ip) const {
    const Entry& entry = entries_[slot(ip)];
    return entry.ip == ip ? entry.bytes : 0;
  }

 private:
  struct Entry {
    uint64_t ip = 0;
    unsigned bytes = 0;
  };
  static constexpr size_t kEntries = 65536;
  static size_t slot(uint64_t ip) { return (ip ^ ip >> 16) % kEntries; }
  std::vector<Entry> entries_ = std::vector<Entry>(kEntries);
};

template <class Record>
class ChampsimImport {
 public:
  ChampsimImport(const std::string& path, Writer& writer, const ImportOptions& options,
                 const ChampsimOptions& chosen, ImportResult& result)
      : source_(path),
        writer_(writer),
        options_(options),
        chosen_(chosen),
        result_(result),
        stored_bytes_(source_.stored_bytes()) {}

  void run() {
    // A record is read when the next one is there, too.
    std::vector<uint8_t> buffer(kBatch * Record::kBytes);
    size_t kept = 0;
    for (;;) {
      const size_t bytes = kept + read(buffer.data() + kept, buffer.size() - kept);
      const bool at_end = bytes != buffer.size();
      const size_t records = bytes / Record::kBytes;
      for (size_t i = 0; i + 1 < records; ++i)
        record(buffer.data() + i * Record::kBytes,
               word_at(buffer.data() + (i + 1) * Record::kBytes));
      if (at_end) {
        if (records != 0) last_record(buffer.data() + (records - 1) * Record::kBytes);
        if (bytes % Record::kBytes != 0) refuse("the file ends in the middle of a record");
        break;
      }
      std::memmove(buffer.data(), buffer.data() + (records - 1) * Record::kBytes, Record::kBytes);
      kept = Record::kBytes;
    }
    result_.remarks.push_back({"data accesses, whose sizes are assumed", accesses_});
    result_.remarks.push_back(
        {"of them shorter than that, up to the end of their 64-byte line", shortened_});
    result_.remarks.push_back({"instructions whose lengths are assumed", assumed_lengths_});
  }

 private:
  static constexpr size_t kBatch = 4096;    // records read at a time
  static constexpr uint64_t kLongest = 15;  // bytes of an instruction that the next one tells

  size_t read(uint8_t* to, size_t bytes) {
    check_interrupt();
    const size_t got = source_.read_full(reinterpret_cast<char*>(to), bytes);
    result_.input_bytes += got;
    if (options_.progress) options_.progress(source_.stored_bytes_read(), stored_bytes_);
    return got;
  }

  // Nothing follows it.
  void last_record(const uint8_t* at) { record(at, word_at(at)); }

  void record(const uint8_t* at, uint64_t next) {
    const uint64_t ip = word_at(at);
    const uint8_t branch = at[champsim::kIsBranchAt];
    const uint8_t taken = at[champsim::kTakenAt];
    if ((branch | taken) > 1) [[unlikely]]
      return refuse("not a record: what says whether a branch was taken is neither 0 nor 1");
    // As where a copy of the file that was cut short is filled up.
    if (ip == 0) [[unlikely]]
      return refuse("not a record: its instruction is at address 0");
    const unsigned bytes = length(ip, next, branch != 0, taken != 0);
    // Data accesses do not leave their lines.
    if (ip + (bytes - 1) < ip) [[unlikely]]
      return refuse("an instruction that wraps around the end of the address space");
    ++result_.input_records;
    enter(at);
    writer_.instruction(VirtAddr(ip), bytes);
    for (size_t i = 0; i < champsim::kLoads; ++i)
      access(AccessKind::Load, word_at(at + Record::kLoadsAt + 8 * i));
    for (size_t i = 0; i < Record::kStores; ++i)
      access(AccessKind::Store, word_at(at + Record::kStoresAt + 8 * i));
  }

  unsigned length(uint64_t ip, uint64_t next, bool branch, bool taken) {
    const uint64_t way = next - ip;
    const bool told = way - 1 < kLongest && !taken;
    if (told) [[likely]] {
      if (branch) lengths_.learn(ip, static_cast<unsigned>(way));
      return static_cast<unsigned>(way);
    }
    const unsigned known = branch ? lengths_.of(ip) : 0;
    if (known != 0) return known;
    ++assumed_lengths_;
    return chosen_.instruction_bytes;
  }

  void access(AccessKind kind, uint64_t address) {
    if (address == 0) return;
    ++accesses_;
    const uint64_t left = bytes_in_line(address);
    unsigned bytes = chosen_.access_bytes;
    if (bytes > left) [[unlikely]] {
      bytes = static_cast<unsigned>(left);
      ++shortened_;
    }
    writer_.access(kind, VirtAddr(address), bytes);
  }

  // The process whose record this is.
  void enter(const uint8_t* at) {
    unsigned space = 0;
    if constexpr (Record::kHasSpace)
      space = at[Record::kSpaceAt] | unsigned{at[Record::kSpaceAt + 1]} << 8;
    if (begun_ && space == space_) [[likely]]
      return;
    begun_ = true;
    space_ = space;
    writer_.thread({Pid(1 + space), Tid(1 + space)});
    if (seen_[space]) return;
    seen_[space] = true;
    writer_.event(ExecEvent{base_name(source_.path()), {}, {}, VirtAddr(0), VirtAddr(0)});
  }

  void refuse(const std::string& what) {
    const uint64_t number = result_.input_records + result_.skipped_records;
    if (options_.strict) {
      throw Error(
          fmt::format("{}: record {} (byte {}{})", source_.path(), number, number * Record::kBytes,
                      source_.compressed() ? " when decompressed" : ""),
          what, "--lenient skips such records");
    }
    ++result_.skipped_records;
  }

  ByteSource source_;
  Writer& writer_;
  const ImportOptions& options_;
  const ChampsimOptions& chosen_;
  ImportResult& result_;
  BranchLengths lengths_;
  uint64_t stored_bytes_;
  bool begun_ = false;
  unsigned space_ = 0;
  std::bitset<65536> seen_;
  uint64_t accesses_ = 0;
  uint64_t shortened_ = 0;
  uint64_t assumed_lengths_ = 0;
};

ImportResult import_champsim(std::span<const std::string> paths, const std::string& output,
                             const WriterOptions& writer_options, const ImportOptions& options,
                             const config::Config& keys) {
  const std::string& path = single_input(paths, "champsim");
  const ChampsimOptions chosen = ChampsimOptions::keys().read(keys);
  Header header;
  header.isa = chosen.isa;
  header.program = base_name(path);
  header.recorder = "ChampSim's tracer";
  header.notes = fmt::format(
      "Imported from ChampSim: sizes of data accesses ({} bytes) and some lengths of instructions "
      "({} bytes) are assumed; there are no system calls and areas.",
      chosen.access_bytes, chosen.instruction_bytes);
  Writer writer(output, header, writer_options);
  ImportResult result;
  if (chosen.layout == Layout::Standard) {
    ChampsimImport<champsim::Standard>(path, writer, options, chosen, result).run();
  } else {
    ChampsimImport<champsim::Cloudsuite>(path, writer, options, chosen, result).run();
  }
  if (result.input_records == 0)
    throw Error(path, "holds no records", "see 'mmusim trace import --help-format champsim'");
  finish_import(writer, result, path, "champsim");
  return result;
}

// Nothing names the format. It is taken for it if all flags are flags, only branches are taken,
// no address is one that no program has, and most instructions are followed by the next.
bool recognises_champsim(const std::string& path) {
  using champsim::Standard;
  constexpr size_t kRecords = 256;
  const std::string start = start_of_content(path, kRecords * Standard::kBytes);
  const auto* bytes = reinterpret_cast<const uint8_t*>(start.data());
  const size_t records = start.size() / Standard::kBytes;
  if (records == 0 || start.size() % Standard::kBytes != 0) return false;
  const auto plausible = [](uint64_t address) {
    return address >> 57 == 0 || address >> 56 == 0xff;
  };
  size_t next_to = 0;
  for (size_t i = 0; i < records; ++i) {
    const uint8_t* const at = bytes + i * Standard::kBytes;
    const uint64_t ip = word_at(at);
    if (at[champsim::kIsBranchAt] > 1 || at[champsim::kTakenAt] > at[champsim::kIsBranchAt])
      return false;
    if (ip == 0 || !plausible(ip)) return false;
    for (size_t offset = Standard::kStoresAt; offset < Standard::kBytes; offset += 8)
      if (!plausible(word_at(at + offset))) return false;
    if (i + 1 < records && word_at(at + Standard::kBytes) - ip <= 15) ++next_to;
  }
  return 2 * next_to >= records - 1;
}

}  // namespace

const Importer kChampsimImporter = {
    .name = "champsim",
    .summary = "ChampSim's traces of 64 bytes an instruction, and CloudSuite's",
    .unit = "records",
    .record = kChampsimRecord,
    .help = kChampsimHelp,
    .recognises = recognises_champsim,
    .declare = [](config::Schema& schema) { ChampsimOptions::keys().declare(schema); },
    .import = import_champsim,
};

}  // namespace mmusim::trace
