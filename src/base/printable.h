// Text of strangers (names in a trace, a script, a config) on its way to a terminal, where control
// characters could move the cursor, change its title, or make one line look like another.
#ifndef MMUSIM_BASE_PRINTABLE_H_
#define MMUSIM_BASE_PRINTABLE_H_

#include <string>
#include <string_view>

namespace mmusim {

// `text` on one line: control characters (C0, DEL, C1), marks that turn the direction of writing,
// and bytes that are no UTF-8 become \n, \t or \xNN, byte by byte. All else stays as it is,
// backslashes too.
std::string printable(std::string_view text);

// The same for a text of several lines: \n and \t stay.
std::string printable_lines(std::string_view text);

// Whether printable_lines() would change nothing.
bool is_printable(std::string_view text);

}  // namespace mmusim

#endif  // MMUSIM_BASE_PRINTABLE_H_
