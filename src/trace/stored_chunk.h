// A chunk as it stands in a file, for who copies chunks.
#ifndef MMUSIM_TRACE_STORED_CHUNK_H_
#define MMUSIM_TRACE_STORED_CHUNK_H_

#include <cstdint>
#include <span>

#include "trace/bytes.h"
#include "trace/chunk_decoder.h"
#include "trace/format.h"

namespace mmusim::trace {

// Points into its reader. Its checksums have been found right.
struct StoredChunk {
  Place place;
  ChunkHeader header;
  std::span<const uint8_t> payload;  // compressed, page streams included
  RawStreams raw;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_STORED_CHUNK_H_
