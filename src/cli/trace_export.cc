// trace export: a trace in the format of another tool.
#include <fmt/format.h>

#include "base/error.h"
#include "base/units.h"
#include "cli/arguments.h"
#include "cli/formats.h"
#include "cli/log.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/trace_files.h"
#include "report/trace_tools_table.h"
#include "trace/exporter.h"

namespace mmusim::cli {
namespace {

std::string help_of_exporters() {
  std::string text = "Writes a trace in the format of another tool, one of\n";
  for (const trace::Exporter& exporter : trace::exporters())
    text += fmt::format("\n  {}: {}", exporter.name, exporter.summary);
  return text;
}

std::string help_of(const trace::Exporter& exporter) {
  config::Schema schema;
  exporter.declare(schema);
  return help_of_format(exporter.name, exporter.summary, exporter.help, schema);
}

}  // namespace

void trace_export(const Words& words) {
  Arguments arguments("trace export --format FORMAT TRACE -o FILE", help_of_exporters());
  arguments.positional("TRACE", 1);
  arguments.without_positional(kFormatHelp);
  for (const char* const option : {"format", kFormatHelp})
    arguments.offer(option, names_of(trace::exporters()));
  arguments.options()(kFormatHelp, text_option("FORMAT"),
                      "What becomes of a trace in a format, and what that cannot say.")(
      "output,o", text_option("FILE"), "The file to write.")("format,f", text_option("FORMAT"),
                                                             "The format to write.")(
      "accept-torn", "Take a torn trace, up to its last whole chunk.")("quiet,q",
                                                                       "No progress on stderr.");
  config::Schema schema;
  for (const trace::Exporter& exporter : trace::exporters())
    exporter.declare(schema);
  arguments.keys(schema);
  if (!arguments.parse(words)) return;
  if (arguments.has(kFormatHelp)) {
    print(help_of(format_named(trace::exporters(), arguments.text(kFormatHelp),
                               fmt::format("--{}", kFormatHelp))));
    return;
  }
  if (!arguments.has("format"))
    throw UsageError("", "no format is named", "give --format; --help lists them");
  const std::string& output = output_of(arguments, "FILE");

  const trace::Exporter& exporter =
      format_named(trace::exporters(), arguments.text("format"), "--format");
  config::Config keys(schema);
  arguments.apply_keys(keys);
  refuse_foreign_keys(keys, exporter.name, "export");
  const std::string& path = arguments.text("TRACE");
  trace::Reader reader(path, reader_options(arguments));
  const trace::ExportResult result =
      with_bytes_progress(arguments, fmt::format("exporting {}", path), [&](const auto& progress) {
        return exporter.write(reader, output, {.progress = progress}, keys);
      });
  show_remarks(result.warnings, result.remarks);
  // On stderr: the trace may be going to stdout.
  note(fmt::format("{}: {} {} of {}", output, format_count(result.output_records), exporter.unit,
                   report::totals_text(result.totals)));
}

}  // namespace mmusim::cli
