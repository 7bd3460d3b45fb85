#include "tests/fuzz/container.h"

#include <cstdlib>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

namespace mmusim::fuzz {

namespace {

constexpr int kLevel = 1;

}  // namespace

std::vector<uint8_t> container(const trace::Header& header, const Chunk& chunk) {
  trace::ByteBuffer out;
  trace::encode_header(out, header);
  const uint64_t header_hash = trace::hash_bytes(out.bytes());

  trace::ChunkHeader head;
  head.totals = chunk.totals;
  head.static_blocks = chunk.static_blocks;
  trace::StreamHasher raw_hash;
  std::vector<uint8_t> payload;
  for (size_t i = 0; i < trace::kStreams; ++i) {
    const std::vector<uint8_t>& raw = chunk.streams[i];
    raw_hash.add(raw);
    const size_t at = payload.size();
    payload.resize(at + ZSTD_compressBound(raw.size()));
    const size_t size =
        ZSTD_compress(payload.data() + at, payload.size() - at, raw.data(), raw.size(), kLevel);
    if (ZSTD_isError(size) != 0) std::abort();
    payload.resize(at + size);
    head.streams[i] = {static_cast<uint32_t>(raw.size()), static_cast<uint32_t>(size)};
  }
  head.raw_hash = raw_hash.digest();
  head.payload_hash = trace::hash_bytes(payload);

  trace::IndexEntry entry;
  entry.offset = out.size();
  entry.bytes = trace::ChunkHeader::kBytes + payload.size();
  entry.raw_bytes = head.raw_bytes();
  entry.totals = head.totals;
  entry.raw_hash = head.raw_hash;
  trace::encode_chunk_header(out, head);
  out.append(payload.data(), payload.size());
  trace::encode_index(out, out.size(), header_hash, std::span(&entry, 1));
  return {out.bytes().begin(), out.bytes().end()};
}

}  // namespace mmusim::fuzz
