// Byte strings of the trace format: a growable output and a bounds-checked input.
//
// Integers are little-endian; variable-length ones are base 128, least significant group first, at
// most ten bytes, and never carry bits above 2^64. Signed ones are zigzag coded first. The input
// checks every step and throws Error naming file, byte offset and what was being read.
#ifndef MMUSIM_TRACE_BYTES_H_
#define MMUSIM_TRACE_BYTES_H_

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <sys/mman.h>

#include "base/error.h"

namespace mmusim::trace {

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian and is read and written without swapping");

constexpr uint64_t zigzag(uint64_t delta) {
  return (delta << 1) ^ (0 - (delta >> 63));
}
constexpr uint64_t unzigzag(uint64_t code) {
  return (code >> 1) ^ (0 - (code & 1));
}

inline constexpr size_t kMaxVarintBytes = 10;

// Writes `value` at `at`, where at least kMaxVarintBytes are free; returns the end.
inline uint8_t* put_varint(uint8_t* at, uint64_t value) {
  while (value >= 0x80) {
    *at++ = static_cast<uint8_t>(value | 0x80);
    value >>= 7;
  }
  *at++ = static_cast<uint8_t>(value);
  return at;
}

// Whether all numbers of that many bytes, two or four, are below the limit.
inline bool all_below(std::span<const uint8_t> numbers, size_t bytes, uint64_t limit) {
  const auto all = [&](auto number) {
    uint32_t largest = 0;
    const size_t count = numbers.size() / sizeof number;
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(&number, numbers.data() + i * sizeof number, sizeof number);
      largest = std::max<uint32_t>(largest, number);
    }
    return count == 0 || largest < limit;
  };
  return bytes == sizeof(uint16_t) ? all(uint16_t{}) : all(uint32_t{});
}

// Memory that may be tens of MiB: from one huge page on it is in such, where the host has some to
// give (README.md has what faults took without).
struct FreeBytes {
  void operator()(uint8_t* bytes) const { std::free(bytes); }
};
using LargeBytes = std::unique_ptr<uint8_t[], FreeBytes>;
inline constexpr size_t kHugePage = size_t{2} << 20;  // x86-64's and ARM's with 4K pages

// REQUIRES: `bytes` is a power of two.
inline LargeBytes large_bytes(size_t bytes) {
  const bool large = bytes >= kHugePage;
  LargeBytes all(
      static_cast<uint8_t*>(large ? std::aligned_alloc(kHugePage, bytes) : std::malloc(bytes)));
  if (all == nullptr) throw std::bad_alloc();
  if (large) static_cast<void>(madvise(all.get(), bytes, MADV_HUGEPAGE));  // it may say no
  return all;
}

// Output. Hot paths call reserve() once and then write through end() and set_end().
class ByteBuffer {
 public:
  [[nodiscard]] const uint8_t* data() const { return data_.get(); }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] std::span<const uint8_t> bytes() const { return {data_.get(), size_}; }
  void clear() { size_ = 0; }

  // Makes room for `more` bytes beyond the end.
  void reserve(size_t more) {
    if (capacity_ - size_ < more) grow(more);
  }
  [[nodiscard]] uint8_t* end() { return data_.get() + size_; }
  void set_end(const uint8_t* end) { size_ = static_cast<size_t>(end - data_.get()); }

  void byte(uint8_t value) {
    reserve(1);
    data_[size_++] = value;
  }
  void varint(uint64_t value) {
    reserve(kMaxVarintBytes);
    set_end(put_varint(end(), value));
  }
  void signed_varint(int64_t value) { varint(zigzag(static_cast<uint64_t>(value))); }
  template <class Integer>
  void fixed(Integer value) {
    append(&value, sizeof value);
  }
  void append(const void* bytes, size_t count) {
    reserve(count);
    if (count != 0) std::memcpy(end(), bytes, count);
    size_ += count;
  }
  void text(std::string_view value) {
    varint(value.size());
    append(value.data(), value.size());
  }

 private:
  void grow(size_t more) {
    const size_t capacity = std::bit_ceil(size_ + more + 64);
    LargeBytes bigger = large_bytes(capacity);
    if (size_ != 0) std::memcpy(bigger.get(), data_.get(), size_);
    data_ = std::move(bigger);
    capacity_ = capacity;
  }

  LargeBytes data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// Where in a file something is, for error messages.
struct Place {
  std::string path;
  uint64_t offset = 0;
};

[[noreturn]] inline void damaged(const Place& place, const std::string& what,
                                 const std::string& what_to_do = "") {
  throw Error(fmt::format("{}: byte {}", place.path, place.offset), what, what_to_do);
}

// Input. `place` is that of the first byte, or of the chunk if the bytes were compressed; `name`
// says what they are.
class ByteReader {
 public:
  ByteReader(std::span<const uint8_t> bytes, const Place& place, const char* name)
      : begin_(bytes.data()),
        at_(bytes.data()),
        end_(bytes.data() + bytes.size()),
        place_(&place),
        name_(name) {}

  [[nodiscard]] size_t left() const { return static_cast<size_t>(end_ - at_); }
  [[nodiscard]] bool at_end() const { return at_ == end_; }
  [[nodiscard]] size_t position() const { return static_cast<size_t>(at_ - begin_); }

  [[noreturn]] void fail(const std::string& what) const {
    damaged(*place_, fmt::format("{} (in the {}, at its byte {})", what, name_, position()));
  }

  uint8_t byte() {
    if (at_ == end_) fail("the data ends early");
    return *at_++;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const uint8_t b = byte();
      if (shift == 63 && b > 1) fail("a number exceeds 64 bits");
      value |= static_cast<uint64_t>(b & 0x7f) << shift;
      if (b < 0x80) return value;
    }
    fail("a number exceeds 64 bits");
  }
  int64_t signed_varint() { return static_cast<int64_t>(unzigzag(varint())); }
  // At most `limit`, which `what` names.
  uint64_t varint_up_to(uint64_t limit, const char* what) {
    const uint64_t value = varint();
    if (value > limit) fail(fmt::format("{} is {}, more than the limit of {}", what, value, limit));
    return value;
  }
  bool flag() {
    const uint8_t b = byte();
    if (b > 1) fail(fmt::format("a yes/no byte is {}", b));
    return b != 0;
  }
  template <class Integer>
  Integer fixed() {
    if (left() < sizeof(Integer)) fail("the data ends early");
    Integer value;
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::span<const uint8_t> take(size_t count) {
    if (left() < count) fail("the data ends early");
    const std::span<const uint8_t> taken(at_, count);
    at_ += count;
    return taken;
  }
  std::string text(size_t limit, const char* what) {
    const auto taken = take(varint_up_to(limit, what));
    return {taken.begin(), taken.end()};
  }

 private:
  const uint8_t* begin_;
  const uint8_t* at_;
  const uint8_t* end_;
  const Place* place_;
  const char* name_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_BYTES_H_
