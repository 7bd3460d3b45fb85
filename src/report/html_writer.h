// Tables, facts and figures as HTML. All text is escaped, whoever wrote it, so that nothing of a
// trace's or a config's can become markup; control characters are told as on a terminal
// (base/printable.h).
//
// A figure is written as the table behind it; the page's script (page/) draws it from there, so
// that the page is whole without it.
#ifndef MMUSIM_REPORT_HTML_WRITER_H_
#define MMUSIM_REPORT_HTML_WRITER_H_

#include <string>
#include <string_view>

#include "report/figure.h"
#include "report/table.h"

namespace mmusim::report {

// For text and for attributes in quotes.
std::string html_escaped(std::string_view text);

// A list of terms and descriptions; "" for none.
std::string html_of(const Facts& facts);
// Every column but those for programs. Numbers have their plain form beside what is shown
// (data-value), columns their keys (data-key), for sorting and for CSV.
std::string html_of(const Table& table);
std::string html_of(const Figure& figure);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_HTML_WRITER_H_
