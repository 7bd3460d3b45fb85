// What of a batch of blocks can matter to first-level TLBs: what page streams would keep of it
// (trace/page_stream.h), and where in the batch that is. For machines that share a pass over a
// trace of whose batches there are no page streams, or that are cut into turns: one looks through
// all references, and all machines do what is left.
//
// Not thread-safe.
#ifndef MMUSIM_SIM_SIFTED_H_
#define MMUSIM_SIM_SIFTED_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/page_numberer.h"
#include "sim/relocation/relocator.h"
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

// Of one batch. What is for sets is told apart from what any first level needs.
class Sifted {
 public:
  struct Kept {
    std::span<const trace::PageRef> refs;
    std::span<const PlaceInBatch> places;  // of each
    uint64_t first = 0;                    // how many were kept in the run of blocks before
    trace::KnownPages known;

    void keep(std::span<const trace::PageRef> some, std::span<const PlaceInBatch> where);
    // What they may lie in.
    std::vector<trace::PageRef> own_refs;
    std::vector<PlaceInBatch> own_places;
  };
  [[nodiscard]] const Kept& kept(bool sets) const { return kept_[sets ? 1 : 0]; }
  [[nodiscard]] Kept& kept(bool sets) { return kept_[sets ? 1 : 0]; }

  struct At {
    uint32_t block = 0;  // index into the batch's blocks
    unsigned op = 0;     // as PageSieve has it
  };
  [[nodiscard]] At at(PlaceInBatch place) const;
  // How many of those kept are in front of a block.
  [[nodiscard]] size_t in_front_of(const Kept& kept, uint32_t block) const;

  bool run_begins = false;  // with this batch
  NumberedPages pages;      // of what any first level needs, where that is to be moved
  // How many data accesses of the batch are in front of each block, and how many there are.
  std::span<const uint32_t> accesses;
  std::vector<uint32_t> own_accesses;  // what these may lie in

 private:
  std::array<Kept, 2> kept_;
};

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
  // What `out` has of earlier batches goes. REQUIRES: batch.event is null.
  void sift(const trace::Batch& batch, Sifted& out);
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
  void give(size_t count, bool sets, Sifted& out);

  Wanted wanted_;
  trace::PageSieve sieve_;
  std::array<uint64_t, 2> kept_{};  // in this run of blocks
  bool goes_on_ = false;
  std::vector<trace::PageRef> refs_;
  std::vector<PlaceInBatch> places_;
};

// What a Sifter has kept of the recording, as it is where a relocation takes it: one for each
// relocation. Pages stay apart and whole there, but have other numbers, so that for sets it is
// sifted again. Not thread-safe.
class MovedSifter {
 public:
  // Of the next batch; `out` lives no longer than `recorded`. `sets`: for these too. Errors: the
  // relocator's.
  void move(const trace::Batch& batch, const Sifted& recorded, Relocator& relocator, bool sets,
            Sifted& out);

 private:
  trace::PageSieve sieve_;
  uint64_t kept_for_sets_ = 0;       // in this run of blocks
  std::vector<uint64_t> distances_;  // by page number: how much further it lies
};

// A batch of blocks of which something was kept.
struct SiftedBatch {
  const trace::Batch& batch;
  const Sifted& sifted;
  Relocator* relocator = nullptr;  // what was kept is where this one takes it; null: where it was

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
