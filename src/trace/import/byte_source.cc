#include "trace/import/byte_source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <lzma.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"

namespace mmusim::trace {
namespace {

constexpr size_t kInputBytes = size_t{128} << 10;
// What is read to tell the format; more than that only compressed bytes are kept for.
constexpr size_t kStartBytes = size_t{4} << 10;
// A window beyond this would take more memory than any log needs; zstd's --long=27 is its limit
// too.
constexpr uint64_t kMaxDecoderMemory = uint64_t{256} << 20;

class ZstdDecompressor : public Decompressor {
 public:
  ZstdDecompressor() : context_(ZSTD_createDCtx()) {
    ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, 27);
  }
  ~ZstdDecompressor() override { ZSTD_freeDCtx(context_); }
  ZstdDecompressor(const ZstdDecompressor&) = delete;
  ZstdDecompressor& operator=(const ZstdDecompressor&) = delete;

  Step step(const char* in, size_t in_bytes, bool, char* out, size_t out_bytes) override {
    ZSTD_inBuffer from{in, in_bytes, 0};
    ZSTD_outBuffer to{out, out_bytes, 0};
    const size_t result = ZSTD_decompressStream(context_, &to, &from);
    Step step;
    step.consumed = from.pos;
    step.produced = to.pos;
    if (ZSTD_isError(result) != 0) {
      step.error = ZSTD_getErrorName(result);
    }
    step.at_member_end = result == 0;
    return step;
  }

 private:
  ZSTD_DCtx* context_;
};

class XzDecompressor : public Decompressor {
 public:
  XzDecompressor() {
    if (lzma_stream_decoder(&stream_, kMaxDecoderMemory, LZMA_CONCATENATED) != LZMA_OK) {
      throw Error("xz", "not enough memory for the decompressor");
    }
  }
  ~XzDecompressor() override { lzma_end(&stream_); }
  XzDecompressor(const XzDecompressor&) = delete;
  XzDecompressor& operator=(const XzDecompressor&) = delete;

  Step step(const char* in, size_t in_bytes, bool at_end, char* out, size_t out_bytes) override {
    stream_.next_in = reinterpret_cast<const uint8_t*>(in);
    stream_.avail_in = in_bytes;
    stream_.next_out = reinterpret_cast<uint8_t*>(out);
    stream_.avail_out = out_bytes;
    const lzma_ret result = lzma_code(&stream_, at_end ? LZMA_FINISH : LZMA_RUN);
    Step step;
    step.consumed = in_bytes - stream_.avail_in;
    step.produced = out_bytes - stream_.avail_out;
    step.at_member_end = result == LZMA_STREAM_END;
    if (result == LZMA_MEMLIMIT_ERROR) {
      step.error = "needs more than 256 MiB to decompress";
    } else if (result != LZMA_OK && result != LZMA_STREAM_END && result != LZMA_BUF_ERROR) {
      step.error = "damaged xz data";
    }
    return step;
  }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

class GzipDecompressor : public Decompressor {
 public:
  GzipDecompressor() {
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) {
      throw Error("gzip", "not enough memory for the decompressor");
    }
  }
  ~GzipDecompressor() override { inflateEnd(&stream_); }
  GzipDecompressor(const GzipDecompressor&) = delete;
  GzipDecompressor& operator=(const GzipDecompressor&) = delete;

  Step step(const char* in, size_t in_bytes, bool, char* out, size_t out_bytes) override {
    if (ended_ && in_bytes != 0) {
      inflateReset(&stream_);
      ended_ = false;
    }
    // zlib's interface takes a pointer to non-const bytes but does not change them.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in));
    stream_.avail_in = static_cast<uInt>(in_bytes);
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(std::min<size_t>(out_bytes, size_t{1} << 30));
    const uInt room = stream_.avail_out;
    Step step;
    if (!ended_) {
      const int result = inflate(&stream_, Z_NO_FLUSH);
      ended_ = result == Z_STREAM_END;
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        step.error = "damaged gzip data";
      }
    }
    step.consumed = in_bytes - stream_.avail_in;
    step.produced = room - stream_.avail_out;
    step.at_member_end = ended_;
    return step;
  }

 private:
  z_stream stream_{};
  bool ended_ = false;
};

std::unique_ptr<Decompressor> decompressor_for(std::string_view start) {
  using namespace std::string_view_literals;
  if (start.starts_with("\x28\xb5\x2f\xfd"sv)) return std::make_unique<ZstdDecompressor>();
  if (start.starts_with("\xfd\x37zXZ\0"sv)) return std::make_unique<XzDecompressor>();
  if (start.starts_with("\x1f\x8b"sv)) return std::make_unique<GzipDecompressor>();
  return nullptr;
}

}  // namespace

ByteSource::ByteSource(std::string path) : path_(std::move(path)) {
  open();
  input_.resize(kStartBytes);
  try {
    while (input_end_ < 6 && !end_of_file_)
      fill();  // a pipe may give less than a magic at a time
    decompressor_ = decompressor_for(std::string_view(input_.data(), input_end_));
    if (decompressor_ != nullptr) input_.resize(kInputBytes);
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
  return static_cast<size_t>(got);
}

void ByteSource::fill() {
  input_end_ += read_stored(input_.data() + input_end_, input_.size() - input_end_);
}

size_t ByteSource::read(char* to, size_t bytes) {
  if (bytes == 0) return 0;
  if (!decompressor_) {
    if (input_begin_ == input_end_) {
      if (!input_.empty()) input_ = std::vector<char>();  // what told the format has been used up
      return read_stored(to, bytes);
    }
    const size_t taken = std::min(bytes, input_end_ - input_begin_);
    std::memcpy(to, input_.data() + input_begin_, taken);
    input_begin_ += taken;
    return taken;
  }
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

}  // namespace mmusim::trace
