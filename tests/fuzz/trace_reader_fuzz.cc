// Any bytes as a trace file: batches or Error, nothing else. The file's checksums would stop nearly
// every mutation at the door, so the second target of the same bytes is what is behind them: the
// raw streams of a chunk.
#include <cstdint>
#include <cstdio>
#include <sys/mman.h>
#include <unistd.h>

#include "trace/chunk_decoder.h"
#include "trace/dump.h"
#include "trace/reader.h"

namespace mmusim::trace {
namespace {

void fuzz_file(std::span<const uint8_t> bytes, bool torn) {
  const int fd = memfd_create("trace", 0);
  if (fd < 0 || write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    std::abort();
  }
  try {
    Reader reader(fmt::format("/proc/self/fd/{}", fd), {.accept_torn = torn});
    for (Batch batch; reader.next(batch);) {
    }
  } catch (const Error&) {
  }
  close(fd);
}

// The input is cut into streams by its first bytes.
void fuzz_chunk(std::span<const uint8_t> bytes) {
  const size_t head = 4 + 2 * kStreams;
  if (bytes.size() < head) return;
  ChunkHeader header;
  header.static_blocks = bytes[0];
  header.totals.blocks = uint64_t{bytes[1]} << 8 | bytes[2];
  header.totals.events = bytes[3];
  std::vector<std::vector<uint8_t>> padded;
  RawStreams raw;
  size_t from = head;
  for (size_t i = 0; i < kStreams; ++i) {
    const size_t wanted = size_t{bytes[4 + 2 * i]} << 8 | bytes[5 + 2 * i];
    const size_t size = std::min(wanted, bytes.size() - from);
    auto& stream = padded.emplace_back(bytes.begin() + static_cast<ptrdiff_t>(from),
                                       bytes.begin() + static_cast<ptrdiff_t>(from + size));
    stream.resize(size + RawStreams::kPadding);
    raw.streams[i] = std::span(stream).first(size);
    from += size;
  }
  static ChunkDecoder decoder;
  uint64_t sum = 0;
  try {
    decoder.open(header, raw, {"fuzz", 0});
    for (Batch batch; decoder.next(batch);) {
      if (batch.event != nullptr) sum += describe(*batch.event).size();
      const uint64_t* address = batch.addresses;
      for (const uint32_t number : batch.blocks) {
        const StaticBlock& block = batch.table[number];
        for (unsigned i = 0; i < block.instructions; ++i)
          sum += block.lengths[i];
        for (unsigned i = 0; i < block.mem_ops; ++i)
          sum += *address++ + block.ops[i].bytes;
      }
    }
  } catch (const Error&) {
  }
  [[maybe_unused]] static volatile uint64_t sink;
  sink = sum;
}

}  // namespace
}  // namespace mmusim::trace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> bytes(data + 1, size - 1);
  if ((data[0] & 3) == 0) {
    mmusim::trace::fuzz_file(bytes, (data[0] & 4) != 0);
  } else {
    mmusim::trace::fuzz_chunk(bytes);
  }
  return 0;
}
