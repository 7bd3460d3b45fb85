#include "report/document_figures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <set>
#include <utility>

#include "base/bits.h"
#include "base/error.h"
#include "base/units.h"
#include "report/run_names.h"
#include "stats/json.h"

namespace mmusim::report {
namespace {

using stats::Json;

constexpr const char* kMpki = "misses_per_1000_instructions";

// One side and page size: misses by entries and ways.
struct OneCurve {
  std::string side;
  uint64_t page = 0;
  std::map<uint64_t, std::map<uint64_t, double>> misses;  // by entries, then ways
  std::map<uint64_t, double> one_set;                     // by entries
};

std::vector<OneCurve> curves_of(const Json& rows) {
  std::vector<OneCurve> curves;
  for (const Json& row : rows) {
    const auto side = row.at("side").get<std::string>();
    const auto page = row.at("page_bytes").get<uint64_t>();
    if (curves.empty() || curves.back().side != side || curves.back().page != page)
      curves.push_back({side, page, {}, {}});
    const auto ways = row.at("ways").get<uint64_t>();
    const auto entries = row.at("entries").get<uint64_t>();
    const Json& mpki = row.at(kMpki);
    if (!mpki.is_number()) continue;  // of no instructions
    curves.back().misses[entries][ways] = mpki.get<double>();
    if (row.at("sets").get<uint64_t>() == 1) curves.back().one_set[entries] = mpki.get<double>();
  }
  return curves;
}

Figure figure_of(const OneCurve& curve, bool second) {
  constexpr uint64_t kWays[] = {1, 2, 4, 8, 16, 32};
  const std::string unit = "misses per 1000 instructions";
  Figure figure{.kind = Figure::Kind::Lines,
                .x = {.title = "entries", .logarithmic = true},
                .y = {.title = unit, .logarithmic = true}};
  Table& table = figure.table;
  table.id = fmt::format("curve-{}-{}", curve.side, format_size(curve.page));
  table.title = fmt::format("Misses of {}LRU TLBs: {}, {} pages", second ? "second-level " : "",
                            curve.side, format_size(curve.page));
  table.columns = {{.key = "entries", .title = "entries", .names = true}};
  for (const uint64_t ways : kWays)
    table.columns.push_back(
        {.key = fmt::format("ways_{}", ways), .title = format_counted(ways, "way"), .unit = unit});
  table.columns.push_back({.key = "one_set", .title = "fully associative", .unit = unit});
  for (const auto& [entries, by_ways] : curve.misses) {
    if (!is_power_of_two(entries)) continue;
    std::vector<Value> cells{entries};
    for (const uint64_t ways : kWays) {
      const auto found = by_ways.find(ways);
      cells.push_back(found == by_ways.end() ? Value() : Value(found->second));
    }
    const auto whole = curve.one_set.find(entries);
    cells.push_back(whole == curve.one_set.end() ? Value() : Value(whole->second));
    table.row(std::move(cells));
  }
  figure.caption =
      "Exact counts of one pass, both axes logarithmic: where there are no misses, "
      "nothing is drawn.";
  return figure;
}

uint64_t count_of(const std::string& text) {
  const auto count = parse_count(text);
  if (!count) throw Error("", fmt::format("'{}' is no count", text));
  return *count;
}

Value value_of(const Json& json) {
  if (json.is_null()) return {};
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_unsigned()) return json.get<uint64_t>();
  if (json.is_number_integer()) return json.get<int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  Lines lines;
  if (json.is_array())
    for (const Json& line : json)
      lines.text += stats::value_text(line) + "\n";
  else
    lines.text = stats::compact_text(json);
  return lines;
}

}  // namespace

bool is_curves(const ReadDocument& document) {
  return document.json.value("document", "") == "curves";
}

std::vector<Figure> curve_figures(const ReadDocument& document) {
  std::vector<Figure> figures;
  const bool second = document.json.at("facts").at("heading").contains("behind");
  for (const Json& table : document.json.at("tables"))
    if (table.at("id") == "curves")
      for (const OneCurve& curve : curves_of(table.at("rows")))
        figures.push_back(without_nothing(figure_of(curve, second)));
  return figures;
}

std::vector<Figure> footprint_figures(const ReadDocument& document) {
  const Json& footprints = document.json.at("footprints");
  const Column name{
      .key = "page_table", .title = "page table", .align = Column::Align::Left, .names = true};
  Figure memory{.x = {.title = "bytes", .bytes = true},
                .caption =
                    "Tables of each page table, its root among them, by whether their "
                    "entries are in use."};
  memory.table = {.id = "footprint",
                  .title = "Memory of each page table",
                  .columns = {name,
                              {.key = "in_use", .title = "entries in use", .unit = "bytes"},
                              {.key = "empty", .title = "empty entries", .unit = "bytes"}}};
  Figure words{.x = {.title = "pages"},
               .caption = "Mapped pages, by the words of the table a look-up reads for them."};
  words.table = {.id = "look-ups", .title = "Words read by a look-up", .columns = {name}};
  std::set<uint64_t> counts;
  for (const Json& one : footprints)
    for (const auto& [count, pages] : one.at("pages_by_words").items())
      counts.insert(count_of(count));
  for (const uint64_t count : counts)
    words.table.columns.push_back({.key = fmt::format("words_{}", count),
                                   .title = format_counted(count, "word"),
                                   .unit = "pages"});
  for (const Json& one : footprints) {
    double used = 0;
    double all = 0;
    for (const Json& table : one.at("tables")) {
      const auto bytes = table.at("bytes").get<double>();
      all += bytes;
      used += bytes * table.at("in_use").get<double>();
    }
    const Value page_table = one.at("page_table").get<std::string>();
    memory.table.row({page_table, Bytes{static_cast<uint64_t>(std::llround(used))},
                      Bytes{static_cast<uint64_t>(std::llround(all - used))}});
    std::vector<Value> cells{page_table};
    for (const uint64_t count : counts)
      cells.emplace_back(one.at("pages_by_words").value(std::to_string(count), uint64_t{0}));
    words.table.row(std::move(cells));
  }
  return {without_nothing(std::move(memory)), without_nothing(std::move(words))};
}

Table footprint_rows(const ReadDocument& document) {
  struct Number {
    const char* key;
    const char* title;
    bool bytes;
  };
  constexpr Number kNumbers[] = {{"pages", "pages mapped", false},
                                 {"leaves", "leaves", false},
                                 {"table_bytes", "memory", true},
                                 {"bytes_per_page", "bytes per page", false},
                                 {"words_per_lookup", "words per look-up", false},
                                 {"words_at_most", "words at most", false},
                                 {"lines_per_lookup", "cache lines per look-up", false},
                                 {"machine_table_bytes", "memory of all address spaces", true},
                                 {"machine_held_bytes", "frames that hold it", true}};
  Table table{.id = "footprints",
              .title = "Page tables",
              .columns = {{.key = "page_table",
                           .title = "page table",
                           .align = Column::Align::Left,
                           .names = true}}};
  for (const Number& number : kNumbers)
    table.columns.push_back({.key = number.key, .title = number.title});
  for (const Json& one : document.json.at("footprints")) {
    std::vector<Value> cells{one.at("page_table").get<std::string>()};
    for (const Number& number : kNumbers) {
      const Value value = value_of(one.value(number.key, Json()));
      const auto* const count = std::get_if<uint64_t>(&value);
      cells.push_back(number.bytes && count != nullptr ? Value(Bytes{*count}) : value);
    }
    table.row(std::move(cells));
  }
  return table;
}

std::vector<Table> tables_of(const ReadDocument& document) {
  std::vector<Table> tables;
  for (const Json& one : document.json.at("tables")) {
    Table table{.id = one.at("id").get<std::string>(),
                .title = one.at("title").get<std::string>(),
                .left_out = one.value("left_out", uint64_t{0}),
                .notes = one.value("notes", std::vector<std::string>())};
    if (table.title.empty()) table.title = table.id;
    for (const Json& column : one.at("columns"))
      table.columns.push_back({.key = column.at("key").get<std::string>(),
                               .title = column.at("title").get<std::string>(),
                               .unit = column.at("unit").get<std::string>(),
                               .meaning = column.at("meaning").get<std::string>(),
                               .group = column.at("group").get<std::string>()});
    if (table.columns.empty()) continue;
    table.columns.front().names = true;
    for (const Json& row : one.at("rows")) {
      std::vector<Value> cells;
      for (const Column& column : table.columns)
        cells.push_back(value_of(row.value(column.key, Json())));
      table.row(std::move(cells));
    }
    tables.push_back(std::move(table));
  }
  return tables;
}

bool is_profile(const ReadDocument& document) {
  return document.json.value("document", "") == "profile";
}

std::vector<Table> profile_tables(const ReadDocument& document) {
  // Behind what a row is of.
  static constexpr std::array<const char*, 11> kShown{
      "share", "miss_cycles", "misses",       "fetch_misses", "data_misses", "walks",
      "traps", "references",  "minor_faults", "major_faults", "refused"};
  std::vector<Table> shown;
  for (Table& of : tables_of(document)) {
    Table table{.id = of.id, .title = of.title, .left_out = of.left_out, .notes = of.notes};
    table.rows.resize(of.rows.size());
    const auto take = [&](size_t i, auto change) {
      table.columns.push_back(of.columns[i]);
      for (size_t row = 0; row < of.rows.size(); ++row)
        table.rows[row].cells.push_back(change(of.rows[row].cells[i]));
    };
    const auto column_of = [&of](const std::string& key) {
      const auto at = std::find_if(of.columns.begin(), of.columns.end(),
                                   [&key](const Column& column) { return column.key == key; });
      return static_cast<size_t>(at - of.columns.begin());
    };
    const size_t share = column_of(kShown.front());
    for (size_t i = 0; i < share; ++i)
      if (of.columns[i].key != "kind")  // a mapping's name says it
        take(i, [](const Value& value) {
          const auto* const pid = std::get_if<uint64_t>(&value);  // a name, not an amount
          return pid != nullptr ? Value(fmt::format("{}", *pid)) : value;
        });
    for (const char* const key : kShown) {
      const size_t i = column_of(key);
      if (i == of.columns.size()) continue;
      const bool any = std::any_of(of.rows.begin(), of.rows.end(), [i](const Row& row) {
        const auto* const count = std::get_if<uint64_t>(&row.cells[i]);
        return count == nullptr || *count != 0;
      });
      if (i != share && any) take(i, [](const Value& value) { return value; });
      if (i != share) continue;
      take(i, [](const Value& value) {
        constexpr double kPercent = 100;
        const auto* const part = std::get_if<double>(&value);
        const auto* const whole = std::get_if<uint64_t>(&value);
        return part != nullptr    ? Value(kPercent * *part)
               : whole != nullptr ? Value(kPercent * static_cast<double>(*whole))
                                  : value;
      });
      table.columns.back().unit = "%";
    }
    shown.push_back(std::move(table));
  }
  return shown;
}

std::vector<Facts> facts_of(const ReadDocument& document) {
  std::vector<Facts> all;
  if (!document.json.contains("facts")) return all;
  for (const auto& [id, list] : document.json.at("facts").items()) {
    Facts facts{.id = id};
    for (const auto& [key, text] : list.items())
      facts.add(key, key, text.get<std::string>());
    all.push_back(std::move(facts));
  }
  return all;
}

}  // namespace mmusim::report
