#include "pt/conformance/tables.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <set>
#include <vector>

#include "pt/conformance/verdict.h"

namespace mmusim::pt::conformance {
namespace {

constexpr uint64_t kTop = ~uint64_t{0};  // stands for the end of all addresses

bool is_root(const TableNode& node) {
  return node.parent == node.address;
}
bool overlap(VirtRange a, VirtRange b) {
  return a.begin < b.end && b.begin < a.end;
}

// The blocks of addresses that tables serve.
class Blocks {
 public:
  explicit Blocks(const std::vector<const TableNode*>& nodes) {
    for (const TableNode* node : nodes)
      blocks_[node->covers].insert(node->base.value());
  }
  // Whether one is around the leaf.
  [[nodiscard]] bool hold(const OracleLeaf& leaf) const {
    return std::any_of(blocks_.begin(), blocks_.end(), [&](const auto& of_size) {
      const auto& [covers, bases] = of_size;
      if (covers < leaf.log2) return false;
      return covers >= 64 || bases.count(leaf.base >> covers << covers) != 0;
    });
  }

 private:
  std::map<unsigned, std::set<uint64_t>> blocks_;  // their bases by log2 of their size
};

// How many slots of the node leaves take that are in none of its children.
uint64_t slots_taken(const TableNode& node, const std::vector<const TableNode*>& children,
                     const Oracle& oracle) {
  const VirtRange range = range_of(node);
  const unsigned slots_log2 = static_cast<unsigned>(std::bit_width(uint64_t{node.slots}) - 1);
  const Blocks below(children);
  uint64_t taken = 0;
  for (const OracleLeaf& leaf : oracle.within(range.begin.value(), range.end.value())) {
    if (below.hold(leaf)) continue;
    const unsigned slot_log2 = node.covers - slots_log2;
    taken += node.indexed && leaf.log2 > slot_log2 ? uint64_t{1} << (leaf.log2 - slot_log2) : 1;
  }
  return taken;
}

void check_node(const TableNode& node, const std::vector<const TableNode*>& children,
                const Oracle& oracle) {
  expect(
      uint64_t{node.leaves} + node.tables <= node.slots, promise::kVisit,
      [&] { return fmt::format("at most {} slots in use", node.slots); },
      [&] { return text_of(node); });
  std::set<uint32_t> slots;
  for (const TableNode* child : children) {
    slots.insert(child->slot);
    expect(
        child->slot < node.slots, promise::kVisit,
        [&] { return fmt::format("a slot below {}", node.slots); },
        [&] { return text_of(*child); });
  }
  expect_same(uint64_t{node.tables}, uint64_t{slots.size()}, promise::kVisit,
              [&] { return "the number of slots that lead to tables, of " + text_of(node) + ","; });
  expect_same(uint64_t{node.leaves}, slots_taken(node, children, oracle), promise::kVisit,
              [&] { return "the number of slots with leaves, of " + text_of(node) + ","; });
}

}  // namespace

VirtRange range_of(const TableNode& node) {
  if (node.covers >= 64) return {VirtAddr(0), VirtAddr(kTop)};
  const uint64_t last = node.base.value() + ((uint64_t{1} << node.covers) - 1);
  return {node.base, VirtAddr(last == kTop ? kTop : last + 1)};
}

std::string text_of(const TableNode& node) {
  const VirtRange range = range_of(node);
  return fmt::format("the table of {} bytes at physical {:#x} for [{:#x}, {:#x})", node.bytes,
                     node.address.value(), range.begin.value(), range.end.value());
}

TableMap tables_of(const PageTable& table) {
  TableMap tables;
  table.visit_tables([&](const TableNode& node) {
    expect(is_root(node) ? tables.empty() : tables.count(node.parent.value()) != 0, promise::kVisit,
           "the root first, and parents before their children", [&] { return text_of(node); });
    const auto next = tables.lower_bound(node.address.value());
    const bool apart = (next == tables.end() || node.address.value() + node.bytes <= next->first) &&
                       (next == tables.begin() ||
                        std::prev(next)->second.address.value() + std::prev(next)->second.bytes <=
                            node.address.value());
    expect(apart, promise::kVisit, "each table once, apart from the others",
           [&] { return text_of(node) + ", again"; });
    tables.emplace_hint(next, node.address.value(), node);
  });
  return tables;
}

void check_tables(const Machine& machine, const PageTable& table, const Oracle& oracle,
                  bool shared) {
  const uint64_t reported = machine.sink.total(mem::Origin::Kernel);
  const TableMap tables = tables_of(table);
  expect_same(machine.sink.total(mem::Origin::Kernel), reported, promise::kVisit,
              "the number of references reported");
  std::map<uint64_t, std::vector<const TableNode*>> children;
  std::map<unsigned, uint64_t> by_level;
  uint64_t bytes = 0;
  for (const auto& [address, node] : tables) {
    bytes += node.bytes;
    ++by_level[node.level];
    for (uint64_t at = 0; at < node.bytes; at += machine.page.bytes())
      expect(machine.memory.find_words(node.address + at) != nullptr, promise::kVisit,
             "a table in table memory", [&, &shown = node] { return text_of(shown); });
    if (is_root(node)) continue;
    children[node.parent.value()].push_back(&node);
    const VirtRange outer = range_of(tables.at(node.parent.value()));
    const VirtRange inner = range_of(node);
    expect(outer.begin <= inner.begin && inner.end <= outer.end, promise::kVisit,
           "a table that serves what its parent does",
           [&, &shown = node] { return text_of(shown); });
  }
  const Stats stats = table.stats();
  const uint64_t all = stats.table_bytes + stats.root_bytes + machine.factory->common_bytes();
  if (shared)
    return expect(
        bytes <= all, promise::kVisit, [&] { return text_of(all) + " at most"; },
        [&] { return text_of(bytes); });
  expect_same(bytes, all, promise::kVisit, "the bytes of all tables together");
  uint64_t counted = 0;
  for (size_t level = 0; level < stats.tables.size(); ++level)
    counted += stats.tables[level];
  expect(
      counted <= tables.size() && counted + 1 >= tables.size(), promise::kAccount,
      [&] { return fmt::format("{} tables, the root counted or not,", tables.size()); },
      [&] { return text_of(counted); });
  for (const auto& [address, node] : tables)
    check_node(node, children[address], oracle);
}

void check_trimmed(const Trimmed& trimmed, const PageTable& table, const Gather& gather,
                   const Oracle& oracle) {
  const TableMap after = tables_of(table);
  // A table that was made smaller serves on in another form.
  const bool restructured = table.stats().restructures != trimmed.restructures;
  const VirtRange gap{trimmed.floor,
                      trimmed.ceiling == VirtAddr(0) ? VirtAddr(kTop) : trimmed.ceiling};
  const auto in_gap = [&](const TableNode& node) {
    const VirtRange range = range_of(node);
    return overlap(range, trimmed.range) && gap.begin <= range.begin && range.end <= gap.end;
  };
  const auto has_leaf = [&](const TableNode& node) {
    const VirtRange range = range_of(node);
    return !oracle.within(range.begin.value(), range.end.value()).empty();
  };
  VirtRange reach{};
  for (const RemovedTable& removed : gather.tables()) {
    const auto found = trimmed.before.find(removed.address.value());
    if (found == trimmed.before.end() && restructured) continue;  // of a form in between
    expect(found != trimmed.before.end() && found->second.bytes == removed.bytes, promise::kGather,
           "a table there was, and all of it", [&] {
             return fmt::format("{} bytes at physical {:#x}", removed.bytes,
                                removed.address.value());
           });
    const TableNode& node = found->second;
    const VirtRange range = range_of(node);
    reach = reach.empty()
                ? range
                : VirtRange{std::min(reach.begin, range.begin), std::max(reach.end, range.end)};
    expect(
        overlap(gather.range(), range), promise::kGatherRange,
        [&] { return "a range that reaches into " + text_of(node); },
        [&] {
          return fmt::format("[{:#x}, {:#x})", gather.range().begin.value(),
                             gather.range().end.value());
        });
    if (restructured) continue;
    expect(
        in_gap(node), promise::kTrimKeeps,
        [&] {
          return fmt::format("only tables that serve [{:#x}, {:#x})", gap.begin.value(),
                             gap.end.value());
        },
        [&] { return text_of(node); });
    expect(!has_leaf(node), promise::kTrimKeeps, "only tables without leaves",
           [&] { return text_of(node); });
  }
  if (!gather.tables().empty()) {
    expect(
        reach.begin <= gather.range().begin && gather.range().end <= reach.end,
        promise::kGatherRange,
        [&] {
          return fmt::format("a range within [{:#x}, {:#x})", reach.begin.value(),
                             reach.end.value());
        },
        [&] {
          return fmt::format("[{:#x}, {:#x})", gather.range().begin.value(),
                             gather.range().end.value());
        });
  }
  // A table with others below it that need not go stays with them; so does one of a trie for slots
  // it has outside of the range.
  const auto has_slot = [&](const TableNode& node) {
    const VirtAddr at = std::max(trimmed.range.begin, range_of(node).begin);
    return table.peek(at).has_slot;
  };
  for (const auto& [address, node] : after)
    expect(
        is_root(node) || node.tables != 0 || !in_gap(node) || has_leaf(node) || !has_slot(node),
        promise::kTrimFrees, [&, &shown = node] { return text_of(shown) + " gone"; },
        "it is there");
}

}  // namespace mmusim::pt::conformance
