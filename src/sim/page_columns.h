// The columns beside a page stream that is being replayed, for a machine that needs at some point
// what the stream leaves out: batches of blocks from there on, and what the stream would have said
// of them. Columns are decompressed only if asked for, and read forward only.
//
// Not thread-safe. Errors: those of the reader; Error where columns and page stream are at odds.
#ifndef MMUSIM_SIM_PAGE_COLUMNS_H_
#define MMUSIM_SIM_PAGE_COLUMNS_H_

#include <cstdint>

#include "trace/page_stream.h"
#include "trace/reader.h"
#include "trace/record.h"

namespace mmusim::sim {

class PageColumns {
 public:
  // `reader` is being read with page streams wanted, and must outlive this.
  explicit PageColumns(trace::Reader& reader) : reader_(reader) {}

  // Where a reference is.
  struct At {
    uint32_t block = 0;    // index into the batch's
    uint64_t address = 0;  // the block's first, among the batch's
    unsigned op = 0;       // as PageSieve has it
  };
  // Goes to the batch with the reference that is number `n` of those the page stream of this chunk
  // keeps; `ref` is what it says of it. REQUIRES: n >= kept(), if this chunk's were asked for.
  At seek(uint64_t n, trace::PageRef ref);
  // Goes on to the next batch. REQUIRES: batch().goes_on.
  void next();

  [[nodiscard]] const trace::Batch& batch() const { return batch_; }
  // How many references the page stream keeps up to the batch's end; what is known behind it.
  [[nodiscard]] uint64_t kept() const { return kept_; }
  [[nodiscard]] const trace::PageSieve& sieve() const { return sieve_; }

  // How often they were asked for.
  [[nodiscard]] uint64_t uses() const { return uses_; }
  // Whether page streams may pay: not for seven chunks behind one of which more than an eighth of
  // the columns had to be read nevertheless.
  [[nodiscard]] bool pay() const { return 8 * read_ <= reader_.chunks_read(); }

 private:
  void enter_chunk();
  template <class Visit>
  void read(Visit visit);

  trace::Reader& reader_;
  uint64_t chunk_ = ~uint64_t{0};  // by its number; the one entered
  trace::Needed least_{};          // that the stream keeps
  trace::Batch batch_;
  trace::PageSieve sieve_;
  uint64_t kept_ = 0;
  uint64_t uses_ = 0;
  uint64_t blocks_read_ = 0;  // of this chunk
  uint64_t read_ = 0;         // chunks of which more than an eighth of the columns were
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_PAGE_COLUMNS_H_
