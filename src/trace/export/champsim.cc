#include "trace/export/champsim.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <optional>

#include "base/error.h"
#include "config/keys.h"
#include "trace/champsim_record.h"
#include "trace/export/batch_walk.h"
#include "trace/export/buffered_file.h"

namespace mmusim::trace {
namespace {

using champsim::Standard;

constexpr const char* kChampsimExportHelp =
    R"(One process of the trace as a stream of instructions, 64 bytes each, as ChampSim reads them once
compressed: xz NAME.champsim makes the .xz it takes. Threads of the process come as they do in the
trace.

What the format cannot say:
  - Sizes, and events: mappings, system calls and exits are left out, and counted.
  - More than 4 loads and 2 stores of an instruction: it is written again with the rest, and counted.
    An atomic access is a load and a store.
  - Accesses to address 0: left out, and counted.
  - Registers and kinds of branches are not in a trace. Where the next instruction is elsewhere, it
    is a direct jump that was taken (it reads and writes the instruction pointer); branches that were
    not taken look like other instructions.
)";

struct ChampsimExportOptions {
  std::optional<uint64_t> pid;
  static const config::Keys<ChampsimExportOptions>& keys() {
    static const auto kKeys = config::Keys<ChampsimExportOptions>().number_or(
        "champsim.pid", "first", &ChampsimExportOptions::pid,
        "The process to write; first: the one with the first instruction.", 0, UINT32_MAX);
    return kKeys;
  }
};

// Records on their way to the file. An instruction is written when the next one is known.
class Records {
 public:
  explicit Records(const std::string& path) : file_(path) {}

  void instruction(uint64_t address, unsigned bytes) {
    if (has_) write(address != ip_ + bytes_);
    ip_ = address;
    bytes_ = bytes;
    has_ = true;
  }
  void access(AccessKind kind, uint64_t address) {
    if (address == 0) {
      ++at_zero;
      return;
    }
    if (kind != AccessKind::Store) {
      if (loads_ == champsim::kLoads) split();
      load_[loads_++] = address;
    }
    if (writes(kind)) {
      if (stores_ == Standard::kStores) split();
      store_[stores_++] = address;
    }
  }
  // What comes next does not follow from the last instruction.
  void pause() {
    if (has_) write(false);
    has_ = false;
  }
  void finish() {
    pause();
    file_.commit();
  }
  [[nodiscard]] uint64_t bytes() const { return file_.bytes_written(); }

  uint64_t count = 0;
  uint64_t again = 0;
  uint64_t at_zero = 0;
  uint64_t jumps = 0;

 private:
  void split() {
    ++again;
    write(false);
  }
  void write(bool jump) {
    char* const at = file_.room(Standard::kBytes);
    std::memset(at, 0, Standard::kBytes);
    std::memcpy(at, &ip_, sizeof ip_);
    if (jump) {
      ++jumps;
      at[champsim::kIsBranchAt] = 1;
      at[champsim::kTakenAt] = 1;
      at[champsim::kWrittenAt] = champsim::kInstructionPointer;
      at[champsim::kReadAt] = champsim::kInstructionPointer;
    }
    std::memcpy(at + Standard::kStoresAt, store_.data(), stores_ * sizeof store_[0]);
    std::memcpy(at + Standard::kLoadsAt, load_.data(), loads_ * sizeof load_[0]);
    file_.put(at + Standard::kBytes);
    loads_ = 0;
    stores_ = 0;
    ++count;
  }

  BufferedFile file_;
  bool has_ = false;
  uint64_t ip_ = 0;
  unsigned bytes_ = 0;
  std::array<uint64_t, champsim::kLoads> load_{};
  std::array<uint64_t, Standard::kStores> store_{};
  size_t loads_ = 0;
  size_t stores_ = 0;
};

ExportResult write_champsim(Reader& reader, const std::string& output, const ExportOptions& options,
                            const config::Config& keys) {
  std::optional<uint64_t> pid = ChampsimExportOptions::keys().read(keys).pid;
  Records records(output);
  ExportResult result;
  uint64_t of_others = 0;
  uint64_t events = 0;
  ThreadId last{};
  for_each_batch(reader, options, [&](const Batch& batch) {
    if (batch.event != nullptr) {
      ++events;
      if (batch.thread == last) records.pause();
      return;
    }
    if (!pid) pid = batch.thread.pid.value();
    if (batch.thread.pid.value() != *pid) {
      of_others += batch.totals.instructions;
      return;
    }
    if (batch.thread != last) records.pause();
    last = batch.thread;
    walk(
        batch, [&](uint64_t address, unsigned bytes) { records.instruction(address, bytes); },
        [&](AccessKind kind, uint64_t address, unsigned) { records.access(kind, address); });
    result.totals += batch.totals;
  });
  if (result.totals.instructions == 0) {
    throw Error(pid ? fmt::format("process {}", *pid) : output,
                "there are no instructions to write", "'mmusim trace dump' shows what there is");
  }
  records.finish();
  result.output_records = records.count;
  result.output_bytes = records.bytes();
  result.remarks = {
      {"instructions of other processes, left out", of_others},
      {"events, left out", events},
      {"instructions written again, for accesses that did not fit", records.again},
      {"accesses to address 0, left out", records.at_zero},
      {"instructions taken for branches, as the next one is elsewhere", records.jumps}};
  return result;
}

}  // namespace

const Exporter kChampsimExporter = {
    .name = "champsim",
    .summary = "ChampSim's traces, 64 bytes an instruction, of one process",
    .unit = "records",
    .help = kChampsimExportHelp,
    .declare = [](config::Schema& schema) { ChampsimExportOptions::keys().declare(schema); },
    .write = write_champsim,
};

}  // namespace mmusim::trace
