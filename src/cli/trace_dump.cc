// trace dump: the records of a trace as text.
#include <algorithm>
#include <cstdint>
#include <fmt/format.h>
#include <limits>
#include <optional>
#include <string_view>

#include "base/append_format.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/output_file.h"
#include "base/units.h"
#include "cli/arguments.h"
#include "cli/output.h"
#include "cli/trace_files.h"
#include "cli/trace_part.h"
#include "config/nearest.h"
#include "stats/results.h"
#include "trace/dump.h"
#include "trace/event_text.h"

namespace mmusim::cli {
namespace {

uint32_t parse_id(const std::string& option, const std::string& text, std::string_view id,
                  const char* form) {
  const auto value = parse_size(id);
  if (!value || *value > std::numeric_limits<uint32_t>::max())
    throw UsageError("--" + option, fmt::format("'{}' is not a {}", text, option),
                     fmt::format("write {}", form));
  return static_cast<uint32_t>(*value);
}

// "PID" or "PID/TID".
trace::ThreadId parse_thread(const std::string& text) {
  const size_t slash = text.find('/');
  const std::string_view pid = std::string_view(text).substr(0, slash);
  const std::string_view tid =
      slash == std::string::npos ? pid : std::string_view(text).substr(slash + 1);
  return {Pid(parse_id("thread", text, pid, "PID or PID/TID")),
          Tid(parse_id("thread", text, tid, "PID or PID/TID"))};
}

// "ADDRESS" or "FIRST-LAST", both included.
trace::AddressSpan parse_addresses(const std::string& text) {
  const size_t dash = text.find('-');
  const auto first = parse_size(std::string_view(text).substr(0, dash));
  const auto last =
      dash == std::string::npos ? first : parse_size(std::string_view(text).substr(dash + 1));
  if (!first || !last)
    throw UsageError("--addresses", fmt::format("'{}' is no range of addresses", text),
                     "write 0xFIRST-0xLAST, or one address");
  if (*first > *last)
    throw UsageError("--addresses", fmt::format("'{}' ends before it begins", text),
                     "write 0xFIRST-0xLAST");
  return {VirtAddr(*first), VirtAddr(*last)};
}

trace::KindSet parse_kinds(const Words& names) {
  trace::KindSet kinds = 0;
  for (const std::string& name : names) {
    const trace::KindSet one = name == "events" ? trace::kAllEvents : trace::kind_named(name);
    if (one == 0) {
      const std::string hint = config::suggestion(name, trace::kind_names());
      throw UsageError("--kinds", fmt::format("unknown kind '{}'", name),
                       hint.empty() ? "'mmusim trace dump --help' lists them" : hint);
    }
    kinds |= one;
  }
  return kinds;
}

trace::DumpOptions options_of(const Arguments& arguments) {
  trace::DumpOptions options;
  options.skip = arguments.number("skip", options.skip);
  options.limit = arguments.number("limit", options.limit);
  if (arguments.has("kinds")) options.kinds = parse_kinds(arguments.list("kinds"));
  if (arguments.has("events")) options.kinds &= trace::kAllEvents;
  if (options.kinds == 0)
    throw UsageError("--events", "--kinds names no event", "give one of the two");
  if (arguments.has("thread")) options.thread = parse_thread(arguments.text("thread"));
  if (arguments.has("pid"))
    options.pid = Pid(parse_id("pid", arguments.text("pid"), arguments.text("pid"), "a number"));
  if (arguments.has("tid"))
    options.tid = Tid(parse_id("tid", arguments.text("tid"), arguments.text("tid"), "a number"));
  options.instructions = instruction_range(arguments);
  if (arguments.has("addresses")) options.addresses = parse_addresses(arguments.text("addresses"));
  options.numbered = arguments.has("numbers");
  return options;
}

// A record a row; of events all but the kind in one field.
void append_csv(fmt::memory_buffer& out, const trace::DumpRecord& record) {
  append_format(out, "{},{},{},", record.number, record.thread.pid.value(),
                record.thread.tid.value());
  if (record.event == nullptr) {
    append_format(out, "{},{:#x},{},", name_of(record.kind), record.address.value(), record.bytes);
    return;
  }
  fmt::memory_buffer fields;
  trace::write_fields(fields, *record.event);
  const std::string_view text(fields.data(), fields.size());
  append_format(out, "{},,,{}", trace::name_of(*record.event),
                stats::csv_field(text.substr(std::min<size_t>(1, text.size()))));
}

// Where records go line by line, so that a trace of any length may be written: the file an option
// names, or standard output.
class LineOutput {
 public:
  using Append = void (*)(fmt::memory_buffer&, const trace::DumpRecord&);
  // `head` comes before the first line. Errors: as OutputFile and print().
  LineOutput(const std::string& path, std::string_view head, Append append) : append_(append) {
    if (path != "-") file_.emplace(path);
    write(head);
  }
  void record(const trace::DumpRecord& record) {
    line_.clear();
    append_(line_, record);
    line_.push_back('\n');
    write({line_.data(), line_.size()});
  }
  void commit() {
    if (file_) file_->commit();
  }

 private:
  void write(std::string_view text) {
    if (file_)
      file_->write(text);
    else
      print(text);
  }

  Append append_;
  std::optional<OutputFile> file_;
  fmt::memory_buffer line_;
};

void write_data(trace::Reader& reader, const trace::DumpOptions& options,
                const Arguments& arguments) {
  const auto to_stdout = [&](const char* option) {
    return arguments.has(option) && arguments.text(option) == "-";
  };
  if (to_stdout("json") && to_stdout("csv"))
    throw UsageError("--csv", "both --json and --csv would go to stdout",
                     "give one of them a file");
  std::optional<LineOutput> json;
  std::optional<LineOutput> csv;
  if (arguments.has("json")) json.emplace(arguments.text("json"), "", trace::append_json);
  if (arguments.has("csv"))
    csv.emplace(arguments.text("csv"), "instruction,pid,tid,kind,address,bytes,event\n",
                append_csv);
  trace::select_records(
      reader, options,
      [&](const trace::DumpRecord& record) {
        if (json) json->record(record);
        if (csv) csv->record(record);
        check_interrupt();
        return true;
      },
      check_interrupt);
  if (json) json->commit();
  if (csv) csv->commit();
}

}  // namespace

void trace_dump(const Words& words) {
  Arguments arguments(
      "trace dump TRACE [options]",
      fmt::format("Prints the records of a trace: instructions, data accesses and events. Filters "
                  "may be combined; a\nrecord is printed if all want it.\n\nKinds: {}.\n\n"
                  "A JSON object has instruction, pid, tid and kind; of an instruction or data "
                  "access also address and bytes, of an event also event, an object of its fields. "
                  "Addresses are strings (\"0x401000\"), and so are rights (\"rw-\").",
                  fmt::join(trace::kind_names(), ", ")));
  arguments.positional("TRACE", 1);
  arguments.options()("events", "Events alone, without instructions and data accesses.")(
      "kinds", text_option("LIST"),
      "Records of these kinds, with commas between them; 'events' are all events.")(
      "pid", text_option("PID"), "Records of this process alone.")(
      "tid", text_option("TID"), "Records of threads with this id alone.")(
      "thread", text_option("PID[/TID]"), "Records of this thread alone.")(
      "addresses", text_option("FIRST-LAST"),
      "Accesses that touch a byte of these addresses (both included), and events that are about "
      "such memory.");
  Words kinds{"events"};
  for (const std::string_view kind : trace::kind_names())
    kinds.emplace_back(kind);
  arguments.offer("kinds", kinds);
  declare_instruction_range(arguments);
  arguments.options()("numbers", "Begin each line with the number of its instruction.")(
      "skip", text_option("N"), "Leave out the first N lines.")("limit", text_option("N"),
                                                                "Print at most N lines.")(
      "json", text_option("FILE"),
      "Write a JSON object for each record instead, each on a line of its own; - for stdout.")(
      "csv", text_option("FILE"), "Write a row for each record instead; - for stdout.")(
      "accept-torn", "Read a torn trace up to its last whole chunk.");
  if (!arguments.parse(words)) return;

  const trace::DumpOptions options = options_of(arguments);
  trace::Reader reader(arguments.text("TRACE"), reader_options(arguments));
  check_range(reader, options.instructions, arguments.text("TRACE"));
  if (arguments.has("json") || arguments.has("csv")) return write_data(reader, options, arguments);
  trace::dump(
      reader, options,
      [](std::string_view line) {
        print(line);
        print("\n");
        check_interrupt();
        return true;
      },
      check_interrupt);
}

}  // namespace mmusim::cli
