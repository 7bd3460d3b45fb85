// Decompressors of single streams: zstd, xz, gzip, lz4 (frames) and snappy (framed, also the two
// kinds of chunks without a checksum that DynamoRIO writes). An archive is another thing:
// zip_members.h.
//
// Each holds its state and, of snappy, one chunk. Sources: the libraries' headers; for snappy's
// frames google/snappy framing_format.txt. Not thread-safe.
#ifndef MMUSIM_TRACE_IMPORT_DECOMPRESSORS_H_
#define MMUSIM_TRACE_IMPORT_DECOMPRESSORS_H_

#include <cstddef>
#include <memory>
#include <string_view>

namespace mmusim::trace {

// What a compressed format needs to be read; one class per format in decompressors.cc.
class Decompressor {
 public:
  virtual ~Decompressor() = default;
  struct Step {
    size_t consumed = 0;
    size_t produced = 0;
    bool at_member_end = false;  // everything given so far is complete
    const char* error = nullptr;
  };
  virtual Step step(const char* in, size_t in_bytes, bool at_end, char* out, size_t out_bytes) = 0;
};

// As many bytes tell every format.
inline constexpr size_t kMagicBytes = 10;
// The one for a file that begins so; null if it is not compressed.
std::unique_ptr<Decompressor> decompressor_for(std::string_view start);

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORT_DECOMPRESSORS_H_
