// A trace container in memory, under a name that a reader can open.
#ifndef MMUSIM_TESTS_FUZZ_CONTAINER_H_
#define MMUSIM_TESTS_FUZZ_CONTAINER_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "trace/format.h"

namespace mmusim::fuzz {

// What a chunk says. Whether it fits together is not asked.
struct Chunk {
  trace::Totals totals;
  uint32_t static_blocks = 0;
  std::array<std::vector<uint8_t>, trace::kStreams> streams;  // uncompressed
};

// The whole file, of one chunk. Every size and checksum is right, so that a reader finds nothing
// wrong but what the streams say. Where these can be read, there are page streams of them.
std::vector<uint8_t> container(const trace::Header& header, const Chunk& chunk);

}  // namespace mmusim::fuzz

#endif  // MMUSIM_TESTS_FUZZ_CONTAINER_H_
