// Leaves of other sizes: split and promote.
#include <algorithm>
#include <map>
#include <vector>

#include "base/error.h"
#include "pt/gpt/gpt.h"
#include "pt/joined.h"

namespace mmusim::pt::gpt {

// Without a guard. Without level compression tables stand at fixed places, and leaves that are not
// cut there are replicated.
std::optional<GuardedEntry> Gpt::parts(unsigned consumed, unsigned bits, LeafFields fields,
                                       const Place& place) {
  if (bits == 0) return GuardedEntry::leaf(0, 0, 0, format_->make_leaf(fields));
  const Policy& policy = rules_->policy;
  const unsigned width = policy.adaptive() ? std::min(bits, policy.widest)
                                           : std::min(policy.order, policy.key_end - consumed);
  const auto table = tables_.allocate(width, place.shared);
  if (!table) return std::nullopt;
  GuardedEntry made = GuardedEntry::internal(0, 0, width, table->address);

  const unsigned log2 = width > bits ? width - bits : 0;  // of replicas
  const uint64_t slots = uint64_t{1} << width;
  for (uint64_t i = 0; i < slots; i += uint64_t{1} << log2) {
    std::optional<GuardedEntry> part;
    if (bits <= width) {
      part = GuardedEntry::leaf(0, 0, log2, format_->make_leaf(fields));
      fields.pfn += fields.size.bytes() >> page_.log2();
    } else {
      part = parts(consumed + width, bits - width, fields, place);
      fields.pfn += fields.size.bytes() >> page_.log2() << (bits - width);
    }
    if (!part) {
      discard_below(made, place);
      return std::nullopt;
    }
    for (uint64_t replica = 0; replica < uint64_t{1} << log2; ++replica)
      table->set(i + replica, *part);
  }
  tables_.touch_slots(*table, 0, slots, true, place.level());
  const Weight weight = tables_.weigh(*table, width);
  made.count(weight.valid, weight.full);
  return made;
}

// What a leaf in one slot becomes when cut into 2^bits.
std::optional<GuardedEntry> Gpt::split_entry(const GuardedEntry& leaf, unsigned bits,
                                             LeafFields fields, const Place& place) {
  const Policy& policy = rules_->policy;
  const unsigned length = leaf.guard_length();
  const unsigned beside = policy.adaptive() ? 0 : length % policy.order;
  if (beside == 0) {
    const auto made = parts(place.consumed + length, bits, fields, place);
    if (!made) return std::nullopt;
    return made->with_guard(leaf.guard(), length);
  }
  // The guard ends inside what must be one table's index: only some of its slots are used.
  const unsigned at = length - beside;
  const unsigned width = std::min(policy.order, policy.key_end - place.consumed - at);
  const auto table = tables_.allocate(width, place.shared);
  if (!table) return std::nullopt;
  GuardedEntry made = GuardedEntry::internal(leaf.guard(), at, width, table->address);
  const unsigned in_table = std::min(bits, width - beside);
  const unsigned log2 = width - beside - in_table;  // of replicas
  const uint64_t first = number_of(behind(leaf.guard(), at), beside) << (width - beside);
  for (uint64_t i = 0; i < uint64_t{1} << in_table; ++i) {
    auto part = parts(place.consumed + at + width, bits - in_table, fields, place);
    if (!part) {
      discard_below(made, place);
      return std::nullopt;
    }
    fields.pfn += fields.size.bytes() >> page_.log2() << (bits - in_table);
    if (log2 != 0) part = part->with_replicas(log2);
    for (uint64_t replica = 0; replica < uint64_t{1} << log2; ++replica)
      table->set(first + (i << log2) + replica, *part);
  }
  tables_.touch_slots(*table, first, uint64_t{1} << (width - beside), true, place.level());
  const Weight weight = tables_.weigh(*table, width);
  made.count(weight.valid, weight.full);
  return made;
}

Status Gpt::split(const Handle& handle, PageShift to) {
  if (!current(handle)) return Status::Moved;
  if (!size_offered(to) || to >= handle.size) return Status::BadSize;
  const Path path = path_to(handle.base.value());
  const Place& place = path.back();
  const GuardedEntry leaf = place.load();
  MMUSIM_ASSERT(leaf.is(Kind::Leaf));
  if (leaf.body == kNone) return Status::Changed;
  if (!format_->is_present(leaf.body)) return Status::NotSupported;

  LeafFields fields = format_->parse_leaf(leaf.body, handle.size);
  fields.size = to;
  const unsigned bits = handle.size.log2() - to.log2();
  const unsigned replicas_log2 = leaf.replicas_log2();
  const uint64_t frames = to.bytes() >> page_.log2();
  const Table slots = tables_.at(PhysAddr(handle.place));
  if (bits <= replicas_log2) {  // in place: as many slots as before, for more leaves
    const unsigned log2 = replicas_log2 - bits;
    for (uint64_t i = 0; i < leaf.replicas(); ++i) {
      LeafFields part = fields;
      part.pfn += (i >> log2) * frames;
      slots.set(i, GuardedEntry::leaf(0, 0, log2, format_->make_leaf(part)));
    }
    tables_.touch_slots(slots, 0, leaf.replicas(), true, place.level());
    tables_.moved(place.shared);
    return Status::Ok;
  }

  // One entry for each slot, all made before the first is put in place.
  std::vector<GuardedEntry> made;
  for (uint64_t i = 0; i < leaf.replicas(); ++i) {
    LeafFields part = fields;
    part.pfn += i * frames << (bits - replicas_log2);
    const auto e = split_entry(leaf.with_replicas(0), bits - replicas_log2, part, place);
    if (!e) {
      for (const GuardedEntry& done : made)
        discard_below(done, place);
      return Status::NoMemory;
    }
    made.push_back(*e);
  }
  if (made.size() == 1) {
    replace(path, path.size() - 1, made[0]);
  } else {
    for (uint64_t i = 0; i < made.size(); ++i)
      slots.set(i, made[i]);
    tables_.touch_slots(slots, 0, made.size(), true, place.level());
    const Place& parent = path[path.size() - 2];
    const GuardedEntry above = parent.load();
    tables_.write_counts(parent, tables_.weigh(tables_.below(above), above.width()));
  }
  tables_.moved(place.shared);
  settle_above(path, path.size());
  return Status::Ok;
}

namespace {

// The tables of a split: of each width so many.
class TableCount {
 public:
  void add(unsigned width, uint64_t count) {
    bytes_ = std::max(bytes_, Tables::bytes_of(width));
    groups_[Tables::bytes_of(width)] += count;
  }
  [[nodiscard]] uint64_t largest() const { return bytes_; }
  // Pieces smaller than a page share pages with their like only.
  [[nodiscard]] uint64_t blocks_of(uint64_t block) const {
    uint64_t blocks = 0;
    for (const auto& [bytes, count] : groups_)
      blocks += (bytes * count + block - 1) / block;
    return blocks;
  }

 private:
  uint64_t bytes_ = 0;
  std::map<uint64_t, uint64_t> groups_;  // by bytes of a table
};

}  // namespace

// The leaf may stand in one slot or in several, each of which then needs tables of its own.
SplitReserve Gpt::split_reserve(PageShift from, PageShift to) const {
  if (!size_offered(from) || !size_offered(to) || to >= from) return {};
  const Policy& policy = rules_->policy;
  const unsigned bits = from.log2() - to.log2();
  std::vector<TableCount> ways;
  if (policy.adaptive()) {
    for (unsigned replicas = 0; replicas < bits; ++replicas) {
      TableCount& way = ways.emplace_back();
      for (unsigned done = replicas; done < bits; done += policy.widest)
        way.add(std::min(policy.widest, bits - done), uint64_t{1} << done);
    }
  } else {
    // Tables stand at fixed places. Replicas would only save the first of them.
    TableCount& way = ways.emplace_back();
    const unsigned begin = kKeyBits - from.log2();
    for (unsigned at = begin - begin % policy.order; at < begin + bits; at += policy.order)
      way.add(std::min(policy.order, policy.key_end - at),
              at <= begin ? 1 : uint64_t{1} << (at - begin));
  }
  SplitReserve reserve{.bytes = page_.bytes(), .blocks = 0};
  for (const TableCount& way : ways)
    reserve.bytes = std::max(reserve.bytes, way.largest());
  for (const TableCount& way : ways)
    reserve.blocks = std::max(reserve.blocks, way.blocks_of(reserve.bytes));
  return reserve;
}

Status Gpt::promote(VirtAddr va, PageShift to, Gather& gather) {
  if (!size_offered(to) || to == page_) return Status::BadSize;
  if (number_of(va.value(), kKeyBits - rules_->address_bits) != 0) return Status::NotUniform;
  const uint64_t key = align_down(va, to).value();
  const unsigned end = kKeyBits - to.log2();
  if (!own_block(key, end)) return Status::NotUniform;
  Path path;
  path.push(root_);
  while (true) {
    const Place& place = path.back();
    const GuardedEntry e = tables_.read(place);
    if (!e.matches(behind(key, place.consumed))) return Status::NotUniform;
    if (e.is(Kind::Shared)) {
      path.push(tables_.shared_root_of(place, e, key));
      continue;
    }
    if (!e.is(Kind::Internal)) return Status::NotUniform;
    const unsigned before = place.consumed + e.guard_length();
    if (end >= before + e.width()) {
      path.push(tables_.slot_of(place, e, key));
      continue;
    }
    if (end < before) return Status::NotUniform;  // a trie smaller than the leaf: holes

    // The slots that are to become one leaf: some of this table, or all.
    const unsigned log2 = before + e.width() - end;
    const uint64_t count = uint64_t{1} << log2;
    const Table table = tables_.below(e);
    const uint64_t first = number_of(behind(key, before), e.width());
    tables_.touch_slots(table, first, count, false, place.level());
    Joined joined(*format_, page_, to);
    for (uint64_t i = first; i < first + count;) {
      const GuardedEntry child = table.get(i);
      const Place slot =
          tables_.slot_of(place, e, leading(key, before) | key_of(i, e.width()) >> before);
      if (child.is(Kind::Invalid) || !visit_leaves(slot, [&](uint64_t, unsigned size, Entry entry) {
            return joined.add(PageShift(size), entry);
          }))
        return Status::NotUniform;
      i += child.is(Kind::Leaf) ? child.replicas() : 1;
    }
    if (!joined.complete()) return Status::NotUniform;

    tables_.gather_into(&gather, VirtAddr(key));
    for (uint64_t i = first; i < first + count; ++i) {
      retire_below(table.get(i), place.shared);
      table.set(i, GuardedEntry::leaf(0, 0, log2, joined.entry()));
    }
    tables_.touch_slots(table, first, count, true, place.level());
    tables_.write_counts(place, tables_.weigh(table, e.width()));
    path.push(tables_.slot_of(place, e, key));
    settle_above(path, path.size());
    tables_.gather_into(nullptr);
    tables_.moved(place.shared);
    gather.leaf(VirtAddr(key), joined.smallest());
    gather.leaf(VirtAddr(key) + (to.bytes() - joined.smallest().bytes()), joined.smallest());
    return Status::Ok;
  }
}

}  // namespace mmusim::pt::gpt
