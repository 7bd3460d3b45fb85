// What page tables weigh, side by side: for people, as JSON and as CSV.
#ifndef MMUSIM_REPORT_FOOTPRINT_TABLE_H_
#define MMUSIM_REPORT_FOOTPRINT_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "config/schema.h"
#include "pt/footprint.h"
#include "report/table.h"
#include "stats/results.h"

namespace mmusim::report {

struct NamedFootprint {
  std::string name;  // of the page table
  pt::Footprint footprint;
  // Of all page tables of the machine at that moment, since small tables of several address spaces
  // share frames: bytes given out, and bytes of the frames that hold them.
  uint64_t machine_bytes = 0;
  uint64_t held_bytes = 0;
  uint64_t common_bytes = 0;
};

// A page table that met a bug of mmusim's or of its own.
struct FailedFootprint {
  std::string name;
  std::string why;
};

struct FootprintHeading {
  std::string machine;
  std::string arch;
  std::string source;  // trace or set
  std::string what;    // "process 12 after 1,000 instructions"
  unsigned page = 12;  // log2 of the base page
  std::vector<FailedFootprint> failed = {};
};

// A table of the page tables' numbers, one of words read, and one of the tables of each.
Document footprint_document(const FootprintHeading& heading,
                            const std::vector<NamedFootprint>& footprints);
std::string footprint_table(const FootprintHeading& heading,
                            const std::vector<NamedFootprint>& footprints);

// {"schema": 1, "provenance": ..., "footprints": [...]}; described in src/report/README.md.
std::string footprint_json(const FootprintHeading& heading,
                           const std::vector<NamedFootprint>& footprints,
                           const stats::Provenance& provenance, const config::Config& config);

// The numbers, a row a page table.
std::string footprint_csv(const std::vector<NamedFootprint>& footprints);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_FOOTPRINT_TABLE_H_
