#include "sim/page_columns.h"

#include "base/error.h"
#include "sim/relocation/trace_source.h"

namespace mmusim::sim {
namespace {

[[noreturn]] void at_odds(const TraceSource& source) {
  throw Error(source.reader().path(), "its page streams are at odds with its columns",
              "mmusim trace prepare makes them anew; run.stream = full does without");
}

}  // namespace

void PageColumns::enter_chunk(trace::References given) {
  sets_ = given == trace::References::Sets;
  recorded_ = batch_ = {};
  used_ = false;
  number_ = 0;
  sifter_.forget();
  sifted_it_ = false;
  kept_ = kept_before_ = 0;
  blocks_ = 0;
}

void PageColumns::next() {
  if (!source_.next_columns(recorded_)) at_odds(source_);
  ++number_;
  blocks_ += recorded_.blocks.size();
  batch_ = recorded_;
  used_ = false;
  before_ = sifter_;
  sifted_it_ = false;
  kept_before_ = kept_;
  kept_ += sifter_.count(recorded_, sets_);
}

void PageColumns::use() {
  if (used_) return;
  used_ = true;
  batch_ = source_.moved(recorded_);
  behind_ = sifter_.sieve();
  behind_.move_last([&](VirtAddr page) { return source_.moved(recorded_.thread.pid, page); });
}

// Most batches are only gone through, on the way to one in which somebody waits.
Sifted::At PageColumns::find(const ColumnsWanted& wanted) {
  if (!sifted_it_) {
    before_.want({.any = !sets_, .sets = sets_});
    before_.sift(recorded_, sifted_);
    sifted_it_ = true;
  }
  const Sifted::Kept& here = sifted_.kept(sets_);
  const size_t number = wanted.number - kept_before_;
  const trace::PageRef ref = here.refs[number];
  const trace::PageRef moved(source_.moved(recorded_.thread.pid, ref.page()), ref.kind(),
                             ref.crosses());
  if (!(moved == wanted.ref)) at_odds(source_);
  return sifted_.at(here.places[number]);
}

}  // namespace mmusim::sim
