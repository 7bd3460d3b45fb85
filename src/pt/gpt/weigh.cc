// What a table would count at another width, before it is made.
#include <algorithm>
#include <array>

#include "pt/gpt/resize.h"

namespace mmusim::pt::gpt {

std::optional<Weight> Resizer::weigh_spread(const GuardedEntry& child, const Slots& slots) const {
  if (child.is(Kind::Invalid)) return Weight{};
  const unsigned end = slots.end();
  if (child.length() >= end) return tables_->weigh(child, slots.width, end);
  if (child.is(Kind::Leaf)) return Weight{.valid = uint32_t{1} << (end - child.length())};
  if (!child.is(Kind::Internal)) return std::nullopt;
  return weigh_all(child, slots);
}

Weight Resizer::weigh_line(unsigned length, const Slots& slots) const {
  const bool swallowed = length == slots.end() && 1 + slots.width <= tables_->policy().widest;
  return {.valid = 1, .full = swallowed ? 1U : 0U};
}

// Those of a line, or what would be. Of those that come into one slot the first counts for them
// all.
std::optional<Weight> Resizer::weigh_entries(std::span<const GuardedEntry> entries,
                                             const Slots& slots) const {
  const unsigned end = slots.end();
  Weight sum;
  for (size_t i = 0; i < entries.size(); ++i) {
    unsigned common = kKeyBits;
    bool first = true;
    for (size_t j = 0; j < entries.size() && entries[i].length() >= end; ++j) {
      const unsigned both = common_bits(entries[j].prefix(), entries[i].prefix());
      if (j == i || both < end) continue;
      first = first && j > i;
      common = std::min(common, both);
    }
    if (!first) continue;
    const auto weight =
        common == kKeyBits ? weigh_spread(entries[i], slots) : weigh_line(common, slots);
    if (!weight) return std::nullopt;
    sum += *weight;
  }
  return sum;
}

// All that hangs in an entry which fewer bits lead to than to the slots.
std::optional<Weight> Resizer::weigh_all(const GuardedEntry& e, const Slots& slots) const {
  const Table table = tables_->below(e);
  const unsigned end = slots.end();
  tables_->touch_slots(table, 0, e.slots(), false, tables_->level_of(kKeyBits - e.length()));
  if (e.is_line()) {
    std::array<GuardedEntry, kLineEntries> entries;
    for (uint64_t i = 0; i < e.valid(); ++i)
      entries[i] = table.get(i);
    return weigh_entries(std::span(entries).first(e.valid()), slots);
  }
  Weight sum;
  const unsigned left = end - e.length();
  if (e.width() <= left) {
    for (uint64_t i = 0; i < e.slots(); ++i) {
      const GuardedEntry one = table.get(i);
      // Of a leaf in several slots its share.
      if (one.is(Kind::Leaf) && one.length() < e.length() + e.width()) {
        sum.valid += uint32_t{1} << (left - e.width());
        continue;
      }
      const auto weight = weigh_spread(one, slots);
      if (!weight) return std::nullopt;
      sum += *weight;
    }
    return sum;
  }
  const unsigned group = e.width() - left;
  for (uint64_t i = 0; i < uint64_t{1} << left; ++i) {
    const auto entries = different(table, i << group, group);
    if (entries.empty()) continue;
    if (entries.size() == 1) {
      sum += tables_->weigh(entries[0], slots.width, end);
      continue;
    }
    uint64_t valid = 0;
    for (uint64_t j = 0; j < uint64_t{1} << group; ++j)
      valid += table.get((i << group) + j).is(Kind::Invalid) ? 0 : 1;
    if (makes_line(entries.size(), valid, group)) {
      unsigned common = kKeyBits;
      for (const GuardedEntry& one : entries)
        common = std::min(common, common_bits(one.prefix(), entries[0].prefix()));
      sum += weigh_line(common, slots);
    } else {
      sum += Weight{.valid = 1, .full = group + slots.width <= tables_->policy().widest ? 1U : 0U};
    }
  }
  return sum;
}

}  // namespace mmusim::pt::gpt
