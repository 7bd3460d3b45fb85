// Any bytes as a trace file: batches or Error, nothing else. The file's checksums stop nearly every
// mutation at the door, so what is behind them gets bytes of its own: the raw streams of a chunk,
// made of the input, or good streams, its page streams too, with the input as edits.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "trace/chunk_decoder.h"
#include "trace/chunk_encoder.h"
#include "trace/dump.h"
#include "trace/page_stream.h"
#include "trace/reader.h"

namespace mmusim::trace {
namespace {

volatile uint64_t touched;  // so that what batches point to is read

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

struct Chunk {
  ChunkHeader header;
  std::array<std::vector<uint8_t>, kStreams> streams;
};

RawStreams padded(Chunk& chunk) {
  RawStreams raw;
  for (size_t i = 0; i < kStreams; ++i) {
    auto& stream = chunk.streams.at(i);
    const size_t size = stream.size();
    stream.resize(size + RawStreams::kPadding);
    raw.streams.at(i) = std::span(stream).first(size);
  }
  return raw;
}

void decode(Chunk& chunk) {
  const RawStreams raw = padded(chunk);
  static ChunkDecoder decoder;
  uint64_t sum = 0;
  try {
    decoder.open(chunk.header, raw, {"fuzz", 0});
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
  touched = sum;
}

// The input is cut into streams by its first bytes.
void fuzz_chunk(std::span<const uint8_t> bytes) {
  const size_t head = 4 + 2 * kStreams;
  if (bytes.size() < head) return;
  Chunk chunk;
  chunk.header.static_blocks = bytes[0];
  chunk.header.totals.blocks = uint64_t{bytes[1]} << 8 | bytes[2];
  chunk.header.totals.events = bytes[3];
  size_t from = head;
  for (size_t i = 0; i < kStreams; ++i) {
    const size_t wanted = size_t{bytes[4 + 2 * i]} << 8 | bytes[5 + 2 * i];
    const size_t size = std::min(wanted, bytes.size() - from);
    const auto part = bytes.subspan(from, size);
    chunk.streams.at(i).assign(part.begin(), part.end());
    from += size;
  }
  // As many accesses as there are widths for, so that the streams may fit together.
  chunk.header.totals.loads = 2 * chunk.streams.at(static_cast<size_t>(Stream::Widths)).size();
  decode(chunk);
}

Chunk good_chunk() {
  ChunkEncoder encoder;
  const std::array<uint8_t, 3> lengths = {1, 4, 7};
  const std::array<MemOp, 3> ops = {MemOp{0, AccessKind::Load, 8}, MemOp{1, AccessKind::Store, 1},
                                    MemOp{2, AccessKind::Modify, 4096}};
  const auto run = [&](uint64_t start, uint8_t accesses, uint64_t address) {
    const StaticBlock block{VirtAddr(start), 12, 3, accesses, false, lengths.data(), ops.data()};
    const std::array<uint64_t, 3> addresses = {address, address + 100, address * 3};
    encoder.block(block, start + accesses, addresses.data());
  };
  encoder.thread({Pid(1), Tid(1)});
  ExecEvent exec;
  exec.program = "p";
  exec.arguments = {"a", "b"};
  exec.image.emplace_back().name = "n";
  encoder.event(exec);
  for (uint64_t i = 0; i < 60; ++i)
    run(0x1000 + i % 7 * 12, static_cast<uint8_t>(i % 4), i * i * i);
  encoder.event(MmapEvent{VirtAddr(1), 2, 3, 4, -1, 5, -6, "file"});
  encoder.thread({Pid(1), Tid(2)});
  run(0x2000, 3, 0x7fff00000000);
  encoder.close();
  Chunk chunk;
  chunk.header.totals = encoder.totals();
  chunk.header.static_blocks = encoder.static_blocks();
  for (size_t i = 0; i < kStreams; ++i) {
    const auto stream = encoder.stream(static_cast<Stream>(i));
    chunk.streams.at(i).assign(stream.begin(), stream.end());
  }
  return chunk;
}

// What to do, place and value are bytes 1 to 3.
void edit(std::vector<uint8_t>& stream, std::span<const uint8_t> bytes) {
  if (stream.empty()) return;
  const auto at = stream.begin() + bytes[2] % static_cast<ptrdiff_t>(stream.size());
  if (bytes[1] % 8 == 0) {
    stream.insert(at, bytes[3]);
  } else if (bytes[1] % 8 == 1) {
    stream.erase(at);
  } else {
    *at = bytes[3];
  }
}

// The input is a list of edits: stream, what to do, place, value.
void fuzz_edits(std::span<const uint8_t> bytes) {
  static const Chunk good = good_chunk();
  Chunk chunk = good;
  for (; bytes.size() >= 4; bytes = bytes.subspan(4))
    edit(chunk.streams.at(bytes[0] % kStreams), bytes);
  decode(chunk);
}

// The same for the page streams of a good chunk.
void fuzz_pages(std::span<const uint8_t> bytes) {
  static const Chunk good = good_chunk();
  Chunk chunk = good;
  RawStreams raw = padded(chunk);
  static ChunkDecoder columns;
  static PageStreamMaker maker(PageChoice::Any);
  static PageStreams made;
  static PageDecoder decoder;
  columns.open(chunk.header, raw, {"fuzz", 0});
  maker.make([&](Batch& batch) { return columns.next(batch); }, made);
  chunk.header.digests = made.digests;
  std::array<std::vector<uint8_t>, kPageStreams> streams;
  for (size_t i = 0; i < kPageStreams; ++i)
    streams.at(i).assign(made.streams.at(i).bytes().begin(), made.streams.at(i).bytes().end());
  for (; bytes.size() >= 4; bytes = bytes.subspan(4))
    edit(streams.at(bytes[0] % kPageStreams), bytes);
  PageDecoder::Raw pages;
  for (size_t i = 0; i < kPageStreams; ++i) {
    auto& stream = streams.at(i);
    const size_t size = stream.size();
    stream.resize(size + RawStreams::kPadding);
    pages.at(i) = std::span(stream).first(size);
  }
  uint64_t sum = 0;
  for (const bool any : {false, true}) {
    try {
      decoder.open(chunk.header, raw[Stream::Control], pages, any, {"fuzz", 0});
      for (Batch batch; decoder.next(batch);)
        for (const PageRef ref : batch.pages)
          sum += ref.word();
    } catch (const Error&) {
    }
  }
  touched = sum;
}

}  // namespace
}  // namespace mmusim::trace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> bytes(data + 1, size - 1);
  if ((data[0] & 3) == 0) {
    mmusim::trace::fuzz_file(bytes, (data[0] & 4) != 0);
  } else if ((data[0] & 3) == 1) {
    mmusim::trace::fuzz_chunk(bytes);
  } else if ((data[0] & 3) == 2) {
    mmusim::trace::fuzz_edits(bytes);
  } else {
    mmusim::trace::fuzz_pages(bytes);
  }
  return 0;
}
