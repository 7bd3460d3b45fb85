// Text in lines of a given width.
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

// What everything that is printed for people fits in, but for names they gave themselves.
inline constexpr size_t kLineWidth = 80;

// `label`, and beside it from column `indent` on the words of `text`, in as many lines as they
// need; a label that reaches that far is followed by a blank. With a line end, without blanks
// before it.
std::string beside(std::string_view label, std::string_view text, size_t indent,
                   size_t width = kLineWidth);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_WRAP_H_
