// record: a program and its children, as a trace.
#include <fmt/format.h>
#include <thread>

#include "base/error.h"
#include "base/units.h"
#include "cli/arguments.h"
#include "cli/log.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/trace_files.h"
#include "cli/version.h"
#include "record/recorder.h"
#include "report/progress.h"
#include "report/wrap.h"

namespace mmusim::cli {
namespace {

constexpr uint64_t kMostLevel = 22;  // zstd's
constexpr uint64_t kMostCompressors = 64;
constexpr uint64_t kMostThreads = 100'000;

const char* const kHelp =
    "Runs PROGRAM and all its children under QEMU's user mode and writes what they do as a trace: "
    "every\ninstruction, load and store, mmap, munmap, fork, exec and exit. The program's input, "
    "output and exit\nstatus are its own. Needs a QEMU with plug-ins, as Debian 12's package "
    "qemu-user; "
    "programs of other\ninstruction sets need their libraries, or are linked statically.\n\nNot "
    "recorded: what the kernel reads and writes for a system call or a signal; programs with the "
    "rights\nof another user. Under QEMU a child of vfork has a copy of the memory. If the "
    "recorder "
    "is killed,\nFILE.mmt.partial stays, which --accept-torn reads. An exit status of 127 may also "
    "mean that PROGRAM is not\nthere, 126 that it cannot be run.";

// What follows "--" is the program's.
Words take_command(Words& words) {
  const auto separator = std::find(words.begin(), words.end(), "--");
  if (separator == words.end()) return {};
  Words command(separator + 1, words.end());
  words.erase(separator, words.end());
  return command;
}

record::RecordOptions options_of(const Arguments& arguments, Words command) {
  record::RecordOptions options;
  options.command = std::move(command);
  options.output = output_of(arguments);
  if (options.command.empty())
    throw UsageError("", "no program is named", "give it behind --: record -o FILE.mmt -- PROGRAM");
  if (arguments.has("isa")) {
    options.isa = arguments.text("isa");
    if (record::isa_named(options.isa) == nullptr)
      throw UsageError("--isa", fmt::format("'{}' cannot be recorded", options.isa),
                       "what can be: " + record::isa_names());
  }
  if (arguments.has("placement")) {
    const std::string& placement = arguments.text("placement");
    if (placement != "linux" && placement != "qemu")
      throw UsageError("--placement", fmt::format("'{}' is neither linux nor qemu", placement));
    options.linux_placement = placement == "linux";
  }
  if (arguments.has("qemu-arg")) options.qemu_arguments = arguments.texts("qemu-arg");
  options.most_threads = static_cast<uint32_t>(
      arguments.number("most-threads", options.most_threads, 1, kMostThreads));
  options.writer.zstd_level = static_cast<int>(
      arguments.number("level", static_cast<uint64_t>(options.writer.zstd_level), 1, kMostLevel));
  const uint64_t cores = std::max(2u, std::thread::hardware_concurrency());
  options.writer.compressors = static_cast<unsigned>(
      arguments.number("compressors", std::min<uint64_t>(cores, 4), 0, kMostCompressors));
  choose_pages(arguments, options.writer);
  if (arguments.has("chunk")) {
    const std::optional<uint64_t> bytes = parse_size(arguments.text("chunk"));
    if (!bytes || *bytes == 0)
      throw UsageError("--chunk", fmt::format("'{}' is no size", arguments.text("chunk")));
    options.writer.chunk_bytes = *bytes;
  }
  options.version = version().number;
  return options;
}

void say_what_is_missing(const record::RecordResult& result) {
  const record::Counts& counts = result.counts;
  for (const std::string& text : result.lacks)
    warn(text);
  for (const std::string& text : counts.notes)
    warn(text);
  if (counts.unrecorded > counts.notes.size())
    warn(fmt::format("... and {} more", format_count(counts.unrecorded - counts.notes.size())));
  if (counts.unwatched)
    warn("this QEMU does not tell of exceptions: blocks that one ended are recorded whole");
  if (!result.cut_short.empty()) warn("the recording ended early: " + result.cut_short);
}

void say_result(const record::RecordOptions& options, const record::RecordResult& result) {
  const record::Counts& counts = result.counts;
  std::string extra;
  const auto add = [&](uint64_t number, const char* what) {
    if (number != 0) extra += fmt::format("; {} {}", format_count(number), what);
  };
  add(counts.repeats, "iterations of string instructions counted as part of one");
  add(counts.windows, "register windows stored or loaded");
  add(counts.unseen, "accesses left out, whose addresses QEMU does not show");
  add(counts.unplaced,
      "exceptions whose places QEMU does not show, behind which blocks were not cut");
  add(counts.unknown_ends, "processes whose end was not told, taken as killed");
  add(counts.lost_words, "words lost of processes that were killed");
  note(fmt::format("{}: {}, {} of {}, {} and {}; {} bytes{}", options.output,
                   format_counted(result.totals.instructions, "instruction"),
                   format_counted(result.totals.data_accesses(), "data access", "data accesses"),
                   format_counted(counts.processes, "process", "processes"),
                   format_counted(counts.programs, "program"),
                   format_counted(counts.threads, "further thread"),
                   format_count(result.file_bytes), extra));
}

}  // namespace

void record(const Words& given) {
  Words words = given;
  Words command = take_command(words);
  Arguments arguments("record -o FILE.mmt [OPTIONS] -- PROGRAM [ARGUMENTS]", kHelp);
  arguments.options()("output,o", text_option("FILE"), "The trace to write.")(
      "isa", text_option("NAME"), "Refuse a program that is for another instruction set.")(
      "placement", text_option("NAME"),
      "Where mappings go: linux (top down, holes used again; the default) or qemu (QEMU's own).")(
      "level", text_option("N"),
      "zstd's level, 1 (fast) to 22 (small); 4 if not given, which is 5 where that gains much and "
      "3 elsewhere.")(
      "compressors", text_option("N"),
      "Threads that compress; as many as there are cores, at most 4, if not given. The file is the "
      "same.")("most-threads", text_option("N"),
               "Processes and threads that may live at one time (1024); more end the recording.")(
      "qemu-arg", boost::program_options::value<Words>()->composing()->value_name("ARG"),
      "An argument for the program's QEMU (-cpu, ...); may be given several times. ISA:ARG is for "
      "the QEMU of programs of another instruction set that it executes.")(
      "chunk", text_option("SIZE"),
      "Bytes of a chunk before it is compressed (16M). What a recorder that is killed has not "
      "written is at most the chunks being compressed and the last one.")(
      "quiet,q", "No progress and no summary on stderr.");
  Words isas;
  for (const record::Isa& isa : record::isas())
    isas.emplace_back(isa.name);
  arguments.offer("isa", isas);
  arguments.offer("placement", {"linux", "qemu"});
  declare_pages(arguments,
                "none, as making them takes up to half as long again as recording without");
  if (!arguments.parse(words)) return;
  const record::RecordOptions options = options_of(arguments, std::move(command));
  record::RecordResult result;
  {
    report::Progress progress(fmt::format("recording {}", options.output), "instructions",
                              progress_style(arguments));
    result = record::record(options, [&](uint64_t instructions, size_t processes) {
      progress.update(0, 0, instructions);
      progress.beside(fmt::format("{} so far, {}", format_count(instructions),
                                  format_counted(processes, "process", "processes")));
    });
  }
  say_what_is_missing(result);
  if (!arguments.has("quiet")) say_result(options, result);
  if (result.status != 0) throw ProgramStatus{result.status};
}

}  // namespace mmusim::cli
