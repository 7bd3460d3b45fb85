// What of a chunk can matter to first-level TLBs, as a page stream says it: who keeps which
// references, and how they are written and read. Format, and why leaving the rest out changes
// nothing, with its conditions: README.md ("Page streams").
//
// There are two choices, one within the other. What any first level of its own for each side needs
// is every reference but those to the page its side referenced just before (and wrote, if this one
// writes). Where the sets of first levels are told apart by the four lowest bits of page numbers,
// at least, it is enough to keep those that are not to the page referenced last among the pages
// alike in these bits.
//
// Not thread-safe. Errors: Error naming the chunk's place.
#ifndef MMUSIM_TRACE_PAGE_STREAM_H_
#define MMUSIM_TRACE_PAGE_STREAM_H_

#include <array>
#include <cstdint>
#include <vector>

#include "trace/bytes.h"
#include "trace/chunk_decoder.h"
#include "trace/control_reader.h"
#include "trace/format.h"
#include "trace/record.h"

namespace mmusim::trace {

// By whom a reference is needed.
enum class Needed : uint8_t {
  ByNobody,
  ByAny,   // by a first level of any form
  BySets,  // by one whose sets are told apart by kPageSets, too
};

// What is known of one page.
struct SeenPage {
  static constexpr uint64_t kNone = ~uint64_t{0};
  static constexpr uint8_t kUsed = 1;
  static constexpr uint8_t kWritten = 2;  // and used
  uint64_t page = kNone;                  // by number
  uint8_t seen = 0;
};

// Says of each reference by whom it is needed.
class PageSieve {
 public:
  // Nothing is known: a run of blocks begins.
  void forget() {
    last_ = {};
    slots_ = {};
  }

  // visit(PageRef, Needed, block, op) for each reference of a run of blocks, in order, but for
  // fetches behind a block's first: those from its page are one with it. `block` is an index into
  // the batch's blocks; `op` one of the block's accesses, kFetch, or kLastFetch: that of an
  // instruction that crosses into another page, which is the block's last.
  static constexpr unsigned kFetch = kMaxMemOps;
  static constexpr unsigned kLastFetch = kMaxMemOps + 1;
  template <class Visit>
  void sift(const Batch& batch, Visit visit) {
    const uint64_t* addresses = batch.addresses;
    for (uint32_t i = 0; i < batch.blocks.size(); ++i) {
      const StaticBlock& block = batch.table[batch.blocks[i]];
      const bool alone = block.crosses_page && block.instructions == 1;
      if (!alone) one({block.start, AccessKind::Fetch, false}, i, kFetch, visit);
      unsigned op = 0;
      if (block.crosses_page) [[unlikely]] {
        for (; op < block.mem_ops && block.ops[op].instruction + 1u < block.instructions; ++op)
          data(block, addresses, i, op, visit);
        one({block.start, AccessKind::Fetch, true}, i, kLastFetch, visit);
      }
      for (; op < block.mem_ops; ++op)
        data(block, addresses, i, op, visit);
      addresses += block.mem_ops;
    }
  }

  // The same for references of which is known that they are kept, and of what: what is known behind
  // them. Where it is for sets, slots() are right from then on, and else last().
  void learn(std::span<const PageRef> kept, bool sets);

  // What is known behind what was sifted or learnt.
  [[nodiscard]] const SeenPage& last(bool data) const { return last_[data ? 1 : 0]; }
  [[nodiscard]] const std::array<SeenPage, kPageSets>& slots(bool data) const {
    return slots_[data ? 1 : 0];
  }

 private:
  template <class Visit>
  [[gnu::always_inline]] void data(const StaticBlock& block, const uint64_t* addresses,
                                   uint32_t index, unsigned op, Visit& visit) {
    const uint64_t va = addresses[op];
    const bool crosses = (va & kBlockPage.offset_mask()) + block.ops[op].bytes > kBlockPage.bytes();
    one({VirtAddr(va), block.ops[op].kind, crosses}, index, op, visit);
  }
  template <class Visit>
  [[gnu::always_inline]] void one(PageRef ref, uint32_t block, unsigned op, Visit& visit) {
    visit(ref, take(ref), block, op);
  }
  [[gnu::always_inline]] Needed take(PageRef ref) {
    const SeenPage& last = last_[ref.is_data() ? 1 : 0];
    const uint8_t needs = ref.writes() ? SeenPage::kWritten : SeenPage::kUsed;
    if (last.page == ref.number() && (last.seen & needs) != 0 && !ref.crosses()) [[likely]]
      return Needed::ByNobody;
    return take_other(ref);
  }
  Needed take_other(PageRef ref);
  void kept(PageRef ref, bool sets);
  static SeenPage last_of(std::span<const PageRef> kept, bool data, const SeenPage& before);

  std::array<SeenPage, 2> last_{};
  std::array<std::array<SeenPage, kPageSets>, 2> slots_{};
};

// The page streams of a chunk, uncompressed.
struct PageStreams {
  std::array<ByteBuffer, kPageStreams> streams;
  PageDigests digests;
  bool too_large = false;  // more than the format's limit: nothing else is said
};

// Makes them of all batches of an opened chunk. Keeps its tables from chunk to chunk.
class PageStreamMaker {
 public:
  void make(ChunkDecoder& columns, PageStreams& out);

 private:
  uint32_t number_of(PageRef ref);
  void rehash(size_t slots);

  PageSieve sieve_;
  std::vector<PageRef> refs_;      // by number, in the order of their first use
  std::vector<uint32_t> slots_;    // number + 1, or 0; open addressing, a power of two of them
  std::vector<uint32_t> numbers_;  // of what is kept for sets
};

// Reads them back: batches of PageRefs, and events.
class PageDecoder {
 public:
  static constexpr size_t kBatchRefs = 2048;

  // Begins a chunk. `control` is its control stream; all uncompressed, each followed by
  // RawStreams::kPadding readable bytes, and alive until the chunk's last batch. `returns` unused
  // unless all that any first level needs is wanted.
  using Raw = std::array<std::span<const uint8_t>, kPageStreams>;
  void open(const ChunkHeader& header, std::span<const uint8_t> control, const Raw& raw, bool any,
            const Place& place);

  // The next batch, or false at the end, once totals and digests have been found right.
  bool next(Batch& batch);

 private:
  void read_pages();
  void begin_run();
  void check_end() const;
  void decode(size_t count);
  void decode_returns(size_t count);
  [[noreturn]] void fail(const char* what) const { damaged(place_, what); }

  Place place_;
  ChunkHeader header_;
  ControlReader control_;
  ByteReader runs_{{}, place_, ""};
  bool any_ = false;

  std::vector<PageRef> refs_;         // by number
  std::vector<uint64_t> digest_;      // by number
  std::span<const uint8_t> numbers_;  // of those kept for sets
  size_t number_bytes_ = 2;
  uint64_t next_number_ = 0;
  const uint8_t* returns_ = nullptr;  // the next
  uint64_t returns_left_ = 0;
  std::array<std::array<uint64_t, kPageSets>, 2> pages_{};  // last kept for sets, by side

  // Of the run.
  bool run_begins_ = false;
  uint64_t left_ = 0;
  Totals run_;
  Totals done_;
  uint64_t kept_ = 0;  // references given out
  uint64_t digest_sum_ = 0;

  std::vector<PageRef> batch_ = std::vector<PageRef>(kBatchRefs);
  std::span<const PageRef> given_;  // what the last batch had of it
  PageSieve known_;                 // in front of that
};

// What a reference is in a digest: sums of these tell streams apart.
constexpr uint64_t digest_of(PageRef ref) {
  const uint64_t product = ref.word() * 0x9e3779b97f4a7c15u;
  return product ^ product >> 32;
}

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_PAGE_STREAM_H_
