#include "pt/footprint.h"

#include <algorithm>
#include <array>
#include <unordered_set>

namespace mmusim::pt {

namespace {

std::vector<TableClass> classes_of(const PageTable& table) {
  std::vector<TableClass> classes;
  table.visit_tables([&](const TableNode& node) {
    auto found = std::find_if(classes.begin(), classes.end(), [&](const TableClass& c) {
      return c.level == node.level && c.bytes_each == node.bytes && c.slots_each == node.slots;
    });
    if (found == classes.end()) {
      classes.push_back({.level = node.level, .bytes_each = node.bytes, .slots_each = node.slots});
      found = classes.end() - 1;
    }
    ++found->tables;
    found->leaves += node.leaves;
    found->pointers += node.tables;
  });
  return classes;
}

// Counts the lines of one lookup after the other.
class Lines {
 public:
  explicit Lines(uint64_t line) : line_(line) {}

  // Distinct lines of this path.
  unsigned add(const WalkPath& path) {
    unsigned count = 0;
    for (const WalkStep& step : path.steps()) {
      const uint64_t last = (step.address.value() + step.bytes - 1) / line_;
      for (uint64_t line = step.address.value() / line_; line <= last; ++line) {
        const auto end = seen_.begin() + count;
        if (count == seen_.size() || std::find(seen_.begin(), end, line) != end) continue;
        seen_[count++] = line;
        all_.insert(line);
      }
    }
    return count;
  }
  [[nodiscard]] uint64_t distinct() const { return all_.size(); }

 private:
  uint64_t line_;
  std::array<uint64_t, size_t{2} * WalkPath::kMostSteps> seen_{};
  std::unordered_set<uint64_t> all_;  // never iterated
};

}  // namespace

Footprint measure(PageTable& table, const EntryFormat& format, PageShift page, VirtRange everything,
                  uint64_t line) {
  Footprint result;
  const Stats stats = table.stats();
  result.leaves = stats.leaves;
  result.table_bytes = stats.table_bytes;
  result.root_bytes = stats.root_bytes;
  result.restructures = stats.restructures;
  result.entries_rewritten = stats.entries_rewritten;
  result.classes = classes_of(table);

  Lines lines(line);
  WalkPath path;
  const auto cursor = table.cursor(everything);
  Run run;
  while (cursor->next(run)) {
    const uint64_t pages = run.size.bytes() >> page.log2();
    for (uint32_t i = 0; i < run.count; ++i) {
      const Entry entry = run.get(i);
      if (entry == kNone) continue;
      if (run.size == page && format.is_present(entry))
        if (const auto hint = format.parse_leaf(entry, page).hint)
          ++result.hints_by_size[hint->log2()];
      path.clear();
      static_cast<void>(table.walk(run.address(i), path));
      result.pages += pages;
      ++result.leaves_by_size[run.size.log2()];
      result.words[path.count()] += pages;
      result.words_total += path.count() * pages;
      result.lines_total += lines.add(path) * pages;
    }
  }
  result.lines_distinct = lines.distinct();
  return result;
}

}  // namespace mmusim::pt
