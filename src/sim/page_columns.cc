#include "sim/page_columns.h"

#include "base/error.h"

namespace mmusim::sim {
namespace {

[[noreturn]] void at_odds(const trace::Reader& reader) {
  throw Error(reader.path(), "its page streams are at odds with its columns",
              "mmusim trace prepare makes them anew; run.stream = full does without");
}

}  // namespace

void PageColumns::enter_chunk(trace::References given) {
  sets_ = given == trace::References::Sets;
  for (const bool sets : {false, true})
    sifted_.kept(sets) = {.wanted = sets == sets_, .refs = {}, .at = {}, .known = {}};
  batch_ = {};
  number_ = 0;
  sifter_.forget();
  sifted_it_ = false;
  kept_ = kept_before_ = 0;
  blocks_ = 0;
}

void PageColumns::next() {
  if (!reader_.next_columns(batch_)) at_odds(reader_);
  ++number_;
  blocks_ += batch_.blocks.size();
  before_ = sifter_;
  sifted_it_ = false;
  kept_before_ = kept_;
  kept_ += sifter_.count(batch_, sets_);
}

// Most batches are only gone through, on the way to one in which somebody waits.
Sifted::At PageColumns::find(const ColumnsWanted& wanted) {
  if (!sifted_it_) {
    Sifter again = before_;
    again.sift(batch_, sifted_);
    sifted_it_ = true;
  }
  const Sifted::Kept& here = sifted_.kept(sets_);
  const size_t number = wanted.number - kept_before_;
  if (!(here.refs[number] == wanted.ref)) at_odds(reader_);
  return here.at[number];
}

}  // namespace mmusim::sim
