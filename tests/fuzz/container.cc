#include "tests/fuzz/container.h"

#include "base/error.h"
#include "trace/chunk_decoder.h"
#include "trace/compressor.h"
#include "trace/page_packer.h"

namespace mmusim::fuzz {

namespace {

constexpr int kLevel = 1;
constexpr unsigned kPercent = 100'000;  // always

}  // namespace

std::vector<uint8_t> container(const trace::Header& header, const Chunk& chunk) {
  trace::ByteBuffer out;
  trace::encode_header(out, header);
  const uint64_t header_hash = trace::hash_bytes(out.bytes());

  trace::ChunkHeader head;
  head.totals = chunk.totals;
  head.static_blocks = chunk.static_blocks;
  const trace::Compressor compressor;
  std::array<std::vector<uint8_t>, trace::kStreams> padded = chunk.streams;
  trace::RawStreams raw;
  trace::ByteBuffer payload;
  for (size_t i = 0; i < trace::kStreams; ++i) {
    const size_t size = padded[i].size();
    padded[i].resize(size + trace::RawStreams::kPadding);
    raw.streams[i] = std::span(padded[i]).first(size);
    head.streams[i] =
        compressor.append(raw.streams[i], static_cast<trace::Stream>(i), kLevel, payload);
  }
  head.raw_hash = trace::hash_of_streams(raw.streams, head.coding);
  try {
    trace::ChunkDecoder columns;
    trace::PageStreams made;
    columns.open(head, raw, {});
    trace::PageStreamMaker(trace::PageChoice::Any)
        .make([&](trace::Batch& batch) { return columns.next(batch); }, made);
    trace::PagePacker(kPercent, kLevel).add(made, head, payload);
  } catch (const Error&) {
  }

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
