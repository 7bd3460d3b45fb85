#include "pt/drawing.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <vector>

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

// All tables, each with those that hang in it; a shared one hangs in several, and has its own once.
struct Tree {
  struct Table {
    TableNode node;
    std::vector<TableNode> children;
  };
  std::map<PhysAddr, Table> tables;
  PhysAddr root;

  explicit Tree(const PageTable& table) {
    table.visit_tables([&](const TableNode& node) {
      const bool fresh =
          tables.try_emplace(node.address, Table{.node = node, .children = {}}).second;
      if (node.parent == node.address)
        root = node.address;
      else if (fresh || node.parent != tables.at(node.address).node.parent)
        tables.at(node.parent).children.push_back(node);
    });
  }
};

// What is not drawn below one table.
struct LeftOut {
  uint64_t tables = 0;
  uint64_t bytes = 0;
  uint64_t leaves = 0;

  void add(const Tree& tree, const TableNode& node) {
    ++tables;
    bytes += node.bytes;
    leaves += node.leaves;
    for (const TableNode& child : tree.tables.at(node.address).children)
      add(tree, child);
  }
};

class Picture {
 public:
  // At most so many children of each table.
  Picture(const Tree& tree, size_t most_children) : tree_(tree), most_children_(most_children) {
    text_ = box(tree.tables.at(tree.root).node, true);
    drawn_[tree.root] = true;
    below(tree.root);
  }
  [[nodiscard]] size_t tables() const { return drawn_.size(); }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void below(PhysAddr table) {
    const std::vector<TableNode>& children = tree_.tables.at(table).children;
    const size_t shown = std::min(children.size(), most_children_);
    const size_t last = shown / 4;  // of those shown
    LeftOut rest;
    for (size_t i = 0; i < children.size(); ++i) {
      const TableNode& child = children[i];
      if (i >= shown - last && i < children.size() - last) {
        rest.add(tree_, child);
        continue;
      }
      const bool fresh = !drawn_[child.address];
      drawn_[child.address] = true;
      if (fresh) text_ += box(child, false);
      text_ += edge(child);
      if (fresh) below(child.address);
    }
    if (rest.tables == 0) return;
    text_ += fmt::format(
        "  more{0:x} [label=\"{1} more table{2}\\n{3}, {4} lea{5}\", style=dashed];\n"
        "  t{0:x} -> more{0:x};\n",
        table.value(), rest.tables, rest.tables == 1 ? "" : "s", format_size(rest.bytes),
        rest.leaves, rest.leaves == 1 ? "f" : "ves");
  }

  const Tree& tree_;
  size_t most_children_;
  std::map<PhysAddr, bool> drawn_;
  std::string text_;
};

}  // namespace

std::string draw(const PageTable& table, const std::string& title, size_t most_tables) {
  std::string text = fmt::format(
      "digraph page_table {{\n  label=\"{}\"; labelloc=t; rankdir=TB; fontname=Helvetica;\n"
      "  node [shape=box, style=filled, fillcolor=\"#eeeeee\", fontname=Helvetica, fontsize=10];\n"
      "  edge [fontname=Helvetica, fontsize=9];\n",
      escaped(title));
  const Tree tree(table);
  size_t most_children = tree.tables.size();
  while (true) {
    const Picture picture(tree, most_children);
    if (picture.tables() <= most_tables || most_children == 1) return text + picture.text() + "}\n";
    most_children = most_children > 16 ? 16 : most_children - 1;
  }
}

}  // namespace mmusim::pt
