// What an exporter is: it writes a trace in the format of some other tool. Registry:
// export/exporters.cc.
#ifndef MMUSIM_TRACE_EXPORTER_H_
#define MMUSIM_TRACE_EXPORTER_H_

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "config/schema.h"
#include "trace/reader.h"
#include "trace/remark.h"

namespace mmusim::trace {

struct ExportResult {
  Totals totals;                // of what was written
  uint64_t output_records = 0;  // in the exporter's unit
  uint64_t output_bytes = 0;
  std::vector<Remark> remarks;        // those with a count of 0 are not shown
  std::vector<std::string> warnings;  // each a complete sentence
};

struct ExportOptions {
  // Bytes of the trace read, and its size; may be empty.
  std::function<void(uint64_t bytes_done, uint64_t bytes_total)> progress;
};

struct Exporter {
  const char* name;     // "text"
  const char* summary;  // one line for `list formats`
  const char* unit;     // what the output consists of: "lines", "records"
  const char* help;     // what becomes of a trace, and what the format cannot say
  // Declares its keys, which all begin with its name and a dot.
  void (*declare)(config::Schema& schema);
  // Writes all that `reader` has not yet given. The file `output` appears only if all went well.
  // REQUIRES: `keys` is of a schema that declare() filled. Errors: Error as Reader and OutputFile
  // give; UsageError for keys that do not go together.
  ExportResult (*write)(Reader& reader, const std::string& output, const ExportOptions& options,
                        const config::Config& keys);
};

std::span<const Exporter> exporters();

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_EXPORTER_H_
