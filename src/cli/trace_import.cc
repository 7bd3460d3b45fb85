// trace import: logs of other tools, as traces.
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/units.h"
#include "cli/arguments.h"
#include "cli/formats.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/trace_files.h"
#include "record/imported_files.h"
#include "report/trace_tools_table.h"
#include "report/wrap.h"
#include "trace/format.h"
#include "trace/import/byte_source.h"
#include "trace/importer.h"

namespace mmusim::cli {
namespace {

constexpr uint64_t kMostLevel = 22;  // zstd's

// Which format the files are of, by their content.
const trace::Importer& importer_of(const Words& paths) {
  const trace::Importer* found = nullptr;
  std::string found_in;
  for (const std::string& path : paths) {
    // Looking at the start of a pipe takes it away.
    std::error_code ignored;
    const auto status = std::filesystem::status(path, ignored);
    if (std::filesystem::is_fifo(status) || std::filesystem::is_character_file(status) ||
        std::filesystem::is_socket(status)) {
      throw UsageError(path,
                       "its format cannot be told by its content, as it can be read only once",
                       "name it with --format; 'mmusim list formats' shows what there is");
    }
    const auto all = trace::importers();
    const auto importer = std::find_if(
        all.begin(), all.end(), [&](const trace::Importer& one) { return one.recognises(path); });
    if (importer == all.end()) {
      const std::string_view own(reinterpret_cast<const char*>(trace::kFileMagic.data()),
                                 trace::kFileMagic.size());
      if (trace::start_of_content(path, own.size()) == own)
        throw Error(path, "is a trace already, and need not be imported");
      if (trace::is_compressed_twice(path))
        throw Error(path, "is compressed twice", "decompress it once");
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

std::string help_of_formats() {
  std::string text =
      "Turns what another recorder wrote into one trace. Several logs are several processes or "
      "threads\nof one recording. Formats ('mmusim trace import --help-format NAME' says how to "
      "record, and\nwhat becomes of it):\n";
  for (const trace::Importer& importer : trace::importers())
    text += fmt::format("\n  {:<10} {}", importer.name, importer.summary);
  return text;
}

std::string help_of(const trace::Importer& importer) {
  config::Schema schema;
  importer.declare(schema);
  return help_of_format(importer.name, importer.summary,
                        fmt::format("{}\n{}", importer.record, importer.help), schema);
}

// --files.
std::optional<std::string> files_of(const Arguments& arguments) {
  if (!arguments.has("files")) return std::nullopt;
  const std::string& root = arguments.text("files");
  std::error_code ignored;
  if (!std::filesystem::is_directory(root, ignored))
    throw UsageError("--files", fmt::format("{} is no folder", root));
  return root;
}

}  // namespace

void trace_import(const Words& words) {
  Arguments arguments("trace import [--format FORMAT] FILE... -o FILE.mmt", help_of_formats());
  arguments.positional("FILE", -1);
  arguments.without_positional(kFormatHelp);
  for (const char* const option : {"format", kFormatHelp})
    arguments.offer(option, names_of(trace::importers()));
  arguments.options()(
      kFormatHelp, text_option("FORMAT"),
      "How to record logs of a format, what becomes of them, and what they do not tell.")(
      "output,o", text_option("FILE"), "The trace to write.")(
      "format,f", text_option("FORMAT"),
      "What the logs are ('mmusim list formats'); told by their content if not given.")(
      "files", text_option("DIR"),
      "Where the files are that the logs name, as they were recorded: a folder, / for here. The "
      "trace says which builds they are, for 'profile'.")(
      "lenient", "Skip records that cannot be understood, and count them, instead of stopping.")(
      "level", text_option("N"), "zstd's level, 1 (fast) to 22 (small).")("quiet,q",
                                                                          "No progress on stderr.");
  declare_pages(
      arguments,
      "what a shipped machine of the instruction set needs at least: sets for x86_64, any for "
      "others that have machines");
  config::Schema schema;
  for (const trace::Importer& importer : trace::importers())
    importer.declare(schema);
  arguments.keys(schema);
  if (!arguments.parse(words)) return;
  if (arguments.has(kFormatHelp)) {
    print(help_of(format_named(trace::importers(), arguments.text(kFormatHelp),
                               fmt::format("--{}", kFormatHelp))));
    return;
  }
  const std::string& output = output_of(arguments);
  trace::WriterOptions writer;
  writer.zstd_level = static_cast<int>(
      arguments.number("level", static_cast<uint64_t>(writer.zstd_level), 1, kMostLevel));
  choose_pages(arguments, writer);

  const trace::Importer& importer =
      arguments.has("format")
          ? format_named(trace::importers(), arguments.text("format"), "--format")
          : importer_of(arguments.texts("FILE"));
  config::Config keys(schema);
  arguments.apply_keys(keys);
  refuse_foreign_keys(keys, importer.name, "import");

  record::ImportedFiles files(files_of(arguments), arguments.texts("FILE"));
  const std::function told_behind = [&files](const trace::Event& event) {
    return files.told_behind(event);
  };
  writer.told_behind = &told_behind;
  std::function<std::optional<symbols::Image>(const std::string&)> image_of;
  if (arguments.has("files"))
    image_of = [&files](const std::string& path) { return files.image_of(path); };
  trace::ImportResult result =
      with_bytes_progress(arguments, "importing", [&](const auto& progress) {
        return importer.import(
            arguments.texts("FILE"), output, writer,
            {.strict = !arguments.has("lenient"), .progress = progress, .image_of = image_of},
            keys);
      });
  for (std::string& warning : files.warnings())
    result.warnings.push_back(std::move(warning));
  result.remarks.push_back(
      {.text = "files mapped as code known by their path alone, of any build (--files)",
       .count = files.known_by_path()});
  show_remarks(result.warnings, result.remarks);
  constexpr size_t kIndent = 4;
  print(report::beside(fmt::format("{}:", output),
                       fmt::format("{} from {} {} ({} skipped)", report::totals_text(result.totals),
                                   format_count(result.input_records), importer.unit,
                                   format_count(result.skipped_records)),
                       kIndent));
}

}  // namespace mmusim::cli
