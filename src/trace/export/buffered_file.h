// An output file that is written in many small pieces. Not thread-safe.
#ifndef MMUSIM_TRACE_EXPORT_BUFFERED_FILE_H_
#define MMUSIM_TRACE_EXPORT_BUFFERED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/output_file.h"

namespace mmusim::trace {

class BufferedFile {
 public:
  explicit BufferedFile(const std::string& path) : file_(path), buffer_(kBytes) {}

  // Where the next piece, of up to `bytes`, is to be put. REQUIRES: bytes <= kBytes.
  char* room(size_t bytes) {
    if (buffer_.size() - used_ < bytes) flush();
    return buffer_.data() + used_;
  }
  // It is there, and ends before `end`.
  void put(const char* end) { used_ = static_cast<size_t>(end - buffer_.data()); }
  // A piece of any length.
  void write(const char* data, size_t bytes) {
    flush();
    file_.write(data, bytes);
  }
  // The file appears. Errors (of all): as OutputFile.
  void commit() {
    flush();
    file_.commit();
  }
  [[nodiscard]] uint64_t bytes_written() const { return file_.bytes_written(); }
  [[nodiscard]] const std::string& path() const { return file_.path(); }

 private:
  static constexpr size_t kBytes = size_t{256} << 10;

  void flush() {
    file_.write(buffer_.data(), used_);
    used_ = 0;
  }

  OutputFile file_;
  std::vector<char> buffer_;
  size_t used_ = 0;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_EXPORT_BUFFERED_FILE_H_
