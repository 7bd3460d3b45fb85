// Adds page streams to packed chunks, as far as a file has room for them. Not thread-safe.
#ifndef MMUSIM_TRACE_PAGE_PACKER_H_
#define MMUSIM_TRACE_PAGE_PACKER_H_

#include <memory>

#include "trace/format.h"
#include "trace/page_stream.h"

namespace mmusim::trace {

class PagePacker {
 public:
  // `percent` of the compressed columns is what they may take of a whole file; a chunk of which
  // they take more than twice as much gets none. 0: there are none. `level`: zstd's.
  PagePacker(unsigned percent, int level);
  ~PagePacker();
  PagePacker(const PagePacker&) = delete;
  PagePacker& operator=(const PagePacker&) = delete;

  // `header` and `payload` are those of a packed chunk without page streams, `streams` its page
  // streams. Appended are those for sets and for any first level, or those for sets, or none:
  // PageAllowance says whether they stay.
  void add(const PageStreams& streams, ChunkHeader& header, ByteBuffer& payload);

 private:
  struct Compressor;

  unsigned percent_;
  int level_;
  std::unique_ptr<Compressor> compressor_;
};

// Keeps page streams within their share of a file, whose chunks it is shown in order.
class PageAllowance {
 public:
  explicit PageAllowance(unsigned percent) : percent_(percent) {}

  // Takes from the chunk what there is no room for: those for any first level, or all.
  void trim(ChunkHeader& header, ByteBuffer& payload);

 private:
  unsigned percent_;
  uint64_t columns_ = 0;  // bytes so far
  uint64_t pages_ = 0;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_PAGE_PACKER_H_
