#include "report/replay_table.h"

#include <fmt/format.h>
#include <span>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "report/text_writer.h"

namespace mmusim::report {
namespace {

using stats::Counter;
using stats::Report;

uint64_t value_or(const Report& report, std::string_view name, uint64_t otherwise = 0) {
  const Counter* counter = report.find(name);
  return counter == nullptr ? otherwise : counter->value;
}

// The heading, with what was replayed.
Facts heading_of(const Heading& heading, const Report& report) {
  Facts facts{.id = "heading"};
  std::string machine = heading.machine;
  if (!heading.arch.empty()) machine += fmt::format(" ({})", heading.arch);
  if (!heading.page_table.empty()) machine += fmt::format(", page table {}", heading.page_table);
  if (heading.checked) machine += ", every translation checked";
  facts.add("machine", "machine", machine);
  facts.add(
      "trace", "trace",
      heading.isa.empty() ? heading.trace : fmt::format("{} ({})", heading.trace, heading.isa));
  if (!heading.program.empty())
    facts.list.push_back(
        {.key = "program", .label = "program", .text = heading.program, .shortened = true});
  if (report.find("run.instructions") != nullptr) {
    const uint64_t instructions = report.value("run.instructions");
    const uint64_t data = value_or(report, "run.loads") + value_or(report, "run.stores") +
                          value_or(report, "run.modifies");
    facts.add("replayed", "replayed",
              fmt::format("{} instructions, {} references", format_count(instructions),
                          format_count(instructions + data)));
  }
  if (const uint64_t left_out = value_or(report, "run.warmup.instructions"); left_out != 0)
    facts.add("warmup", "warm-up",
              fmt::format("{} before, not counted", format_counted(left_out, "instruction")));
  if (value_or(report, "vhpt.crowded") != 0)
    facts.add(
        "warning", "warning",
        fmt::format("the hash reaches {} of the {} slots of the VHPT, where pages drive each other "
                    "out; try ia64.vhpt.hash=folded",
                    format_count(value_or(report, "vhpt.slots.reached")),
                    format_count(value_or(report, "vhpt.slots"))));
  if (report.find("kernel.forks") != nullptr) {
    facts.add(
        "processes", "processes",
        fmt::format(
            "{}, {}, {}, {}",
            format_counted(
                value_or(report, "kernel.forks") + value_or(report, "kernel.forks.shared"), "fork"),
            format_counted(value_or(report, "kernel.execs"), "program started", "programs started"),
            format_counted(value_or(report, "kernel.exits"), "exit"),
            format_counted(value_or(report, "kernel.switches"), "thread switch",
                           "thread switches")));
  }
  facts.add("note", "note", heading.note);
  return facts;
}

// What counts are, and over what, comes from the report.
Column name_column(const char* key) {
  return {.key = key, .align = Column::Align::Left, .names = true};
}
Column count_column(const char* key, const char* title, const char* unit) {
  return {.key = key, .title = title, .unit = unit};
}
Column per_instructions_column() {
  return {
      .key = "per_1000_instructions", .title = "per 1000 instr", .unit = "per 1000 instructions"};
}
Ratio per_instructions(uint64_t count, const Report& report) {
  return {count, value_or(report, "run.instructions"), Ratio::As::PerThousand};
}

// Every array that counts tlb.X.lookups and tlb.X.misses, in the report's order.
Table tlbs_of(const Report& report) {
  constexpr std::string_view kPrefix = "tlb.";
  constexpr std::string_view kSuffix = ".lookups";
  Table table{.id = "tlbs",
              .title = "TLB",
              .columns = {name_column("tlb"), count_column("lookups", "lookups", "lookups"),
                          count_column("misses", "misses", "lookups"),
                          count_column("miss_rate", "miss rate", "misses per look-up"),
                          per_instructions_column()}};
  for (const Counter& counter : report.counters()) {
    const std::string_view name = counter.name;
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    const std::string_view array = name.substr(0, name.size() - kSuffix.size());
    const Counter* misses = report.find(fmt::format("{}.misses", array));
    if (misses == nullptr) continue;
    table.row({std::string(array.substr(kPrefix.size())), counter.value, misses->value,
               Ratio{misses->value, counter.value, Ratio::As::Share},
               per_instructions(misses->value, report)});
  }
  return table;
}

// Walks, and where they began: every walker.X with denominator walker.walks that counts walks.
Table walks_of(const Report& report) {
  Table table{
      .id = "walks",
      .title = "Page walks",
      .columns = {name_column("what"), count_column("count", "count", ""),
                  count_column("per_walk", "per walk", "per walk"), per_instructions_column()}};
  const Counter* walks = report.find("walker.walks");
  if (walks == nullptr) return table;
  const auto row = [&](const std::string& label, uint64_t count, unsigned depth = 0) {
    table.row({label, count, Ratio{count, walks->value}, per_instructions(count, report)}, depth);
  };
  row("walks", walks->value);
  for (const Counter& counter : report.counters()) {
    const std::string_view name = counter.name;
    if (!name.starts_with("walker.") || counter.value == 0) continue;
    constexpr std::string_view kCacheHits = "_cache_hits";
    if (name.ends_with(kCacheHits)) {
      const std::string_view entry = name.substr(7, name.size() - 7 - kCacheHits.size());
      row(fmt::format("begun below a cached {}", entry), counter.value, 1);
    }
  }
  if (const Counter* root = report.find("walker.from_root"))
    row("begun at the root", root->value, 1);
  if (const Counter* loads = report.find("walker.loads")) row("entries read", loads->value);
  if (const Counter* updates = report.find("walker.updates"))
    row("entries written (A/D bits)", updates->value);
  return table;
}

// Those who made references that went through the memory model.
std::vector<const Counter*> referrers_of(const Report& report) {
  std::vector<const Counter*> who;
  for (const Counter& counter : report.counters())
    if (counter.name.starts_with("refs.") && counter.name.find('.', 5) == std::string::npos &&
        counter.value != 0)
      who.push_back(&counter);
  return who;
}

Table references_of(const Report& report) {
  Table table{.id = "references",
              .title = "Memory references",
              .columns = {name_column("by"), count_column("reads", "reads", "references"),
                          count_column("writes", "writes", "references"),
                          count_column("cycles", "cycles", "cycles")}};
  for (const Counter* const who : referrers_of(report)) {
    const auto part = [&](const char* name) {
      return value_or(report, fmt::format("{}.{}", who->name, name));
    };
    const uint64_t cycles = part("cycles");
    table.row({who->name.substr(5), part("reads"), part("writes"),
               cycles == 0 ? Value(Unknown{}) : Value(cycles)});
  }
  return table;
}

// With caches: which of them served what share of each one's.
Table served_of(const Report& report) {
  const auto share = [](const char* key, const char* title) {
    return count_column(key, title, "of the references");
  };
  Table table{.id = "served",
              .title = "Served by",
              .columns = {name_column("by"), share("l1", "L1"), share("l1i", "L1 instr"),
                          share("l2", "L2"), share("l3", "L3"), share("memory", "memory")}};
  if (report.find("refs.user.served.l1") == nullptr) return table;
  for (const Counter* const who : referrers_of(report)) {
    std::vector<Value> cells{who->name.substr(5)};
    for (const Column& column : std::span(table.columns).subspan(1))
      cells.emplace_back(Ratio{value_or(report, fmt::format("{}.served.{}", who->name, column.key)),
                               who->value, Ratio::As::Share});
    table.row(std::move(cells));
  }
  return table;
}

struct Line {
  const char* counter;
  const char* label;
  bool always;  // also where it is 0
  unsigned depth = 0;
};

Table list_of(const char* id, const char* title, std::span<const Line> lines,
              const Report& report) {
  Table table{.id = id,
              .title = title,
              .columns = {{.key = "counter", .readers = Column::For::Programs},
                          name_column("what"),
                          count_column("value", "", ""),
                          {.key = "unit", .readers = Column::For::Programs},
                          count_column("per_1000_instructions", "", "per 1000 instr")}};
  for (const Line& line : lines) {
    const Counter* counter = report.find(line.counter);
    if (counter == nullptr || (counter->value == 0 && !line.always)) continue;
    const bool bytes = counter->unit == "bytes";
    const Ratio rate = per_instructions(counter->value, report);
    table.row(
        {counter->name, line.label, bytes ? Value(Bytes{counter->value}) : Value(counter->value),
         counter->unit, bytes || counter->value == 0 || rate.whole == 0 ? Value() : Value(rate)},
        line.depth);
  }
  return table;
}

constexpr Line kKernelLines[] = {
    {"mmu.faults", "page faults, entries of", true},
    {"mmu.faults.instructions", "instructions of entries", false, 1},
    {"kernel.faults.minor", "minor faults", true},
    {"kernel.faults.anon", "new page", false, 1},
    {"kernel.faults.anon_zero", "zero page", false, 1},
    {"kernel.faults.file_map", "page of a file", false, 1},
    {"kernel.faults.file_private", "private copy of a file's page", false, 1},
    {"kernel.faults.shared_write", "write to shared memory", false, 1},
    {"kernel.faults.cow_copy", "copy on write", false, 1},
    {"kernel.faults.cow_reuse", "write to what was shared before", false, 1},
    {"kernel.faults.cow_zero", "write to the zero page", false, 1},
    {"kernel.faults.spurious", "spurious", false, 1},
    {"kernel.faults.major", "major faults", false},
    {"kernel.refused", "faults refused", false},
    {"kernel.refused.no_place", "no place in the page table", false, 1},
    {"kernel.refused.no_huge_page", "no huge page left", false, 1},
    {"kernel.no_memory", "faults without memory", false},
    {"kernel.calls.left_out", "calls of unknown kinds, left out", false},
    {"kernel.ignored.unsupported", "events not modelled, left out", false},
    {"kernel.thp.impossible", "MADV_COLLAPSE this page table cannot do", false},
    {"kernel.forks.entries", "entries copied by forks", false},
    {"kernel.rss.total_peak", "resident memory, peak", true},
    {"kernel.page_tables.peak", "page tables, peak", true},
    {"kernel.implied.pages", "pages in implied areas", false},
};

constexpr Line kFlushLines[] = {
    {"switch.loads", "address-space switches", false},
    {"switch.pcid_kept", "that kept their translations", false, 1},
    {"flush.by_page", "flushes page by page", true},
    {"flush.full", "flushes of an address space", true},
    {"flush.deferred", "left for the next switch", false, 1},
    {"mmu.flushed_pages", "pages taken out of TLBs", true},
    {"mmu.emptied", "TLBs emptied", true},
    {"flush.interrupts", "flush interrupts", false},
};

constexpr Line kCycleLines[] = {
    {"mmu.miss_cycles", "TLB misses", true},
    {"mmu.cycles.next_level", "answered by the next level", false, 1},
    {"mmu.cycles.walks", "walks, beside references", false, 1},
    {"mmu.cycles.walker", "references of the walker", false, 1},
    {"mmu.cycles.traps", "traps", false, 1},
    {"mmu.cycles.instructions", "instructions of handlers", false, 1},
    {"mmu.cycles.handler", "references of handlers", false, 1},
    {"mmu.cycles.faults", "entries of page faults", true},
    {"mmu.cycles.kernel", "references of the kernel", true},
    {"mmu.cycles.flushes", "flushes", true},
    {"mmu.cycles.interrupts", "interrupts", false},
    {"mmu.cycles.broadcasts", "broadcasts", false},
    {"mmu.cycles", "all", true},
};

constexpr Line kCpuLines[] = {
    {"sched.cpus", "CPUs", true},
    {"sched.turns", "turns of threads", true},
    {"sched.moved", "on another CPU than their last", true, 1},
    {"kernel.switches", "switches to another thread", true},
    {"kernel.switches.cycles", "cycles", true, 1},
    {"mmu.interrupts", "interrupts to make others flush", true},
    {"mmu.broadcasts", "purges the hardware broadcast", false},
    {"flush.idle_spared", "idle CPUs left alone", false},
    {"flush.idle_caught_up", "that flushed when they came back", false, 1},
};

constexpr Line kShadowLines[] = {
    {"shadow.lookups", "faults shown to the page table", false},
    {"shadow.fills", "that it answered", false, 1},
    {"shadow.preloads", "entries put in by the kernel's faults", false},
    {"shadow.purged", "entries removed by flushes", false},
    {"shadow.dropped", "copies emptied whole", false},
    {"shadow.bytes.peak", "memory of the copies, peak", false},
};

constexpr Line kCheckLines[] = {
    {"check.translations", "translations compared", true},
    {"check.sweeps", "sweeps over all TLBs", true},
    {"check.entries", "TLB entries compared", true},
    {"check.frees", "freed blocks of frames watched", true},
};

}  // namespace

Document replay_document(const Heading& heading, const Report& report) {
  Document document{.kind = "replay",
                    .blocks = {heading_of(heading, report), tlbs_of(report), walks_of(report),
                               references_of(report), served_of(report),
                               list_of("kernel", "Kernel", kKernelLines, report),
                               list_of("flushes", "Switches and flushes", kFlushLines, report)}};
  if (report.find("sched.cpus") != nullptr)
    document.blocks.emplace_back(list_of("cpus", "CPUs", kCpuLines, report));
  document.blocks.emplace_back(list_of("copy", "Copy the hardware walks", kShadowLines, report));
  document.blocks.emplace_back(list_of("cycles", "Cycles of translation", kCycleLines, report));
  document.blocks.emplace_back(list_of("checks", "Checks", kCheckLines, report));
  return document;
}

std::string replay_table(const Heading& heading, const Report& report) {
  constexpr size_t kHeadingWidth = 10;
  constexpr size_t kTlbWidth = 24;
  constexpr size_t kWhoWidth = 18;
  TextLayout layout;
  layout.styles = {{"heading", {.width = kHeadingWidth}},
                   {"tlbs", {.width = kTlbWidth}},
                   {"served", {.width = kWhoWidth}}};
  for (const char* const id :
       {"walks", "references", "kernel", "flushes", "cpus", "copy", "cycles", "checks"})
    layout.styles[id].width = kLabelWidth;
  return text_of(replay_document(heading, report), layout);
}

}  // namespace mmusim::report
