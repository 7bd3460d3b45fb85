// Holds the page streams of a chunk against its columns, all of them: what a sieve keeps of the
// columns' references is what the streams have, one after the other, and runs have the same totals.
// Nothing is made anew, so that it takes less than to make them.
//
// Not thread-safe. Errors: those of a damaged page stream.
#ifndef MMUSIM_TRACE_PAGE_COMPARER_H_
#define MMUSIM_TRACE_PAGE_COMPARER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "trace/page_stream.h"

namespace mmusim::trace {

class PageComparer {
 public:
  // Begins a chunk; its streams are as PageDecoder::open() has them. `sums`: that the digest of all
  // references is theirs is seen to as well, on which no reader's numbers hang.
  void open(const ChunkHeader& header, std::span<const uint8_t> control,
            const PageDecoder::Raw& raw, bool sums, const Place& place);
  // The chunk's columns in a row, events too. False: they are at odds, and nothing more is to be
  // taken.
  [[nodiscard]] bool take(const Batch& columns);
  // Behind the last of them: whether that is all the page streams have.
  [[nodiscard]] bool finish();

 private:
  // What one of the streams gives, as the columns go on.
  class Follower {
   public:
    void open(const ChunkHeader& header, std::span<const uint8_t> control,
              const PageDecoder::Raw& raw, bool any, const Place& place);
    // Whether these are its next references, of the run that begins with them or goes on.
    [[nodiscard]] bool follow(std::span<const PageRef> kept, bool run_begins);
    // Whether the run is over, and had these totals but for blocks.
    [[nodiscard]] bool end_run(const Totals& run) const;
    [[nodiscard]] bool at_end();

   private:
    bool next_batch();

    PageDecoder decoder_;
    Batch batch_;
    size_t at_ = 0;  // in it
    Totals run_;
  };

  std::span<PageRef> keep_for_any(const Batch& columns);

  bool has_any_ = false;
  Follower any_;
  Follower sets_;
  PageSieve sieve_;
  std::array<LastPage, 2> last_;
  bool sums_ = false;
  uint64_t sum_ = 0;
  uint64_t all_ = 0;
  bool run_begins_ = true;
  Totals run_;
  std::vector<PageRef> kept_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_PAGE_COMPARER_H_
