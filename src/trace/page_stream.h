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
#include <functional>
#include <vector>

#include "trace/bytes.h"
#include "trace/control_reader.h"
#include "trace/format.h"
#include "trace/numbered_refs.h"
#include "trace/page_choice.h"
#include "trace/record.h"

namespace mmusim::trace {

// By whom a reference is needed. The numbers count: by nobody, by the first, by both.
enum class Needed : uint8_t {
  ByNobody = 0,
  ByAny = 1,   // by a first level of any form
  BySets = 2,  // by one whose sets are told apart by kPageSets, too
};

// What is known of one page.
struct SeenPage {
  static constexpr uint64_t kNone = ~uint64_t{0};
  static constexpr uint8_t kUsed = 1;
  static constexpr uint8_t kWritten = 2;  // and used
  uint64_t page = kNone;                  // by number
  uint8_t seen = 0;
};

// What is known of one side by the page it referenced last: that page, and whether it was written
// since. Kept apart, so that one reference waits for as little as possible of what comes of the one
// before.
class LastPage {
 public:
  // Whether the next reference of the side is needed by nobody, 0 or 1, as all arguments but the
  // page's address are. Without branches, since which references are kept cannot be foreseen.
  [[gnu::always_inline]] uint64_t spare(uint64_t page, uint64_t writes, uint64_t crosses) {
    const uint64_t same = page == page_ ? 1 : 0;
    const uint64_t written = same & written_;
    page_ = crosses != 0 ? SeenPage::kNone : page;
    written_ = written | writes;
    return same & (written | (writes ^ 1)) & (crosses ^ 1);
  }
  [[gnu::always_inline]] uint64_t spare(PageRef ref) {
    return spare(ref.page().value(), ref.writes() ? 1 : 0, ref.crosses() ? 1 : 0);
  }
  void forget() { page_ = SeenPage::kNone; }
  template <class To>
  void move(To to) {
    if (page_ != SeenPage::kNone) page_ = to(VirtAddr(page_)).value();
  }
  [[nodiscard]] SeenPage seen() const {
    if (page_ == SeenPage::kNone) return {};
    const unsigned seen = SeenPage::kUsed | (written_ != 0 ? SeenPage::kWritten : 0u);
    return {page_ >> kBlockPage.log2(), static_cast<uint8_t>(seen)};
  }

 private:
  uint64_t page_ = SeenPage::kNone;  // its address
  uint64_t written_ = 0;             // 0 or 1
};

// In the numbering of references within a block: its first fetch, and that of an instruction that
// crosses into another page, which is the block's last. All else are its accesses.
inline constexpr unsigned kFetchOp = kMaxMemOps;
inline constexpr unsigned kLastFetchOp = kMaxMemOps + 1;

// visit(PageRef, block, op) for each reference of a run of blocks, in order, but for fetches behind
// a block's first: those from its page are one with it. `block` is an index into the batch's
// blocks; `op` one of the block's accesses, kFetchOp or kLastFetchOp.
template <class Visit>
void each_reference(const Batch& batch, Visit visit) {
  const uint64_t* addresses = batch.addresses;
  const auto data = [&](const StaticBlock& block, uint32_t index, unsigned op) {
    const VirtAddr va(addresses[op]);
    visit(PageRef(va, block.ops[op].kind, block.ops[op].crosses(va, kBlockPage)), index, op);
  };
  for (uint32_t i = 0; i < batch.blocks.size(); ++i) {
    const StaticBlock& block = batch.table[batch.blocks[i]];
    const bool alone = block.crosses_page && block.instructions == 1;
    if (!alone) visit(PageRef(block.start, AccessKind::Fetch, false), i, kFetchOp);
    unsigned op = 0;
    if (block.crosses_page) [[unlikely]] {
      for (; op < block.mem_ops && block.ops[op].instruction + 1u < block.instructions; ++op)
        data(block, i, op);
      visit(PageRef(block.start, AccessKind::Fetch, true), i, kLastFetchOp);
    }
    for (; op < block.mem_ops; ++op)
      data(block, i, op);
    addresses += block.mem_ops;
  }
}

// Says of each reference by whom it is needed.
class PageSieve {
 public:
  // Nothing is known: a run of blocks begins.
  void forget() {
    last_ = {};
    slots_ = {};
  }

  [[nodiscard]] LastPage& side(bool data) { return last_[data ? 1 : 0]; }
  // Whether the next reference, which does not cross, is not needed by sets: 0 or 1; what is known
  // is written whether it changes or not. Of a page that its side used last, its slot knows as
  // much: it need be asked of those only that side() does not spare.
  [[gnu::always_inline]] uint64_t spare_by_slot(PageRef ref) {
    Known& slot = slots_[ref.is_data() ? 1 : 0][set_of(ref)];
    const uint64_t seen = seen_of(slot, ref.page().value());
    slot = used(ref) | seen;
    return seen >> needs(ref) & 1;
  }
  // One that crosses, which is kept; side() is told besides.
  void cross_slots(PageRef ref);

  [[gnu::always_inline]] Needed take(PageRef ref) {
    const uint64_t by_any = side(ref.is_data()).spare(ref);
    if (ref.crosses()) [[unlikely]] {
      cross_slots(ref);
      return Needed::BySets;
    }
    return static_cast<Needed>(2 - by_any - spare_by_slot(ref));
  }

  // visit(PageRef, Needed, block, op) for each, as each_reference() has them.
  template <class Visit>
  void sift(const Batch& batch, Visit visit) {
    each_reference(
        batch, [&](PageRef ref, uint32_t block, unsigned op) { visit(ref, take(ref), block, op); });
  }

  // The same for references of which is known that they are kept, and of what: what is known behind
  // them. Where it is for sets, slots() are right from then on, and else last(). `Refs`: a span of
  // PageRefs, or NumberedRefs.
  template <class Refs>
  void learn(const Refs& kept, bool sets);
  // ... of one kept for sets, by who goes through all of them anyway.
  [[gnu::always_inline]] void learn_next(PageRef ref) {
    if (ref.crosses()) [[unlikely]]
      cross_slots(ref);
    else
      slots_[ref.is_data() ? 1 : 0][set_of(ref)] = used(ref);
  }

  // The pages of last() are elsewhere: to(VirtAddr).
  template <class To>
  void move_last(To to) {
    for (LastPage& side : last_)
      side.move(to);
  }

  // What is known behind what was sifted or learnt.
  [[nodiscard]] SeenPage last(bool data) const { return last_[data ? 1 : 0].seen(); }
  [[nodiscard]] std::array<SeenPage, kPageSets> slots(bool data) const {
    std::array<SeenPage, kPageSets> all;
    for (size_t i = 0; i < kPageSets; ++i)
      all[i] = seen_page(slots_[data ? 1 : 0][i]);
    return all;
  }

 private:
  // A page's address and, in the low bits, what was seen of it; 0 bits: nothing is known.
  using Known = uint64_t;
  static constexpr Known kSeenBits = SeenPage::kUsed | SeenPage::kWritten;
  static constexpr uint64_t set_of(PageRef ref) { return ref.number() & (kPageSets - 1); }
  // Of this page: 0 where another one is known. Compilers make branches of comparisons.
  static constexpr uint64_t seen_of(Known known, uint64_t page) {
    const uint64_t difference = known ^ page;
    const auto same = static_cast<int64_t>(difference / (kSeenBits + 1) - 1) >> 63;  // -1 or 0
    return difference & static_cast<uint64_t>(same);
  }
  static constexpr SeenPage seen_page(Known known) {
    const auto seen = static_cast<uint8_t>(known & kSeenBits);
    return seen == 0 ? SeenPage{} : SeenPage{known >> kBlockPage.log2(), seen};
  }
  static constexpr Known used(PageRef ref) {
    return ref.page().value() | SeenPage::kUsed |
           (static_cast<uint64_t>(ref.kind()) & SeenPage::kWritten);
  }
  // The number of the bit that is to be seen.
  static constexpr uint64_t needs(PageRef ref) { return static_cast<uint64_t>(ref.kind()) >> 1; }
  template <class Refs>
  static void learn_last(const Refs& kept, bool data, LastPage& side);

  std::array<LastPage, 2> last_;
  std::array<std::array<Known, kPageSets>, 2> slots_{};
};

// What is known in front of some references that are kept of a run of blocks, and behind any of
// them: worked out where it is asked for and then remembered, since machines that are given the
// same references tend to ask at the same places, where all of them have a page fault. Not
// thread-safe, asking neither.
class KnownPages {
 public:
  void begin(const PageSieve& front) {
    front_ = front;
    asked_.clear();
    last_ = {};
  }
  // Behind the first `count` of `refs`, which are what is kept, for sets or not; valid until the
  // next call. REQUIRES: the same `refs` and `sets` each time. `Refs`: as in PageSieve::learn().
  template <class Refs>
  [[nodiscard]] const PageSieve& behind(const Refs& refs, size_t count, bool sets);

 private:
  static constexpr size_t kMost = 64;  // remembered
  struct At {
    size_t count = 0;
    PageSieve known;
  };
  PageSieve front_;
  std::vector<At> asked_;  // in order
  At last_;                // worked out when there were so many; 0: none
};

// The page streams of a chunk, uncompressed.
struct PageStreams {
  std::array<ByteBuffer, kPageStreams> streams;
  bool returns = false;  // the last of them is there, perhaps empty
  PageDigests digests;
  bool too_large = false;  // more than the format's limit: nothing else is said
};

// A reference that its side does not spare, and where it stands among those of the other side: with
// equal places the fetch is first.
struct PlacedRef {
  PageRef ref;
  uint32_t place = 0;
  uint32_t spared = 0;  // by its slot; the maker's
};

// Makes them of a chunk's references, as they come or of a chunk that is there. Keeps its tables
// from chunk to chunk.
class PageStreamMaker {
 public:
  // REQUIRES: `choice` is not None.
  explicit PageStreamMaker(PageChoice choice) : returns_too_(choice == PageChoice::Any) {}

  // A chunk begins.
  void begin();
  // Of references of a run of blocks those that their sides, which whoever gives them has asked, do
  // not spare: the fetches, and all others, each in order, as each_reference() has them. `digests`
  // is the sum of digest_of() of all of them. Both rows are changed.
  [[nodiscard]] LastPage& side(bool data) { return sieve_.side(data); }
  void take(std::span<PlacedRef> fetches, std::span<PlacedRef> data, uint64_t digests);
  // The run ends, of which these are the totals. It had blocks.
  void end_run(const Totals& run);
  // The chunk ends, behind a run's end.
  void finish(PageStreams& out);

  // All of this, of a chunk's columns: the source gives its next batch, or false at its end.
  using BatchSource = std::function<bool(Batch&)>;
  void make(const BatchSource& columns, PageStreams& out);

 private:
  [[nodiscard]] std::span<const PageRef> kept() const {
    return {reinterpret_cast<const PageRef*>(kept_.data()), kept_.size() / sizeof(PageRef)};
  }
  std::span<PlacedRef> sift(std::span<PlacedRef> refs);
  uint32_t number_of(PageRef ref);
  void rehash(size_t slots);

  bool returns_too_;
  PageSieve sieve_;
  ByteBuffer runs_;
  ByteBuffer returns_;
  ByteBuffer kept_;  // PageRefs, for sets
  bool too_large_ = false;
  uint64_t all_ = 0;  // digests
  uint64_t for_any_ = 0;
  uint64_t run_needed_ = 0;  // by any, of the run so far
  size_t run_kept_ = 0;      // kept() when it began

  std::vector<PageRef> refs_;      // by number, in the order of their first use
  std::vector<uint32_t> slots_;    // number + 1, or 0; open addressing, a power of two of them
  std::vector<uint32_t> numbers_;  // of what is kept for sets
  std::array<std::vector<PlacedRef>, 2> of_batch_;  // make()'s, by side
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
  PageSieve behind_;                // and, of what is kept for sets, behind it
  KnownPages along_;                // the last batch
};

// What a reference is in a digest: sums of these tell streams apart.
constexpr uint64_t digest_of(PageRef ref) {
  const uint64_t product = ref.word() * 0x9e3779b97f4a7c15u;
  return product ^ product >> 32;
}

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_PAGE_STREAM_H_
