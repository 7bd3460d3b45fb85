#include "trace/import/line_buffer.h"

#include <cstring>

#include "base/error.h"

namespace mmusim::trace {

bool LineBuffer::refill() {
  MMUSIM_ASSERT(begin_ == lines_end_ && !too_long_);
  const size_t kept = data_end_ - begin_;
  std::memmove(buffer_.data(), buffer_.data() + begin_, kept);
  begin_ = lines_end_ = 0;
  data_end_ = kept;
  for (;;) {
    const size_t got = source_.read(buffer_.data() + data_end_, kBytes - data_end_);
    if (got == 0) return false;
    const size_t searched = data_end_;
    data_end_ += got;
    const void* newline = memrchr(buffer_.data() + searched, '\n', got);
    if (newline != nullptr) {
      lines_end_ = static_cast<size_t>(static_cast<const char*>(newline) - buffer_.data()) + 1;
      return true;
    }
    if (data_end_ > kMaxLine) {
      too_long_ = true;
      return false;
    }
  }
}

void LineBuffer::skip_long_line() {
  MMUSIM_ASSERT(too_long_);
  too_long_ = false;
  for (;;) {
    const void* newline = std::memchr(buffer_.data(), '\n', data_end_);
    if (newline != nullptr) {
      begin_ = static_cast<size_t>(static_cast<const char*>(newline) - buffer_.data()) + 1;
      lines_end_ = begin_;
      const void* last = memrchr(buffer_.data(), '\n', data_end_);
      lines_end_ = static_cast<size_t>(static_cast<const char*>(last) - buffer_.data()) + 1;
      return;
    }
    data_end_ = source_.read(buffer_.data(), kBytes);
    begin_ = lines_end_ = 0;
    if (data_end_ == 0) return;
  }
}

}  // namespace mmusim::trace
