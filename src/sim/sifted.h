// What of a batch of blocks can matter to first-level TLBs: what page streams would keep of it
// (trace/page_stream.h), and where in the batch that is. For machines that share a pass over a
// trace of whose batches there are no page streams, or that are moved or cut into turns: one looks
// through all references, and all machines do what is left.
//
// Not thread-safe.
#ifndef MMUSIM_SIM_SIFTED_H_
#define MMUSIM_SIM_SIFTED_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

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
    bool wanted = true;  // else nothing is said
    std::vector<trace::PageRef> refs;
    std::vector<At> at;  // of each
    uint64_t first = 0;  // how many were kept in the run of blocks before
    trace::KnownPages known;
  };
  [[nodiscard]] const Kept& kept(bool sets) const { return kept_[sets ? 1 : 0]; }
  [[nodiscard]] Kept& kept(bool sets) { return kept_[sets ? 1 : 0]; }

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

  trace::PageSieve sieve_;
  std::array<uint64_t, 2> kept_{};  // in this run of blocks
  bool goes_on_ = false;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_SIFTED_H_
