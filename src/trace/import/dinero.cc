#include "trace/import/dinero.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <utility>

#include "base/error.h"
#include "config/keys.h"
#include "trace/import/line_reader.h"
#include "trace/import/reference_stream.h"
#include "trace/import/text.h"
#include "trace/import/words.h"

namespace mmusim::trace {
namespace {

constexpr const char* kDineroRecord =
    R"(Traces in the "din" format of the cache simulator Dinero, or its extended form:

    2 401000          r 7ffe0010 8
    0 7ffe0010        i 401000 4
    mmusim trace import --format dinero NAME.din -o NAME.mmt
)";

constexpr const char* kDineroHelp =
    R"(A line is a label and an address in hexadecimal, with 0x or without; what follows is a comment.
Label 0 is a read, 1 a write, 2 an instruction fetch. In the extended form the label is r, w, i or m
(a read), and a size in hexadecimal follows. A file has lines of one form, as its first line is.

Left out, and counted: labels 3 (unknown) and 4 (flush the cache), c (copy back) and v (invalidate).

What the format does not tell:
  - Sizes, in the short form: --dinero.access_bytes and --dinero.instruction_bytes are assumed. A
    data access whose size is assumed ends at the end of its 64-byte line at the latest.
  - Processes, threads, system calls and mappings: it is one process, whose areas are implied by a
    replay as they are touched. The ISA: --dinero.isa says it.
  - In a trace of data alone, the instructions: one is assumed, at --dinero.code, and executed once.
)";

struct DineroOptions {
  std::string isa = "x86_64";
  unsigned access_bytes = 4;
  unsigned instruction_bytes = 4;
  uint64_t code = 0x400000;
  static const config::Keys<DineroOptions>& keys() {
    static const auto kKeys =
        config::Keys<DineroOptions>()
            .text("dinero.isa", &DineroOptions::isa, "The ISA that the trace is of.")
            .number("dinero.access_bytes", &DineroOptions::access_bytes,
                    "Bytes of a read or write whose size is not told.", 1, 64)
            .number("dinero.instruction_bytes", &DineroOptions::instruction_bytes,
                    "Bytes of an instruction whose size is not told.", 1, kMaxInstructionBytes)
            .number("dinero.code", &DineroOptions::code,
                    "Where the instruction lies that is assumed for data accesses without any.");
    return kKeys;
  }
};

std::optional<uint64_t> din_number(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  return whole_number(text, 16);
}

bool is_short_label(std::string_view word) {
  return word.size() == 1 && word[0] >= '0' && word[0] <= '4';
}
bool is_long_label(std::string_view word) {
  constexpr std::string_view kLabels = "rwimcvRWIMCV";
  return word.size() == 1 && kLabels.find(word[0]) != std::string_view::npos;
}

class DineroImport {
 public:
  DineroImport(const std::string& path, Writer& writer, const ImportOptions& options,
               const DineroOptions& chosen)
      : lines_(path, options, result_),
        chosen_(chosen),
        stream_(writer, chosen.code, chosen.instruction_bytes) {
    stream_.thread({Pid(1), Tid(1)});
    stream_.event(ExecEvent{base_name(path), {}, {}, VirtAddr(0), VirtAddr(0)});
  }

  ImportResult run() {
    for (std::string_view text; lines_.next(text);)
      line(text);
    stream_.add_remarks(result_.remarks);
    result_.remarks.push_back({"reads and writes whose sizes are assumed", assumed_});
    result_.remarks.push_back({"instructions whose sizes are assumed", assumed_instructions_});
    result_.remarks.push_back({"flushes and the like, left out", left_out_});
    return std::move(result_);
  }

 private:
  enum class Form : uint8_t { Unknown, Short, Long };

  void line(std::string_view text) {
    std::string_view rest = text;
    const std::string_view label = next_word(rest);
    if (label.empty()) return;
    const Form form = is_short_label(label)  ? Form::Short
                      : is_long_label(label) ? Form::Long
                                             : Form::Unknown;
    if (form == Form::Unknown)
      return lines_.refuse(fmt::format("'{}' is no label", label.substr(0, 100)));
    if (form_ == Form::Unknown) form_ = form;
    if (form != form_) return lines_.refuse("a line of the other form than the lines before");
    const std::string_view where = next_word(rest);
    const auto address = din_number(where);
    if (!address)
      return lines_.refuse(fmt::format("'{}' is no address in hexadecimal", where.substr(0, 100)));
    const char* const problem =
        form == Form::Short ? short_line(label[0], *address) : long_line(label[0], *address, rest);
    if (problem != nullptr) lines_.refuse(problem);
  }

  const char* short_line(char label, uint64_t address) {
    if (label > '2') {
      ++left_out_;
      return nullptr;
    }
    if (label == '2') {
      ++assumed_instructions_;
      return stream_.instruction(address, chosen_.instruction_bytes);
    }
    ++assumed_;
    const uint64_t bytes = std::min(chosen_.access_bytes, bytes_in_line(address));
    return stream_.access(label == '0' ? AccessKind::Load : AccessKind::Store, address, bytes);
  }

  const char* long_line(char label, uint64_t address, std::string_view rest) {
    const auto bytes = din_number(next_word(rest));
    if (!bytes) return "a size in hexadecimal is missing";
    switch (label | 0x20) {
      case 'i':
        return stream_.instruction(address, *bytes);
      case 'r':
      case 'm':
        return stream_.access(AccessKind::Load, address, *bytes);
      case 'w':
        return stream_.access(AccessKind::Store, address, *bytes);
      default:
        ++left_out_;
        return nullptr;
    }
  }

  ImportResult result_;
  LineReader lines_;
  const DineroOptions& chosen_;
  ReferenceStream stream_;
  Form form_ = Form::Unknown;
  uint64_t assumed_ = 0;
  uint64_t assumed_instructions_ = 0;
  uint64_t left_out_ = 0;
};

ImportResult import_dinero(std::span<const std::string> paths, const std::string& output,
                           const WriterOptions& writer_options, const ImportOptions& options,
                           const config::Config& keys) {
  const std::string& path = single_input(paths, "dinero");
  const DineroOptions chosen = DineroOptions::keys().read(keys);
  Header header;
  header.isa = chosen.isa;
  header.program = base_name(path);
  header.recorder = "a trace for Dinero";
  header.notes = "Imported from a trace for Dinero: there are no system calls and areas.";
  Writer writer(output, header, writer_options);
  ImportResult result = DineroImport(path, writer, options, chosen).run();
  if (result.input_records == 0) throw Error(path, "is empty");
  finish_import(writer, result, path, "dinero");
  return result;
}

}  // namespace

// Plain text, too, may begin with two numbers.
bool begins_dinero(std::string_view lines) {
  if (begins_plain_text(lines)) return false;
  size_t found = 0;
  while (!lines.empty()) {
    std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    const std::string_view label = next_word(line);
    if (label.empty()) continue;
    if (!din_number(next_word(line))) return false;
    if (!is_short_label(label) && (!is_long_label(label) || !din_number(next_word(line))))
      return false;
    ++found;
  }
  return found != 0;
}

const Importer kDineroImporter = {
    .name = "dinero",
    .summary = "traces of the cache simulator Dinero (din), short and extended",
    .unit = "lines",
    .record = kDineroRecord,
    .help = kDineroHelp,
    .recognises = [](const std::string& path) { return begins_dinero(first_lines(path)); },
    .declare = [](config::Schema& schema) { DineroOptions::keys().declare(schema); },
    .import = import_dinero,
};

}  // namespace mmusim::trace
