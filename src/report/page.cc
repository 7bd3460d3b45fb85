#include "report/page.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/units.h"
#include "report/document_figures.h"
#include "report/html_writer.h"
#include "report/page_assets.h"
#include "report/rates.h"
#include "report/read_results.h"
#include "report/run_figures.h"
#include "report/run_names.h"
#include "report/text_writer.h"
#include "stats/json.h"

namespace mmusim::report {
namespace {

using stats::Json;

// Headings with what stands below them; those with nothing are left out.
class Sections {
 public:
  void add(const std::string& id, const std::string& title, const std::string& content) {
    if (content.empty()) return;
    links_ += fmt::format("<a href=\"#{}\">{}</a>\n", id, html_escaped(title));
    html_ += fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n", id,
                         html_escaped(title), content);
  }
  [[nodiscard]] const std::string& links() const { return links_; }
  [[nodiscard]] const std::string& html() const { return html_; }

 private:
  std::string links_;
  std::string html_;
};

std::string html_of_all(const std::vector<Figure>& figures) {
  std::string html;
  for (const Figure& figure : figures)
    html += html_of(figure);
  return html;
}

std::string folded(const std::string& summary, const std::string& html) {
  if (html.empty()) return "";
  return fmt::format("<details><summary>{}</summary>\n{}</details>\n", html_escaped(summary), html);
}

std::string text_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return "";
  return stats::value_text(*found);
}

// Every provenance of the results, runs' and documents'.
std::vector<const Json*> provenances(const ReadResults& results) {
  std::vector<const Json*> all;
  for (const ReadRun& run : results.runs)
    all.push_back(&run.provenance);
  for (const auto* const list : {&results.footprints, &results.documents})
    for (const ReadDocument& document : *list)
      if (document.json.contains("provenance")) all.push_back(&document.json.at("provenance"));
  return all;
}

// --- what stands at the top

// The programs whose traces were run.
std::string programs_of(const ReadResults& results) {
  std::vector<std::string> programs;
  for (const Json* const provenance : provenances(results)) {
    std::string program;
    if (provenance->contains("trace")) program = text_at(provenance->at("trace"), "program");
    if (!program.empty() && std::find(programs.begin(), programs.end(), program) == programs.end())
      programs.push_back(std::move(program));
  }
  constexpr size_t kMost = 3;
  if (programs.empty()) return "mmusim";
  if (programs.size() > kMost) return format_counted(programs.size(), "program");
  return fmt::format("{}", fmt::join(programs, ", "));
}

std::string number_text(double number) {
  return number >= 100 ? format_count(static_cast<uint64_t>(std::llround(number)))
                       : fmt::format("{:.3g}", number);
}

std::string tile(const std::string& label, const std::string& value, const std::string& detail) {
  return fmt::format("<div class=\"tile\"><dt>{}</dt><dd>{}<small>{}</small></dd></div>\n",
                     html_escaped(label), html_escaped(value), html_escaped(detail));
}

double rate_of(const ReadRun& run, const char* counter) {
  if (run.work == 0) return 0;
  return 1000 * static_cast<double>(value_or_0(run.report, counter)) /
         static_cast<double>(run.work);
}

std::string tiles_of(const ReadResults& results) {
  if (results.runs.empty()) return "";
  const std::vector<ReadRun>& runs = results.runs;
  const std::string per = fmt::format("per 1000 {}", runs.front().work_unit);
  std::string html;
  const auto least = std::min_element(runs.begin(), runs.end(), [](const auto& a, const auto& b) {
    return rate_of(a, "mmu.cycles") < rate_of(b, "mmu.cycles");
  });
  if (runs.size() == 1) {
    const ReadRun& run = runs.front();
    html += tile(run.work_unit, format_count(run.work), run.name);
    html += tile("cycles of translation", number_text(rate_of(run, "mmu.cycles")), per);
    html += tile(
        "misses of the last level",
        number_text(rate_of(run, "mmu.last.fetch_misses") + rate_of(run, "mmu.last.data_misses")),
        per);
    html += tile("page tables at most",
                 text_of(Value(Bytes{value_or_0(run.report, "kernel.page_tables.peak")})),
                 run.page_table());
  } else {
    html += tile(
        "runs", format_count(runs.size()),
        fmt::format("{}, {}", format_counted(values_of(runs, "machine.name").size(), "machine"),
                    format_counted(values_of(runs, "machine.page_table").size(), "page table")));
    const auto most = std::max_element(runs.begin(), runs.end(), [](const auto& a, const auto& b) {
      return rate_of(a, "mmu.cycles") < rate_of(b, "mmu.cycles");
    });
    html += tile("fewest cycles of translation", number_text(rate_of(*least, "mmu.cycles")),
                 fmt::format("{}; {}", per, least->name));
    html += tile("most", number_text(rate_of(*most, "mmu.cycles")),
                 fmt::format("{}; {}", per, most->name));
  }
  if (!results.failed.empty())
    html += tile("failed", format_count(results.failed.size()), "runs, listed below");
  return "<dl class=\"tiles\">\n" + html + "</dl>\n";
}

// --- configuration and provenance

Table machines_table(const std::vector<ReadRun>& runs, const std::vector<std::string>& keys) {
  Table table{
      .id = "machines",
      .title = "Keys in which the machines differ",
      .columns = {{.key = "key", .title = "key", .align = Column::Align::Left, .names = true}}};
  std::vector<const ReadRun*> machines;
  std::set<std::string> told;
  for (const ReadRun& run : runs)
    if (std::string name = fmt::format("{}/{}", run.machine(), run.page_table());
        told.insert(name).second) {
      machines.push_back(&run);
      table.columns.push_back({.key = name, .title = name, .align = Column::Align::Left});
    }
  for (const std::string& key : keys) {
    std::vector<Value> cells{key};
    for (const ReadRun* const run : machines)
      cells.emplace_back(run->value(key));
    table.row(std::move(cells));
  }
  return table;
}

Table keys_table(const ReadRun& run) {
  Table table{
      .id = "keys",
      .title = "Every key",
      .columns = {{.key = "key", .title = "key", .align = Column::Align::Left, .names = true},
                  {.key = "value", .title = "value", .align = Column::Align::Left}}};
  for (const auto& [key, value] : run.config)
    table.row({key, value});
  return table;
}

std::string configuration_of(const std::vector<ReadRun>& runs) {
  if (runs.empty()) return "";
  if (runs.size() == 1) return folded("Every key", html_of(keys_table(runs.front())));
  const std::vector<std::string> varied = varied_keys(runs);
  Table table{
      .id = "varied",
      .title = "What varies on a machine",
      .columns = {{.key = "key", .title = "key", .align = Column::Align::Left, .names = true},
                  {.key = "values", .title = "values", .align = Column::Align::Left}}};
  for (const std::string& key : varied)
    table.row({key, fmt::format("{}", fmt::join(values_of(runs, key), ", "))});
  std::string html = varied.empty() ? "" : html_of(table);
  const std::vector<std::string> others = other_keys(runs, varied);
  if (!others.empty())
    html +=
        folded(fmt::format("{} in which the machines differ", format_counted(others.size(), "key")),
               html_of(machines_table(runs, others)));
  if (html.empty()) html = "<p>The configurations are the same.</p>\n";
  return html;
}

Table counters_table(const ReadRun& run) {
  Table table{
      .id = "counters",
      .title = "Every counter",
      .columns = {{.key = "name", .title = "counter", .align = Column::Align::Left, .names = true},
                  {.key = "value", .title = "value"},
                  {.key = "unit", .title = "unit", .align = Column::Align::Left},
                  {.key = "meaning", .title = "meaning", .align = Column::Align::Left}}};
  for (const stats::Counter& counter : run.report.counters())
    table.row({counter.name, counter.value, counter.unit, counter.meaning});
  return table;
}

std::string provenance_of(const ReadResults& results) {
  Table traces{
      .id = "traces",
      .title = "Traces",
      .columns = {{.key = "path", .title = "path", .align = Column::Align::Left, .names = true},
                  {.key = "program", .title = "program", .align = Column::Align::Left},
                  {.key = "isa", .title = "ISA", .align = Column::Align::Left},
                  {.key = "recorder", .title = "recorder", .align = Column::Align::Left},
                  {.key = "hash", .title = "content hash", .align = Column::Align::Left},
                  {.key = "remark", .title = "remark", .align = Column::Align::Left}}};
  std::set<std::string> told;
  std::vector<std::string> programs;
  for (const Json* const provenance : provenances(results)) {
    std::string program =
        fmt::format("{} {}, commit {}, {}, {}", text_at(*provenance, "program"),
                    text_at(*provenance, "version"), text_at(*provenance, "commit"),
                    text_at(*provenance, "build"), text_at(*provenance, "compiler"));
    if (std::find(programs.begin(), programs.end(), program) == programs.end())
      programs.push_back(std::move(program));
    if (!provenance->contains("trace")) continue;
    const Json& trace = provenance->at("trace");
    if (!told.insert(stats::compact_text(trace)).second) continue;
    std::string remark;
    if (trace.value("torn", false)) remark = "torn: replayed up to its last whole chunk";
    if (trace.value("stopped", false))
      remark += std::string(remark.empty() ? "" : "; ") + "stopped at run.limit";
    traces.row({text_at(trace, "path"), text_at(trace, "program"), text_at(trace, "isa"),
                text_at(trace, "recorder"), text_at(trace, "hash"), remark});
  }
  Facts facts{.id = "program"};
  for (const std::string& program : programs)
    facts.add("program", facts.list.empty() ? "made by" : "and", program);
  return html_of(facts) + (traces.rows.empty() ? "" : html_of(traces));
}

std::string failures_of(const ReadResults& results) {
  if (results.failed.empty()) return "";
  Table table{
      .id = "failures",
      .title = "Runs that failed",
      .columns = {{.key = "run", .title = "run", .align = Column::Align::Left, .names = true},
                  {.key = "why", .title = "why", .align = Column::Align::Left}}};
  for (const FailedRun& run : results.failed)
    table.row({run.name, run.why});
  return html_of(table);
}

// --- documents

std::string document_of(const ReadDocument& document) {
  constexpr size_t kMostRows = 2000;
  std::string html;
  for (const Facts& facts : facts_of(document))
    html += html_of(facts);
  for (Table& table : is_profile(document) ? profile_tables(document) : tables_of(document)) {
    if (table.rows.size() > kMostRows) {
      table.left_out += table.rows.size() - kMostRows;
      table.rows.resize(kMostRows);
    }
    html += html_of(table);
  }
  return html;
}

// What a document is, and of which file where it was one of several.
std::string heading_of(std::string title, const ReadDocument& document) {
  if (!title.empty()) title.front() = static_cast<char>(std::toupper(title.front()));
  return document.file.empty() ? title : fmt::format("{}: {}", title, stem_of(document.file));
}

void add_documents(const ReadResults& results, Sections& sections) {
  size_t number = 0;
  const auto add = [&](const ReadDocument& document, const std::string& title, auto content) {
    try {
      sections.add(fmt::format("document-{}", ++number), heading_of(title, document), content());
    } catch (const Json::exception&) {
      throw Error(document.file, "is not as mmusim writes it");
    } catch (const Error& error) {
      throw Error(document.file, fmt::format("is not as mmusim writes it: {}", error.what()));
    }
  };
  for (const ReadDocument& document : results.documents)
    if (is_curves(document))
      add(document, "Curves", [&] {
        std::string html;
        for (const Facts& facts : facts_of(document))
          html += html_of(facts);
        return html + html_of_all(curve_figures(document));
      });
    else
      add(document, document.json.value("document", "tables"),
          [&] { return document_of(document); });
  for (const ReadDocument& document : results.footprints)
    add(document, "Footprint", [&] {
      return html_of_all(footprint_figures(document)) + html_of(footprint_rows(document));
    });
}

}  // namespace

std::string page_of(ReadResults results) {
  MMUSIM_ASSERT(!results.empty());
  name_runs(results.runs);
  Sections sections;
  sections.add("costs", "What translation costs", html_of_all(bar_figures(results.runs)));
  sections.add("sweeps", "Against what varies", html_of_all(sweep_figures(results.runs)));
  sections.add("time", "Over time", html_of_all(time_figures(results.runs)));
  add_documents(results, sections);
  std::string tables = failures_of(results);
  if (results.runs.size() == 1) tables += html_of(counters_table(results.runs.front()));
  if (results.runs.size() > 1) tables += html_of(rates_table(results.runs));
  sections.add("tables", "Tables", tables);
  sections.add("configuration", "Configuration", configuration_of(results.runs));
  sections.add("provenance", "Provenance", provenance_of(results));

  const std::string title = html_escaped(programs_of(results));
  return fmt::format(
      "<!DOCTYPE html>\n"
      "<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      // Nothing is fetched, whatever is in the data. The library makes functions of expressions.
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; img-src data: "
      "blob:\">\n"
      "<title>{0} - mmusim</title>\n<style>\n{1}</style>\n</head>\n<body>\n"
      "<header>\n<p class=\"brand\">mmusim</p>\n<h1>{0}</h1>\n"
      "<nav aria-label=\"Sections\">\n{2}</nav>\n</header>\n<main>\n{3}{4}</main>\n"
      "<footer>Made by mmusim: events counted by a simulator; cycles are events times prices, no "
      "model of a pipeline. Plots are drawn by Vega (University of Washington Interactive Data "
      "Lab, BSD-3-Clause).</footer>\n"
      "<script>\n{5}</script>\n</body>\n</html>\n",
      title, page_style(), sections.links(), tiles_of(results), sections.html(), page_script());
}

std::string page_of_json(const std::string& document) {
  ReadResults results;
  read_results(document, "results", results);
  for (auto* const list : {&results.footprints, &results.documents})
    for (ReadDocument& own : *list)
      own.file.clear();
  return page_of(std::move(results));
}

}  // namespace mmusim::report
