#include "report/wrap.h"

namespace mmusim::report {
namespace {

// The part of `text` before the next `end`, which is taken off it together with that.
std::string_view take(std::string_view& text, char end) {
  const size_t at = text.find(end);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

}  // namespace

std::string wrapped(std::string_view text, size_t width) {
  std::string out;
  size_t used = 0;  // of the line being filled; 0: none is
  const auto end_line = [&] {
    if (used != 0) out += '\n';
    used = 0;
  };
  while (!text.empty()) {
    std::string_view line = take(text, '\n');
    if (line.empty() || line.front() == ' ') {
      end_line();
      out += line;
      out += '\n';
      continue;
    }
    while (!line.empty()) {
      const std::string_view word = take(line, ' ');
      if (word.empty()) continue;
      if (used != 0 && used + 1 + word.size() > width) end_line();
      if (used != 0) out += ' ';
      used += word.size() + (used != 0 ? 1 : 0);
      out += word;
    }
  }
  while (out.ends_with('\n'))
    out.pop_back();
  return out;
}

}  // namespace mmusim::report
