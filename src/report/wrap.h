// Text in lines of a given width, for help.
#ifndef MMUSIM_REPORT_WRAP_H_
#define MMUSIM_REPORT_WRAP_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace mmusim::report {

// Paragraphs, separated by empty lines, are filled anew, and so are items: a line that begins with
// blanks and "- ", and those behind it that are indented by two more. Any other line that begins
// with a blank stays as it is. A word longer than `width` has a line of its own. Line ends only
// between lines.
std::string wrapped(std::string_view text, size_t width);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_WRAP_H_
