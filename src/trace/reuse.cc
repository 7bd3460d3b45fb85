#include "trace/reuse.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/error.h"
#include "trace/part.h"

namespace mmusim::trace {
// The page's place, or the empty one where it would be.
LruStack::Slot& LruStack::slot_of(SpacePage page) {
  const size_t mask = slots_.size() - 1;
  size_t i = SpacePageHash()(page) & mask;
  while (slots_[i].time != kEmpty && (slots_[i].page != page.page || slots_[i].space != page.space))
    i = (i + 1) & mask;
  return slots_[i];
}

void LruStack::grow() {
  std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
  for (const Slot& slot : old)
    if (slot.time != kEmpty) slot_of({slot.page, slot.space}) = slot;
}

void LruStack::count(uint32_t time, uint32_t change) {
  for (size_t i = time; i < tree_.size(); i += i & (~i + 1))
    tree_[i] += change;
}

uint32_t LruStack::counted_up_to(uint32_t time) const {
  uint32_t sum = 0;
  for (size_t i = time; i != 0; i &= i - 1)
    sum += tree_[i];
  return sum;
}

// Times are used up: those in the tree get the first ones, in the same order.
void LruStack::renumber() {
  for (Slot& slot : slots_)
    if (slot.time != kEmpty && slot.time != kListed) slot.time = counted_up_to(slot.time);
  // Room for as many again.
  const size_t size = std::max<size_t>(64, std::bit_ceil(size_t{in_tree_} * 2 + 2));
  MMUSIM_ASSERT(size < kEmpty);
  tree_.assign(size, 0);
  for (size_t i = 1; i < size; ++i) {
    tree_[i] += i <= in_tree_ ? 1 : 0;
    const size_t next = i + (i & (~i + 1));
    if (next < size) tree_[next] += tree_[i];
  }
  now_ = in_tree_;
}

void LruStack::leave_list(SpacePage page) {
  if (now_ + 1 == tree_.size()) renumber();
  slot_of(page).time = ++now_;
  count(now_, 1);
  ++in_tree_;
}

uint64_t LruStack::access_other(SpacePage page) {
  const auto end = recent_.begin() + static_cast<std::ptrdiff_t>(recent_count_);
  const auto found = std::find(recent_.begin(), end, page);
  if (found != end) {
    std::rotate(recent_.begin(), found, found + 1);
    return static_cast<uint64_t>(found - recent_.begin());
  }
  uint64_t distance = kFirst;
  Slot& slot = slot_of(page);
  if (slot.time == kEmpty) {
    slot = {page.page, page.space, kListed};
    if (++known_ * 2 > slots_.size()) grow();
  } else {
    distance = recent_count_ + (in_tree_ - counted_up_to(slot.time));
    count(slot.time, UINT32_MAX);  // one less
    --in_tree_;
    slot.time = kListed;
  }
  if (recent_count_ == kRecent) {
    leave_list(recent_.back());
  } else {
    ++recent_count_;
  }
  std::rotate(recent_.begin(), recent_.begin() + static_cast<std::ptrdiff_t>(recent_count_) - 1,
              recent_.begin() + static_cast<std::ptrdiff_t>(recent_count_));
  recent_.front() = page;
  return distance;
}

size_t ReuseCounts::bucket_of(uint64_t distance) {
  return static_cast<size_t>(std::bit_width(distance));
}

uint64_t ReuseCounts::misses(uint64_t entries) const {
  MMUSIM_ASSERT(entries <= exact_.size());
  uint64_t hits = 0;
  for (uint64_t i = 0; i < entries; ++i)
    hits += exact_[i];
  return lookups_ - hits;
}

void Reuse::look_up(ReuseSide side, VirtAddr begin, uint64_t bytes, uint32_t space) {
  LruStack& stack = stacks_[static_cast<size_t>(side)];
  ReuseCounts& counts = counts_[static_cast<size_t>(side)];
  const uint64_t first = page_of(begin, page_).value();
  const uint64_t last = page_of(begin + (bytes - 1), page_).value();
  counts.add(stack.access({first, space}));
  if (last != first) counts.add(stack.access({last, space}));
}

void Reuse::add(const Batch& batch, uint32_t space) {
  const uint64_t* address = batch.addresses;
  for (const uint32_t number : batch.blocks) {
    const StaticBlock& block = batch.table[number];
    // All begin in one page; the last may end in the next.
    const unsigned last = block.instructions - 1u;
    if (last != 0) {
      look_up(ReuseSide::Fetch, block.start, 1, space);
      counts_[static_cast<size_t>(ReuseSide::Fetch)].repeat(last - 1u);
    }
    const unsigned last_bytes = block.lengths[last];
    look_up(ReuseSide::Fetch, block.start + (block.bytes - last_bytes), last_bytes, space);
    walk_block(
        block, address,
        [&](unsigned, VirtAddr pc, unsigned bytes) { look_up(ReuseSide::Both, pc, bytes, space); },
        [&](unsigned, const MemOp& op, VirtAddr to) {
          look_up(ReuseSide::Data, to, op.bytes, space);
          look_up(ReuseSide::Both, to, op.bytes, space);
        });
  }
}

}  // namespace mmusim::trace
