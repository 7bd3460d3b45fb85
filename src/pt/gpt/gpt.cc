// Operations on one address that change no shape, and the table as a whole.
#include "pt/gpt/gpt.h"

#include <algorithm>
#include <fmt/format.h>
#include <limits>

#include "base/error.h"

namespace mmusim::pt::gpt {
namespace {

// The end of a range that may reach the end of the address space, where it cannot be written.
VirtAddr end_of(uint64_t begin, unsigned log2) {
  const uint64_t end = log2 >= kKeyBits ? 0 : begin + (uint64_t{1} << log2);
  return VirtAddr(end <= begin ? std::numeric_limits<uint64_t>::max() : end);
}

// The largest power of two a void can be said to have.
constexpr unsigned kMostVoid = 63;

}  // namespace

Gpt::Gpt(const Environment& environment, const Rules& rules, Commons& commons, MmId mm,
         PhysAddr root)
    : PageTable(*environment.sink),
      rules_(&rules),
      format_(environment.format),
      page_(environment.page),
      tables_(environment, rules.policy, commons, mm),
      resizer_(tables_) {
  root_.words = tables_.words(root);
  root_.address = root;
  root_.top = true;
}

Gpt::~Gpt() {
  take_apart([this] {
    discard_below(root_.load(), root_);
    tables_.allocator().free(root_.address, kEntryBytes);
  });
}

// --- Looking up

Handle Gpt::handle_of(uint64_t key, const Found& found) const {
  const unsigned log2 = found.covers();
  // Tables are aligned to their size, so replicas are aligned to theirs.
  const uint64_t group = kEntryBytes << found.entry.replicas_log2();
  return {.base = VirtAddr(leading(key, kKeyBits - log2)),
          .size = PageShift(log2),
          .place = found.place.address.value() & ~(group - 1),
          .generation = tables_.generation()};
}

Lookup Gpt::lookup_of(VirtAddr va, const Found& found) const {
  Lookup result;
  result.mask = found.mask;
  result.shared = found.place.shared;
  if (result.shared) {
    result.tree_size = PageShift(found.tree_log2);
    result.tree_base = align_down(va, result.tree_size);
  }
  if (found.is_leaf()) {
    result.entry = found.entry.body;
    const Handle handle = handle_of(va.value(), found);
    result.has_slot = result.entry != kNone || handle.size == page_;
    if (result.has_slot) result.handle = handle;
    if (result.entry != kNone) {
      result.base = handle.base;
      result.size = handle.size;
      return result;
    }
  }
  const unsigned log2 = std::min(found.empty_log2, std::min(rules_->address_bits, kMostVoid));
  const uint64_t begin = leading(va.value(), kKeyBits - log2);
  result.empty = {VirtAddr(begin), end_of(begin, log2)};
  return result;
}

Lookup Gpt::nothing_beyond() const {
  Lookup nothing;
  nothing.empty = {end_of(0, rules_->address_bits), VirtAddr(std::numeric_limits<uint64_t>::max())};
  return nothing;
}

Lookup Gpt::walk(VirtAddr va, WalkPath& path) const {
  if (number_of(va.value(), kKeyBits - rules_->address_bits) != 0) return nothing_beyond();
  WalkStep step{.address = root_.address, .bytes = kEntryBytes, .dependent = false};
  Found found;
  found.place = root_;
  while (true) {
    const Place& place = found.place;
    step.address = place.address;
    step.level = place.level();
    step.part = static_cast<uint8_t>(place.consumed);
    path.add(step);
    const GuardedEntry e = found.entry = place.load();
    // A table, or a shared root, serves what agrees in all bits up to the guard's end.
    step.table = e.address();
    step.serves = static_cast<uint8_t>(kKeyBits - place.consumed - e.guard_length());
    step.dependent = true;
    if (!descend_one(va.value(), found)) return lookup_of(va, found);
  }
}

Lookup Gpt::find(VirtAddr va, mem::Origin origin) {
  if (number_of(va.value(), kKeyBits - rules_->address_bits) != 0) return nothing_beyond();
  return lookup_of(va, descend(va.value(), [&](const Place& place) {
                     sink().reference(
                         place.address, kEntryBytes, false,
                         {.origin = origin, .level = place.level(), .dependent = place.depth != 0});
                   }));
}

Lookup Gpt::peek(VirtAddr va) const {
  if (number_of(va.value(), kKeyBits - rules_->address_bits) != 0) return nothing_beyond();
  return lookup_of(va, descend(va.value(), [](const Place&) {}));
}

// --- One leaf through its handle

Status Gpt::install(const Handle& handle, Entry expected, Entry next) {
  if (!current(handle)) return Status::Moved;
  if (handle.size > page_ && format_->is_present(next)) {
    const uint64_t frames = uint64_t{1} << (handle.size.log2() - page_.log2());
    if ((format_->parse_leaf(next, handle.size).pfn.value() & (frames - 1)) != 0)
      return Status::BadAlign;
  }
  const Table slots = replicas_of(handle);
  tables_.touch_slots(slots, 0, 1, false, 0);
  const GuardedEntry e = slots.get(0);
  if (e.body != expected) return Status::Changed;
  for (uint64_t i = 0; i < e.replicas(); ++i)
    slots.set(i, {.head = e.head, .body = next});
  tables_.touch_slots(slots, 0, e.replicas(), true, 0);
  return Status::Ok;
}

Status Gpt::clear(const Handle& handle, Entry& old) {
  if (!current(handle)) return Status::Moved;
  const Table slots = replicas_of(handle);
  tables_.touch_slots(slots, 0, 1, false, 0);
  const GuardedEntry e = slots.get(0);
  old = e.body;
  for (uint64_t i = 0; i < e.replicas(); ++i)
    slots.set(i, {.head = e.head, .body = kNone});
  tables_.touch_slots(slots, 0, e.replicas(), true, 0);
  if (rules_->policy.eager) {
    const Path path = path_to(handle.base.value());
    remove_leaf(path);
    settle_above(path, path.size());
  }
  return Status::Ok;
}

Run Gpt::run_of(const Table& table, uint64_t slot, uint32_t count, const GuardedEntry& leaf,
                const Place& place) const {
  const unsigned log2 = kKeyBits - place.consumed - leaf.guard_length() + leaf.replicas_log2();
  Run run;
  run.start = VirtAddr(leading(place.base | leaf.guard() >> place.consumed, kKeyBits - log2));
  run.size = PageShift(log2);
  run.count = count;
  run.shared = place.shared;
  run.place({.words = table.words + 2 * slot + 1,
             .address = table.at(slot) + sizeof(uint64_t),
             .stride = kEntryBytes,
             .replicas = leaf.replicas(),
             .entry_bytes = sizeof(Entry),
             .level = place.level()});
  return run;
}

// --- The whole

bool Gpt::visit_leaves(const Place& place, const LeafVisit& visit) const {
  const GuardedEntry e = place.load();
  const unsigned end = place.consumed + e.guard_length();
  switch (e.kind()) {
    case Kind::Invalid:
      return true;
    case Kind::Leaf:
      return e.body == kNone || visit(place.base | e.guard() >> place.consumed,
                                      kKeyBits - end + e.replicas_log2(), e.body);
    case Kind::Shared:
      return visit_leaves(
          tables_.shared_root_of(place, e, place.base | e.guard() >> place.consumed), visit);
    case Kind::Internal:
      break;
  }
  const uint64_t base = place.base | e.guard() >> place.consumed;
  const Table table = tables_.below(e);
  for (uint64_t i = 0; i < e.slots();) {
    const GuardedEntry child = table.get(i);
    const uint64_t key = base | key_of(i, e.width()) >> end;
    if (!child.is(Kind::Invalid) && !visit_leaves(tables_.slot_of(place, e, key), visit))
      return false;
    i += child.is(Kind::Leaf) ? child.replicas() : 1;
  }
  return true;
}

Stats Gpt::stats() const {
  Stats stats;
  tables_.add_stats(stats);
  stats.root_bytes = kEntryBytes;
  visit_leaves(root_, [&](uint64_t, unsigned, Entry) {
    ++stats.leaves;
    return true;
  });
  return stats;
}

void Gpt::visit_tables(const TableVisitor& visit) const {
  visit_below(root_, root_.address, 0, "", visit);
}

// A table, or the root or a shared root, which are tables of one slot.
void Gpt::visit_below(const Place& place, PhysAddr parent, uint32_t slot, const std::string& link,
                      const TableVisitor& visit) const {
  const GuardedEntry e = place.load();
  const uint64_t base = place.base | e.guard() >> place.consumed;
  const unsigned end = place.consumed + e.guard_length();
  const auto says = [](const GuardedEntry& entry) {
    return entry.guard_length() == 0
               ? std::string()
               : fmt::format("guard {:0{}b}", number_of(entry.guard(), entry.guard_length()),
                             entry.guard_length());
  };
  if (place.top) {
    TableNode node;
    node.address = place.address;
    node.bytes = place.shared ? 2 * kEntryBytes : kEntryBytes;
    node.base = VirtAddr(place.base);
    node.covers = kKeyBits - place.consumed;
    node.slots = 1;
    node.leaves = e.is(Kind::Leaf) && e.body != kNone ? 1 : 0;
    node.tables = e.is(Kind::Internal) || e.is(Kind::Shared) ? 1 : 0;
    node.parent = parent;
    node.slot = slot;
    node.link = link;
    visit(node);
    parent = place.address;
    slot = 0;
  }
  if (e.is(Kind::Shared))
    return visit_below(tables_.shared_root_of(place, e, base), parent, slot,
                       says(e).empty() ? "shared" : "shared, " + says(e), visit);
  if (!e.is(Kind::Internal)) return;
  const Table table = tables_.below(e);
  TableNode node;
  node.address = table.address;
  node.bytes = Tables::bytes_of(e.width());
  node.level = e.width();
  node.base = VirtAddr(base);
  node.covers = kKeyBits - end;
  node.slots = static_cast<uint32_t>(e.slots());
  node.parent = parent;
  node.slot = slot;
  node.link = says(e);
  for (uint64_t i = 0; i < e.slots(); ++i) {
    const GuardedEntry child = table.get(i);
    node.leaves += child.is(Kind::Leaf) && child.body != kNone ? 1 : 0;
    node.tables += child.is(Kind::Internal) || child.is(Kind::Shared) ? 1 : 0;
  }
  visit(node);
  if (node.tables == 0) return;
  for (uint64_t i = 0; i < e.slots(); ++i) {
    const GuardedEntry child = table.get(i);
    if (!child.is(Kind::Internal) && !child.is(Kind::Shared)) continue;
    visit_below(tables_.slot_of(place, e, base | key_of(i, e.width()) >> end), table.address,
                static_cast<uint32_t>(i), "", visit);
  }
}

Capabilities Gpt::capabilities() const {
  Capabilities capabilities;
  for (unsigned log2 = page_.log2(); log2 <= rules_->largest.log2(); ++log2)
    capabilities.leaf_sizes.push_back(PageShift(log2));
  capabilities.void_grain = PageShift(std::min(rules_->address_bits, kMostVoid));
  capabilities.promotes = capabilities.leaf_sizes.size() > 1;
  for (unsigned log2 = page_.log2(); log2 < kKeyBits; ++log2)
    if (can_share(PageShift(log2))) capabilities.share_sizes.push_back(PageShift(log2));
  return capabilities;
}

}  // namespace mmusim::pt::gpt
