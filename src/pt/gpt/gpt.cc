// Operations on one address that change no shape, and the table as a whole.
#include "pt/gpt/gpt.h"

#include <algorithm>
#include <fmt/format.h>
#include <limits>

#include "base/error.h"
#include "pt/gpt/shared_root.h"

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
      resizer_(tables_),
      top_(tables_),
      descent_(rules, tables_, top_, root_) {
  root_.words = tables_.words(root);
  root_.address = root;
  root_.top = true;
  root_.level = tables_.level_of(kKeyBits);
  root_.copy = &at_hand_;
}

Gpt::~Gpt() {
  take_apart([this] {
    top_.discard();
    discard_below(root_.load(), root_);
    tables_.allocator().free(root_.address, kEntryBytes);
  });
}

// --- Looking up

LeafWord Gpt::word_of(uint64_t key, const Found& found) const {
  const Place& place = found.place;
  if (found.entry.is(Kind::Array))
    return {.address = tables_.below(found.entry).word_at(tables_.page_in_array(key, found.entry))};
  // Tables are aligned to their size, so replicas are aligned to theirs.
  const unsigned log2 = place.replicas_log2(found.entry);
  const uint64_t first = place.address.value() & ~((kEntryBytes << log2) - 1);
  return {.address = PhysAddr(first + sizeof(uint64_t)),
          .replicas_log2 = log2,
          .level = tables_.level_of(place, found.entry)};
}

Entry Gpt::pte_of(uint64_t key, const Found& found) const {
  return found.entry.is(Kind::Array)
             ? tables_.below(found.entry).words[tables_.page_in_array(key, found.entry)]
             : found.entry.body;
}

Handle Gpt::handle_of(uint64_t key, const Found& found) const {
  const unsigned log2 = covers(found);
  return {.base = VirtAddr(leading(key, kKeyBits - log2)),
          .size = PageShift(log2),
          .place = word_of(key, found).packed(),
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
    result.entry = pte_of(va.value(), found);
    const Handle handle = handle_of(va.value(), found);
    result.has_slot = result.entry != kNone || handle.size == page_;
    if (result.has_slot) result.handle = handle;
    if (result.entry != kNone) {
      result.base = handle.base;
      result.size = handle.size;
      return result;
    }
    if (found.entry.is(Kind::Array))
      result.table_size = PageShift(page_.log2() + tables_.pages_log2(found.entry));
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
  if (!rules_->have(va)) return nothing_beyond();
  // A step is charged for the entry that led to it, and a line for which of its entries it is; the
  // end for the entry that said so.
  const HandlerCounts& costs = *rules_->handler;
  const auto led_by = [&](const Load& load) {
    switch (load.led_here) {
      case Kind::Invalid:
        return 0U;  // the first
      case Kind::Internal:
        return costs.level;
      case Kind::Shared:
        return costs.shared;
      case Kind::Leaf:
        return costs.leaf;
      case Kind::Array:
        return costs.array;
    }
    return 0U;
  };
  const auto of_line = [&](const Load& load) {
    if (load.none) return costs.none_of[load.tested == 2 ? 0 : 1];
    if (load.tested == 1) return 0U;
    const bool internal = tables_.at(load.address).get(load.tested - 1).is(Kind::Internal);
    return (internal ? costs.later_internal : costs.later)[load.tested - 2];
  };
  bool none = false;
  const Found found = descent_.look_up(va.value(), [&](const Load& load) {
    none = load.none;
    path.add(
        {.address = load.address,
         .table = load.table,
         .serves = static_cast<uint8_t>(load.serves),
         .bytes = static_cast<uint8_t>(load.bytes),
         .level = load.level,
         .instructions = static_cast<uint8_t>(led_by(load) + of_line(load)),
         .dependent = load.dependent,
         .part = static_cast<uint8_t>(load.led_here == Kind::Array ? kWordPart : load.tested)});
  });
  ++walks_since_;
  path.charge(costs.walk);
  if (found.entry.is(Kind::Leaf)) path.charge(costs.leaf);
  if (found.entry.is(Kind::Invalid) && !none) path.charge(costs.nothing);
  return lookup_of(va, found);
}

Lookup Gpt::find(VirtAddr va, mem::Origin origin) {
  if (!rules_->have(va)) return nothing_beyond();
  return lookup_of(va, descent_.look_up(va.value(), [&](const Load& load) {
    sink().reference(load.address, load.bytes, false,
                     {.origin = origin, .level = load.level, .dependent = load.dependent});
  }));
}

Lookup Gpt::peek(VirtAddr va) const {
  if (!rules_->have(va)) return nothing_beyond();
  return lookup_of(va, descent_.look_up(va.value(), [](const Load&) {}));
}

// --- One leaf through its handle

Entry Gpt::read_word(const LeafWord& word) const {
  sink().reference(word.address, sizeof(Entry), false,
                   {.origin = mem::Origin::Kernel, .level = word.level, .dependent = false});
  return *tables_.words(word.address);
}

Entry Gpt::write_word(const LeafWord& word, Entry next) {
  constexpr uint64_t kStride = kEntryBytes / sizeof(Entry);
  uint64_t* const first = tables_.words(word.address);
  const Entry old = *first;
  for (uint64_t i = 0; i < uint64_t{1} << word.replicas_log2; ++i)
    first[i * kStride] = next;
  sink().reference_run(word.address, word.replicas_log2 == 0 ? sizeof(Entry) : kEntryBytes,
                       uint64_t{1} << word.replicas_log2, true,
                       {.origin = mem::Origin::Kernel, .level = word.level, .dependent = false});
  return old;
}

Status Gpt::install(const Handle& handle, Entry expected, Entry next) {
  if (!current(handle)) return Status::Moved;
  if (handle.size > page_ && format_->is_present(next)) {
    const uint64_t frames = uint64_t{1} << (handle.size.log2() - page_.log2());
    if ((format_->parse_leaf(next, handle.size).pfn.value() & (frames - 1)) != 0)
      return Status::BadAlign;
  }
  const LeafWord word = LeafWord::unpacked(handle.place);
  if (read_word(word) != expected) return Status::Changed;
  write_word(word, next);
  return Status::Ok;
}

void Gpt::refresh_top(Top::May may) {
  if (refreshing_) return;
  refreshing_ = true;
  while (tables_.take_stale_top())
    top_.refresh(root_, may);
  refreshing_ = false;
  if (may != Top::May::Grow && !top_.exists()) tables_.changes_top();  // next time
}

Status Gpt::clear(const Handle& handle, Entry& old) {
  const Changing changing(*this, Top::May::Stay);
  if (!current(handle)) return Status::Moved;
  const LeafWord word = LeafWord::unpacked(handle.place);
  old = read_word(word);
  write_word(word, kNone);
  if (rules_->policy.eager)
    prune_range(handle.base.value(), last_of(handle.base.value(), handle.size.log2()), false);
  return Status::Ok;
}

Run Gpt::run_of(const Table& table, uint64_t slot, uint32_t count, const GuardedEntry& leaf,
                const Place& place) const {
  Run run;
  run.start = VirtAddr(place.base_of(leaf));
  run.size = PageShift(kKeyBits - leaf.length());
  run.count = count;
  run.shared = place.shared;
  run.place({.words = table.words + 2 * slot + 1,
             .address = table.at(slot) + sizeof(uint64_t),
             .stride = kEntryBytes,
             .replicas = uint32_t{1} << place.replicas_log2(leaf),
             .entry_bytes = sizeof(Entry),
             .level = tables_.level_of(place, leaf)});
  return run;
}

Run Gpt::run_of_array(const Table& words, uint64_t first, uint32_t count, const GuardedEntry& array,
                      const Place& place) const {
  Run run;
  run.start = VirtAddr(place.base_of(array) + (first << page_.log2()));
  run.size = page_;
  run.count = count;
  run.shared = place.shared;
  run.place({.words = words.words + first,
             .address = words.word_at(first),
             .stride = sizeof(Entry),
             .replicas = 1,
             .entry_bytes = sizeof(Entry),
             .level = 0});
  return run;
}

// --- The whole

bool Gpt::visit_leaves(const Place& place, const LeafVisit& visit) const {
  const GuardedEntry e = place.load();
  switch (e.kind()) {
    case Kind::Invalid:
      return true;
    case Kind::Leaf:
      return e.body == kNone || visit(place.base_of(e), kKeyBits - e.length(), e.body);
    case Kind::Shared:
      return visit_leaves(tables_.shared_root_of(place, e), visit);
    case Kind::Array: {
      const Table words = tables_.below(e);
      for (uint64_t i = 0; i < uint64_t{1} << tables_.pages_log2(e); ++i)
        if (words.words[i] != kNone &&
            !visit(place.base_of(e) + (i << page_.log2()), page_.log2(), words.words[i]))
          return false;
      return true;
    }
    case Kind::Internal:
      break;
  }
  bool goes_on = true;
  for_each_child(place, e, [&](const Place& child, const GuardedEntry&) {
    goes_on = goes_on && visit_leaves(child, visit);
  });
  return goes_on;
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

// As if it stood between the root and what that leads to.
void Gpt::visit_top(const TableVisitor& visit) const {
  TableNode node;
  node.address = top_.table().address;
  node.bytes = top_.shape().bytes();
  node.level = top_.shape().index();
  node.covers = kKeyBits;
  node.slots = uint32_t{1} << top_.shape().log2;
  node.indexed = false;
  node.tables = 1;
  node.parent = root_.address;
  node.link =
      top_.lines().empty() ? "top" : fmt::format("top, {} lines in it", top_.lines().size());
  visit(node);
}

// A table, a line or an array; or the root or a shared root, which are tables of one slot.
void Gpt::visit_below(const Place& place, PhysAddr parent, uint32_t slot, const std::string& link,
                      const TableVisitor& visit) const {
  const GuardedEntry e = place.load();
  const auto holds = [](const GuardedEntry& entry) {
    return entry.is(Kind::Leaf) && entry.body != kNone;
  };
  // The addresses it leads to, where they are not those of its slot.
  const auto says = [&](const GuardedEntry& entry) {
    if (place.guard_length(entry) == 0) return std::string();
    return fmt::format("{:#x}..{:#x}", place.base_of(entry),
                       last_of(place.base_of(entry), kKeyBits - entry.length()));
  };
  if (place.top) {
    TableNode node;
    node.address = place.address;
    node.bytes = place.shared ? SharedRoot::kBytes : kEntryBytes;
    node.base = VirtAddr(place.base);
    node.covers = kKeyBits - place.consumed;
    node.slots = 1;
    node.leaves = holds(e) ? 1 : 0;
    node.tables = e.leads_on() ? 1 : 0;
    node.parent = parent;
    node.slot = slot;
    node.link = link;
    visit(node);
    parent = place.address;
    slot = 0;
    if (!place.shared && top_.exists()) {
      visit_top(visit);
      parent = top_.table().address;
    }
  }
  if (e.is(Kind::Shared))
    return visit_below(tables_.shared_root_of(place, e), parent, slot,
                       says(e).empty() ? "shared" : "shared, " + says(e), visit);
  if (!e.is(Kind::Internal) && !e.is(Kind::Array)) return;
  const Shape shape = tables_.shape_of(e);
  TableNode node;
  node.address = e.address();
  node.bytes = shape.bytes();
  node.level = shape.index();
  node.slots = uint32_t{1} << shape.log2;
  node.base = VirtAddr(place.base_of(e));
  node.covers = kKeyBits - e.length();
  node.parent = parent;
  node.slot = slot;
  node.link = says(e);
  const Table table = tables_.below(e);
  if (e.is(Kind::Array)) {
    node.leaves = static_cast<uint32_t>(table.leaves(0, node.slots));
    visit(node);
    return;
  }
  node.indexed = !e.is_line();
  for (uint64_t i = 0; i < e.slots(); ++i) {
    node.leaves += holds(table.get(i)) ? 1 : 0;
    node.tables += table.get(i).leads_on() ? 1 : 0;
  }
  visit(node);
  if (node.tables == 0) return;
  for_each_child(place, e, [&](const Place& child, const GuardedEntry& there) {
    if (there.leads_on())
      visit_below(child, table.address,
                  static_cast<uint32_t>((child.address - table.address) / kEntryBytes), "", visit);
  });
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
