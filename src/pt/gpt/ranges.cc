// mremap's move, and trim.
#include <algorithm>
#include <bit>
#include <limits>

#include "base/error.h"
#include "pt/gpt/gpt.h"
#include "pt/gpt/shared_root.h"

namespace mmusim::pt::gpt {

// --- move_range: leaf by leaf. The slots left behind stay, empty, until trim(); so the way back
// needs no memory.

Status Gpt::move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) {
  const Changing changing(*this);
  MMUSIM_ASSERT(is_aligned(from, page_) && is_aligned(to, page_) &&
                (bytes & page_.offset_mask()) == 0);
  done = 0;
  while (done < bytes) {
    const VirtAddr at = from + done;
    const uint64_t left = bytes - done;
    const Lookup found = find(at, mem::Origin::Kernel);
    if (found.entry == kNone) {
      done += std::min(left, found.empty.end - at);
      continue;
    }
    // The largest leaf that fits at both ends.
    const VirtAddr target = to + done;
    const PageShift size = found.size;
    if (found.base == at && size.bytes() <= left && is_aligned(target, size)) {
      Slot slot = ensure(target, size);
      if (slot.status == Status::Occupied) {  // by a shared sub-tree without leaves
        prune_range(target.value(), target.value() + size.offset_mask());
        slot = ensure(target, size);
      }
      if (slot.status != Status::Ok) return slot.status;
      // The slot it came from may have changed place.
      const Handle from_now =
          current(found.handle) ? found.handle : find(at, mem::Origin::Kernel).handle;
      const Entry old = write_word(LeafWord::unpacked(from_now.place), kNone);
      const Status status = install(slot.handle, slot.entry, old);
      MMUSIM_ASSERT(status == Status::Ok);
      done += size.bytes();
      continue;
    }
    const auto zeros =
        static_cast<unsigned>(std::countr_zero(at.value() | target.value() | std::bit_floor(left)));
    // Halves of it until one begins here; pages at the least.
    const PageShift smaller(std::max(page_.log2(), std::min(zeros, size.log2() - 1)));
    const Status status = split(found.handle, smaller);
    if (status != Status::Ok) return status;
  }
  return Status::Ok;
}

// --- trim

void Gpt::trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) {
  if (range.empty()) return;
  const Trimming trimming{
      .first = range.begin.value(),
      .last = range.end.value() - 1,
      .floor = floor.value(),
      .ceiling = ceiling.value() == 0 ? std::numeric_limits<uint64_t>::max() : ceiling.value() - 1};
  tables_.gather_into(&gather, range.begin);
  static_cast<void>(tables_.read(root_));
  prune(root_, trimming);
  refresh_top(Top::May::Move);
  tables_.gather_into(nullptr);
}

// What an eager table does with what has been cleared, and what may be empty now around it.
void Gpt::prune_range(uint64_t first, uint64_t last, bool leaves_shared) {
  const Changing changing(*this, Top::May::Stay);
  static_cast<void>(tables_.read(root_));
  prune(root_, {.first = first,
                .last = last,
                .ceiling = std::numeric_limits<uint64_t>::max(),
                .looks = true,
                .leaves_shared = leaves_shared});
}

// The entry has been read. Whether it is another one now.
bool Gpt::prune(const Place& place, const Trimming& trimming) {
  GuardedEntry e = place.load();
  if (e.is(Kind::Invalid)) return false;
  const uint64_t base = place.base_of(e);
  const uint64_t last = last_of(base, kKeyBits - e.length());
  if (last < trimming.first || base > trimming.last) return false;
  const bool in_gap = base >= trimming.floor && last <= trimming.ceiling;
  const bool in_range = base >= trimming.first && last <= trimming.last;
  if (e.is(Kind::Shared))
    return prune_shared(place, base, trimming,
                        in_gap && trimming.leaves_shared && (in_range || !trimming.looks));
  if (in_gap && (in_range || !e.is(Kind::Internal)) && !holds_leaves(e, trimming.looks)) {
    // All that hangs in it goes.
    if (e.is(Kind::Internal)) tables_.unlinked({VirtAddr(base), VirtAddr(last + 1)});
    tables_.touched(VirtAddr(std::max(base, trimming.first)));
    retire_below(e, place.shared);
    tables_.write(place, {});
    tables_.moved(place.shared);
    return true;
  }
  if (!e.is(Kind::Internal)) return false;
  const Weight weight = e.is_line()
                            ? Weight{.valid = prune_line(place, e, trimming), .full = e.full()}
                            : prune_slots(place, e, trimming);
  if (weight == Tables::counted(e)) return false;
  e.count(weight.valid, weight.full);
  tables_.touched(VirtAddr(std::max(base, trimming.first)));
  resizer_.settle(e, place, false);
  tables_.write(place, e);
  return true;
}

// A shared sub-tree without leaves is left, if all of it lies in the gap; what hangs in one with
// several users is theirs together, so nothing inside is touched then.
bool Gpt::prune_shared(const Place& place, uint64_t key, const Trimming& trimming, bool in_gap) {
  const GuardedEntry user = place.load();
  const SharedRoot root(tables_, user.address());
  tables_.touch_slots(tables_.at(user.address()), 0, SharedRoot::kBytes / kEntryBytes, false,
                      place.level);
  const bool alone = root.users() == 1;
  if (alone) prune(tables_.shared_root_of(place, user), trimming);
  if (!in_gap || (alone ? holds_leaves(root.entry(), false) : !is_empty(root.entry())))
    return false;
  if (alone) {
    tables_.touched(VirtAddr(std::max(key, trimming.first)));
    retire_below(root.entry(), true);
    root.entry({});
  }
  if (!alone) tables_.unlinked({VirtAddr(key), VirtAddr(key + (uint64_t{1} << root.below()))});
  leave_root(user.address(), place);
  tables_.write(place, {});
  tables_.moved(false);
  tables_.moved(true);
  return true;
}

// How many entries the line has then: what is left of them moves together.
uint32_t Gpt::prune_line(const Place& place, const GuardedEntry& e, const Trimming& trimming) {
  tables_.read_line(place, e, e.valid());
  uint32_t left = 0;
  for (uint64_t i = 0; i < e.valid(); ++i) {
    const Place from = tables_.entry_of_line(place, e, i);
    prune(from, trimming);
    const GuardedEntry there = from.load();
    if (there.is(Kind::Invalid)) continue;
    if (left != i) {
      tables_.write(tables_.entry_of_line(place, e, left), there);
      tables_.write(from, {});
      tables_.moved(place.shared);
    }
    ++left;
  }
  return left;
}

// What the table of `e` counts then.
Weight Gpt::prune_slots(const Place& place, const GuardedEntry& e, const Trimming& trimming) {
  const Table table = tables_.below(e);
  Weight weight = Tables::counted(e);
  const uint64_t base = place.base_of(e);
  const unsigned end = e.length() + e.width();
  const unsigned slot_log2 = kKeyBits - end;
  uint64_t i = trimming.first <= base ? 0 : (trimming.first - base) >> slot_log2;
  const uint64_t most = std::min(e.slots() - 1, (trimming.last - base) >> slot_log2);
  tables_.touch_slots(table, i, most - i + 1, false, tables_.level_of(slot_log2));
  while (i <= most) {
    const Place child = tables_.slot_of(place, e, base | key_of(i, e.length(), e.width()));
    const GuardedEntry before = child.load();
    const unsigned replicas_log2 = before.is(Kind::Leaf) ? child.replicas_log2(before) : 0;
    if (replicas_log2 == 0) {
      if (prune(child, trimming)) {
        weight -= tables_.weigh(before, e.width(), end);
        weight += tables_.weigh(child.load(), e.width(), end);
      }
      ++i;
      continue;
    }
    // A leaf in several slots, of which the range may touch any.
    const uint64_t count = uint64_t{1} << replicas_log2;
    i &= ~(count - 1);
    const uint64_t begin = child.base_of(before);
    const uint64_t finish = last_of(begin, kKeyBits - before.length());
    if (before.is_empty_leaf() && begin >= trimming.floor && finish <= trimming.ceiling) {
      for (uint64_t slot = i; slot < i + count; ++slot)
        table.set(slot, {});
      tables_.touch_slots(table, i, count, true, child.level);
      tables_.moved(place.shared);
      weight.valid -= static_cast<uint32_t>(count);
    }
    i += count;
  }
  return weight;
}

}  // namespace mmusim::pt::gpt
