#include "report/wrap.h"

#include <algorithm>

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
  size_t used = 0;     // of the line being filled; 0: none is
  size_t hanging = 0;  // indentation of an item's further lines; 0: not in an item
  const auto end_line = [&] {
    if (used != 0) out += '\n';
    used = 0;
  };
  const auto fill = [&](std::string_view line) {
    while (!line.empty()) {
      const std::string_view word = take(line, ' ');
      if (word.empty()) continue;
      if (used != 0 && used + 1 + word.size() > width) {
        end_line();
        out.append(hanging, ' ');
        used = hanging;
      } else if (used != 0) {
        out += ' ';
        ++used;
      }
      used += word.size();
      out += word;
    }
  };
  while (!text.empty()) {
    const std::string_view line = take(text, '\n');
    const size_t indent = std::min(line.find_first_not_of(' '), line.size());
    const std::string_view words = line.substr(indent);
    if (indent != 0 && words.starts_with("- ")) {
      end_line();
      out.append(indent, ' ');
      out += '-';
      used = indent + 1;
      hanging = indent + 2;
      fill(words.substr(2));
    } else if (words.empty() || (indent != 0 && indent != hanging)) {
      end_line();
      hanging = 0;
      out += line;
      out += '\n';
    } else {
      if (indent == 0 && hanging != 0) {
        end_line();
        hanging = 0;
      }
      fill(words);
    }
  }
  while (out.ends_with('\n'))
    out.pop_back();
  return out;
}

std::string beside(std::string_view label, std::string_view text, size_t indent, size_t width) {
  std::string out(label);
  size_t begin = 0;  // of the line being filled
  const auto pad = [&] {
    const size_t used = out.size() - begin;
    out.append(used < indent ? indent - used : 0, ' ');
  };
  bool empty = true;  // nothing is beside the label, or the margin, yet
  while (!text.empty()) {
    const std::string_view word = take(text, ' ');
    if (word.empty()) continue;
    if (!empty && out.size() - begin + 1 + word.size() > width) {
      out += '\n';
      begin = out.size();
      empty = true;
    }
    if (empty) pad();
    if (!empty || (begin == 0 && label.size() >= indent && !label.empty())) out += ' ';
    out += word;
    empty = false;
  }
  out.erase(out.find_last_not_of(' ') + 1);
  return out + '\n';
}

}  // namespace mmusim::report
