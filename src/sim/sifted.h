// What of a batch can matter to first-level TLBs, for machines that share a pass: what a page
// stream keeps of it (trace/page_stream.h), or would, and where in a batch of blocks that is. One
// looks through all references, and all machines do what is left.
//
// What is kept is numbers of a table (ref_numberer.h), so that a relocation moves the table.
//
// Not thread-safe.
#ifndef MMUSIM_SIM_SIFTED_H_
#define MMUSIM_SIM_SIFTED_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/ref_numberer.h"
#include "sim/relocation/relocator.h"
#include "sim/segments.h"
#include "trace/numbered_refs.h"
#include "trace/page_stream.h"
#include "trace/record.h"

namespace mmusim::sim {

// Where a reference stands in a batch of blocks, in a word.
class PlaceInBatch {
 public:
  static constexpr uint32_t kMostBlocks = uint32_t{1} << 30;

  constexpr PlaceInBatch() = default;
  // So many data accesses of the batch are in front of it, which is one.
  static constexpr PlaceInBatch access(uint32_t number) { return PlaceInBatch(number); }
  // REQUIRES: block < kMostBlocks.
  static constexpr PlaceInBatch fetch(uint32_t block, bool last) {
    return PlaceInBatch(kFetch | (last ? kLast : 0) | block);
  }

  [[nodiscard]] constexpr bool is_fetch() const { return (word_ & kFetch) != 0; }
  [[nodiscard]] constexpr uint32_t number() const { return word_; }  // of an access
  [[nodiscard]] constexpr uint32_t block() const { return word_ & ~(kFetch | kLast); }  // fetch's
  [[nodiscard]] constexpr bool is_last() const { return (word_ & kLast) != 0; }         // a fetch's

 private:
  static constexpr uint32_t kFetch = uint32_t{1} << 31;
  static constexpr uint32_t kLast = uint32_t{1} << 30;
  constexpr explicit PlaceInBatch(uint32_t word) : word_(word) {}
  uint32_t word_ = 0;
};

// Kept of one batch.
struct KeptRow {
  std::vector<uint32_t> numbers;
  Segments segments;
  std::vector<PlaceInBatch> places;  // of each, in a batch of blocks
  uint64_t first = 0;                // how many were kept in the run of blocks before
};

// ... as machines see it that see the trace at the same addresses.
struct KeptRefs {
  trace::NumberedRefs refs;
  RefTable table;  // of these
  const Segments* segments = nullptr;
  std::span<const PlaceInBatch> places;
  uint64_t first = 0;
  trace::KnownPages* known = nullptr;  // what is taken to be known along them

  KeptRefs(const KeptRow& row, const RefTable& of, trace::KnownPages& along)
      : refs(row.numbers, of.refs.data()),
        table(of),
        segments(&row.segments),
        places(row.places),
        first(row.first),
        known(&along) {}
};

// Of one batch. What is for sets is told apart from what any first level needs.
class Sifted {
 public:
  [[nodiscard]] const KeptRow& kept(bool sets) const { return kept_[sets ? 1 : 0]; }
  [[nodiscard]] KeptRow& kept(bool sets) { return kept_[sets ? 1 : 0]; }
  // What is known along that, where it was recorded.
  [[nodiscard]] const trace::KnownPages& known(bool sets) const { return known_[sets ? 1 : 0]; }
  [[nodiscard]] trace::KnownPages& known(bool sets) { return known_[sets ? 1 : 0]; }

  struct At {
    uint32_t block = 0;  // index into the batch's blocks
    unsigned op = 0;     // as PageSieve has it
  };
  [[nodiscard]] At at(PlaceInBatch place) const;
  // How many of those kept at `places` are in front of a block.
  [[nodiscard]] size_t in_front_of(std::span<const PlaceInBatch> places, uint32_t block) const;

  bool run_begins = false;  // with this batch
  // How many data accesses of a batch of blocks are in front of each block, and how many there are.
  std::vector<uint32_t> accesses;

 private:
  std::array<KeptRow, 2> kept_;
  std::array<trace::KnownPages, 2> known_;
};

// Of what is kept for any first level, so much, what is kept for sets, told to put(i, count):
// number `i` is number `count` of those if it stays. Which ones do cannot be foreseen, so all are
// put. How many stay.
template <class Refs, class Put>
size_t for_sets(const Refs& any, size_t most, trace::PageSieve& sieve, Put put) {
  size_t count = 0;
  for (size_t i = 0; i < most; ++i) {
    const trace::PageRef ref = any[i];
    put(i, count);
    if (ref.crosses()) [[unlikely]] {
      sieve.cross_slots(ref);
      ++count;
    } else {
      count += 1 - sieve.spare_by_slot(ref);
    }
  }
  return count;
}

// Sifts batch after batch of a trace: each once, by one of the two.
class Sifter {
 public:
  // What is wanted of batches to come: what any first level needs, what sets do, or both.
  struct Wanted {
    bool any = true;
    bool sets = true;
  };
  void want(Wanted wanted) { wanted_ = wanted; }
  // Nothing is known, as at a chunk's begin.
  void forget() { goes_on_ = false; }
  // Whether a run of blocks begins with the next batch.
  [[nodiscard]] bool at_begin() const { return !goes_on_; }
  // What `out` has of earlier batches goes; its numbers are the numberer's. REQUIRES: batch.event
  // is null.
  void sift(const trace::Batch& batch, RefNumberer& numberer, Sifted& out);
  // How many are kept, which takes less.
  [[nodiscard]] uint64_t count(const trace::Batch& batch, bool sets);

  // What is known behind the batch.
  [[nodiscard]] const trace::PageSieve& sieve() const { return sieve_; }

 private:
  void enter(const trace::Batch& batch);
  // Fill refs_ and places_, and the accesses of `out`; and leave of them what sets need. How many
  // these are.
  size_t keep_for_any(const trace::Batch& batch, Sifted& out);
  size_t keep_for_sets(size_t count);
  void give(size_t count, bool sets, RefNumberer& numberer, Sifted& out);

  Wanted wanted_;
  trace::PageSieve sieve_;
  std::array<uint64_t, 2> kept_{};  // in this run of blocks
  bool goes_on_ = false;
  std::vector<trace::PageRef> refs_;
  std::vector<PlaceInBatch> places_;
};

// How many machines of a pass, or of several side by side, can do with less than all references:
// those with sets, where they have pages as recorded; and others, for whom what sets need is told
// where their pages are, if at all.
struct Sifting {
  size_t by_sets = 0;
  size_t others = 0;

  // What is worth to be sifted for them. Looking through all for what matters takes as long as it
  // saves one machine, and to tell what sets need from the rest as long as that rest takes two.
  // `always`: whatever it takes.
  static constexpr size_t kPays = 2;
  static constexpr size_t kSetsPay = 3;
  [[nodiscard]] Sifter::Wanted wanted(bool always) const {
    if (by_sets + others < (always ? 1 : kPays)) return {.any = false, .sets = false};
    const bool sets = by_sets >= (always ? 1 : kSetsPay);
    return {.any = others != 0 || !sets, .sets = sets};
  }
};

// A batch of blocks of which something was kept.
struct SiftedBatch {
  const trace::Batch& batch;
  const Sifted& sifted;
  KeptRefs kept;
  Relocator* relocator = nullptr;  // that is where this one takes it; null: where it was

  // All of it, or some of its blocks, at the same addresses; it lives until the next call for any
  // batch. Errors: the relocator's.
  [[nodiscard]] trace::Batch columns() const { return moved(batch); }
  [[nodiscard]] trace::Batch columns(uint32_t first, uint32_t count) const;

 private:
  [[nodiscard]] trace::Batch moved(const trace::Batch& recorded) const {
    return relocator == nullptr ? recorded : relocator->references(recorded);
  }
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_SIFTED_H_
