#include "sim/page_columns.h"

#include <optional>

#include "base/error.h"

namespace mmusim::sim {
namespace {

[[noreturn]] void at_odds(const trace::Reader& reader) {
  throw Error(reader.path(), "its page streams are at odds with its columns",
              "mmusim trace prepare makes them anew; run.stream = full does without");
}

}  // namespace

void PageColumns::enter_chunk() {
  if (chunk_ == reader_.chunks_read()) return;
  chunk_ = reader_.chunks_read();
  least_ =
      reader_.given() == trace::References::Sets ? trace::Needed::BySets : trace::Needed::ByAny;
  batch_ = {};
  sieve_.forget();
  kept_ = 0;
  blocks_read_ = 0;
}

template <class Visit>
void PageColumns::read(Visit visit) {
  if (!batch_.goes_on) sieve_.forget();
  if (!reader_.next_columns(batch_)) at_odds(reader_);
  const uint64_t few = reader_.chunks()[chunk_ - 1].totals.blocks / 8;
  const bool were_few = blocks_read_ <= few;
  blocks_read_ += batch_.blocks.size();
  if (were_few && blocks_read_ > few) ++read_;
  sieve_.sift(batch_, [&](trace::PageRef ref, trace::Needed needed, uint32_t block, unsigned op) {
    if (needed < least_) [[likely]]
      return;
    visit(ref, block, op);
    ++kept_;
  });
}

PageColumns::At PageColumns::seek(uint64_t n, trace::PageRef ref) {
  enter_chunk();
  ++uses_;
  std::optional<At> found;
  MMUSIM_ASSERT(n >= kept_);
  while (!found) {
    bool same = true;
    read([&](trace::PageRef here, uint32_t block, unsigned op) {
      if (kept_ != n) return;
      same = here == ref;
      found = At{.block = block, .address = 0, .op = op};
    });
    if (!same) at_odds(reader_);
  }
  for (uint32_t i = 0; i < found->block; ++i)
    found->address += batch_.table[batch_.blocks[i]].mem_ops;
  return *found;
}

void PageColumns::next() {
  read([](trace::PageRef /*ref*/, uint32_t /*block*/, unsigned /*op*/) {});
}

}  // namespace mmusim::sim
