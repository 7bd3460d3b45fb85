// Results that were written, read again: the JSON of replay, compare, sweep's runs, curve,
// footprint, and every document that is made of tables (README.md).
//
// Not thread-safe.
#ifndef MMUSIM_REPORT_READ_RESULTS_H_
#define MMUSIM_REPORT_READ_RESULTS_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "report/comparison_table.h"
#include "stats/json.h"
#include "stats/report.h"

namespace mmusim::report {

struct ReadRun {
  std::string name;  // as a comparison called it; else made by name_runs() (run_names.h)
  std::string file;  // that it was read from
  // Each key with its value as text, in the document's order.
  std::vector<std::pair<std::string, std::string>> config;
  stats::Json provenance;
  stats::Report report;
  // What rates relate to: its own work, or where traces of several ISAs were compared, the base's.
  std::string work_unit;
  uint64_t work = 0;

  // The value of a key; "" where it is not there.
  [[nodiscard]] std::string value(const std::string& key) const;
  [[nodiscard]] std::string machine() const { return value("machine.name"); }
  [[nodiscard]] std::string page_table() const { return value("machine.page_table"); }
  [[nodiscard]] std::string trace() const { return value("run.trace"); }
};

// A document that is no run.
struct ReadDocument {
  std::string file;  // "": of the command that makes the page
  stats::Json json;
};

struct ReadResults {
  std::vector<ReadRun> runs;
  std::vector<FailedRun> failed;
  std::vector<ReadDocument> footprints;
  std::vector<ReadDocument> documents;  // made of tables; curves among them

  [[nodiscard]] bool empty() const {
    return runs.empty() && failed.empty() && footprints.empty() && documents.empty();
  }
};

// Adds what a text holds, which is the content of `file`. Errors: Error naming the file where it is
// not JSON, no result, or of another schema.
void read_results(const std::string& text, const std::string& file, ReadResults& results);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_READ_RESULTS_H_
