// Tables and facts for programs. Their shape is described in src/report/README.md.
#ifndef MMUSIM_REPORT_DATA_WRITERS_H_
#define MMUSIM_REPORT_DATA_WRITERS_H_

#include <string>

#include "config/schema.h"
#include "report/table.h"
#include "stats/json.h"
#include "stats/results.h"

namespace mmusim::report {

// With a line end. Bytes that are no UTF-8 become U+FFFD.
std::string json_of(const Document& document);
// ... and with the provenance of what was simulated.
std::string json_of(const Document& document, const stats::Provenance& provenance,
                    const config::Config& config);

// One table's rows, an object each by the columns' keys, without what does not concern a row: for
// documents with a shape of their own.
stats::Json rows_json(const Table& table);

// A cell for programs: a number without separators or unit; "" where there is nothing.
std::string plain_text_of(const Value& value);

// One table, as RFC 4180 has it but for line ends: a line that names the columns, and a line a row.
std::string csv_of(const Table& table);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_DATA_WRITERS_H_
