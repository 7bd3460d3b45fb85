// trace import: logs of other tools, as traces.
#include <algorithm>
#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/units.h"
#include "cli/arguments.h"
#include "cli/log.h"
#include "cli/output.h"
#include "config/nearest.h"
#include "report/progress.h"
#include "report/wrap.h"
#include "trace/importer.h"

namespace mmusim::cli {
namespace {

constexpr uint64_t kMostLevel = 22;  // zstd's

// Which format the files are of, by their content.
const trace::Importer& importer_of(const Words& paths) {
  const trace::Importer* found = nullptr;
  std::string found_in;
  for (const std::string& path : paths) {
    const auto all = trace::importers();
    const auto importer = std::find_if(
        all.begin(), all.end(), [&](const trace::Importer& one) { return one.recognises(path); });
    if (importer == all.end()) {
      throw Error(path, "is of no format that is told by its content",
                  "name it with --format; 'mmusim list formats' shows what there is");
    }
    if (found != nullptr && found != &*importer) {
      throw Error(path,
                  fmt::format("is of format {}, and {} is of format {}", importer->name, found_in,
                              found->name),
                  "import each by itself");
    }
    if (found == nullptr) found_in = path;
    found = &*importer;
  }
  MMUSIM_ASSERT(found != nullptr);
  return *found;
}

// Keys of other formats would do nothing.
void refuse_foreign_keys(const config::Config& keys, const trace::Importer& importer) {
  for (const config::Key& key : keys.schema().keys()) {
    if (key.name.starts_with(fmt::format("{}.", importer.name))) continue;
    if (keys.origin(key.name) == "default") continue;
    throw UsageError(keys.place_of(key.name),
                     fmt::format("is not a key of format {}", importer.name),
                     fmt::format("see 'mmusim trace import --help-format {}'", importer.name));
  }
}

const trace::Importer& importer_named(const std::string& name, const std::string& option) {
  Words names;
  for (const trace::Importer& importer : trace::importers()) {
    if (name == importer.name) return importer;
    names.emplace_back(importer.name);
  }
  const std::string hint = config::suggestion(name, names);
  throw UsageError(option, fmt::format("unknown format '{}'", name),
                   hint.empty() ? "'mmusim list formats' shows what there is" : hint);
}

constexpr const char* kFormatHelp = "help-format";

std::string help_of_formats() {
  std::string text =
      "Turns what another recorder wrote into one trace. Several logs are several processes or "
      "threads\nof one recording.";
  for (const trace::Importer& importer : trace::importers())
    text += fmt::format("\n\n{}: {}\n\n{}", importer.name, importer.summary, importer.record);
  return text;
}

std::string help_of(const trace::Importer& importer) {
  config::Schema schema;
  importer.declare(schema);
  std::string keys;
  constexpr size_t kKeyIndent = 6;
  for (const config::Key& key : schema.keys())
    keys += report::beside(fmt::format("  --{} ({}):", key.name,
                                       key.default_value.empty() ? "not set" : key.default_value),
                           key.help, kKeyIndent) +
            "\n";
  if (!keys.empty()) keys = "\nOptions, with their defaults:\n" + keys;
  return report::wrapped(fmt::format("{}: {}\n\n{}\n{}", importer.name, importer.summary,
                                     importer.record, importer.help),
                         report::kLineWidth) +
         "\n" + keys;
}

}  // namespace

void trace_import(const Words& words) {
  Arguments arguments("trace import [--format NAME] LOG... -o FILE.mmt", help_of_formats());
  arguments.positional("LOG", -1);
  arguments.without_positional(kFormatHelp);
  arguments.options()(kFormatHelp, text_option("NAME"),
                      "What becomes of the logs of a format, and what they do not tell.")(
      "output,o", text_option("FILE"), "The trace to write.")(
      "format,f", text_option("NAME"),
      "What the logs are ('mmusim list formats'); told by their content if not given.")(
      "lenient", "Skip records that cannot be understood, and count them, instead of stopping.")(
      "level", text_option("N"), "zstd's level, 1 (fast) to 22 (small).")("quiet,q",
                                                                          "No progress on stderr.");
  config::Schema schema;
  for (const trace::Importer& importer : trace::importers())
    importer.declare(schema);
  arguments.keys(schema);
  if (!arguments.parse(words)) return;
  if (arguments.has(kFormatHelp)) {
    print(help_of(importer_named(arguments.text(kFormatHelp), fmt::format("--{}", kFormatHelp))));
    return;
  }
  if (!arguments.has("output")) {
    throw UsageError("", "no output is named", "give -o FILE.mmt");
  }

  const trace::Importer& importer = arguments.has("format")
                                        ? importer_named(arguments.text("format"), "--format")
                                        : importer_of(arguments.texts("LOG"));
  config::Config keys(schema);
  arguments.apply_keys(keys);
  refuse_foreign_keys(keys, importer);
  trace::WriterOptions writer;
  const uint64_t level = arguments.number("level", static_cast<uint64_t>(writer.zstd_level));
  if (level < 1 || level > kMostLevel) {
    throw UsageError("--level", fmt::format("{} is out of range (it takes 1 to 22)", level));
  }
  writer.zstd_level = static_cast<int>(level);

  trace::ImportResult result;
  {
    report::Progress progress("importing", "bytes",
                              arguments.has("quiet") ? report::Progress::Style::None
                                                     : report::Progress::style_for_stderr());
    trace::ImportOptions options;
    options.strict = !arguments.has("lenient");
    options.progress = [&](uint64_t done, uint64_t total) {
      check_interrupt();
      progress.update(done, total, done);
    };
    result =
        importer.import(arguments.texts("LOG"), arguments.text("output"), writer, options, keys);
  }
  for (const std::string& warning : result.warnings)
    warn(warning);
  for (const trace::Remark& remark : result.remarks)
    if (remark.count != 0) note(fmt::format("{}: {}", remark.text, format_count(remark.count)));
  constexpr size_t kIndent = 4;
  print(report::beside(
      fmt::format("{}:", arguments.text("output")),
      fmt::format("{} instructions, {} data accesses, {} events from {} {} ({} skipped)",
                  format_count(result.totals.instructions),
                  format_count(result.totals.data_accesses()), format_count(result.totals.events),
                  format_count(result.input_records), importer.unit,
                  format_count(result.skipped_records)),
      kIndent));
}

}  // namespace mmusim::cli
