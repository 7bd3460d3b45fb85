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
      "Turns the logs of another recorder into one trace. Several logs are several processes of "
      "one\nrecording.";
  for (const trace::Importer& importer : trace::importers())
    text += fmt::format("\n\n{}: {}\n\n{}", importer.name, importer.summary, importer.record);
  return text;
}

std::string help_of(const trace::Importer& importer) {
  return report::wrapped(fmt::format("{}: {}\n\n{}\n{}", importer.name, importer.summary,
                                     importer.record, importer.help),
                         report::kLineWidth) +
         "\n";
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
      "What the logs are ('mmusim list formats'); lackey if not given.")(
      "lenient", "Skip lines that cannot be understood, and count them, instead of stopping.")(
      "level", text_option("N"), "zstd's level, 1 (fast) to 22 (small).")("quiet,q",
                                                                          "No progress on stderr.");
  if (!arguments.parse(words)) return;
  if (arguments.has(kFormatHelp)) {
    print(help_of(importer_named(arguments.text(kFormatHelp), fmt::format("--{}", kFormatHelp))));
    return;
  }
  if (!arguments.has("output")) {
    throw UsageError("", "no output is named", "give -o FILE.mmt");
  }

  const trace::Importer& importer =
      importer_named(arguments.has("format") ? arguments.text("format") : "lackey", "--format");
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
    result = importer.import(arguments.texts("LOG"), arguments.text("output"), writer, options);
  }
  for (const std::string& warning : result.warnings)
    warn(warning);
  constexpr size_t kIndent = 4;
  print(report::beside(
      fmt::format("{}:", arguments.text("output")),
      fmt::format("{} instructions, {} data accesses, {} events from {} lines ({} skipped)",
                  format_count(result.totals.instructions),
                  format_count(result.totals.data_accesses()), format_count(result.totals.events),
                  format_count(result.input_lines), format_count(result.skipped_lines)),
      kIndent));
}

}  // namespace mmusim::cli
