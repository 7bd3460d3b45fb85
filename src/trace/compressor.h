// A zstd compressor, kept from stream to stream. Not thread-safe.
//
// zstd's levels do not know what they are given: block numbers repeat in long runs, widths in runs
// of half bytes, differences in short ones. At its levels that search (5 to 12), matches are looked
// for anywhere in a stream, and are at least as long as is worth while in its kind. Level 4 is a
// mix: block numbers and page streams gain much by searching, the others little (README.md, "Why it
// looks like this", has what all of that gains).
#ifndef MMUSIM_TRACE_COMPRESSOR_H_
#define MMUSIM_TRACE_COMPRESSOR_H_

#include <span>
#include <zstd.h>

#include "base/error.h"
#include "trace/bytes.h"
#include "trace/format.h"
#include "trace/level.h"

namespace mmusim::trace {

// How a kind of stream repeats.
struct Repeats {
  int shortest = 0;    // bytes of a match; 0: the level's
  int search_log = 0;  // zstd's searchLog, at levels that have less; 0: the level's
};
constexpr Repeats repeats_of(Stream stream) {
  switch (stream) {
    case Stream::Blocks:
      return {.shortest = 6, .search_log = 4};
    case Stream::Widths:
      return {.shortest = 6};
    case Stream::Differences:
      return {.shortest = 4};
    default:
      return {};
  }
}
constexpr Repeats repeats_of(PageStream stream) {
  return stream == PageStream::Runs ? Repeats{} : Repeats{.shortest = 6};
}

// zstd's level for a kind of stream.
constexpr int level_for(Stream stream, int level) {
  if (level != kMixedLevel) return level;
  return stream == Stream::Blocks ? level + 1 : level - 1;
}
constexpr int level_for(PageStream /*stream*/, int level) {
  return level == kMixedLevel ? level + 1 : level;
}

class Compressor {
 public:
  Compressor() : context_(ZSTD_createCCtx()) { MMUSIM_ASSERT(context_ != nullptr); }
  ~Compressor() { ZSTD_freeCCtx(context_); }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  // Appends one frame. Errors: Error where it cannot be compressed.
  template <class StreamKind>
  StreamSizes append(std::span<const uint8_t> raw, StreamKind kind, int level,
                     ByteBuffer& out) const {
    const size_t room = ZSTD_compressBound(raw.size());
    out.reserve(room);
    ZSTD_CCtx_reset(context_, ZSTD_reset_session_and_parameters);
    level = level_for(kind, level);
    set(ZSTD_c_compressionLevel, level);
    if (level >= kFirstSearching && level <= kLastSearching) {
      const Repeats repeats = repeats_of(kind);
      set(ZSTD_c_windowLog, kWindowLog);
      set(ZSTD_c_minMatch, repeats.shortest);
      if (level < kSearchesAsMuch) set(ZSTD_c_searchLog, repeats.search_log);
    }
    const size_t size = ZSTD_compress2(context_, out.end(), room, raw.data(), raw.size());
    if (ZSTD_isError(size) != 0)
      throw Error("", fmt::format("cannot compress: {}", ZSTD_getErrorName(size)));
    const std::span<const uint8_t> frame(out.end(), size);
    out.set_end(out.end() + size);
    return {static_cast<uint32_t>(raw.size()), static_cast<uint32_t>(size), hash_bytes(frame)};
  }

 private:
  static constexpr int kFirstSearching = 5;
  static constexpr int kSearchesAsMuch = 9;
  static constexpr int kLastSearching = 12;
  static constexpr int kWindowLog = 24;  // of a whole chunk; zstd takes less for less

  void set(ZSTD_cParameter which, int value) const {
    MMUSIM_ASSERT(ZSTD_isError(ZSTD_CCtx_setParameter(context_, which, value)) == 0);
  }

  ZSTD_CCtx* context_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_COMPRESSOR_H_
