#include "trace/import/drmemtrace.h"

#include <array>
#include <fmt/format.h>
#include <utility>

#include "base/bits.h"
#include "base/error.h"
#include "trace/import/drmemtrace_import.h"

namespace mmusim::trace {
namespace {

constexpr const char kDrmemtraceRecord[] =
    R"(To record, with DynamoRIO (11.3 or later is best), calls that change memory included:

    drrun -t drmemtrace -offline -outdir /tmp/traces \
          -record_syscall '9|6&11|2&10|3&25|5&12|1&28|3' -- COMMAND ARGS...
    drrun -t drmemtrace -indir /tmp/traces/drmemtrace.COMMAND.*.dir
    mmusim trace import /tmp/traces/drmemtrace.COMMAND.*.dir -o NAME.mmt

The second post-processes: it makes the folder "trace".
(9 mmap, 11 munmap, 10 mprotect, 25 mremap, 12 brk, 28 madvise: numbers of x86-64, and how many
arguments each has.)
)";

constexpr const char kDrmemtraceHelp[] =
    R"(Takes offline traces as DynamoRIO's post-processing leaves them, of versions 1 to 7, of x86-64,
i386, aarch64 and arm, and those with a synthetic instruction set (regdeps) that Google publishes.
LOG is a file or a directory: that of a process, one with several of those, WORKLOAD or
WORKLOAD/trace of Google's. Files of threads and of cores, zip, gzip, lz4, snappy, zstd, xz or plain,
told by content. In directories, files that are no traces (schedules, v2p.textproto) are left out. Tried on x86-64 traces of DynamoRIO's own tests; what is of other ISAs, and of regdeps,
on traces made after its sources.

What becomes of it:
  - The time stamps order the files: each goes on up to its next time stamp, always the one whose
    last is earliest, of equal ones the one on the lower CPU. cpu_schedule.bin and serial_schedule.bin say the same and are not read. Where
    the CPU is recorded, a switch is written when a thread comes to another.
  - A process begins with an exec of the name its files have. It is a fork if another was in a call
    of fork, vfork or clone; a thread is the earliest clone's that has not had its thread. Others
    were there, or were not seen made. A process's last thread to end ends it.
  - mmap, munmap, mprotect, mremap, brk, madvise, msync, mlock and its kin, ftruncate, fallocate and
    prctl(PR_SET_THP_DISABLE) become events where their arguments and results were recorded
    (-record_syscall). Where only their numbers were, they are recorded by name, and a replay counts
    them (kernel.calls.left_out): it implies areas as they are touched, and knows of no munmap.
  - String instructions (rep) are one fetch with the accesses of all their rounds; one more fetch for
    every 255 accesses.
  - An instruction that loads and stores the same bytes is a load and a store.
  - A new window of recording and the end of filtering are markers in the trace.

What is left out, each counted and shown at the end: prefetches; cache flushes; kernel code that was
put into the trace; encodings of instructions, targets of branches, physical addresses; accesses
that a mask or condition left undone; calls of functions. Signals show as what their handlers do.

What the format does not tell:
  - Initial areas of a process, its stack, the files behind mappings. modules.log, which DynamoRIO
    leaves in the folder "raw", says which file's segments were loaded where: where it is there, a
    segment is mapped when first executed in, unless a recorded mmap did so, and recorded mappings
    have their files. It has no times, so what overlaps is left out; no rights (read and execute are
    assumed); and, on Linux, nothing to tell a build by, for which --files DIR is.
  - The ISA in the oldest traces and in regdeps traces, for which x86-64 (of 8-byte records: i386) is
    assumed; --drmemtrace.isa says it. Page size, in older ones: 4 KiB is assumed.
  - Filtered traces (-L0_filter) lack most references. An access whose instruction was filtered out
    gets a fetch of one byte (aarch64: 4, arm: 2) there.
  - Tags in the top byte of aarch64's addresses are taken off, as the hardware does.
  - Exit codes, unless exit's argument was recorded: 0.
Files before post-processing (raw) are refused.
)";

// The ISA of the recording, and a warning where it is a guess.
drmemtrace::Isa isa_for(const drmemtrace::Recording& recording, const std::string& wanted,
                        std::string& warning) {
  using drmemtrace::Isa;
  const std::optional<Isa> told = drmemtrace::isa_of(recording.file_types);
  const bool wide = recording.inputs.empty() || recording.inputs.front().head.is_64_bit;
  const std::optional<Isa> named = drmemtrace::isa_named(wanted);
  const Isa isa = named ? *named : told ? *told : wide ? Isa::X86_64 : Isa::I386;
  if (drmemtrace::is_64_bit(isa) != wide) {
    throw UsageError("drmemtrace.isa",
                     fmt::format("{} is wrong: the records are of a {}-bit program",
                                 drmemtrace::name_of(isa), wide ? 64 : 32));
  }
  if (!named && !told)
    warning = fmt::format("The recording does not say its ISA; {} was assumed (--drmemtrace.isa).",
                          drmemtrace::name_of(isa));
  return isa;
}

ImportResult import_drmemtrace(std::span<const std::string> paths, const std::string& output,
                               const WriterOptions& writer_options, const ImportOptions& options,
                               const config::Config& keys) {
  if (paths.empty()) throw UsageError("", "no traces to import");
  const drmemtrace::Options chosen{options, drmemtrace::Chosen::keys().read(keys)};
  drmemtrace::Recording recording = drmemtrace::open_recording(paths);
  std::vector<std::string> warnings(1);
  const drmemtrace::Isa isa = isa_for(recording, chosen.isa, warnings[0]);
  if (warnings[0].empty()) warnings.clear();
  Header header;
  header.isa = drmemtrace::name_of(isa);
  const uint64_t page = recording.page_bytes == 0 ? drmemtrace::kAssumedPage : recording.page_bytes;
  header.page = PageShift(static_cast<uint8_t>(std::countr_zero(page)));
  if (recording.page_bytes == 0)
    warnings.emplace_back("The recording does not say its page size; 4 KiB was assumed.");
  header.program = recording.programs.front();
  header.recorder = fmt::format("DynamoRIO drmemtrace, version {} of its format",
                                recording.inputs.front().head.version);
  header.notes =
      "Imported from drmemtrace: processes begin without areas, which are implied; the order "
      "between "
      "threads is that of their time stamps.";
  const std::string input = recording.inputs.front().path;
  Writer writer(output, header, writer_options);
  drmemtrace::Import<Writer> import(std::move(recording), isa, writer, chosen);
  ImportResult result = import.run();
  finish_import(writer, result, input, "drmemtrace", true);
  result.warnings.insert(result.warnings.begin(), warnings.begin(), warnings.end());
  return result;
}

void declare_drmemtrace(config::Schema& schema) {
  drmemtrace::Chosen::keys().declare(schema);
}

}  // namespace

namespace drmemtrace {

const config::Keys<Chosen>& Chosen::keys() {
  static const auto kKeys = config::Keys<Chosen>().choice(
      "drmemtrace.isa", &Chosen::isa,
      {{"told", "told"},
       {"x86_64", "x86_64"},
       {"i386", "i386"},
       {"aarch64", "aarch64"},
       {"arm", "arm"}},
      "The ISA recorded; told: as the files say, or assumed where they do not.");
  return kKeys;
}

std::optional<Isa> isa_of(uint64_t file_types) {
  constexpr std::pair<uint64_t, Isa> kBits[] = {{kArchX86_64, Isa::X86_64},
                                                {kArchX86_32, Isa::I386},
                                                {kArchAarch64, Isa::Aarch64},
                                                {kArchArm32, Isa::Arm}};
  for (const auto& [bit, isa] : kBits)
    if ((file_types & bit) != 0) return isa;
  return std::nullopt;
}

const char* text_of(Note note) {
  switch (note) {
    case Note::Rounds:
      return "further rounds of string instructions, taken as one fetch with the first";
    case Note::Prefetches:
      return "prefetches, left out";
    case Note::Flushes:
      return "cache flushes, left out";
    case Note::KernelInstructions:
      return "instructions of the kernel, left out";
    case Note::KernelAccesses:
      return "data accesses of the kernel, left out";
    case Note::EmptyAccesses:
      return "data accesses of no bytes, left out";
    case Note::EarlyAccesses:
      return "data accesses before a thread's first instruction, left out";
    case Note::AssumedFetches:
      return "fetches assumed, of instructions that were filtered out";
    case Note::RepeatedFetches:
      return "instructions fetched again, since something came between them and an access";
    case Note::TagsTakenOff:
      return "addresses whose tag was taken off";
    case Note::Uncompleted:
      return "instructions that did not complete, which are not in the recording";
    case Note::Masked:
      return "accesses left undone by a mask or condition";
    case Note::Handlers:
      return "signals and other events that called a handler";
    case Note::CallsByName:
      return "calls that change memory of which only the name is known";
    case Note::ResultsUnknown:
      return "calls that change memory of which only success is known";
    case Note::ThreadsFound:
      return "threads whose making is not in the recording";
    case Note::ProcessesFound:
      return "processes whose making is not in the recording";
    case Note::Revived:
      return "processes that went on after their last thread's end, taken as new programs";
    case Note::ThreadsWithout:
      return "threads that did nothing";
    case Note::TimesBack:
      return "time stamps earlier than the one before, taken as equal";
    case Note::Functions:
      return "records of calls of functions, left out";
    case Note::Encodings:
      return "records of instructions' encodings, not needed";
    case Note::BranchTargets:
      return "targets of branches, not needed";
    case Note::PhysicalAddresses:
      return "records of physical addresses, left out";
    case Note::Idle:
      return "records of idle or waiting cores, left out";
    case Note::OtherMarkers:
      return "other marks, not needed";
    case Note::SegmentsPlaced:
      return "segments of files mapped where modules.log has them, when first executed in";
    case Note::MappingsNamed:
      return "recorded mappings whose file is known by modules.log";
    case Note::SegmentsLeftOut:
      return "segments in modules.log that overlap, left out";
    case Note::FilesLeftOut:
      return "files that are no traces, left out";
    case Note::Count:
      break;
  }
  return "";
}

Note note_of_marker(unsigned kind) {
  switch (kind) {
    case kKernelEvent:
      return Note::Handlers;
    case kUncompletedInstruction:
      return Note::Uncompleted;
    case kSkippedMemref:
      return Note::Masked;
    case kPhysicalAddress:
    case kPhysicalAddressUnknown:
    case kVirtualAddress:
      return Note::PhysicalAddresses;
    case kCoreIdle:
    case kCoreWait:
      return Note::Idle;
    default:
      return Note::OtherMarkers;
  }
}

}  // namespace drmemtrace

const Importer kDrmemtraceImporter = {
    .name = "drmemtrace",
    .summary = "DynamoRIO's offline traces, a directory or files",
    .unit = "records",
    .record = kDrmemtraceRecord,
    .help = kDrmemtraceHelp,
    .recognises = drmemtrace::holds_trace,
    .declare = declare_drmemtrace,
    .import = import_drmemtrace,
};

}  // namespace mmusim::trace
