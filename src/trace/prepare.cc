#include "trace/prepare.h"

#include <algorithm>
#include <vector>

#include "base/output_file.h"
#include "trace/compared_chunks.h"
#include "trace/page_packer.h"
#include "trace/stored_chunk.h"

namespace mmusim::trace {
namespace {

// The chunk's columns as they are, for the payload of one of the current version.
void copy_columns(const StoredChunk& chunk, ChunkHeader& header, ByteBuffer& payload) {
  header = chunk.header;
  header.page_streams = {};
  header.digests = {};
  payload.clear();
  for (StreamSizes& stream : header.streams) {
    const auto bytes = chunk.payload.subspan(payload.size(), stream.compressed);
    stream.hash = hash_bytes(bytes);
    payload.append(bytes.data(), bytes.size());
  }
}

}  // namespace

PrepareResult prepare(const std::string& path, const std::string& output, unsigned percent,
                      const std::function<void(uint64_t, uint64_t)>& progress) {
  Reader reader(path);
  OutputFile file(output);
  constexpr int kLevel = 9;  // made once, for a file that stays; nothing waits for it as writers do
  PagePacker pages(percent, kLevel);
  PageAllowance allowance(percent);
  ChunkDecoder columns;
  PageStreamMaker maker(PageChoice::Any);
  PageStreams made;
  PrepareResult result;
  std::vector<IndexEntry> index;
  ByteBuffer out;
  encode_header(out, reader.header());
  const uint64_t header_hash = hash_bytes(out.bytes());
  file.write(out.data(), out.size());
  ChunkHeader header;
  ByteBuffer payload;
  for (StoredChunk chunk; reader.next_stored(chunk);) {
    copy_columns(chunk, header, payload);
    if (percent != 0 && header.totals.blocks != 0) {
      columns.open(header, chunk.raw, chunk.place);
      maker.make([&](Batch& batch) { return columns.next(batch); }, made);
      pages.add(made, header, payload);
    }
    allowance.trim(header, payload);
    index.push_back({.offset = file.bytes_written(),
                     .bytes = ChunkHeader::kBytes + payload.size(),
                     .raw_bytes = header.raw_bytes(),
                     .totals = header.totals,
                     .raw_hash = header.raw_hash});
    out.clear();
    encode_chunk_header(out, header);
    file.write(out.data(), out.size());
    file.write(payload.data(), payload.size());
    ++result.chunks;
    result.for_sets += header.has_pages() ? 1 : 0;
    result.for_any += header.has_returns() ? 1 : 0;
    if (progress) progress(reader.position(), reader.file_bytes());
  }
  out.clear();
  encode_index(out, file.bytes_written(), header_hash, index);
  file.write(out.data(), out.size());
  result.bytes_before = reader.file_bytes();
  result.bytes_after = file.bytes_written();
  commit_compared(file, result.for_sets != 0 ? index.size() : 0);
  return result;
}

void check_page_streams(const std::string& path, const ReaderOptions& options,
                        const std::function<void(uint64_t, uint64_t)>& progress) {
  Reader reader(path, options);
  while (reader.next_chunk()) {
    reader.compare_page_streams();
    if (progress) progress(reader.position(), reader.file_bytes());
  }
}

}  // namespace mmusim::trace
