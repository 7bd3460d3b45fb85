#include "trace/import/decompressors.h"

#include <algorithm>
#include <array>
#include <boost/crc.hpp>
#include <cstdint>
#include <cstring>
#include <lz4frame.h>
#include <lzma.h>
#include <snappy.h>
#include <vector>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"

namespace mmusim::trace {
namespace {

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

class Lz4Decompressor : public Decompressor {
 public:
  Lz4Decompressor() {
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context_, LZ4F_VERSION)) != 0)
      throw Error("lz4", "not enough memory for the decompressor");
  }
  ~Lz4Decompressor() override { LZ4F_freeDecompressionContext(context_); }
  Lz4Decompressor(const Lz4Decompressor&) = delete;
  Lz4Decompressor& operator=(const Lz4Decompressor&) = delete;

  Step step(const char* in, size_t in_bytes, bool, char* out, size_t out_bytes) override {
    Step step;
    step.consumed = in_bytes;
    step.produced = out_bytes;
    const size_t result =
        LZ4F_decompress(context_, out, &step.produced, in, &step.consumed, nullptr);
    if (LZ4F_isError(result) != 0) {
      step.error = LZ4F_getErrorName(result);
      step.produced = 0;
    }
    step.at_member_end = result == 0;
    return step;
  }

 private:
  LZ4F_dctx* context_ = nullptr;
};

// Chunks of four bytes of head (kind, then length) and their content, which is gathered and taken
// apart once whole.
class SnappyDecompressor : public Decompressor {
 public:
  Step step(const char* in, size_t in_bytes, bool, char* out, size_t out_bytes) override {
    Step step;
    while (step.error == nullptr) {
      if (given_ != plain_.size()) {
        step.produced = std::min(out_bytes, plain_.size() - given_);
        std::memcpy(out, plain_.data() + given_, step.produced);
        given_ += step.produced;
        break;
      }
      if (step.consumed == in_bytes) break;
      take(in + step.consumed, in_bytes - step.consumed, step);
    }
    step.at_member_end = chunk_.empty() && left_out_ == 0 && given_ == plain_.size();
    return step;
  }

 private:
  static constexpr size_t kHeadBytes = 4;
  static constexpr size_t kChecksumBytes = 4;
  static constexpr size_t kMostPlain = 65536;      // of a chunk, as the format says
  static constexpr size_t kMostContent = 1 << 17;  // more than snappy can make of that
  enum Kind : unsigned {
    Compressed = 0,
    Plain = 1,
    CompressedUnchecked = 2,  // DynamoRIO's
    PlainUnchecked = 3,       // DynamoRIO's
    Skippable = 0x80,
    Identifier = 0xff
  };

  // More of the current chunk; all of it is used when it is whole.
  void take(const char* in, size_t bytes, Step& step) {
    if (left_out_ != 0) {
      const size_t skipped = std::min(bytes, left_out_);
      left_out_ -= skipped;
      step.consumed += skipped;
      return;
    }
    const size_t wanted = chunk_.size() < kHeadBytes ? kHeadBytes : kHeadBytes + content_bytes();
    const size_t taken = std::min(bytes, wanted - chunk_.size());
    chunk_.insert(chunk_.end(), in, in + taken);
    step.consumed += taken;
    if (chunk_.size() < kHeadBytes) return;
    if (chunk_.size() == kHeadBytes && taken != 0 && !head(step)) return;
    if (chunk_.size() == kHeadBytes + content_bytes()) {
      step.error = content();
      chunk_.clear();
    }
  }

  [[nodiscard]] unsigned kind() const { return static_cast<uint8_t>(chunk_[0]); }
  [[nodiscard]] size_t content_bytes() const {
    const auto byte = [&](size_t i) { return size_t{static_cast<uint8_t>(chunk_[i])}; };
    return byte(1) | byte(2) << 8 | byte(3) << 16;
  }

  // False: there is nothing to gather, since the chunk is skipped or wrong.
  bool head(Step& step) {
    if (kind() >= Skippable && kind() != Identifier) {
      left_out_ = content_bytes();
      chunk_.clear();
      return false;
    }
    if (kind() > PlainUnchecked && kind() != Identifier) {
      step.error = "a snappy chunk of an unknown kind";
    } else if (content_bytes() > kMostContent) {
      step.error = "a snappy chunk that is too long";
    }
    return step.error == nullptr;
  }

  const char* content() {
    std::string_view content(chunk_.data() + kHeadBytes, chunk_.size() - kHeadBytes);
    if (kind() == Identifier) return content == "sNaPpY" ? nullptr : "no snappy identifier";
    const bool checked = kind() == Compressed || kind() == Plain;
    uint32_t checksum = 0;
    if (checked) {
      if (content.size() < kChecksumBytes) return "a snappy chunk that is too short";
      std::memcpy(&checksum, content.data(), kChecksumBytes);
      content.remove_prefix(kChecksumBytes);
    }
    given_ = 0;
    plain_.clear();
    if (kind() == Plain || kind() == PlainUnchecked) {
      if (content.size() > kMostPlain) return "a snappy chunk that is too long";
      plain_.assign(content.begin(), content.end());
    } else {
      size_t bytes = 0;
      if (!snappy::GetUncompressedLength(content.data(), content.size(), &bytes) ||
          bytes > kMostPlain)
        return "damaged snappy data";
      plain_.resize(bytes);
      if (!snappy::RawUncompress(content.data(), content.size(), plain_.data())) {
        plain_.clear();
        return "damaged snappy data";
      }
    }
    if (checked && masked_checksum() != checksum) {
      plain_.clear();
      return "damaged snappy data: its checksum is another";
    }
    return nullptr;
  }

  [[nodiscard]] uint32_t masked_checksum() const {
    // CRC-32C.
    boost::crc_optimal<32, 0x1edc6f41, 0xffffffff, 0xffffffff, true, true> crc;
    crc.process_bytes(plain_.data(), plain_.size());
    const uint32_t sum = crc.checksum();
    return (sum >> 15 | sum << 17) + 0xa282ead8u;
  }

  std::vector<char> chunk_;  // what has been gathered of it
  size_t left_out_ = 0;      // bytes still to be skipped
  std::vector<char> plain_;
  size_t given_ = 0;  // of plain_
};

}  // namespace

std::unique_ptr<Decompressor> decompressor_for(std::string_view start) {
  using namespace std::string_view_literals;
  if (start.starts_with("\x28\xb5\x2f\xfd"sv)) return std::make_unique<ZstdDecompressor>();
  if (start.starts_with("\xfd\x37zXZ\0"sv)) return std::make_unique<XzDecompressor>();
  if (start.starts_with("\x1f\x8b"sv)) return std::make_unique<GzipDecompressor>();
  if (start.starts_with("\x04\x22\x4d\x18"sv)) return std::make_unique<Lz4Decompressor>();
  if (start.starts_with("\xff\x06\0\0sNaPpY"sv)) return std::make_unique<SnappyDecompressor>();
  return nullptr;
}

}  // namespace mmusim::trace
