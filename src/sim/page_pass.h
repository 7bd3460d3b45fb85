// Several machines through the page streams of a chunk, each going back to the columns where it has
// to (page_loop.h): all of a stretch by one machine until it waits, and then by the next; after
// that the columns go forward a batch at a time, for those that wait, until each is at the
// stretch's end or the columns are. So columns are decoded at most once, whoever wants them, and
// nothing of them is kept.
//
// Says too which machines page streams do not pay for: going back takes all columns from the
// chunk's begin to where a machine does, and that soon takes longer than what is saved. Not
// thread-safe.
#ifndef MMUSIM_SIM_PAGE_PASS_H_
#define MMUSIM_SIM_PAGE_PASS_H_

#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <vector>

#include "sim/machine_runs.h"
#include "sim/page_columns.h"
#include "sim/relocation/trace_source.h"
#include "sim/stretch.h"
#include "sim/trace_view.h"
#include "trace/reader.h"

namespace mmusim::sim {

class PagePass {
 public:
  // All must outlive it.
  PagePass(MachineRuns& runs, TraceSource& source, TraceViews& views)
      : runs_(runs),
        views_(views),
        columns_(source),
        reader_(source.reader()),
        states_(runs.size()) {}

  // The reader has begun a chunk of page streams, of these, for machines `group`.
  void enter_chunk(std::span<const size_t> group, trace::References given);
  // All machines do the stretch; one that waits for columns beyond its end does so with the next.
  void take(const Stretch& stretch);

  // Whether page streams are likely to pay for the machine in the chunk that comes: if of the one
  // before few of the columns had to be read. Who seldom goes back begins with page streams. Any
  // other has columns first, and is surveyed with them: behind a chunk of which few would have had
  // to be read it has page streams, and once these have not paid, behind seven such in a row. To be
  // asked once a chunk, and then told what the machine is given, and whether it could have been
  // given page streams.
  [[nodiscard]] bool pays(size_t i);
  void give(size_t i, trace::References given, bool could);
  // Of a machine that was given something else in place of the chunk's page stream: so many blocks
  // of the columns would have been read for it.
  void would_read(size_t i, uint64_t blocks) {
    if (is_late(blocks)) states_[i].late = true;
  }

 private:
  struct State {  // of a machine
    bool waits = false;
    size_t part = 0;           // of the stretch, that it is in
    bool had_pages = false;    // of the last chunk
    bool had_columns = false;  // ... these; neither: there was none yet
    bool late = false;         // ... more than a few columns were read for it
    unsigned in_a_row = 0;     // chunks of columns of which few would have had to be read
    unsigned wanted = 0;       // so many of them, for page streams to be likely to pay
  };
  static constexpr uint64_t kFew = 4;         // one part in so many
  static constexpr unsigned kBehindLate = 7;  // chunks

  [[nodiscard]] bool is_late(uint64_t blocks) const {
    return blocks > reader_.chunk_totals().blocks / kFew;
  }
  // From where it is to the stretch's end, or to where it waits.
  void go_on(size_t i, const Stretch& stretch);
  void take_part(size_t i, const Stretch& stretch);
  void give_columns(size_t i, const Stretch& stretch);
  // To their next batch. Where they are damaged, that is the end of those that wait.
  void next_columns();
  // Whether the columns are at the stretch's end.
  [[nodiscard]] bool columns_reach_end(const Stretch& stretch) const;

  MachineRuns& runs_;
  TraceViews& views_;
  PageColumns columns_;
  trace::Reader& reader_;
  std::vector<State> states_;
  std::span<const size_t> group_;
  bool sets_ = false;
  std::exception_ptr damage_;  // of this chunk's columns
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_PAGE_PASS_H_
