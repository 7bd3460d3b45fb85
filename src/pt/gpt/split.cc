// Leaves of other sizes: split and promote.
#include <algorithm>
#include <map>
#include <vector>

#include "base/error.h"
#include "pt/gpt/gpt.h"
#include "pt/joined.h"

namespace mmusim::pt::gpt {

// Without level compression tables stand at fixed places, and leaves that are not cut there are
// replicated.
std::optional<GuardedEntry> Gpt::parts(uint64_t prefix, unsigned length, unsigned bits,
                                       LeafFields fields, const Place& place) {
  if (bits == 0) return GuardedEntry::leaf(prefix, length, format_->make_leaf(fields));
  const Policy& policy = rules_->policy;
  const uint64_t frames = fields.size.bytes() >> page_.log2();
  const unsigned in_array = fields.size == page_ ? policy.most_array(true) : 0;
  if (bits <= in_array) {
    const auto array = tables_.allocate(Shape::pages(bits), place.shared);
    if (!array) return std::nullopt;
    const uint64_t pages = uint64_t{1} << bits;
    for (uint64_t i = 0; i < pages; ++i, fields.pfn += frames)
      array->words[i] = format_->make_leaf(fields);
    tables_.touch_words(array->address, pages, true);
    return GuardedEntry::array(prefix, length, array->address, pages);
  }
  const unsigned width = policy.adaptive() ? std::min(bits - in_array, policy.widest)
                                           : std::min(policy.order, policy.key_end - length);
  const auto table = tables_.allocate(Shape::entries(width), place.shared);
  if (!table) return std::nullopt;
  const GuardedEntry made = GuardedEntry::internal(prefix, length, width, table->address);

  const unsigned log2 = width > bits ? width - bits : 0;  // of replicas
  const uint64_t slots = uint64_t{1} << width;
  for (uint64_t i = 0; i < slots; i += uint64_t{1} << log2) {
    const auto part = parts(prefix | key_of(i, length, width), length + width - log2,
                            bits <= width ? 0 : bits - width, fields, place);
    if (!part) {
      discard_below(made, place);
      return std::nullopt;
    }
    fields.pfn += bits <= width ? frames : frames << (bits - width);
    for (uint64_t replica = 0; replica < uint64_t{1} << log2; ++replica)
      table->set(i + replica, *part);
  }
  tables_.touch_slots(*table, 0, slots, true, tables_.level_of(kKeyBits - length - width));
  return tables_.entry_of(*table, width, prefix, length);
}

// What a leaf in one slot becomes when cut into 2^bits.
std::optional<GuardedEntry> Gpt::split_entry(uint64_t prefix, unsigned length, unsigned bits,
                                             LeafFields fields, const Place& place) {
  const Policy& policy = rules_->policy;
  const unsigned beside = policy.adaptive() ? 0 : length % policy.order;
  if (beside == 0) return parts(prefix, length, bits, fields, place);
  // The prefix ends inside what must be one table's index: only some of its slots are used.
  const unsigned at = length - beside;
  const unsigned width = std::min(policy.order, policy.key_end - at);
  const auto table = tables_.allocate(Shape::entries(width), place.shared);
  if (!table) return std::nullopt;
  const GuardedEntry made = GuardedEntry::internal(prefix, at, width, table->address);
  const unsigned in_table = std::min(bits, width - beside);
  const unsigned log2 = width - beside - in_table;  // of replicas
  const uint64_t first = bits_of(prefix, at, width);
  for (uint64_t i = 0; i < uint64_t{1} << in_table; ++i) {
    const auto part = parts(prefix | key_of(i, length, in_table), length + in_table,
                            bits - in_table, fields, place);
    if (!part) {
      discard_below(made, place);
      return std::nullopt;
    }
    fields.pfn += fields.size.bytes() >> page_.log2() << (bits - in_table);
    for (uint64_t replica = 0; replica < uint64_t{1} << log2; ++replica)
      table->set(first + (i << log2) + replica, *part);
  }
  tables_.touch_slots(*table, first, uint64_t{1} << (width - beside), true,
                      tables_.level_of(kKeyBits - at - width));
  return tables_.entry_of(*table, width, prefix, at);
}

Status Gpt::split(const Handle& handle, PageShift to) {
  const Changing changing(*this, Top::May::Stay);
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
  const unsigned replicas_log2 = place.replicas_log2(leaf);
  const uint64_t replicas = uint64_t{1} << replicas_log2;
  const uint64_t frames = to.bytes() >> page_.log2();
  const Table slots = tables_.at(PhysAddr(place.address.value() & ~(replicas * kEntryBytes - 1)));
  if (bits <= replicas_log2) {  // in place: as many slots as before, for more leaves
    const unsigned log2 = replicas_log2 - bits;
    for (uint64_t i = 0; i < replicas; ++i) {
      LeafFields part = fields;
      part.pfn += (i >> log2) * frames;
      slots.set(i, GuardedEntry::leaf(leaf.prefix() | key_of(i >> log2, leaf.length(), bits),
                                      leaf.length() + bits, format_->make_leaf(part)));
    }
    tables_.touch_slots(slots, 0, replicas, true, place.level);
    tables_.moved(place.shared);
    return Status::Ok;
  }

  // One entry for each slot, all made before the first is put in place.
  std::vector<GuardedEntry> made;
  for (uint64_t i = 0; i < replicas; ++i) {
    LeafFields part = fields;
    part.pfn += i * frames << (bits - replicas_log2);
    const auto e = split_entry(leaf.prefix() | key_of(i, leaf.length(), replicas_log2),
                               leaf.length() + replicas_log2, bits - replicas_log2, part, place);
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
    tables_.changes_top();
    tables_.touch_slots(slots, 0, made.size(), true, place.level);
    const Place& parent = path[path.size() - 2];
    const GuardedEntry above = parent.load();
    tables_.write_counts(
        parent, tables_.weigh(tables_.below(above), above.width(), above.length() + above.width()));
  }
  tables_.moved(place.shared);
  settle_above(path, path.size());
  return Status::Ok;
}

namespace {

// The tables of a split: of each width so many.
class TableCount {
 public:
  void add(uint64_t bytes, uint64_t count) {
    bytes_ = std::max(bytes_, bytes);
    groups_[bytes] += count;
  }
  [[nodiscard]] uint64_t largest() const { return bytes_; }
  [[nodiscard]] const std::map<uint64_t, uint64_t>& groups() const { return groups_; }
  // Pieces smaller than a page share pages with their like only. REQUIRES: block is not 0.
  [[nodiscard]] uint64_t blocks_of(uint64_t block) const {
    MMUSIM_ASSERT(block != 0);
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
    const unsigned in_array = to == page_ ? policy.most_array(true) : 0;
    for (unsigned replicas = 0; replicas < bits; ++replicas) {
      TableCount& way = ways.emplace_back();
      unsigned done = replicas;
      while (done < bits) {
        const unsigned left = bits - done;
        const uint64_t count = uint64_t{1} << done;
        if (left <= in_array) {
          way.add(Shape::pages(left).bytes(), count);
          break;
        }
        const unsigned width = std::min(policy.widest, left - in_array);
        way.add(Shape::entries(width).bytes(), count);
        done += width;
      }
    }
  } else {
    // Tables stand at fixed places. Replicas would only save the first of them.
    TableCount& way = ways.emplace_back();
    const unsigned begin = kKeyBits - from.log2();
    for (unsigned at = begin - begin % policy.order; at < begin + bits; at += policy.order)
      way.add(Shape::entries(std::min(policy.order, policy.key_end - at)).bytes(),
              at <= begin ? 1 : uint64_t{1} << (at - begin));
  }
  // What each way needs, piece by piece, where that is less than a page.
  std::map<uint64_t, uint64_t> pieces;
  uint64_t total = 0;
  for (const TableCount& way : ways)
    for (const auto& [bytes, count] : way.groups())
      pieces[bytes] = std::max(pieces[bytes], count);
  for (const auto& [bytes, count] : pieces)
    total += bytes * count;
  if (total < page_.bytes()) {
    SplitReserve reserve;
    for (const auto& [bytes, count] : pieces)
      reserve.push_back({.bytes = bytes, .count = count});
    return reserve;
  }
  TableBlocks reserve{.bytes = page_.bytes(), .count = 0};
  for (const TableCount& way : ways)
    reserve.bytes = std::max(reserve.bytes, way.largest());
  for (const TableCount& way : ways)
    reserve.count = std::max(reserve.count, way.blocks_of(reserve.bytes));
  return {reserve};
}

Status Gpt::promote(VirtAddr va, PageShift to, Gather& gather) {
  const Changing changing(*this, Top::May::Stay);
  if (!size_offered(to) || to == page_) return Status::BadSize;
  if (!rules_->have(va)) return Status::NotUniform;
  const uint64_t key = align_down(va, to).value();
  const unsigned end = kKeyBits - to.log2();
  if (!own_block(key, end)) return Status::NotUniform;
  Joined joined(*format_, page_, to);
  const auto joins = [&](const Place& place) {
    return visit_leaves(place, [&](uint64_t, unsigned size, Entry entry) {
      return joined.add(PageShift(size), entry);
    });
  };
  Path path;
  path.push(root_);
  Way way = Way::On;
  GuardedEntry e;
  while (way == Way::On) {
    e = tables_.read(path.back());
    way = go_down(path, e, key, end, true);
    if (way != Way::Ends || !e.is(Kind::Array) || e.length() >= end) continue;
    // Part of an array, which is to have a table above it then.
    const uint64_t first = tables_.page_in_array(key, e);
    const uint64_t pages = to.bytes() >> page_.log2();
    tables_.touch_words(tables_.below(e).word_at(first), pages, false);
    Joined part(*format_, page_, to);
    for (uint64_t i = first; i < first + pages; ++i)
      if (tables_.below(e).words[i] == kNone || !part.add(page_, tables_.below(e).words[i]))
        return Status::NotUniform;
    if (!part.complete()) return Status::NotUniform;
    meets_leaves_ = true;
    if (!part_array(path, end)) return Status::NoMemory;
    way = Way::On;
  }
  const Place place = path.back();
  const bool some_of_line = place.in_line && e.length() > end;
  if (way == Way::Parts || e.is(Kind::Invalid) || (e.is(Kind::Leaf) && !some_of_line))
    return Status::NotUniform;
  GuardedEntry leaf = GuardedEntry::leaf(place.local(key), end, kNone);

  // What is to become one leaf: what hangs in one entry, in some of a line, in some slots of a
  // table.
  if (e.length() == end || some_of_line) {
    if (some_of_line) {
      const Place above = path[path.size() - 2];
      bool uniform = true;
      for_each_child(above, above.load(), [&](const Place& child, const GuardedEntry& there) {
        if (there.common_with(leaf.prefix()) >= end) uniform = uniform && joins(child);
      });
      if (!uniform) return Status::NotUniform;
    } else if (!joins(place)) {
      return Status::NotUniform;
    }
    if (!joined.complete()) return Status::NotUniform;
    leaf.body = joined.entry();
    tables_.gather_into(&gather, VirtAddr(key));
    put_leaf(path, leaf);
  } else if (e.is_table() && e.length() < end) {
    const unsigned slot_end = e.length() + e.width();
    const uint64_t count = uint64_t{1} << (slot_end - end);
    const Table table = tables_.below(e);
    const uint64_t first = bits_of(key, e.length(), e.width());
    const uint8_t level = tables_.level_of(kKeyBits - slot_end);
    tables_.touch_slots(table, first, count, false, level);
    for (uint64_t i = first; i < first + count;) {
      const Place slot =
          tables_.slot_of(place, e, place.base_of(e) | key_of(i, e.length(), e.width()));
      const GuardedEntry child = slot.load();
      if (child.is(Kind::Invalid) || !joins(slot)) return Status::NotUniform;
      i += child.is(Kind::Leaf) ? uint64_t{1} << slot.replicas_log2(child) : 1;
    }
    if (!joined.complete()) return Status::NotUniform;
    leaf.body = joined.entry();
    tables_.gather_into(&gather, VirtAddr(key));
    for (uint64_t i = first; i < first + count; ++i) {
      retire_below(table.get(i), place.shared);
      table.set(i, leaf);
    }
    tables_.changes_top();
    tables_.touch_slots(table, first, count, true, level);
    tables_.write_counts(place, tables_.weigh(table, e.width(), slot_end));
    path.push(tables_.slot_of(place, e, key));
  } else {
    return Status::NotUniform;
  }
  settle_above(path, path.size());
  tables_.gather_into(nullptr);
  tables_.moved(place.shared);
  gather.leaf(VirtAddr(key), joined.smallest());
  gather.leaf(VirtAddr(key) + (to.bytes() - joined.smallest().bytes()), joined.smallest());
  return Status::Ok;
}

}  // namespace mmusim::pt::gpt
