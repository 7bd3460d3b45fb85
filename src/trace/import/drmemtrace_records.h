// A window over the records of one drmemtrace file: [begin(), end()) holds whole records only.
//
// Memory: one buffer of fixed size, and what ByteSource holds. Errors: Error naming the file and
// the place. Not thread-safe.
#ifndef MMUSIM_TRACE_IMPORT_DRMEMTRACE_RECORDS_H_
#define MMUSIM_TRACE_IMPORT_DRMEMTRACE_RECORDS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "trace/import/byte_source.h"

namespace mmusim::trace::drmemtrace {

// Whether a file whose content begins so is a trace, and of which program: nothing for others.
enum class Width : uint8_t { None, Bits32, Bits64 };
inline constexpr size_t kToldByBytes = 16;
Width width_of(std::string_view start);

class RecordBuffer {
 public:
  static constexpr size_t kBytes = size_t{96} << 10;  // a multiple of both sizes of records

  // Reads the first records. Errors: Error, also when it is no drmemtrace trace.
  explicit RecordBuffer(const std::string& path);

  [[nodiscard]] bool is_64_bit() const { return width_ == Width::Bits64; }
  [[nodiscard]] const char* begin() const { return buffer_.get() + begin_; }
  [[nodiscard]] const char* end() const { return buffer_.get() + end_; }
  // Everything before `at` has been used. REQUIRES: begin() <= at <= end().
  void consume(const char* at) { begin_ = static_cast<size_t>(at - buffer_.get()); }

  // Gets more records. False: there are none. REQUIRES: begin() == end().
  bool refill();
  // After refill() gave false: bytes that are no whole record.
  [[nodiscard]] size_t rest() const { return data_end_ - end_; }

  // "FILE: record N (byte M of its content)", of a record in the window.
  [[nodiscard]] std::string place_of(const char* at) const;
  ByteSource& source() { return source_; }

 private:
  [[nodiscard]] size_t record_bytes() const { return is_64_bit() ? 12 : 8; }

  ByteSource source_;
  std::unique_ptr<char[]> buffer_;
  Width width_ = Width::None;
  size_t begin_ = 0;     // first unused byte
  size_t end_ = 0;       // behind the last whole record
  size_t data_end_ = 0;  // behind the last byte read
  uint64_t base_ = 0;    // bytes of content before the buffer
};

}  // namespace mmusim::trace::drmemtrace

#endif  // MMUSIM_TRACE_IMPORT_DRMEMTRACE_RECORDS_H_
