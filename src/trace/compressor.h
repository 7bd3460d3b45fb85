// A zstd compressor, kept from stream to stream. Not thread-safe.
#ifndef MMUSIM_TRACE_COMPRESSOR_H_
#define MMUSIM_TRACE_COMPRESSOR_H_

#include <span>
#include <zstd.h>

#include "base/error.h"
#include "trace/bytes.h"
#include "trace/format.h"

namespace mmusim::trace {

class Compressor {
 public:
  Compressor() : context_(ZSTD_createCCtx()) { MMUSIM_ASSERT(context_ != nullptr); }
  ~Compressor() { ZSTD_freeCCtx(context_); }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  // Appends one frame. Errors: Error where it cannot be compressed.
  StreamSizes append(std::span<const uint8_t> raw, int level, ByteBuffer& out) const {
    const size_t room = ZSTD_compressBound(raw.size());
    out.reserve(room);
    const size_t size = ZSTD_compressCCtx(context_, out.end(), room, raw.data(), raw.size(), level);
    if (ZSTD_isError(size) != 0)
      throw Error("", fmt::format("cannot compress: {}", ZSTD_getErrorName(size)));
    const std::span<const uint8_t> frame(out.end(), size);
    out.set_end(out.end() + size);
    return {static_cast<uint32_t>(raw.size()), static_cast<uint32_t>(size), hash_bytes(frame)};
  }

 private:
  ZSTD_CCtx* context_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_COMPRESSOR_H_
