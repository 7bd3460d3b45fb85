// Turns the raw streams of one chunk back into batches. Coding: README.md ("Chunks"). Everything is
// checked: whatever the bytes say, the result is batches within the limits of record.h, or Error.
// Memory is bounded by the limits of format.h. Not thread-safe.
#ifndef MMUSIM_TRACE_CHUNK_DECODER_H_
#define MMUSIM_TRACE_CHUNK_DECODER_H_

#include <array>
#include <vector>

#include "trace/bytes.h"
#include "trace/format.h"
#include "trace/record.h"

namespace mmusim::trace {

// The uncompressed streams of a chunk, each followed by kPadding readable bytes.
struct RawStreams {
  static constexpr size_t kPadding = 32;
  std::array<std::span<const uint8_t>, kStreams> streams;
};

class ChunkDecoder {
 public:
  // A batch has at most so many blocks, and so many addresses plus those of one block: small enough
  // for the second-level cache, large enough that what is done per batch costs nothing.
  static constexpr size_t kBatchBlocks = 4096;
  static constexpr size_t kBatchAddresses = 16384;

  ChunkDecoder();

  // Begins a chunk: reads its dictionary. `raw` must live until the chunk's last batch. `place` is
  // the chunk's.
  void open(const ChunkHeader& header, const RawStreams& raw, const Place& place);

  // The next batch, or false at the end of the chunk, once its totals have been found right.
  // `batch` points into the decoder.
  bool next(Batch& batch);

 private:
  struct Counts {
    uint32_t instructions, loads, stores, modifies;
  };

  void read_dictionary();
  void read_static_block(ByteReader& in, uint64_t& previous_end);
  void decode_blocks(Batch& batch);
  [[noreturn]] void fail(const char* what) const { damaged(place_, what); }

  Place place_;
  ChunkHeader header_;
  RawStreams raw_;
  ByteReader control_;
  ByteReader blocks_in_;
  ByteReader addresses_in_;

  std::vector<StaticBlock> table_;
  std::vector<Counts> counts_;
  std::vector<uint32_t> first_op_;
  std::vector<uint8_t> lengths_;
  std::vector<MemOp> ops_;
  std::vector<uint64_t> last_address_;

  ThreadId thread_{};
  bool has_thread_ = false;
  uint64_t run_ = 0;       // blocks before the next item of the control stream
  bool item_due_ = false;  // an item follows the run
  uint64_t table_serial_ = 0;
  Totals done_;
  Event event_;
  std::vector<uint32_t> blocks_;
  std::vector<uint64_t> addresses_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_CHUNK_DECODER_H_
