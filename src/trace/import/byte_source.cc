#include "trace/import/byte_source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/error.h"

namespace mmusim::trace {
namespace {

constexpr size_t kInputBytes = size_t{128} << 10;
// What is read to tell the format; more than that only compressed bytes are kept for.
constexpr size_t kStartBytes = size_t{4} << 10;

}  // namespace

ByteSource::ByteSource(std::string path) : path_(std::move(path)) {
  open();
  input_.resize(kStartBytes);
  try {
    while (input_end_ < kMagicBytes && !end_of_file_)
      fill();  // a pipe may give less than a magic at a time
    const std::string_view start(input_.data(), input_end_);
    if (is_zip(start)) {
      StoredBytes& stored = *this;
      zip_ = std::make_unique<ZipMembers>(stored);
      if (seekable_) ByteSource::seek(0);
    } else {
      decompressor_ = decompressor_for(start);
      if (decompressor_ != nullptr) input_.resize(kInputBytes);
    }
  } catch (...) {
    ::close(fd_);
    throw;
  }
  at_member_end_ = decompressor_ == nullptr;
}

ByteSource::~ByteSource() {
  if (fd_ >= 0) ::close(fd_);
}

void ByteSource::fail(uint64_t offset, const std::string& what) const {
  throw Error(fmt::format("{}: byte {}", path_, offset), what);
}

void ByteSource::open() {
  fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) throw Error(path_, fmt::format("cannot open: {}", std::strerror(errno)));
  struct stat status {};
  if (fstat(fd_, &status) != 0) fail(0, fmt::format("cannot read: {}", std::strerror(errno)));
  seekable_ = S_ISREG(status.st_mode);
}

void ByteSource::release() {
  if (!seekable_ || fd_ < 0) return;
  ::close(fd_);
  fd_ = -1;
}

size_t ByteSource::read_stored(char* to, size_t bytes) {
  if (end_of_file_) return 0;
  if (fd_ < 0) open();
  ssize_t got = 0;
  do {
    got = seekable_ ? ::pread(fd_, to, bytes, static_cast<off_t>(offset_)) : ::read(fd_, to, bytes);
  } while (got < 0 && errno == EINTR);
  if (got < 0) fail(offset_, fmt::format("cannot read: {}", std::strerror(errno)));
  if (got == 0) end_of_file_ = true;
  offset_ += static_cast<uint64_t>(got);
  stored_read_ += static_cast<uint64_t>(got);
  return static_cast<size_t>(got);
}

void ByteSource::fill() {
  input_end_ += read_stored(input_.data() + input_end_, input_.size() - input_end_);
}

uint64_t ByteSource::size() {
  struct stat status {};
  if (fd_ < 0) open();
  if (fstat(fd_, &status) != 0) fail(0, fmt::format("cannot read: {}", std::strerror(errno)));
  return static_cast<uint64_t>(status.st_size);
}

void ByteSource::seek(uint64_t place) {
  offset_ = place;
  end_of_file_ = false;
  input_begin_ = input_end_ = 0;
}

// First what told the format.
size_t ByteSource::read_some(char* to, size_t bytes) {
  return input_begin_ == input_end_ ? read_stored(to, bytes) : read_plain(to, bytes);
}

size_t ByteSource::read_zip(char* to, size_t bytes) {
  try {
    return zip_->read(to, bytes);
  } catch (const ZipMembers::Problem& problem) {
    fail(problem.offset, problem.what);
  }
}

size_t ByteSource::read_plain(char* to, size_t bytes) {
  if (input_begin_ == input_end_) {
    if (!input_.empty()) input_ = std::vector<char>();  // what told the format has been used up
    return read_stored(to, bytes);
  }
  const size_t taken = std::min(bytes, input_end_ - input_begin_);
  std::memcpy(to, input_.data() + input_begin_, taken);
  input_begin_ += taken;
  return taken;
}

size_t ByteSource::read(char* to, size_t bytes) {
  if (bytes == 0) return 0;
  if (zip_) return read_zip(to, bytes);
  if (!decompressor_) return read_plain(to, bytes);
  for (;;) {
    if (input_begin_ == input_end_) {
      input_begin_ = input_end_ = 0;
      fill();
    }
    if (end_of_file_ && input_begin_ == input_end_ && at_member_end_) return 0;
    const Decompressor::Step step = decompressor_->step(
        input_.data() + input_begin_, input_end_ - input_begin_, end_of_file_, to, bytes);
    input_begin_ += step.consumed;
    at_member_end_ = step.at_member_end;
    if (step.error != nullptr) fail(offset_ - (input_end_ - input_begin_), step.error);
    if (step.produced != 0) return step.produced;
    if (step.consumed == 0 && end_of_file_ && !at_member_end_) {
      fail(offset_, "ends in the middle of compressed data");
    }
    if (step.consumed == 0 && input_begin_ != input_end_) {
      fail(offset_ - (input_end_ - input_begin_), "something that is not compressed data follows");
    }
  }
}

size_t ByteSource::read_full(char* to, size_t bytes) {
  size_t done = 0;
  while (done < bytes) {
    const size_t got = read(to + done, bytes - done);
    if (got == 0) break;
    done += got;
  }
  return done;
}

uint64_t ByteSource::stored_bytes() const {
  std::error_code failed;
  const uintmax_t bytes = seekable_ ? std::filesystem::file_size(path_, failed) : 0;
  return failed ? 0 : bytes;
}

bool is_compressed_twice(const std::string& path) {
  const std::string start = start_of_content(path, kMagicBytes);
  return is_zip(start) || decompressor_for(start) != nullptr;
}

std::string base_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

std::string start_of_content(const std::string& path, size_t bytes) {
  std::error_code ignored;  // opening it says what is wrong
  if (std::filesystem::is_directory(path, ignored)) return {};
  ByteSource source(path);
  std::string start(bytes, '\0');
  start.resize(source.read_full(start.data(), bytes));
  return start;
}

}  // namespace mmusim::trace
