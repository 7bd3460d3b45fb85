// The lines of one file of text, for formats of a record a line: counts them, says how far it is,
// and refuses lines with file and number.
//
// Memory: one buffer, which grows with the longest line up to a limit. Not thread-safe.
#ifndef MMUSIM_TRACE_IMPORT_LINE_READER_H_
#define MMUSIM_TRACE_IMPORT_LINE_READER_H_

#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "trace/import/line_buffer.h"
#include "trace/importer.h"

namespace mmusim::trace {

class LineReader {
 public:
  // `result` counts lines and bytes. All must live as long as this.
  LineReader(const std::string& path, const ImportOptions& options, ImportResult& result,
             size_t max_line = LineBuffer::kMaxLine);

  // The next line, without its end; false behind the last. 64 bytes behind it can be read. It lives
  // until the next call. Errors: Error as ByteSource gives, or for a line that is too long.
  bool next(std::string_view& line) {
    if (lines_.begin() == lines_.end() && !refill()) return last(line);
    const char* const begin = lines_.begin();
    const auto* newline = static_cast<const char*>(
        std::memchr(begin, '\n', static_cast<size_t>(lines_.end() - begin)));
    line = std::string_view(begin, static_cast<size_t>(newline - begin));
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines_.consume(newline + 1);
    ++result_.input_records;
    return true;
  }

  // The line that next() gave cannot be understood. Errors: Error, or it is counted.
  void refuse(const std::string& what, const std::string& advice = "");

 private:
  bool refill();
  bool last(std::string_view& line);

  std::string path_;
  const ImportOptions& options_;
  ImportResult& result_;
  LineBuffer lines_;
  size_t max_line_;
  uint64_t stored_bytes_ = 0;
  bool ended_ = false;
  std::string unended_;  // a last line without an end
};

// The text `source` begins with, up to the last whole line of a few, for telling formats apart.
// Errors: Error when it cannot be read.
std::string first_lines(const std::string& path);

// A file alone. Errors: UsageError if there are more, or none.
const std::string& single_input(std::span<const std::string> paths, const char* format);

// Without blanks and tabs at its ends.
inline std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Words between blanks and tabs: the next one of `text`, which moves behind it; empty at the end.
inline std::string_view next_word(std::string_view& text) {
  size_t begin = 0;
  while (begin < text.size() && (text[begin] == ' ' || text[begin] == '\t'))
    ++begin;
  size_t end = begin;
  while (end < text.size() && text[end] != ' ' && text[end] != '\t')
    ++end;
  const std::string_view word = text.substr(begin, end - begin);
  text.remove_prefix(end);
  return word;
}

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORT_LINE_READER_H_
