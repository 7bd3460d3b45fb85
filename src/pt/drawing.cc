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

// A table's name in the source; `part` keeps those of several page tables apart.
std::string name_of(const std::string& part, PhysAddr table) {
  return fmt::format("{}t{:x}", part, table.value());
}

std::string box(const std::string& part, const TableNode& node, bool root) {
  std::string label = root ? "root\\n" : "";
  label += fmt::format("{:#x}", node.base.value());
  if (node.covers < 64) label += fmt::format(" + {}", format_size(uint64_t{1} << node.covers));
  label += fmt::format("\\n{} slots, {}", node.slots, format_size(node.bytes));
  if (node.leaves != 0) label += "\\n" + format_counted(node.leaves, "leaf", "leaves");
  return fmt::format("  {} [label=\"{}\"{}];\n", name_of(part, node.address), label,
                     node.tables == 0 && node.leaves != 0 ? ", fillcolor=\"#dcebdc\"" : "");
}

std::string edge(const std::string& part, const TableNode& node) {
  std::string label = std::to_string(node.slot);
  if (!node.link.empty()) label += "\\n" + escaped(node.link);
  return fmt::format("  {} -> {} [label=\"{}\"];\n", name_of(part, node.parent),
                     name_of(part, node.address), label);
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
  Picture(const Tree& tree, const std::string& part, size_t most_children)
      : tree_(tree), part_(part), most_children_(most_children) {
    text_ = box(part, tree.tables.at(tree.root).node, true);
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
      if (fresh) text_ += box(part_, child, false);
      text_ += edge(part_, child);
      if (fresh) below(child.address);
    }
    if (rest.tables == 0) return;
    text_ += fmt::format(
        "  more_{0} [label=\"{1}\\n{2}, {3}\", style=dashed];\n"
        "  {0} -> more_{0};\n",
        name_of(part_, table), format_counted(rest.tables, "more table"), format_size(rest.bytes),
        format_counted(rest.leaves, "leaf", "leaves"));
  }

  const Tree& tree_;
  const std::string& part_;
  size_t most_children_;
  std::map<PhysAddr, bool> drawn_;
  std::string text_;
};

// What there is in all, where not all is drawn.
std::string levels_box(const std::string& part, const Tree& tree) {
  std::map<unsigned, LeftOut> levels;
  for (const auto& [address, table] : tree.tables) {
    LeftOut& level = levels[table.node.level];
    ++level.tables;
    level.bytes += table.node.bytes;
    level.leaves += table.node.leaves;
  }
  std::string label = "all of it:\\l";
  for (auto level = levels.rbegin(); level != levels.rend(); ++level) {
    const LeftOut& all = level->second;
    label += fmt::format("level {}: {}, {}", level->first, format_counted(all.tables, "table"),
                         format_size(all.bytes));
    if (all.leaves != 0) label += ", " + format_counted(all.leaves, "leaf", "leaves");
    label += "\\l";
  }
  return fmt::format("  {}levels [label=\"{}\", shape=note];\n", part, label);
}

}  // namespace

std::string draw_part(const PageTable& table, const std::string& title, size_t number,
                      size_t most_tables) {
  const std::string part = fmt::format("p{}_", number);
  const std::string head = fmt::format("  subgraph cluster_{} {{\n  label=\"{}\"; color=white;\n",
                                       number, escaped(title));
  const Tree tree(table);
  size_t most_children = tree.tables.size();
  while (true) {
    const Picture picture(tree, part, most_children);
    const bool all = picture.tables() == tree.tables.size();
    if (picture.tables() <= most_tables || most_children == 1)
      return head + (all ? "" : levels_box(part, tree)) + picture.text() + "  }\n";
    most_children = most_children > 16 ? 16 : most_children - 1;
  }
}

std::string picture_of(std::span<const std::string> parts) {
  std::string text =
      "digraph page_tables {\n  labelloc=t; rankdir=TB; fontname=Helvetica;\n"
      "  node [shape=box, style=filled, fillcolor=\"#eeeeee\", fontname=Helvetica, fontsize=10];\n"
      "  edge [fontname=Helvetica, fontsize=9];\n";
  for (const std::string& part : parts)
    text += part;
  return text + "}\n";
}

}  // namespace mmusim::pt
