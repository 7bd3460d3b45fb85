#include "trace/page_comparer.h"

#include <algorithm>

namespace mmusim::trace {

void PageComparer::Follower::open(const ChunkHeader& header, std::span<const uint8_t> control,
                                  const PageDecoder::Raw& raw, bool any, const Place& place) {
  decoder_.open(header, control, raw, any, place);
  batch_ = {};
  at_ = 0;
}

// Events are in the control stream, which both have.
bool PageComparer::Follower::next_batch() {
  at_ = 0;
  while (decoder_.next(batch_))
    if (batch_.of_pages) return true;
  return false;
}

bool PageComparer::Follower::follow(std::span<const PageRef> kept, bool run_begins) {
  while (!kept.empty()) {
    if (at_ == batch_.pages.size()) {
      if (!run_begins && !batch_.goes_on) return false;
      if (!next_batch() || batch_.run_begins != run_begins) return false;
      if (run_begins) run_ = batch_.totals;
    }
    run_begins = false;
    const std::span<const PageRef> there = batch_.pages.subspan(at_);
    const size_t count = std::min(there.size(), kept.size());
    if (!std::equal(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(count), there.begin()))
      return false;
    at_ += count;
    kept = kept.subspan(count);
  }
  return true;
}

bool PageComparer::Follower::end_run(const Totals& run) const {
  return at_ == batch_.pages.size() && !batch_.goes_on && run == run_;
}

bool PageComparer::Follower::at_end() {
  return at_ == batch_.pages.size() && !next_batch();
}

void PageComparer::open(const ChunkHeader& header, std::span<const uint8_t> control,
                        const PageDecoder::Raw& raw, bool sums, const Place& place) {
  sets_.open(header, control, raw, false, place);
  has_any_ = header.has_returns();
  if (has_any_) any_.open(header, control, raw, true, place);
  sums_ = sums;
  sum_ = 0;
  all_ = header.digests.all;
  run_begins_ = true;
}

// What the sieve's side() spares of each_reference(). Which these are cannot be foreseen, so all
// are written, and the next takes the place of one that is spared; but those that cross are few.
std::span<PageRef> PageComparer::keep_for_any(const Batch& columns) {
  const size_t most = 2 * columns.blocks.size() + columns.totals.data_accesses() + 1;
  if (kept_.size() < most) kept_.resize(most);
  LastPage fetched = last_[0];
  LastPage accessed = last_[1];
  PageRef* at = kept_.data();
  const uint64_t* addresses = columns.addresses;
  const auto fetch = [&](const StaticBlock& block, bool crosses) {
    *at = PageRef(block.start, AccessKind::Fetch, crosses);
    at += 1 - fetched.spare(*at);
  };
  const auto access = [&](const MemOp& op) {
    const VirtAddr va(*addresses++);
    if (op.crosses(va, kBlockPage)) [[unlikely]] {
      *at++ = PageRef(va, op.kind, true);
      accessed.forget();
      return;
    }
    *at = PageRef(va, op.kind, false);
    at += 1 - accessed.spare(*at);
  };
  for (const uint32_t number : columns.blocks) {
    const StaticBlock& block = columns.table[number];
    const MemOp* op = block.ops;
    const MemOp* const end = op + block.mem_ops;
    if (block.crosses_page) [[unlikely]] {
      if (block.instructions > 1) fetch(block, false);
      for (; op != end && op->instruction + 1u < block.instructions; ++op)
        access(*op);
      fetch(block, true);
    } else {
      fetch(block, false);
    }
    for (; op != end; ++op)
      access(*op);
  }
  last_ = {fetched, accessed};
  return {kept_.data(), at};
}

bool PageComparer::take(const Batch& columns) {
  if (columns.event != nullptr) return true;
  if (run_begins_) {
    sieve_.forget();
    last_ = {};
    run_ = {};
  }
  run_ += columns.totals;
  if (sums_)
    each_reference(columns, [&](PageRef ref, uint32_t, unsigned) { sum_ += digest_of(ref); });
  std::span<PageRef> kept = keep_for_any(columns);
  if (has_any_ && !any_.follow(kept, run_begins_)) return false;
  size_t count = 0;
  for (const PageRef ref : kept) {
    uint64_t spared = 0;
    if (ref.crosses()) [[unlikely]]
      sieve_.cross_slots(ref);
    else
      spared = sieve_.spare_by_slot(ref);
    kept[count] = ref;
    count += 1 - spared;
  }
  if (!sets_.follow(kept.first(count), run_begins_)) return false;
  run_begins_ = !columns.goes_on;
  return columns.goes_on || (sets_.end_run(run_) && (!has_any_ || any_.end_run(run_)));
}

bool PageComparer::finish() {
  return (!sums_ || sum_ == all_) && sets_.at_end() && (!has_any_ || any_.at_end());
}

}  // namespace mmusim::trace
