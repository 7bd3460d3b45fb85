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
    const uint64_t begin = found.base.value();
    const VirtAddr target = to + done;
    const PageShift size = found.size;
    if (begin == at.value() && size.bytes() <= left && is_aligned(target, size)) {
      Slot slot = ensure(target, size);
      if (slot.status == Status::Occupied) {  // by a shared sub-tree without leaves
        prune_range(target.value(), target.value() + size.offset_mask());
        slot = ensure(target, size);
      }
      if (slot.status != Status::Ok) return slot.status;
      // The slot it came from may have changed place.
      const Found source = descend(begin, [](const Place&) {});
      Entry old = kNone;
      const Handle old_place = handle_of(begin, source);
      const Table slots = replicas_of(old_place);
      const GuardedEntry e = slots.get(0);
      old = e.body;
      for (uint64_t i = 0; i < e.replicas(); ++i)
        slots.set(i, {.head = e.head, .body = kNone});
      tables_.touch_slots(slots, 0, e.replicas(), true, source.place.level());
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
  tables_.gather_into(nullptr);
}

// What an eager table does when a Zap cursor has passed.
void Gpt::prune_range(uint64_t first, uint64_t last) {
  prune(root_, {.first = first, .last = last, .floor = first, .ceiling = last});
}

// The entry has been read. Whether it is another one now.
bool Gpt::prune(const Place& place, const Trimming& trimming) {
  GuardedEntry e = place.load();
  if (e.is(Kind::Invalid)) return false;
  const uint64_t base = place.base | e.guard() >> place.consumed;
  const unsigned end = place.consumed + e.guard_length();
  const uint64_t last = last_of(base, kKeyBits - end);
  if (last < trimming.first || base > trimming.last) return false;
  if (e.is(Kind::Leaf)) {
    if (!e.is_empty_leaf() || base < trimming.floor || last > trimming.ceiling) return false;
    tables_.write(place, {});
    tables_.moved(place.shared);
    return true;
  }
  if (e.is(Kind::Shared))
    return prune_shared(place, base, trimming, base >= trimming.floor && last <= trimming.ceiling);
  const Weight weight = prune_slots(place, e, trimming);
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
  const bool alone = root.users() == 1;
  if (alone) prune(tables_.shared_root_of(place, user, key), trimming);
  if (!in_gap || (alone ? holds_leaves(root.entry()) : !is_empty(root.entry()))) return false;
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

// What the table of `e` counts then.
Weight Gpt::prune_slots(const Place& place, const GuardedEntry& e, const Trimming& trimming) {
  const Table table = tables_.below(e);
  Weight weight = Tables::counted(e);
  const uint64_t base = place.base | e.guard() >> place.consumed;
  const unsigned end = place.consumed + e.guard_length();
  const unsigned slot_log2 = kKeyBits - end - e.width();
  uint64_t i = trimming.first <= base ? 0 : (trimming.first - base) >> slot_log2;
  const uint64_t most = std::min(e.slots() - 1, (trimming.last - base) >> slot_log2);
  tables_.touch_slots(table, i, most - i + 1, false, place.level());
  while (i <= most) {
    const GuardedEntry child = table.get(i);
    if (!child.is(Kind::Leaf) || child.guard_length() != 0) {
      const uint64_t key = base | key_of(i, e.width()) >> end;
      if (!child.is(Kind::Invalid) && prune(tables_.slot_of(place, e, key), trimming)) {
        weight -= tables_.weigh(child, e.width());
        weight += tables_.weigh(table.get(i), e.width());
      }
      ++i;
      continue;
    }
    // A leaf in one slot or several, of which the range may touch any.
    const uint64_t count = child.replicas();
    i &= ~(count - 1);
    const uint64_t begin = base + (i << slot_log2);
    const uint64_t finish = begin + ((count << slot_log2) - 1);
    if (child.is_empty_leaf() && begin >= trimming.floor && finish <= trimming.ceiling) {
      for (uint64_t slot = i; slot < i + count; ++slot)
        table.set(slot, {});
      tables_.touch_slots(table, i, count, true, place.level());
      tables_.moved(place.shared);
      weight.valid -= static_cast<uint32_t>(count);
    }
    i += count;
  }
  return weight;
}

}  // namespace mmusim::pt::gpt
