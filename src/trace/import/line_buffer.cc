#include "trace/import/line_buffer.h"

#include <cstring>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace mmusim::trace {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

bool LineBuffer::refill() {
  MMUSIM_ASSERT(begin_ == lines_end_ && !too_long_);
  const size_t kept = data_end_ - begin_;
  std::memmove(buffer_.get(), buffer_.get() + begin_, kept);
  begin_ = lines_end_ = 0;
  data_end_ = kept;
  for (;;) {
    const size_t searched = data_end_;
    if (!read_more()) return false;
    const void* newline = memrchr(buffer_.get() + searched, '\n', data_end_ - searched);
    if (newline != nullptr) {
      lines_end_ = static_cast<size_t>(static_cast<const char*>(newline) - buffer_.get()) + 1;
      return true;
    }
    if (data_end_ > max_line_) {
      too_long_ = true;
      return false;
    }
    if (data_end_ > capacity_ / 2) grow();
  }
}

void LineBuffer::grow() {
  auto bigger = std::make_unique_for_overwrite<char[]>(2 * capacity_ + kPadding);
  std::memcpy(bigger.get(), buffer_.get(), data_end_);
  buffer_ = std::move(bigger);
  capacity_ *= 2;
}

// Some bytes more behind data_end_, as a log has them that no editor and no transfer has been at.
bool LineBuffer::read_more() {
  const size_t old_end = data_end_;
  do {
    const size_t got = source_.read(buffer_.get() + data_end_, capacity_ - data_end_);
    if (got == 0) return data_end_ != old_end;
    data_end_ += got;
  } while (at_start_ && data_end_ < kByteOrderMark.size());
  if (at_start_) {
    at_start_ = false;
    const std::string_view start(buffer_.get(), data_end_);
    if (start.starts_with(kByteOrderMark)) {
      data_end_ -= kByteOrderMark.size();
      std::memmove(buffer_.get(), buffer_.get() + kByteOrderMark.size(), data_end_);
    }
    const size_t newline = std::string_view(buffer_.get(), data_end_).find('\n');
    if (newline != std::string_view::npos && newline > 0 && buffer_[newline - 1] == '\r')
      carriage_returns_ = true;
  }
  if (carriage_returns_) drop_carriage_returns(old_end == 0 ? 0 : old_end - 1);
  return true;
}

// Those before a newline, from `from` on; one that comes last waits for what follows it.
void LineBuffer::drop_carriage_returns(size_t from) {
  char* to = buffer_.get() + from;
  const char* const end = buffer_.get() + data_end_;
  for (const char* at = to; at != end; ++at)
    if (*at != '\r' || at + 1 == end || at[1] != '\n') *to++ = *at;
  data_end_ = static_cast<size_t>(to - buffer_.get());
}

void LineBuffer::skip_long_line() {
  MMUSIM_ASSERT(too_long_);
  too_long_ = false;
  for (;;) {
    const void* newline = std::memchr(buffer_.get(), '\n', data_end_);
    if (newline != nullptr) {
      begin_ = static_cast<size_t>(static_cast<const char*>(newline) - buffer_.get()) + 1;
      lines_end_ = begin_;
      const void* last = memrchr(buffer_.get(), '\n', data_end_);
      lines_end_ = static_cast<size_t>(static_cast<const char*>(last) - buffer_.get()) + 1;
      return;
    }
    begin_ = lines_end_ = data_end_ = 0;
    if (!read_more()) return;
  }
}

}  // namespace mmusim::trace
