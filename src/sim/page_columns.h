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
#include <deque>

#include "sim/ref_numberer.h"
#include "sim/relocation/relocator.h"
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
  // The batch as one relocation has it; null: as it was recorded.
  class Moved {
   public:
    [[nodiscard]] const trace::Batch& batch() const { return batch_; }
    // What is known behind it.
    [[nodiscard]] const trace::PageSieve& sieve() const { return behind_; }
    // As the columns have it.
    [[nodiscard]] uint64_t number() const { return columns_.number(); }
    [[nodiscard]] uint64_t kept() const { return columns_.kept(); }
    // Where a reference is. REQUIRES: have(wanted), which is behind a reference.
    [[nodiscard]] Sifted::At find(const ColumnsWanted& wanted) const {
      return columns_.find(wanted, relocator_);
    }

   private:
    friend class PageColumns;
    Moved(PageColumns& columns, Relocator* relocator);
    PageColumns& columns_;
    Relocator* relocator_;
    trace::Batch batch_;
    trace::PageSieve behind_;
  };
  // For whoever needs it; it lives until next(). REQUIRES: its run of blocks is that which the page
  // stream is at, and nothing has happened since to the relocation but that.
  [[nodiscard]] const Moved& moved(Relocator* relocator);

  // The batch, as it was recorded.
  [[nodiscard]] const trace::Batch& recorded() const { return recorded_; }
  // Its number in the chunk, from 1; 0: there is none yet.
  [[nodiscard]] uint64_t number() const { return number_; }
  // How many references the page stream keeps, and how many blocks there are, up to its end.
  [[nodiscard]] uint64_t kept() const { return kept_; }
  [[nodiscard]] uint64_t blocks() const { return blocks_; }

 private:
  static VirtAddr moved(Pid pid, VirtAddr page, const Relocator* relocator) {
    return relocator == nullptr ? page : relocator->placed(pid, page);
  }
  [[nodiscard]] Sifted::At find(const ColumnsWanted& wanted, const Relocator* relocator);

  TraceSource& source_;
  bool sets_ = false;  // what the stream keeps is for sets
  trace::Batch recorded_;
  std::deque<Moved> moved_;  // that was asked for
  uint64_t number_ = 0;
  Sifter sifter_;
  Sifter before_;  // in front of the batch; behind it, once something in that was to be found
  Sifted sifted_;  // of the batch as recorded, then
  RefNumberer numberer_;
  bool sifted_it_ = false;
  uint64_t kept_ = 0;
  uint64_t kept_before_ = 0;  // the batch
  uint64_t blocks_ = 0;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_PAGE_COLUMNS_H_
