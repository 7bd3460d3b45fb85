#include "report/footprint_table.h"

#include <fmt/format.h>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "base/units.h"
#include "report/text_table.h"
#include "report/wrap.h"

namespace mmusim::report {

namespace {

constexpr size_t kClassWidth = 16;

double over(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string sum_text(const std::vector<NamedFootprint>& all) {
  std::vector<std::string> names{"Page table"};
  for (const NamedFootprint& one : all)
    names.push_back(one.name);
  TextTable table(names, kLabelWidth);
  const auto row = [&](const char* label,
                       const std::function<std::string(const NamedFootprint&)>& cell) {
    std::vector<std::string> cells{label};
    for (const NamedFootprint& one : all)
      cells.push_back(cell(one));
    table.row(cells);
  };
  const auto count = [&](const char* label, uint64_t pt::Footprint::*field) {
    row(label, [&](const NamedFootprint& one) { return format_count(one.footprint.*field); });
  };
  count("pages mapped", &pt::Footprint::pages);
  count("  by leaves", &pt::Footprint::leaves);
  row("tables", [](const NamedFootprint& one) {
    uint64_t tables = 0;
    for (const pt::TableClass& c : one.footprint.classes)
      tables += c.tables;
    return format_count(tables);
  });
  row("memory",
      [](const NamedFootprint& one) { return readable_bytes(one.footprint.table_bytes); });
  row("  and its root",
      [](const NamedFootprint& one) { return readable_bytes(one.footprint.root_bytes); });
  row("bytes per mapped page", [](const NamedFootprint& one) {
    return fmt::format("{:.2f}", over(one.footprint.table_bytes, one.footprint.pages));
  });
  row("words read per look-up", [](const NamedFootprint& one) {
    return fmt::format("{:.2f}", over(one.footprint.words_total, one.footprint.pages));
  });
  row("  at most",
      [](const NamedFootprint& one) { return std::to_string(one.footprint.words_most()); });
  row("cache lines per look-up", [](const NamedFootprint& one) {
    return fmt::format("{:.2f}", over(one.footprint.lines_total, one.footprint.pages));
  });
  count("cache lines, each page once", &pt::Footprint::lines_distinct);
  count("tables resized or rebuilt", &pt::Footprint::restructures);
  count("  entries rewritten by that", &pt::Footprint::entries_rewritten);
  row("memory of all address spaces",
      [](const NamedFootprint& one) { return readable_bytes(one.machine_bytes); });
  row("  frames that hold it",
      [](const NamedFootprint& one) { return readable_bytes(one.held_bytes); });
  row("  lost to fragmentation", [](const NamedFootprint& one) {
    return percent(one.held_bytes - one.machine_bytes, one.held_bytes);
  });
  return table.text();
}

// The share of pages by words read.
std::string depth_text(const std::vector<NamedFootprint>& all) {
  std::vector<std::string> names{"Words read, share of pages"};
  std::set<unsigned> depths;
  for (const NamedFootprint& one : all) {
    names.push_back(one.name);
    for (const auto& [words, pages] : one.footprint.words)
      depths.insert(words);
  }
  TextTable table(names, kLabelWidth);
  for (const unsigned depth : depths) {
    std::vector<std::string> cells{std::to_string(depth)};
    for (const NamedFootprint& one : all) {
      const auto found = one.footprint.words.find(depth);
      cells.push_back(
          found == one.footprint.words.end() ? "" : percent(found->second, one.footprint.pages));
    }
    table.row(cells);
  }
  return table.text();
}

std::string class_text(const NamedFootprint& one) {
  TextTable table({"Tables of " + one.name, "bytes each", "number", "memory", "leaves", "pointers",
                   "slots in use"},
                  kClassWidth);
  for (const pt::TableClass& c : one.footprint.classes) {
    table.row({fmt::format("level {}", c.level), format_count(c.bytes_each), format_count(c.tables),
               readable_bytes(c.tables * c.bytes_each), format_count(c.leaves),
               format_count(c.pointers), percent(c.leaves + c.pointers, c.tables * c.slots_each)});
  }
  return table.text();
}

std::string size_text(const NamedFootprint& one) {
  std::string text;
  for (const auto& [log2, leaves] : one.footprint.leaves_by_size)
    text += fmt::format("{}{} of {}", text.empty() ? "" : ", ", format_count(leaves),
                        format_size(uint64_t{1} << log2));
  return text;
}

}  // namespace

std::string footprint_table(const FootprintHeading& heading,
                            const std::vector<NamedFootprint>& footprints) {
  constexpr size_t kIndent = 10;
  std::string text = fmt::format("machine   {} ({})\n", heading.machine, heading.arch);
  text += beside("pages of", heading.source, kIndent);
  if (!heading.what.empty()) text += beside("", heading.what, kIndent);
  if (!footprints.empty() && footprints.front().footprint.leaves_by_size.size() > 1)
    text += beside("leaves", size_text(footprints.front()), kIndent);
  text += "\n" + sum_text(footprints) + "\n" + depth_text(footprints);
  for (const NamedFootprint& one : footprints)
    text += "\n" + class_text(one);
  return text;
}

std::string footprint_json(const FootprintHeading& heading,
                           const std::vector<NamedFootprint>& footprints,
                           const stats::Provenance& provenance, const config::Config& config) {
  using Json = nlohmann::ordered_json;
  Json document = stats::document_head(provenance, config);
  document["source"] = {{"pages_of", heading.source},
                        {"moment", heading.what},
                        {"page_bytes", uint64_t{1} << heading.page}};
  Json& list = document["footprints"] = Json::array();
  for (const NamedFootprint& one : footprints) {
    const pt::Footprint& f = one.footprint;
    Json entry = {{"page_table", one.name},
                  {"pages", f.pages},
                  {"leaves", f.leaves},
                  {"table_bytes", f.table_bytes},
                  {"root_bytes", f.root_bytes},
                  {"lookup_words", f.words_total},
                  {"lookup_lines", f.lines_total},
                  {"lines_each_page_once", f.lines_distinct},
                  {"restructures", f.restructures},
                  {"entries_rewritten", f.entries_rewritten},
                  {"machine_table_bytes", one.machine_bytes},
                  {"machine_held_bytes", one.held_bytes},
                  {"machine_common_bytes", one.common_bytes}};
    for (const auto& [log2, leaves] : f.leaves_by_size)
      entry["leaves_by_bytes"][std::to_string(uint64_t{1} << log2)] = leaves;
    for (const auto& [words, pages] : f.words)
      entry["pages_by_words"][std::to_string(words)] = pages;
    Json& classes = entry["tables"] = Json::array();
    for (const pt::TableClass& c : f.classes)
      classes.push_back({{"level", c.level},
                         {"bytes_each", c.bytes_each},
                         {"slots_each", c.slots_each},
                         {"tables", c.tables},
                         {"leaves", c.leaves},
                         {"pointers", c.pointers}});
    list.push_back(entry);
  }
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace mmusim::report
