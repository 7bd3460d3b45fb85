// Turns the raw streams of one chunk back into batches. Coding: README.md ("Chunks"). Everything is
// checked: whatever the bytes say, the result is batches within the limits of record.h, or Error.
// What can be checked for a whole chunk at once is checked in open(), so that the loops over
// records need no checks of their own. Memory is bounded by the limits of format.h. Not
// thread-safe.
#ifndef MMUSIM_TRACE_CHUNK_DECODER_H_
#define MMUSIM_TRACE_CHUNK_DECODER_H_

#include <array>
#include <vector>

#include "trace/bytes.h"
#include "trace/control_reader.h"
#include "trace/format.h"
#include "trace/record.h"

namespace mmusim::trace {

// The uncompressed streams of a chunk, each followed by kPadding readable bytes.
struct RawStreams {
  static constexpr size_t kPadding = kStreamPadding;
  std::array<std::span<const uint8_t>, kStreams> streams;

  [[nodiscard]] std::span<const uint8_t> operator[](Stream which) const {
    return streams[static_cast<size_t>(which)];
  }
};

class ChunkDecoder {
 public:
  // A batch has at most so many blocks, and fewer than so many addresses plus those of one block:
  // small enough for the nearest caches, large enough that what is done per batch costs little.
  static constexpr size_t kBatchBlocks = 2048;
  static constexpr size_t kBatchAddresses = 8192;

  ChunkDecoder();

  // Begins a chunk: reads its dictionary and checks its streams. `raw` must live until the chunk's
  // last batch. `place` is the chunk's.
  void open(const ChunkHeader& header, const RawStreams& raw, const Place& place);

  // The next batch, or false at the end of the chunk, once its totals have been found right.
  // `batch` points into the decoder.
  bool next(Batch& batch);

 private:
  // What decoding needs of a static block.
  struct BlockShape {
    uint32_t first_op;
    uint32_t mem_ops;
    // Instructions, loads and stores in fields of kCountBits, so that one addition counts all. The
    // blocks of a batch cannot make a field overflow.
    uint64_t counts;
  };
  static constexpr unsigned kCountBits = 21;
  static_assert(kBatchBlocks * 255 < uint64_t{1} << kCountBits);

  void read_dictionary();
  void read_static_block(ByteReader& in, uint64_t& previous_end, FirstAddresses& first_addresses);
  void check_streams();
  void decode_blocks(Batch& batch);
  void decode_addresses(size_t count);
  void decode_addresses_in_order(size_t count);
  void decode_addresses_by_width(size_t count);
  [[noreturn]] void fail(const char* what) const { damaged(place_, what); }

  Place place_;
  ChunkHeader header_;
  RawStreams raw_;
  ControlReader control_;

  std::vector<StaticBlock> table_;
  std::vector<BlockShape> shapes_;
  std::vector<uint8_t> lengths_;
  std::vector<MemOp> ops_;
  std::vector<uint64_t> last_address_;  // by static access

  uint64_t table_serial_ = 0;
  Totals done_;
  // The next difference of each width; where they stand in order, of any in the first.
  std::array<const uint8_t*, 16> next_difference_{};

  // The differences stored last, each in the place of its number, modulo their count.
  static constexpr size_t kStored = 8;
  static_assert(kStored > kRepeatable);
  std::array<uint64_t, kStored> stored_{};
  size_t stored_count_ = 0;

  // Of the batch.
  std::vector<uint32_t> blocks_;
  std::vector<uint32_t> op_numbers_;  // the static access of each address
  std::vector<uint64_t> addresses_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_CHUNK_DECODER_H_
