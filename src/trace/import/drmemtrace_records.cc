#include "trace/import/drmemtrace_records.h"

#include <cstring>
#include <fmt/format.h>

#include "base/error.h"
#include "trace/import/drmemtrace_format.h"

namespace mmusim::trace::drmemtrace {
namespace {

// Files before post-processing hold words of 8 bytes; the first says, in its topmost byte, that it
// is a header (of two kinds).
bool is_raw(std::string_view start) {
  if (start.size() < 8) return false;
  const auto top = static_cast<uint8_t>(start[7]);
  return top == 0xc0 || top == 0xc4;
}

constexpr uint64_t kMostVersion = 1000;  // what is beyond is no version of anything

template <class Address>
bool begins_as(std::string_view start) {
  if (start.size() < kRecordBytes<Address>) return false;
  const Record header = load_record<Address>(start.data());
  if (header.type != kHeader || header.size != 0 || header.value == 0 ||
      header.value > kMostVersion)
    return false;
  if (start.size() < kRecordBytes<Address> + 2) return start.size() == kRecordBytes<Address>;
  uint16_t next = 0;
  std::memcpy(&next, start.data() + kRecordBytes<Address>, 2);
  return next == kThread || next == kPid || next == kMarker;
}

}  // namespace

Width width_of(std::string_view start) {
  if (begins_as<uint64_t>(start)) return Width::Bits64;
  if (begins_as<uint32_t>(start)) return Width::Bits32;
  return Width::None;
}

RecordBuffer::RecordBuffer(const std::string& path)
    : source_(path), buffer_(std::make_unique_for_overwrite<char[]>(kBytes)) {
  data_end_ = source_.read_full(buffer_.get(), kBytes);
  const std::string_view start(buffer_.get(), data_end_);
  if (start.empty()) throw Error(path, "is empty");
  width_ = width_of(start.substr(0, kToldByBytes));
  if (width_ == Width::None) {
    throw Error(fmt::format("{}: byte 0", path), "is no drmemtrace trace",
                is_raw(start) ? "if it is a raw one, let DynamoRIO post-process it: drrun -t "
                                "drmemtrace -indir DIRECTORY"
                              : "");
  }
  end_ = data_end_ - data_end_ % record_bytes();
}

bool RecordBuffer::refill() {
  const size_t kept = data_end_ - end_;
  base_ += end_;
  std::memmove(buffer_.get(), buffer_.get() + end_, kept);
  data_end_ = kept + source_.read_full(buffer_.get() + kept, kBytes - kept);
  begin_ = 0;
  end_ = data_end_ - data_end_ % record_bytes();
  return end_ != 0;
}

std::string RecordBuffer::place_of(const char* at) const {
  const uint64_t byte = base_ + static_cast<size_t>(at - buffer_.get());
  return fmt::format("{}: record {} (byte {} of its content)", source_.path(),
                     byte / record_bytes(), byte);
}

}  // namespace mmusim::trace::drmemtrace
