// The results document: everything a run counted and everything needed to get it again.
//
// JSON, version 1 (described in src/stats/README.md). It holds nothing that depends on the host or
// the time, so the same program, trace, configuration and seeds give the same bytes.
#ifndef MMUSIM_STATS_RESULTS_H_
#define MMUSIM_STATS_RESULTS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/schema.h"
#include "stats/json.h"
#include "stats/report.h"

namespace mmusim::stats {

inline constexpr unsigned kResultsSchema = 1;

// What a result came from.
struct Provenance {
  std::string version;     // of mmusim
  std::string commit;      // its source, where known
  std::string build_type;  // "Release"
  std::string compiler;    // "GCC 12.2.0"

  std::string trace;           // as it was named
  std::string trace_hash;      // of its content
  std::string trace_isa;       // what it was recorded on
  std::string trace_program;   // what was recorded
  std::string trace_recorder;  // what recorded it
  bool torn = false;           // the trace was incomplete, and replayed as far as it goes
  bool stopped = false;        // the replay was ended early by run.limit
  // Of its chunks, how many were replayed whole, and from page streams: what any first-level TLB
  // needs, and what is enough for one with sets; how often that went back to the whole.
  uint64_t chunks_whole = 0;
  uint64_t chunks_pages = 0;
  uint64_t chunks_sets = 0;
  uint64_t page_fallbacks = 0;
  uint64_t chunks_lacking = 0;  // that have not the page streams with which it could have been done

  struct Plugin {
    std::string path;  // as machine.page_table has it
    std::string name;  // of its page table
    std::string hash;  // of its content
  };
  std::vector<Plugin> plugins;  // page tables that were no part of the program
};

// A counter over its denominator.
struct Ratio {
  std::string numerator;
  std::string denominator;
  double value = 0;  // 0 where the denominator is 0
};

// One for each counter with a denominator that is in the report, in the report's order.
std::vector<Ratio> ratios(const Report& report);

// How every result document begins: "schema" and "provenance", with the whole configuration.
Json document_head(const Provenance& provenance, const config::Config& config);

// The whole document, for who adds to it, and as text with a line end.
Json results_document(const Provenance& provenance, const config::Config& config,
                      const Report& report);
std::string results_json(const Provenance& provenance, const config::Config& config,
                         const Report& report);

// The counters of such a document, read again, into an empty report. Errors: Error for another
// schema, or a counter that is there twice; nlohmann's exceptions where it is no such document.
void read_counters(const Json& document, Report& report);

// A text as one field of a CSV line (RFC 4180).
std::string csv_field(std::string_view text);
// The counters alone as comma-separated values: name,value,unit,denominator,meaning.
std::string counters_csv(const Report& report);
// A line an interval: the instructions by which it ended, and a column for each counter.
std::string intervals_csv(const Intervals& intervals);

}  // namespace mmusim::stats

#endif  // MMUSIM_STATS_RESULTS_H_
