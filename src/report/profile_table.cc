#include "report/profile_table.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "base/units.h"
#include "report/text_writer.h"

namespace mmusim::report {
namespace {

using sim::Profile;
using sim::ProfileCount;
using sim::ProfileCounts;
using sim::ProfileKey;
using sim::ProfileTable;

constexpr ProfileCount kAllCounts[] = {
    ProfileCount::FirstMisses, ProfileCount::FetchMisses, ProfileCount::DataMisses,
    ProfileCount::Walks,       ProfileCount::Traps,       ProfileCount::References,
    ProfileCount::MissCycles,  ProfileCount::FaultCycles, ProfileCount::KernelCycles,
    ProfileCount::MinorFaults, ProfileCount::MajorFaults, ProfileCount::Refused};

// What one row is of. Told apart, and of equal amounts sorted, by all of it.
struct What {
  std::string program;
  uint64_t pid = 0;
  std::string mapping;
  std::string kind;
  std::string function;
  uint64_t page = 0;
  uint64_t pc = 0;
  bool of_process = false;  // the fields above mean something
  bool of_code = false;
  bool of_page = false;
  auto operator<=>(const What&) const = default;
};
struct Sorted {
  std::vector<std::pair<What, ProfileCounts>> rows;
  ProfileCounts others;
  uint64_t left_out = 0;
};

std::string name_of_set(unsigned by) {
  std::string text;
  for (const auto& [one, name] : sim::kProfileBys)
    if ((by & one) != 0) text += (text.empty() ? "" : ",") + std::string(name);
  return text;
}

What what_of(const Profile& profile, unsigned by, const ProfileKey& key, const ProfileView& view) {
  What what;
  if (key.process != ProfileKey::kNone) {
    what.of_process = true;
    what.pid = profile.processes[key.process].pid.value();
    what.program = profile.processes[key.process].program;
  }
  if (key.mapping != ProfileKey::kNone) {
    const sim::ProfiledMapping& mapping = profile.mappings[key.mapping];
    what.mapping = mapping.name;
    what.kind = name_of(mapping.kind);
    what.of_page = (by & sim::kByPage) != 0 && mapping.kind != sim::ProfiledMapping::Kind::Call &&
                   mapping.kind != sim::ProfiledMapping::Kind::Other;
    if (what.of_page) what.page = key.page;
  }
  what.of_code = key.code != ProfileKey::kNone;
  if ((by & sim::kByFunction) != 0)
    what.function =
        what.of_code ? view.functions(profile.mappings[key.code], key.offset) : "[kernel]";
  if ((by & sim::kByPc) != 0) what.pc = key.pc;
  return what;
}

Sorted sorted(const Profile& profile, const ProfileTable& table, const ProfileView& view) {
  std::map<What, ProfileCounts> merged;
  for (const auto& [key, counts] : table.rows)
    merged[what_of(profile, table.by, key, view)] += counts;
  Sorted result;
  result.rows.assign(merged.begin(), merged.end());
  std::stable_sort(result.rows.begin(), result.rows.end(), [&](const auto& a, const auto& b) {
    return amount_of(view.measure, a.second) > amount_of(view.measure, b.second);
  });
  if (view.top && result.rows.size() > *view.top) {
    result.left_out = result.rows.size() - *view.top;
    for (size_t i = *view.top; i < result.rows.size(); ++i)
      result.others += result.rows[i].second;
    result.rows.resize(*view.top);
  }
  return result;
}

uint64_t misses_of(const ProfileCounts& counts) {
  return counts[ProfileCount::FetchMisses] + counts[ProfileCount::DataMisses];
}
uint64_t faults_of(const ProfileCounts& counts) {
  return counts[ProfileCount::MinorFaults] + counts[ProfileCount::MajorFaults];
}

std::string file_of_path(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos || slash + 1 == path.size() ? path : path.substr(slash + 1);
}

std::string where_of(unsigned by, const What& what) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if ((by & sim::kByProcess) != 0)
    add(!what.of_process ? "no process"
                         : fmt::format("{} {}", what.pid,
                                       what.program.empty() ? "?" : file_of_path(what.program)));
  if (what.of_page) add(fmt::format("{:#x}", what.page));
  if (!what.mapping.empty()) add(what.mapping);
  if ((by & sim::kByFunction) != 0) add(what.function);
  if ((by & sim::kByPc) != 0) add(what.of_code ? fmt::format("at {:#x}", what.pc) : "[kernel]");
  return text;
}

// For people.
Table told(const Profile& profile, const ProfileTable& of, const ProfileView& view) {
  // Machines whose TLBs are filled by software have no walks.
  const bool walks =
      profile.total[ProfileCount::Walks] != 0 || profile.total[ProfileCount::Traps] == 0;
  const auto count = [](const char* title) { return Column{.key = title, .title = title}; };
  Table table{
      .id = name_of_set(of.by),
      .title = "By " + name_of_set(of.by),
      .columns = {
          {.key = "share", .title = "share"},
          count("misses"),
          count(walks ? "walks" : "traps"),
          count("cycles"),
          count("faults"),
          {.key = "where", .title = "by " + name_of_set(of.by), .align = Column::Align::Left}}};
  const uint64_t whole = amount_of(view.measure, profile.total);
  const auto row = [&](const ProfileCounts& counts, std::string where, bool strong = false) {
    table.row({Ratio{amount_of(view.measure, counts), whole, Ratio::As::Share}, misses_of(counts),
               counts[walks ? ProfileCount::Walks : ProfileCount::Traps],
               counts[ProfileCount::MissCycles], faults_of(counts), std::move(where)},
              0, strong);
  };
  const Sorted rows = sorted(profile, of, view);
  for (const auto& [what, counts] : rows.rows)
    row(counts, where_of(of.by, what));
  if (rows.left_out != 0) row(rows.others, "others: " + format_counted(rows.left_out, "row"));
  if (of.beyond.any()) row(of.beyond, "too many to tell apart");
  row(profile.total, "all", true);
  return table;
}

std::vector<Column> measure_columns() {
  std::vector<Column> columns{
      {.key = "share", .title = "share", .meaning = "Of the measure asked for (--by)."},
      {.key = "misses",
       .title = "misses",
       .unit = "accesses",
       .meaning = "Accesses no TLB level knew: fetch_misses and "
                  "data_misses."}};
  for (const ProfileCount one : kAllCounts)
    columns.push_back({.key = about(one).name,
                       .title = about(one).title,
                       .unit = about(one).unit,
                       .meaning = about(one).meaning});
  return columns;
}
void add_measures(std::vector<Value>& cells, const ProfileCounts& counts, const Profile& profile,
                  const ProfileView& view) {
  cells.emplace_back(Ratio{amount_of(view.measure, counts), amount_of(view.measure, profile.total),
                           Ratio::As::PerOne});
  cells.emplace_back(misses_of(counts));
  for (const ProfileCount one : kAllCounts)
    cells.emplace_back(counts[one]);
}

// For programs: rows of one table, or of all, then each said which it is of.
void add_columns(Table& table, unsigned by) {
  const auto name = [&table](const char* key, const char* meaning,
                             Column::Align align = Column::Align::Left) {
    table.columns.push_back(
        {.key = key, .title = key, .meaning = meaning, .align = align, .names = true});
  };
  if ((by & sim::kByProcess) != 0) {
    name("pid", "The process, by the trace's number.", Column::Align::Right);
    name("program", "What it ran; another row after an exec.");
  }
  if ((by & (sim::kByMapping | sim::kByPage)) != 0) {
    name("mapping", "The file or segment; [call: ...] is a system call's own.");
    name("kind", "text, data, read-only, bss, heap, stack, anonymous, ...");
  }
  if ((by & sim::kByPage) != 0)
    name("page", "The page's first address, as recorded.", Column::Align::Right);
  if ((by & sim::kByFunction) != 0) name("function", "That the instruction is in.");
  if ((by & sim::kByPc) != 0)
    name("pc", "The instruction's address, as recorded.", Column::Align::Right);
  for (Column& column : measure_columns())
    table.columns.push_back(std::move(column));
}

void add_rows(Table& table, unsigned columns, const Profile& profile, const ProfileTable& of,
              const ProfileView& view, bool says_which) {
  const Sorted rows = sorted(profile, of, view);
  const auto row = [&](const What& what, const std::string& stands_for,
                       const ProfileCounts& counts) {
    std::vector<Value> cells;
    if (says_which) cells.emplace_back(name_of_set(of.by));
    const auto text = [&](const std::string& value) {
      if (value.empty())
        cells.emplace_back();
      else
        cells.emplace_back(value);
    };
    const auto number = [&](bool there, uint64_t value) {
      if (there)
        cells.emplace_back(fmt::format("{:#x}", value));
      else
        cells.emplace_back();
    };
    const auto has = [&](unsigned what_by) { return (columns & what_by) != 0; };
    if (has(sim::kByProcess)) {
      if (what.of_process)
        cells.emplace_back(what.pid);
      else
        cells.emplace_back();
      text((of.by & sim::kByProcess) != 0 && !stands_for.empty() ? stands_for : what.program);
    }
    if (has(sim::kByMapping | sim::kByPage)) {
      text((of.by & (sim::kByMapping | sim::kByPage)) != 0 && !stands_for.empty() ? stands_for
                                                                                  : what.mapping);
      text(what.kind);
    }
    if (has(sim::kByPage)) number(what.of_page, what.page);
    if (has(sim::kByFunction))
      text((of.by & sim::kByFunction) != 0 && !stands_for.empty() ? stands_for : what.function);
    if (has(sim::kByPc)) number((of.by & sim::kByPc) != 0 && what.of_code, what.pc);
    add_measures(cells, counts, profile, view);
    table.row(std::move(cells));
  };
  for (const auto& [what, counts] : rows.rows)
    row(what, "", counts);
  if (rows.left_out != 0) row({}, "[others]", rows.others);
  if (of.beyond.any()) row({}, "[beyond]", of.beyond);
  table.left_out += rows.left_out;
}

// Of what is counted by mapping or page, what no event of the trace tells the place of.
std::optional<uint64_t> unknown_of(const Profile& profile, ProfileMeasure measure) {
  for (const ProfileTable& table : profile.tables) {
    if ((table.by & (sim::kByMapping | sim::kByPage)) == 0) continue;
    uint64_t sum = 0;
    for (const auto& [key, counts] : table.rows)
      if (key.mapping != ProfileKey::kNone &&
          profile.mappings[key.mapping].kind == sim::ProfiledMapping::Kind::Unknown)
        sum += amount_of(measure, counts);
    return sum;
  }
  return std::nullopt;
}

Facts heading_of(const ProfileHeading& h, const Profile& profile, const ProfileView& view) {
  Facts facts{.id = "heading"};
  facts.add("machine", "machine",
            fmt::format("{} ({}), page table {}", h.machine, h.arch, h.page_table));
  if (h.script) {
    facts.add("script", "script", h.trace);
    facts.add("replayed", "run", format_counted(h.touches, "touch", "touches"));
  } else {
    facts.add("trace", "trace", fmt::format("{} ({})", h.trace, h.isa));
  }
  if (!h.program.empty())
    facts.list.push_back(
        {.key = "program", .label = "program", .text = h.program, .shortened = true});
  if (!h.script)
    facts.add("replayed", "replayed", fmt::format("{} instructions", format_count(h.instructions)));
  if (h.warmup != 0)
    facts.add("warmup", "warm-up",
              fmt::format("{} before, not counted", format_counted(h.warmup, "instruction")));
  const auto* const measure =
      std::find_if(std::begin(kProfileMeasures), std::end(kProfileMeasures),
                   [&](const auto& one) { return one.second == view.measure; });
  facts.add("share", "share",
            view.measure == ProfileMeasure::Cycles ? "of cycles, which are those of TLB misses"
                                                   : fmt::format("of {}", measure->first));
  if (amount_of(view.measure, profile.total) == 0)
    facts.add("nothing", "", fmt::format("there are no {}, and so no shares", measure->first));
  if (h.stopped) facts.add("stopped", "note", "stopped at run.limit, before the end of the trace");
  if (h.torn) facts.add("torn", "note", "the trace is torn; replayed up to its last whole chunk");
  if (profile.moved)
    facts.add("moved", "note",
              "the trace was moved to this machine's addresses; addresses are the recording's");
  if (profile.unplaced != 0)
    facts.add(
        "unplaced", "note",
        fmt::format("of {} accesses the recording's address is not known any more; theirs are "
                    "the machine's",
                    format_count(profile.unplaced)));
  if (const uint64_t unknown = unknown_of(profile, view.measure).value_or(0); unknown != 0)
    facts.add(
        "unknown", "note",
        fmt::format("{:.3g} % is [unknown]: no event of the trace tells what is there. 'mmusim "
                    "record' tells of all that a program begins with; lackey's log and most "
                    "imports do not",
                    100 * static_cast<double>(unknown) /
                        static_cast<double>(amount_of(view.measure, profile.total))));
  if (profile.unfollowed)
    facts.add("unfollowed", "note",
              "the trace has more areas than are followed; what is not is unknown");
  for (const std::string& said : h.symbols)
    facts.add("symbols", "symbols", said);
  return facts;
}

}  // namespace

uint64_t amount_of(ProfileMeasure measure, const ProfileCounts& counts) {
  switch (measure) {
    case ProfileMeasure::Cycles:
      return counts[ProfileCount::MissCycles];
    case ProfileMeasure::Misses:
      return misses_of(counts);
    case ProfileMeasure::Walks:
      return counts[ProfileCount::Walks];
    case ProfileMeasure::Traps:
      return counts[ProfileCount::Traps];
    case ProfileMeasure::References:
      return counts[ProfileCount::References];
    case ProfileMeasure::Faults:
      break;
  }
  return faults_of(counts);
}

std::string profile_text(const ProfileHeading& heading, const Profile& profile,
                         const ProfileView& view) {
  constexpr size_t kWidth = 9;
  Document document{.kind = "profile", .blocks = {heading_of(heading, profile, view)}};
  for (const ProfileTable& table : profile.tables)
    document.blocks.emplace_back(told(profile, table, view));
  return text_of(document, {.styles = {{"heading", {.width = kWidth}}}});
}

Document profile_document(const ProfileHeading& heading, const Profile& profile,
                          const ProfileView& view) {
  Document document{
      .kind = "profile", .blocks = {heading_of(heading, profile, view)}, .source = heading.trace};
  for (const ProfileTable& of : profile.tables) {
    Table table{.id = "by_" + name_of_set(of.by), .title = "By " + name_of_set(of.by)};
    std::replace(table.id.begin(), table.id.end(), ',', '_');
    add_columns(table, of.by);
    add_rows(table, of.by, profile, of, view, false);
    document.blocks.emplace_back(std::move(table));
  }
  Table total{.id = "total", .title = "All", .columns = measure_columns()};
  std::vector<Value> cells;
  add_measures(cells, profile.total, profile, view);
  total.row(std::move(cells));
  document.blocks.emplace_back(std::move(total));
  return document;
}

Table profile_rows(const Profile& profile, const ProfileView& view) {
  unsigned columns = 0;
  for (const ProfileTable& of : profile.tables)
    columns |= of.by;
  Table table{.id = "profile",
              .columns = {{.key = "by",
                           .meaning = "What rows are told apart by.",
                           .align = Column::Align::Left,
                           .names = true}}};
  add_columns(table, columns);
  for (const ProfileTable& of : profile.tables)
    add_rows(table, columns, profile, of, view, true);
  return table;
}

}  // namespace mmusim::report
