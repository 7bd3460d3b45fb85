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
    sifted_.kept(sets) = {.wanted = sets == sets_, .refs = {}, .at = {}};
  batch_ = {};
  number_ = 0;
  sifter_.forget();
  kept_ = 0;
  blocks_ = 0;
}

void PageColumns::next() {
  if (!reader_.next_columns(batch_)) at_odds(reader_);
  ++number_;
  blocks_ += batch_.blocks.size();
  sifter_.sift(batch_, sifted_);
  kept_ += here().refs.size();
}

Sifted::At PageColumns::find(const ColumnsWanted& wanted) const {
  const size_t number = wanted.number - (kept_ - here().refs.size());
  if (!(here().refs[number] == wanted.ref)) at_odds(reader_);
  return here().at[number];
}

}  // namespace mmusim::sim
