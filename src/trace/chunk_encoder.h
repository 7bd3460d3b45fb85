// Turns blocks, their data addresses and events into the raw streams of one chunk. Coding:
// README.md ("Chunks"). The mirror image is chunk_decoder.h. Not thread-safe.
#ifndef MMUSIM_TRACE_CHUNK_ENCODER_H_
#define MMUSIM_TRACE_CHUNK_ENCODER_H_

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "trace/bytes.h"
#include "trace/format.h"
#include "trace/page_choice.h"
#include "trace/page_stream.h"
#include "trace/record.h"

namespace mmusim::trace {

class ChunkEncoder {
 public:
  // `pages`: which page streams it makes besides, of the references as they come.
  explicit ChunkEncoder(PageChoice pages = PageChoice::None);

  // The thread of what follows. Cheap when it does not change.
  void thread(ThreadId thread);

  // One executed block. REQUIRES: thread() was called since clear(); `block` keeps the limits of
  // record.h. `hash` is any function of the whole content of `block`. Its number is returned.
  uint32_t block(const StaticBlock& block, uint64_t hash, const uint64_t* addresses);
  // The same for blocks that have their numbers already, given since clear(). `addresses` are those
  // of the first, then those of the second, and so on.
  void again(std::span<const uint32_t> numbers, std::span<const uint64_t> addresses);
  // Whether full() stays false meanwhile, whatever the addresses are.
  [[nodiscard]] bool has_room(uint64_t chunk_bytes, size_t blocks, size_t accesses) const;

  // Errors: Error when the event exceeds the format's limits.
  void event(const Event& event);

  // Ends the chunk: the streams are complete then, each followed by kStreamPadding readable bytes.
  void close();
  // The page streams of a chunk that was closed; once. False: none were asked for.
  bool page_streams(PageStreams& out);

  // Forgets everything, for the next chunk.
  void clear();

  [[nodiscard]] bool empty() const { return totals_.blocks == 0 && totals_.events == 0; }
  // True once a limit of the format is so near that the chunk must end.
  [[nodiscard]] bool full(uint64_t chunk_bytes) const;
  [[nodiscard]] uint64_t raw_bytes() const;
  [[nodiscard]] const Totals& totals() const { return totals_; }
  [[nodiscard]] uint32_t static_blocks() const { return static_cast<uint32_t>(table_.size()); }
  [[nodiscard]] std::span<const uint8_t> stream(Stream which) const;

 private:
  struct Entry {
    uint64_t hash;
    uint64_t start;
    uint32_t first_length;
    uint32_t first_op;
    uint8_t instructions;
    uint8_t mem_ops;
    uint32_t bytes;
  };
  // What executing a block again needs: little, so that those of large programs stay in a cache.
  struct Counts {
    uint32_t first_op;
    uint8_t mem_ops;
    uint8_t instructions;
    uint8_t loads;
    uint8_t stores;
    PageRef fetch;  // of the block's begin, or what crosses
  };

  // An access that does not go where it went the last time: how far from there, and which of those
  // being written it is; or, once that has been looked at, how many bytes that takes.
  struct Moved {
    uint64_t difference;
    uint64_t access_or_width;
  };

  template <bool kPages>
  void put(std::span<const uint32_t> numbers, std::span<const uint64_t> addresses);
  template <bool kPages>
  size_t put_addresses(std::span<const uint64_t> addresses, uint64_t& digests);
  void put_differences(std::span<Moved> moved, uint8_t* widths);
  PlacedRef* fetch_crossing(const Counts& block, uint32_t place, LastPage& fetched, PlacedRef* to,
                            uint64_t& digests) const;
  uint32_t number_of(const StaticBlock& block, uint64_t hash, const uint64_t* addresses);
  uint32_t add(const StaticBlock& block, uint64_t hash, const uint64_t* addresses);
  bool same(const Entry& entry, const StaticBlock& block) const;
  void rehash(size_t slots);
  void end_run();

  std::vector<Entry> table_;
  std::vector<Counts> counts_;   // by number, as table_
  std::vector<uint32_t> slots_;  // number + 1, or 0; open addressing, a power of two of them
  std::vector<uint8_t> lengths_;
  std::vector<MemOp> ops_;
  struct LastAccess {
    uint64_t address;
    MemOp op;
  };
  std::vector<LastAccess> last_;  // per static op, as ops_
  std::vector<uint32_t> places_;  // in last_, of the accesses being written
  std::vector<Moved> moved_;      // of these

  std::unique_ptr<PageStreamMaker> pages_;  // null: there are none
  // Of the blocks being written what their sides do not spare, by side.
  std::array<std::vector<PlacedRef>, 2> needed_;
  Totals run_begin_;  // totals_ when the run of blocks began

  ThreadId thread_{};
  bool has_thread_ = false;
  uint64_t previous_end_ = 0;  // of the block before in the dictionary
  FirstAddresses first_addresses_;
  std::vector<uint32_t> numbers_;  // of the blocks executed
  uint64_t run_ = 0;               // blocks since the last item of the control stream
  Totals totals_;
  // Blocks, Widths and Differences are made by close().
  std::array<ByteBuffer, kStreams> streams_;
  ByteBuffer widths_;                           // one per address
  std::array<uint64_t, kRepeatable> stored_{};  // the differences stored last, the latest first
  // By width.
  std::array<ByteBuffer, kMaxDifferenceBytes + 1> differences_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_CHUNK_ENCODER_H_
