// The columns beside a page stream that is being replayed, for machines that need at some point
// what the stream leaves out: batches of blocks, and what the stream keeps of them. One for all
// machines of a pass: columns are decompressed only if asked for, and read forward only, so who
// goes on has asked all that wait whether they still want the batch. Where the trace is moved, what
// a page stream keeps is counted as recorded, and batches that are wanted are brought to the
// machine's addresses.
//
// Not thread-safe. Errors: those of the reader; Error where columns and page stream are at odds.
#ifndef MMUSIM_SIM_PAGE_COLUMNS_H_
#define MMUSIM_SIM_PAGE_COLUMNS_H_

#include <cstdint>

#include "sim/sifted.h"
#include "trace/page_stream.h"
#include "trace/reader.h"
#include "trace/record.h"

namespace mmusim::sim {

class TraceSource;

// From where a machine needs the columns.
enum class ColumnsFrom : uint8_t {
  Reference,        // one of those the page stream keeps, with which a run of blocks begins
  BehindReference,  // behind one, which has been done
  Batch,            // the begin of a batch of theirs
};
struct ColumnsWanted {
  ColumnsFrom from = ColumnsFrom::Batch;
  uint64_t number = 0;  // of the reference or the batch, in its chunk
  trace::PageRef ref;   // BehindReference: what the page stream says of it
};

class PageColumns {
 public:
  // `source` must outlive this.
  explicit PageColumns(TraceSource& source) : source_(source) {}

  // The reader has begun a chunk of which it gives page streams, of these.
  void enter_chunk(trace::References given);
  // Goes to the next batch. REQUIRES: there is none yet, or batch().goes_on, or the page stream has
  // more than kept().
  void next();

  // Whether the batch is, or has, what is wanted.
  [[nodiscard]] bool have(const ColumnsWanted& wanted) const {
    if (wanted.from == ColumnsFrom::Batch) return number_ == wanted.number;
    return kept_before_ <= wanted.number && wanted.number < kept_;
  }
  // The batch is to be used: brings it to the machine's addresses. REQUIRES: its run of blocks is
  // that which the page stream is at.
  void use();
  // Where a reference is. REQUIRES: have(wanted), which is behind a reference; use().
  [[nodiscard]] Sifted::At find(const ColumnsWanted& wanted);

  // The batch. REQUIRES, but of what it goes on with: use().
  [[nodiscard]] const trace::Batch& batch() const { return batch_; }
  // Its number in the chunk, from 1; 0: there is none yet.
  [[nodiscard]] uint64_t number() const { return number_; }
  // How many references the page stream keeps, and how many blocks there are, up to its end; what
  // is known behind it (REQUIRES: use()).
  [[nodiscard]] uint64_t kept() const { return kept_; }
  [[nodiscard]] uint64_t blocks() const { return blocks_; }
  [[nodiscard]] const trace::PageSieve& sieve() const { return behind_; }

 private:
  TraceSource& source_;
  bool sets_ = false;  // what the stream keeps is for sets
  trace::Batch recorded_;
  trace::Batch batch_;       // ... at the machine's addresses, once used_
  trace::PageSieve behind_;  // likewise
  bool used_ = false;
  uint64_t number_ = 0;
  Sifter sifter_;
  Sifter before_;  // in front of the batch; behind it, once something in that was to be found
  Sifted sifted_;  // of the batch as recorded, then
  bool sifted_it_ = false;
  uint64_t kept_ = 0;
  uint64_t kept_before_ = 0;  // the batch
  uint64_t blocks_ = 0;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_PAGE_COLUMNS_H_
