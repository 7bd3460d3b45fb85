// Tables as an SQLite database: a table each, by its id, with a column for each that programs read,
// and beside them `columns`, which says unit and meaning of each.
#ifndef MMUSIM_REPORT_DATABASE_WRITER_H_
#define MMUSIM_REPORT_DATABASE_WRITER_H_

#include <span>
#include <string>

#include "report/table.h"

namespace mmusim::report {

// The bytes of the database's file; the same for the same tables. Bytes that are no UTF-8 become
// U+FFFD. Errors: Error where SQLite can make no table of one (it has a limit of 2000 columns).
std::string database_of(std::span<const Table> tables);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_DATABASE_WRITER_H_
