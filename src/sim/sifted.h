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

#include "sim/relocation/relocator.h"
#include "trace/page_stream.h"
#include "trace/record.h"

namespace mmusim::sim {

// Of one batch. What is for sets is told apart from what any first level needs.
struct Sifted {
  struct At {
    uint32_t block = 0;  // index into the batch's blocks
    unsigned op = 0;     // as PageSieve has it
  };
  struct Kept {
    std::span<const trace::PageRef> refs;
    std::span<const At> at;  // of each
    uint64_t first = 0;      // how many were kept in the run of blocks before
    trace::KnownPages known;

    // Room for so many of both, which they may lie in.
    void make_room(size_t most);
    std::vector<trace::PageRef> room_for_refs;
    std::vector<At> room_for_places;
  };
  [[nodiscard]] const Kept& kept(bool sets) const { return kept_[sets ? 1 : 0]; }
  [[nodiscard]] Kept& kept(bool sets) { return kept_[sets ? 1 : 0]; }

  bool sets_wanted = true;  // beside what any first level needs
  bool run_begins = false;  // with this batch
  trace::PageSieve behind;  // what is known behind it

 private:
  std::array<Kept, 2> kept_;
};

// Sifts batch after batch of a trace: each once, by one of the two.
class Sifter {
 public:
  // Nothing is known, as at a chunk's begin.
  void forget() { goes_on_ = false; }
  // What `out` has of earlier batches goes, but for what is wanted. REQUIRES: batch.event is null.
  void sift(const trace::Batch& batch, Sifted& out);
  // How many are kept, which takes less.
  [[nodiscard]] uint64_t count(const trace::Batch& batch, bool sets);

  // What is known behind the batch.
  [[nodiscard]] const trace::PageSieve& sieve() const { return sieve_; }

 private:
  void enter(const trace::Batch& batch);
  void keep_for_any(const trace::Batch& batch, Sifted::Kept& any);

  trace::PageSieve sieve_;
  std::array<uint64_t, 2> kept_{};  // in this run of blocks
  bool goes_on_ = false;
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
  uint64_t kept_for_sets_ = 0;  // in this run of blocks
};

// A batch of blocks of which something was kept.
struct SiftedBatch {
  const trace::Batch& batch;
  const Sifted& sifted;
  Relocator* relocator = nullptr;  // what was kept is where this one takes it; null: where it was

  // All of it, at the same addresses; it lives until the next call for any batch. Errors: the
  // relocator's.
  [[nodiscard]] trace::Batch columns() const {
    return relocator == nullptr ? batch : relocator->references(batch);
  }
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_SIFTED_H_
