#include "trace/import/perf.h"

#include <algorithm>
#include <fmt/format.h>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/linux_abi.h"
#include "config/keys.h"
#include "trace/file_identity.h"
#include "trace/import/dinero.h"
#include "trace/import/line_reader.h"
#include "trace/import/perf_calls.h"
#include "trace/import/perf_line.h"
#include "trace/import/perf_trace.h"
#include "trace/import/perf_trace_line.h"
#include "trace/import/reference_stream.h"
#include "trace/import/text.h"
#include "trace/import/words.h"

namespace mmusim::trace {
namespace {

constexpr const char* kPerfRecord =
    R"(To record, with a PMU that gives addresses (perf mem), or page faults anywhere; system calls need
the rights to trace, as root has them:

    perf mem record -d -- COMMAND ARGS...
    perf record -d -c 1 \
        -e page-faults,raw_syscalls:sys_enter,raw_syscalls:sys_exit -- COMMAND
    perf script --show-mmap-events --show-task-events \
                -F pid,tid,time,event,addr,ip,trace > NAME.perf
    mmusim trace import --format perf NAME.perf -o NAME.mmt

What perf trace prints is read too, and says less: neither processes nor what an exec maps.

    perf trace -F all --syscalls --sort-events -o NAME.perf COMMAND ARGS...
)";

constexpr const char* kPerfHelp =
    R"(perf takes samples: of a program's references the trace has one in thousands, and no more can
be learnt from it than from a sample. What it says of page tables (areas, pages touched, system
calls) is of use; miss rates are not the program's.

What becomes of perf script's lines:
  - A sample is a data access of --perf.access_bytes, made by an instruction of
    --perf.instruction_bytes at its ip. Without an ip, or with one in the kernel, the thread's last
    instruction is executed again, or one is assumed at --perf.code.
  - The field data_src (put it between addr and ip) says whether it was a load or a store; else the
    event's name does, if "load", "ldlat" or "store" is in it. All others, as page faults, are taken
    for loads, or for fetches where address and ip are the same; they are counted.
  - Mappings (with -d also those of data) are mmaps at their addresses, comm events of an exec are
    execs, and tasks are forks and exits. Build ids (perf record --buildid-mmap) are kept.
  - System calls (raw_syscalls) that change memory are events with their arguments and results; a
    mapping that one makes is told once. They give forks their flags and exits their status, and
    wait4 is a wait. Numbers of calls are those of --perf.isa: x86_64, i386, aarch64 or arm.

What becomes of perf trace's lines:
  - The same calls are events; page faults are loads, where perf prints an address and not a place
    in a file, which is of memory without a file and of the stack.
  - A thread is of the process whose call made it, or a process of its own where that was not seen
    (perf trace -p, -a); where perf watches one thread alone it does not name it, and it is 1. A
    child of clone3 is taken for a thread if its first call is one that the C library begins threads
    with (rseq, set_robust_list), else for a process.
  - A process waited for that made no call to end itself was killed.
  - An exec has the thread's name, of at most 14 characters. Names of files are those that perf
    looked up; it does so late, and they can be another's.
  - Advice that perf has no name for is a call known by its name alone.

Left out, and counted: samples without an address, or of the kernel's addresses; mappings of the
kernel; changes of names; faults in files, and those of perf trace while a program is loaded. The
format does not tell:
  - Without system calls: munmap; a change of rights shows as a new mapping, which loses its pages;
    flags of clone (a thread shares memory, a process does not); statuses of exits (0).
  - The ISA: --perf.isa says it.
What has no addresses (summaries, perf report, samples of instructions alone) is not read.
)";

struct PerfOptions {
  std::string isa = "x86_64";
  unsigned access_bytes = 8;
  unsigned instruction_bytes = 4;
  uint64_t code = 0x400000;
  static const config::Keys<PerfOptions>& keys() {
    static const auto kKeys =
        config::Keys<PerfOptions>()
            .text("perf.isa", &PerfOptions::isa, "The ISA of the machine perf ran on.")
            .number("perf.access_bytes", &PerfOptions::access_bytes,
                    "Bytes of a sample's data access, up to the end of its 64-byte line.", 1, 64)
            .number("perf.instruction_bytes", &PerfOptions::instruction_bytes,
                    "Bytes of its instruction.", 1, kMaxInstructionBytes)
            .number("perf.code", &PerfOptions::code,
                    "Where the instruction lies that is assumed for samples without any.");
    return kKeys;
  }
};

constexpr uint64_t kCloneOfThread = abi::kCloneVm | abi::kCloneThread;
constexpr int32_t kSomeFd = 3;  // which it was is not told

constexpr std::string_view kOwnFile = "PERFILE2";  // how perf.data begins

// `begin`: of its first word.
bool is_summary(std::string_view text, size_t begin) {
  return begin == 1 && text[begin] == 'S' && text.starts_with(" Summary of events:");
}

class PerfImport {
 public:
  PerfImport(const std::string& path, Writer& writer, const ImportOptions& options,
             const PerfOptions& chosen)
      : path_(path),
        lines_(path, options, result_),
        chosen_(chosen),
        stream_(writer, chosen.code, chosen.instruction_bytes),
        trace_(stream_, chosen.access_bytes),
        calls_(stream_, chosen.isa) {}

  ImportResult run() {
    for (std::string_view text; lines_.next(text);) {
      size_t begin = 0;
      while (begin < text.size() && is_blank(text[begin]))
        ++begin;
      if (begin == text.size() || text[begin] == '#') continue;
      if (text.front() == kOwnFile.front() && text.starts_with(kOwnFile))
        throw Error(path_, "is a file of perf's own", "print it with perf script");
      if (summary_ || is_summary(text, begin)) {
        summary_ = true;
        ++others_;
        continue;
      }
      const char* problem = nullptr;
      // What the last line was, the next one is as a rule.
      if (std::optional<perf::Line> line; by_script_ && (line = perf::parse_line(text, &problem))) {
        problem = this->line(*line);
      } else if (const auto call = perf::parse_trace_line(text)) {
        by_script_ = false;
        problem = trace_.line(*call);
      } else if (!by_script_ && (line = perf::parse_line(text, &problem))) {
        by_script_ = true;
        problem = this->line(*line);
      }
      if (problem != nullptr) lines_.refuse(problem);
    }
    if (!stream_.used())
      throw Error(path_, "nothing in it has an address",
                  "'mmusim trace import --help-format perf' says how to record");
    stream_.add_remarks(result_.remarks);
    trace_.add_remarks(result_.remarks);
    calls_.add_remarks(result_.remarks);
    result_.remarks.push_back(
        {"samples, of which nobody says whether they read or write, taken "
         "for reads",
         unknown_});
    result_.remarks.push_back({"samples of the kernel's instructions", kernel_code_});
    result_.remarks.push_back({"samples without an address, left out", without_address_});
    result_.remarks.push_back({"samples of the kernel's addresses, left out", kernel_data_});
    result_.remarks.push_back(
        {"mappings that are of calls which are there too, left out", of_calls_});
    result_.remarks.push_back({"other records of perf's, left out", others_});
    if (samples_ != 0 || trace_.faults() != 0)
      result_.warnings.push_back(
          "These are samples, a small part of the program's references: miss rates are not the "
          "program's.");
    return std::move(result_);
  }

 private:
  static bool in_kernel(uint64_t address) { return address >> 63 != 0; }

  const char* line(const perf::Line& line) {
    if (line.event != event_) {
      if (line.event.starts_with("PERF_RECORD_")) return record(line);
      if (line.event == "raw_syscalls:sys_enter") return calls_.enter(line.thread, line.rest);
      if (line.event == "raw_syscalls:sys_exit") return calls_.exit(line.thread, line.rest);
      event_ = line.event;
      kind_ = perf::kind_of_event(event_);
    }
    const auto sample = perf::parse_sample(line, kind_);
    if (!sample) return "a sample without addresses (perf script -F pid,tid,time,event,addr,ip)";
    return this->sample(line.thread, *sample);
  }

  const char* record(const perf::Line& line) {
    if (line.event == "PERF_RECORD_MMAP" || line.event == "PERF_RECORD_MMAP2")
      return mapping(line.rest);
    if (line.event == "PERF_RECORD_COMM") return comm(line);
    if (line.event == "PERF_RECORD_FORK" || line.event == "PERF_RECORD_EXIT")
      return task(line.event.ends_with("FORK"), line.rest);
    ++others_;
    return nullptr;
  }

  const char* sample(ThreadId thread, const perf::Sample& sample) {
    ++samples_;
    if (sample.address == 0) {
      ++without_address_;
      return nullptr;
    }
    if (in_kernel(sample.address)) {
      ++kernel_data_;
      return nullptr;
    }
    stream_.thread(thread);
    const bool fetch =
        sample.kind == AccessKind::Fetch || (!sample.kind && sample.ip == sample.address);
    if (fetch) return stream_.instruction(sample.address, chosen_.instruction_bytes);
    if (sample.ip && *sample.ip != 0) {
      if (in_kernel(*sample.ip)) {
        ++kernel_code_;
      } else if (const char* problem = stream_.instruction(*sample.ip, chosen_.instruction_bytes)) {
        return problem;
      }
    }
    if (!sample.kind) ++unknown_;
    return stream_.access(sample.kind.value_or(AccessKind::Load), sample.address,
                          std::min(chosen_.access_bytes, bytes_in_line(sample.address)));
  }

  const char* mapping(std::string_view rest) {
    if (rest.starts_with(':')) rest.remove_prefix(1);
    const auto found = perf::parse_mapping(rest);
    if (!found) return "a mapping that makes no sense";
    if (found->kernel || in_kernel(found->start.value())) {
      ++others_;
      return nullptr;
    }
    // "//anon", "[heap]", "[stack]"; "[vdso]" is no file either.
    const bool anonymous = found->name.starts_with("//anon") || found->name.starts_with('[');
    if (calls_.tells_mapping(found->thread, anonymous ? "" : found->name)) {
      tell_build(*found);
      ++of_calls_;
      return nullptr;
    }
    MmapEvent event;
    event.hint = found->start;
    event.length = found->length;
    event.prot = found->prot;
    event.flags = (found->shared ? abi::kMapShared : abi::kMapPrivate) | abi::kMapFixed;
    if (anonymous) event.flags |= abi::kMapAnonymous;
    event.fd = anonymous ? -1 : kSomeFd;
    event.offset = anonymous ? 0 : found->offset;
    event.result = static_cast<int64_t>(found->start.value());
    if (!anonymous) event.file = found->name;
    stream_.thread(found->thread);
    stream_.event(event);
    tell_build(*found);
    return nullptr;
  }

  void tell_build(const perf::Mapping& mapping) {
    const MarkerEvent marker =
        marker_of({std::string(mapping.name), fmt::format("build-id:{}", mapping.build_id)});
    if (!file_identity_of(marker)) return;  // there is none
    stream_.thread(mapping.thread);
    stream_.event(marker);
  }

  // "PERF_RECORD_COMM exec: NAME:PID/TID", or without "exec" a change of a name.
  const char* comm(const perf::Line& line) {
    std::string_view rest = line.rest;
    if (rest.starts_with(':')) {
      ++others_;
      return nullptr;
    }
    if (next_word(rest) != "exec:") return "a comm event that makes no sense";
    const size_t colon = rest.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return "a comm event that makes no sense";
    stream_.thread(line.thread);
    stream_.event(
        ExecEvent{std::string(rest.substr(1, colon - 1)), {}, {}, VirtAddr(0), VirtAddr(0)});
    return nullptr;
  }

  const char* task(bool fork, std::string_view rest) {
    const auto task = perf::parse_task(rest);
    if (!task) return "a fork or exit that makes no sense";
    const bool of_thread = task->thread.pid == task->parent.pid;
    if (fork) {
      const uint64_t flags =
          calls_.fork(task->parent, of_thread)
              .value_or(of_thread ? kCloneOfThread : uint64_t{abi::kSignalChild});
      stream_.thread(task->parent);
      stream_.event(ForkEvent{task->thread, flags, (flags & abi::kCloneVm) != 0});
    } else {
      const bool whole = task->thread.pid.value() == task->thread.tid.value();
      stream_.thread(task->thread);
      stream_.event(ExitEvent{calls_.ended(task->thread, whole), whole});
    }
    return nullptr;
  }

  const std::string& path_;
  ImportResult result_;
  LineReader lines_;
  const PerfOptions& chosen_;
  ReferenceStream stream_;
  perf::TraceImport trace_;
  perf::ScriptCalls calls_;
  bool by_script_ = true;           // the last line was perf script's
  bool summary_ = false;            // what follows is perf trace's summary
  std::string event_;               // of the last sample
  std::optional<AccessKind> kind_;  // that its name tells
  uint64_t of_calls_ = 0;
  uint64_t samples_ = 0;
  uint64_t unknown_ = 0;
  uint64_t kernel_code_ = 0;
  uint64_t kernel_data_ = 0;
  uint64_t without_address_ = 0;
  uint64_t others_ = 0;
};

ImportResult import_perf(std::span<const std::string> paths, const std::string& output,
                         const WriterOptions& writer_options, const ImportOptions& options,
                         const config::Config& keys) {
  const std::string& path = single_input(paths, "perf");
  const PerfOptions chosen = PerfOptions::keys().read(keys);
  Header header;
  header.isa = chosen.isa;
  header.program = path;
  header.recorder = "perf";
  header.notes =
      "Imported from samples of perf's: most references are not in it; sizes are assumed; without "
      "system calls, munmap is not told.";
  Writer writer(output, header, writer_options);
  ImportResult result = PerfImport(path, writer, options, chosen).run();
  finish_import(writer, result, path, "perf", true);
  return result;
}

// It is perf's own file, or the first line that is no comment is one of perf script's, with
// PID/TID, or of perf trace's.
bool recognises_perf(const std::string& path) {
  if (start_of_content(path, kOwnFile.size()) == kOwnFile) return true;
  const std::string lines = first_lines(path);
  // A program may call itself anything, so that a line of another format could be perf script's.
  if (lines.starts_with("==") || begins_plain_text(lines) || begins_dinero(lines)) return false;
  std::string_view left = lines;
  while (!left.empty()) {
    const std::string_view line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(left.size(), line.size() + 1));
    std::string_view rest = line;
    const std::string_view first = next_word(rest);
    if (first.empty() || first.starts_with('#')) continue;
    const char* problem = nullptr;
    return is_summary(line, line.find(first)) || perf::parse_trace_line(line).has_value() ||
           perf::parse_line(line, &problem).has_value();
  }
  return false;
}

}  // namespace

const Importer kPerfImporter = {
    .name = "perf",
    .summary = "perf script's samples, tasks and system calls; perf trace's calls",
    .unit = "lines",
    .record = kPerfRecord,
    .help = kPerfHelp,
    .recognises = recognises_perf,
    .declare = [](config::Schema& schema) { PerfOptions::keys().declare(schema); },
    .import = import_perf,
};

}  // namespace mmusim::trace
