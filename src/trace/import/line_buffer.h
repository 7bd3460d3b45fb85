// A window over the lines of one log, made so that a parser can run through whole lines without a
// test for the buffer's end at each byte: [begin(), end()) holds only complete lines, each with its
// newline, and kPadding bytes behind end() may be read (their content means nothing).
//
// Memory: one buffer, of fixed size unless longer lines are asked for: then it grows with them. Not
// thread-safe.
#ifndef MMUSIM_TRACE_IMPORT_LINE_BUFFER_H_
#define MMUSIM_TRACE_IMPORT_LINE_BUFFER_H_

#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "trace/import/byte_source.h"

namespace mmusim::trace {

class LineBuffer {
 public:
  static constexpr size_t kPadding = 64;
  static constexpr size_t kBytes = size_t{128} << 10;
  static constexpr size_t kMaxLine = size_t{64} << 10;

  explicit LineBuffer(const std::string& path, size_t max_line = kMaxLine)
      : source_(path),
        max_line_(max_line),
        buffer_(std::make_unique_for_overwrite<char[]>(kBytes + kPadding)) {}

  [[nodiscard]] const char* begin() const { return buffer_.get() + begin_; }
  [[nodiscard]] const char* end() const { return buffer_.get() + lines_end_; }
  // The first of them, without its newline. REQUIRES: begin() != end().
  [[nodiscard]] std::string_view line() const {
    const void* const newline = std::memchr(begin(), '\n', static_cast<size_t>(end() - begin()));
    return {begin(), static_cast<size_t>(static_cast<const char*>(newline) - begin())};
  }
  // Everything before `at` has been used. REQUIRES: begin() <= at <= end().
  void consume(const char* at) { begin_ = static_cast<size_t>(at - buffer_.get()); }

  // Gets more lines. False: there are no more whole lines; see tail(). REQUIRES: begin() == end().
  bool refill();
  // After refill() gave false: what follows the last newline, empty in a well-ended file. Or the
  // start of a line longer than the limit, if too_long().
  [[nodiscard]] std::string_view tail() const { return {begin(), data_end_ - begin_}; }
  [[nodiscard]] bool too_long() const { return too_long_; }
  // Drops the rest of a line that is too long. REQUIRES: too_long().
  void skip_long_line();

  ByteSource& source() { return source_; }
  [[nodiscard]] const ByteSource& source() const { return source_; }

 private:
  bool read_more();
  void grow();
  void drop_carriage_returns(size_t from);

  ByteSource source_;
  size_t max_line_;
  size_t capacity_ = kBytes;
  std::unique_ptr<char[]> buffer_;  // not cleared: most logs are shorter
  size_t begin_ = 0;                // first unused byte
  size_t lines_end_ = 0;            // behind the last newline
  size_t data_end_ = 0;             // behind the last byte read
  bool too_long_ = false;
  bool at_start_ = true;           // nothing has been read
  bool carriage_returns_ = false;  // lines end in \r\n, as the first did
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORT_LINE_BUFFER_H_
