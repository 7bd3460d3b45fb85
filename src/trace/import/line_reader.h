// The lines of one file of text, for formats of a record a line: counts them, says how far it is,
// and refuses lines with file and number.
//
// Memory: one buffer, which grows with the longest line up to a limit. Not thread-safe.
#ifndef MMUSIM_TRACE_IMPORT_LINE_READER_H_
#define MMUSIM_TRACE_IMPORT_LINE_READER_H_

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
    line = lines_.line();
    lines_.consume(line.data() + line.size() + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++result_.input_records;
    return true;
  }

  [[nodiscard]] const std::string& path() const { return path_; }

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
  uint64_t stored_bytes_;
  bool ended_ = false;
  std::string unended_;  // a last line without an end
};

// The text `source` begins with, up to the last whole line of a few, for telling formats apart.
// Errors: Error when it cannot be read.
std::string first_lines(const std::string& path);

// A file alone. Errors: UsageError if there are more, or none.
const std::string& single_input(std::span<const std::string> paths, const char* format);

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORT_LINE_READER_H_
