#include "pt/drawing.h"

#include <fmt/format.h>
#include <map>
#include <set>

#include "base/units.h"

namespace mmusim::pt {

namespace {

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

std::string box(const TableNode& node, bool root) {
  std::string label = root ? "root\\n" : "";
  label += fmt::format("{:#x}", node.base.value());
  if (node.covers < 64) label += fmt::format(" + {}", format_size(uint64_t{1} << node.covers));
  label += fmt::format("\\n{} slots, {}", node.slots, format_size(node.bytes));
  if (node.leaves != 0)
    label += fmt::format("\\n{} {}", node.leaves, node.leaves == 1 ? "leaf" : "leaves");
  return fmt::format("  t{:x} [label=\"{}\"{}];\n", node.address.value(), label,
                     node.tables == 0 && node.leaves != 0 ? ", fillcolor=\"#dcebdc\"" : "");
}

std::string edge(const TableNode& node) {
  std::string label = std::to_string(node.slot);
  if (!node.link.empty()) label += "\\n" + escaped(node.link);
  return fmt::format("  t{:x} -> t{:x} [label=\"{}\"];\n", node.parent.value(),
                     node.address.value(), label);
}

}  // namespace

std::string draw(const PageTable& table, const std::string& title, size_t most_tables) {
  std::string text = fmt::format(
      "digraph page_table {{\n  label=\"{}\"; labelloc=t; rankdir=TB; fontname=Helvetica;\n"
      "  node [shape=box, style=filled, fillcolor=\"#eeeeee\", fontname=Helvetica, fontsize=10];\n"
      "  edge [fontname=Helvetica, fontsize=9];\n",
      escaped(title));
  std::set<PhysAddr> drawn;
  std::map<PhysAddr, uint64_t> left_out;  // by the last table drawn above them
  std::map<PhysAddr, PhysAddr> above;     // of a table left out
  table.visit_tables([&](const TableNode& node) {
    const bool root = node.parent == node.address;
    if (drawn.size() < most_tables && (root || drawn.contains(node.parent))) {
      const bool first = drawn.insert(node.address).second;
      if (first) text += box(node, root);
      if (!root) text += edge(node);
      return;
    }
    const auto parent = above.find(node.parent);
    const PhysAddr shown = parent == above.end() ? node.parent : parent->second;
    above[node.address] = shown;
    ++left_out[shown];
  });
  for (const auto& [address, count] : left_out)
    text += fmt::format(
        "  more{0:x} [label=\"{1} more table{2}\", style=dashed];\n  t{0:x} -> more{0:x};\n",
        address.value(), count, count == 1 ? "" : "s");
  return text + "}\n";
}

}  // namespace mmusim::pt
