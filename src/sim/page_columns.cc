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
  recorded_ = {};
  moved_.clear();
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
  moved_.clear();
  before_ = sifter_;
  sifted_it_ = false;
  kept_before_ = kept_;
  kept_ += sifter_.count(recorded_, sets_);
}

PageColumns::Moved::Moved(PageColumns& columns, Relocator* relocator)
    : columns_(columns),
      relocator_(relocator),
      batch_(relocator == nullptr ? columns.recorded_ : relocator->references(columns.recorded_)),
      behind_(columns.sifter_.sieve()) {
  behind_.move_last(
      [&](VirtAddr page) { return PageColumns::moved(batch_.thread.pid, page, relocator); });
}

const PageColumns::Moved& PageColumns::moved(Relocator* relocator) {
  for (const Moved& moved : moved_)
    if (moved.relocator_ == relocator) return moved;
  moved_.push_back(Moved(*this, relocator));
  return moved_.back();
}

// Most batches are only gone through, on the way to one in which somebody waits.
Sifted::At PageColumns::find(const ColumnsWanted& wanted, const Relocator* relocator) {
  if (!sifted_it_) {
    before_.want({.any = !sets_, .sets = sets_});
    numberer_.begin();
    before_.sift(recorded_, numberer_, sifted_);
    sifted_it_ = true;
  }
  const KeptRow& here = sifted_.kept(sets_);
  const size_t number = wanted.number - kept_before_;
  const trace::PageRef ref = numberer_.refs()[here.numbers[number]];
  const trace::PageRef there(moved(recorded_.thread.pid, ref.page(), relocator), ref.kind(),
                             ref.crosses());
  if (!(there == wanted.ref)) at_odds(source_);
  return sifted_.at(here.places[number]);
}

}  // namespace mmusim::sim
