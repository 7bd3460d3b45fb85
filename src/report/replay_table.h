// The table a person reads after a replay: what was replayed, on what, and what its translations
// cost. It prints what the report holds and leaves out what it does not, so every architecture uses
// it.
#ifndef MMUSIM_REPORT_REPLAY_TABLE_H_
#define MMUSIM_REPORT_REPLAY_TABLE_H_

#include <string>

#include "report/table.h"
#include "stats/report.h"

namespace mmusim::report {

// What the heading says; empty fields are left out.
struct Heading {
  std::string machine;     // "skylake-sp"
  std::string arch;        // "x86"
  std::string page_table;  // "mlpt"
  std::string trace;       // path
  std::string program;     // what was recorded
  std::string isa;
  std::string note;  // "the trace is torn: ...", a sentence of its own
  bool checked = false;
};

// Tables of TLBs, walks, references, and lists of counters under a title.
Document replay_document(const Heading& heading, const stats::Report& report);
std::string replay_table(const Heading& heading, const stats::Report& report);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_REPLAY_TABLE_H_
