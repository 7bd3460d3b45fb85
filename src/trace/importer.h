// What an importer is: it turns what some other recorder wrote into one trace. Registry:
// importers.cc.
#ifndef MMUSIM_TRACE_IMPORTER_H_
#define MMUSIM_TRACE_IMPORTER_H_

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/schema.h"
#include "symbols/image.h"
#include "trace/remark.h"
#include "trace/writer.h"

namespace mmusim::trace {

struct ImportResult {
  Totals totals;
  uint64_t input_records = 0;  // in the importer's unit
  uint64_t input_bytes = 0;    // uncompressed
  // Those of other tools or the program itself, recognised as not the recorder's; with `strict` off
  // also those that cannot be understood.
  uint64_t skipped_records = 0;
  std::vector<Remark> remarks;        // those with a count of 0 are not shown
  std::vector<std::string> warnings;  // each a complete sentence
};

struct ImportOptions {
  bool strict =
      true;  // a record that cannot be understood is an Error; otherwise it is counted as skipped
  std::function<void(uint64_t bytes_done, uint64_t bytes_total)>
      progress;  // compressed bytes; may be empty
  // The program or loader that stood at a path when it was recorded; nothing: not known. Empty:
  // nobody has the files.
  std::function<std::optional<symbols::Image>(const std::string& path)> image_of;
};

struct Importer {
  const char* name;     // "lackey"
  const char* summary;  // one line for `list formats`
  const char* unit;     // what the input consists of: "lines", "records"
  const char* record;   // how to make a recording: a few lines
  const char* help;     // what to mind, and what the format does not tell
  // Whether the file at `path` looks like this format's, from how it begins. No two importers
  // recognise one file. Errors: Error when it cannot be read.
  bool (*recognises)(const std::string& path);
  // Declares its keys, which all begin with its name and a dot.
  void (*declare)(config::Schema& schema);
  // Reads `inputs` (plain or compressed, told by their content) and writes the trace at `output`,
  // which appears only if all went well. REQUIRES: `keys` is of a schema that declare() filled.
  // Errors: Error naming file and place; UsageError for keys that do not go together.
  ImportResult (*import)(std::span<const std::string> inputs, const std::string& output,
                         const WriterOptions& writer, const ImportOptions& options,
                         const config::Config& keys);
};

std::span<const Importer> importers();

// For importers, at their end: finishes the trace, whose totals are the result's then. Errors:
// Error naming `input` where nothing came of it that a replay could do: no instruction, nor, where
// `events_do` (those of the input, not the importer's own), an event.
void finish_import(Writer& writer, ImportResult& result, const std::string& input,
                   const char* format, bool events_do = false);

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORTER_H_
