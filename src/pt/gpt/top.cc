#include "pt/gpt/top.h"

#include <algorithm>
#include <utility>

namespace mmusim::pt::gpt {
namespace {

// The handler has the window's place among the low bits of the top's address.
constexpr unsigned kLeastLog2 = 2;
constexpr unsigned kMostDepth = 3;

// What a walk has left to do, in instructions of SPARC's handler, a reference counted as 15: a
// level, and more for a later entry of a line.
constexpr uint64_t kReference = 15;
constexpr uint64_t kLevel = kReference + 10;
constexpr std::array<uint64_t, kLineEntries> kInLine = {0, 11, 19, 25};

}  // namespace

Place Top::place_of(uint64_t slot) const {
  Place place;
  place.words = table_.words + 2 * slot;
  place.address = table_.at(slot);
  place.consumed = kKeyBits - window_.shift;  // of an Invalid slot: so large a void
  place.depth = 1;
  place.level = level_;
  return place;
}

bool Top::repeats(PhysAddr table) const {
  const auto& repeated = tables_->repeated();
  return exists() && std::any_of(repeated.begin(), repeated.end(),
                                 [&](const Tables::Memory& one) { return one.address == table; });
}

// --- What there is

void Top::expand(unsigned node) {
  nodes_[node].expanded = true;
  const GuardedEntry e = nodes_[node].entry;
  tables_->repeated().push_back({e.address(), tables_->shape_of(e).bytes()});
  const Table table = tables_->below(e);
  if (e.is_line())
    tables_->read_line({}, e, e.room());
  else
    tables_->touch_slots(table, 0, e.room(), false,
                         tables_->level_of(kKeyBits - e.length() - e.width()));
  GuardedEntry before;
  for (uint64_t i = 0; i < e.room(); ++i) {
    const GuardedEntry child = table.get(i);
    if (child.is(Kind::Invalid) || child == before) continue;
    before = child;
    if (child.is(Kind::Leaf)) {
      ends_.push_back({child.prefix(), child.length(), node, 1});
      continue;
    }
    const uint64_t weight = child.is(Kind::Shared) ? 1 : std::max(child.valid(), 1U);
    nodes_.push_back({child.without_counts(), node, nodes_[node].depth + 1, weight, false});
  }
}

void Top::gather(const Place& root) {
  const uint64_t most = uint64_t{1} << tables_->policy().top;
  nodes_.clear();
  ends_.clear();
  tables_->repeated().clear();
  nodes_.push_back({.entry = root.load().without_counts(), .weight = root.load().valid()});
  uint64_t count = 1;
  while (true) {
    // What serves most first.
    unsigned next = 0;
    bool found = false;
    for (unsigned i = 0; i < nodes_.size(); ++i) {
      const Node& node = nodes_[i];
      if (node.expanded || !node.entry.is(Kind::Internal) || node.depth >= kMostDepth) continue;
      // Not looked at slot by slot if it is as good as sure that they do not fit.
      if (node.entry.is_table() && node.entry.slots() > 4 * most) continue;
      if (found && nodes_[next].entry.length() <= node.entry.length()) continue;
      if (count - 1 + node.weight > most) continue;
      next = i;
      found = true;
    }
    if (!found) break;
    const size_t before = nodes_.size() + ends_.size();
    expand(next);
    count += nodes_.size() + ends_.size() - before - 1;
  }
  for (unsigned i = 0; i < nodes_.size(); ++i)
    if (!nodes_[i].expanded)
      ends_.push_back({nodes_[i].entry.prefix(), nodes_[i].entry.length(), i, nodes_[i].weight});
  std::stable_sort(ends_.begin(), ends_.end(),
                   [](const End& a, const End& b) { return a.weight > b.weight; });
}

// --- Where it comes to stand

unsigned Top::above_both(unsigned a, unsigned b) const {
  while (a != b)
    if (nodes_[a].depth >= nodes_[b].depth)
      a = nodes_[a].above;
    else
      b = nodes_[b].above;
  return a;
}

void Top::add(Slot& slot, unsigned node) const {
  const auto end = slot.nodes.begin() + slot.count;
  if (std::find(slot.nodes.begin(), end, node) != end) return;
  if (slot.count < kLineEntries)
    slot.nodes[slot.count++] = node;
  else
    slot.nodes.back() = above_both(slot.nodes.back(), node);
}

uint64_t Top::left_for(const Slot& slot, unsigned node) const {
  const auto levels = [&](unsigned from) {
    return kLevel * (nodes_[node].depth - nodes_[from].depth);
  };
  if (!slot.line) return levels(slot.nodes[0]);
  for (unsigned i = 0; i + 1 < slot.count; ++i)
    if (slot.nodes[i] == node) return kLevel + kInLine[i];
  return kLevel + kInLine[slot.count - 1] + levels(slot.nodes[slot.count - 1]);
}

uint64_t Top::lay_out(const Window& window, std::vector<Slot>& slots) const {
  slots.assign(window.slots(), {});
  const auto slots_of = [&](const End& end) {
    const unsigned block = kKeyBits - end.length;
    if (block <= window.shift) return uint64_t{1};
    return uint64_t{1} << std::min(block - window.shift, window.log2);
  };
  const auto first_of = [&](const End& end) {
    return window.slot(end.prefix) & ~(slots_of(end) - 1);
  };
  for (const End& end : ends_)
    for (uint64_t i = 0; i < slots_of(end); ++i)
      add(slots[first_of(end) + i], end.node);
  unsigned lines = 0;
  for (Slot& slot : slots) {
    if (slot.count < 2) continue;
    slot.line = lines < window.lines();
    if (slot.line) {
      ++lines;
      continue;
    }
    for (; slot.count > 1; --slot.count)
      slot.nodes[0] = above_both(slot.nodes[0], slot.nodes[slot.count - 1]);
  }
  uint64_t left = 0;
  for (const End& end : ends_)
    left += end.weight * left_for(slots[first_of(end)], end.node);
  return left;
}

Top::Window Top::choose() const {
  const Policy& policy = tables_->policy();
  // Without a top; which takes a reference.
  uint64_t least = 0;
  uint64_t top = 0;
  for (const End& end : ends_) {
    least += end.weight * kLevel * nodes_[end.node].depth;
    top += end.weight * kReference;
  }
  least -= std::min(least, top);
  Window best;
  std::vector<Slot> slots;
  for (unsigned log2 = kLeastLog2; log2 <= policy.top && least != 0; ++log2)
    for (unsigned shift = kKeyBits - log2; shift >= kKeyBits - policy.key_end; --shift) {
      const Window window{.shift = shift, .log2 = log2};
      const uint64_t left = lay_out(window, slots);
      if (left >= least) continue;
      least = left;
      best = window;
    }
  return best;
}

// --- The table

void Top::drop() {
  if (!exists()) return;
  const unsigned log2 = shape().log2;
  tables_->retire(GuardedEntry::line(0, 0, table_.address, uint32_t{1} << log2, log2), false, true);
  tables_->restructured(0);
  window_ = {};
}

void Top::discard() {
  if (exists()) tables_->discard(table_, shape(), false);
  window_ = {};
}

void Top::move_to(const Window& window, May may) {
  std::vector<uint32_t> lines;
  for (uint32_t i = 0; i < slots_.size(); ++i)
    if (slots_[i].line) lines.push_back(i);
  // A walk that has read a slot finds its line where it was.
  if (window == window_ && lines == lines_) return;
  const Shape wanted = shape_of(window, !lines.empty());
  const bool fits = exists() && wanted.bytes() <= shape().bytes();
  if (may == May::Stay || (may == May::Move && !fits)) return drop();
  // Memory may come from a kernel that looks something up to reclaim it.
  const auto made = tables_->allocate(wanted, false);
  drop();
  if (!made) return;
  table_ = *made;
  content_.assign(uint64_t{1} << wanted.log2, {});
  window_ = window;
  lines_ = std::move(lines);
  tables_->restructured(window.slots());
}

void Top::write(uint64_t slot, const GuardedEntry& e) {
  if (content_[slot] == e) return;
  content_[slot] = e;
  tables_->write(place_of(slot), e);
}

void Top::refresh(const Place& root, May may) {
  const Policy& policy = tables_->policy();
  if (policy.most_top() < kLeastLog2 || !root.load().is(Kind::Internal)) return drop();
  level_ = root.level;
  gather(root);
  // A root that is a table, and the only one to be repeated, is as good as a copy of it.
  const bool more =
      std::any_of(nodes_.begin() + 1, nodes_.end(), [](const Node& node) { return node.expanded; });
  if (!nodes_[0].expanded || (nodes_[0].entry.is_table() && !more)) return drop();
  Window window = window_;
  uint64_t left = exists() ? lay_out(window, slots_) : 0;
  if (!exists() || left > left_ + left_ / 4 || ends_.size() * 8 < window_.slots()) {
    window = choose();
    if (window.log2 == 0) return drop();
    left_ = lay_out(window, slots_);
  }
  move_to(window, may);
  if (!exists()) return;
  uint64_t first = window_.slots();  // of the next line
  const auto entry_of = [&](const Slot& slot, unsigned i) { return nodes_[slot.nodes[i]].entry; };
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (!slot.line) {
      write(i, slot.count == 0 ? GuardedEntry{} : entry_of(slot, 0));
      continue;
    }
    unsigned common = kKeyBits;
    for (unsigned entry = 0; entry < kLineEntries; ++entry) {
      const GuardedEntry e = entry < slot.count ? entry_of(slot, entry) : GuardedEntry{};
      write(first + entry, e);
      if (entry >= slot.count) continue;
      common = std::min({common, e.length(), common_bits(e.prefix(), entry_of(slot, 0).prefix())});
    }
    write(i, GuardedEntry::line(entry_of(slot, 0).prefix(), common, table_.at(first), 0,
                                slot.count > 2 ? 2 : 1));
    first += kLineEntries;
  }
}

}  // namespace mmusim::pt::gpt
