// Runs of one trace or script on several machines and page tables, side by side: for people, and as
// JSON.
//
// Everything is related to the same work: 1000 instructions of the program, or 1000 of its accesses
// where a script has no instructions. Where each machine has a trace of its own, the work is the
// program as a whole, and its measure the instructions the base run took for it. What is compared
// are counters every architecture reports under the same names (mmu.*, refs.*, kernel.*).
#ifndef MMUSIM_REPORT_COMPARISON_TABLE_H_
#define MMUSIM_REPORT_COMPARISON_TABLE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "config/schema.h"
#include "report/table.h"
#include "stats/report.h"
#include "stats/results.h"

namespace mmusim::report {

// What is said of a run's trace where there are several.
struct TraceUse {
  std::string path;
  std::string why;  // the machine has this one: "its ISA", "the nearest", "given"
};

struct ComparedRun {
  std::string name;  // "skylake-sp/gpt"
  config::Config config;
  stats::Provenance provenance;
  stats::Report report;
  TraceUse trace = {};  // where the comparison has several traces
};

// Names of all counters a comparison is made of, each once.
std::vector<std::string> compared_counters();

struct FailedRun {
  std::string name;
  std::string why;  // a bug that ended it
};

struct Comparison {
  std::string source;  // trace or script
  std::string program;
  std::vector<ComparedRun> runs;
  std::vector<FailedRun> failed;
  size_t base = 0;                       // the run the others are related to
  std::vector<std::string> traces = {};  // all of them, where there are several
};

// REQUIRES (all): base < runs.size().
// Tables of the runs' rates and of their ranking, and the prices.
Document comparison_document(const Comparison& comparison);
std::string comparison_table(const Comparison& comparison);
// {"schema": 1, "source", "per", "base", "failed": [{"name", "why"}],
// "runs": [{"name", "rates", "relative", "result"}]}; "failed" where any did, "result" is the run's
// own document, as replay --json writes it; with several traces each run says its "trace" and its
// "work". Described in src/report/README.md.
std::string comparison_json(const Comparison& comparison);

// A row a run, with all of a run's rates; a first row names them.
std::string comparison_csv(const Comparison& comparison);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_COMPARISON_TABLE_H_
