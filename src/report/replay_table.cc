#include "report/replay_table.h"

#include <fmt/format.h>
#include <span>
#include <string_view>
#include <vector>

#include "base/printable.h"
#include "base/units.h"
#include "report/text_table.h"
#include "report/wrap.h"

namespace mmusim::report {
namespace {

using stats::Counter;
using stats::Report;

constexpr size_t kHeadingWidth = 10;

uint64_t value_or(const Report& report, std::string_view name, uint64_t otherwise = 0) {
  const Counter* counter = report.find(name);
  return counter == nullptr ? otherwise : counter->value;
}

// A long command line is cut in the middle of nothing: its beginning says most.
std::string shortened(const std::string& text, size_t width) {
  std::string clean;
  for (const char c : text)
    clean += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  return clean.size() <= width ? clean : clean.substr(0, width - 3) + "...";
}

std::string heading_text(const Heading& heading, const Report& report) {
  std::string text;
  const auto line = [&](const char* label, const std::string& value) {
    if (!value.empty()) text += beside(label, printable(value), kHeadingWidth);
  };
  std::string machine = heading.machine;
  if (!heading.arch.empty()) machine += fmt::format(" ({})", heading.arch);
  if (!heading.page_table.empty()) machine += fmt::format(", page table {}", heading.page_table);
  if (heading.checked) machine += ", every translation checked";
  line("machine", machine);
  line("trace",
       heading.isa.empty() ? heading.trace : fmt::format("{} ({})", heading.trace, heading.isa));
  line("program", shortened(printable(heading.program), kLineWidth - kHeadingWidth));
  if (report.find("run.instructions") != nullptr) {
    const uint64_t instructions = report.value("run.instructions");
    const uint64_t data = value_or(report, "run.loads") + value_or(report, "run.stores") +
                          value_or(report, "run.modifies");
    line("replayed", fmt::format("{} instructions, {} references", format_count(instructions),
                                 format_count(instructions + data)));
  }
  if (value_or(report, "vhpt.crowded") != 0)
    line(
        "warning",
        fmt::format("the hash reaches {} of the {} slots of the VHPT, where pages drive each other "
                    "out; try ia64.vhpt.hash=folded",
                    format_count(value_or(report, "vhpt.slots.reached")),
                    format_count(value_or(report, "vhpt.slots"))));
  if (report.find("kernel.forks") != nullptr) {
    line("processes", fmt::format("{} forks, {} programs started, {} exits, {} thread switches",
                                  format_count(value_or(report, "kernel.forks") +
                                               value_or(report, "kernel.forks.shared")),
                                  format_count(value_or(report, "kernel.execs")),
                                  format_count(value_or(report, "kernel.exits")),
                                  format_count(value_or(report, "kernel.switches"))));
  }
  line("note", heading.note);
  return text;
}

// Every array that counts tlb.X.lookups and tlb.X.misses, in the report's order.
std::string tlb_text(const Report& report) {
  constexpr std::string_view kPrefix = "tlb.";
  constexpr std::string_view kSuffix = ".lookups";
  constexpr size_t kTlbWidth = 24;
  TextTable table({"TLB", "lookups", "misses", "miss rate", "per 1000 instr"}, kTlbWidth);
  const uint64_t instructions = value_or(report, "run.instructions");
  for (const Counter& counter : report.counters()) {
    const std::string_view name = counter.name;
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    const std::string_view array = name.substr(0, name.size() - kSuffix.size());
    const Counter* misses = report.find(fmt::format("{}.misses", array));
    if (misses == nullptr) continue;
    table.row({std::string(array.substr(kPrefix.size())), format_count(counter.value),
               format_count(misses->value), percent(misses->value, counter.value),
               per_thousand(misses->value, instructions)});
  }
  return table.empty() ? "" : "\n" + table.text();
}

// Walks, and where they began: every walker.X with denominator walker.walks that counts walks.
std::string walk_text(const Report& report) {
  const Counter* walks = report.find("walker.walks");
  if (walks == nullptr) return "";
  TextTable table({"Page walks", "count", "per walk", "per 1000 instr"}, kLabelWidth);
  const uint64_t instructions = value_or(report, "run.instructions");
  const auto row = [&](const std::string& label, uint64_t count) {
    table.row({label, format_count(count), per_one(count, walks->value),
               per_thousand(count, instructions)});
  };
  row("walks", walks->value);
  for (const Counter& counter : report.counters()) {
    const std::string_view name = counter.name;
    if (!name.starts_with("walker.") || counter.value == 0) continue;
    constexpr std::string_view kCacheHits = "_cache_hits";
    if (name.ends_with(kCacheHits)) {
      const std::string_view entry = name.substr(7, name.size() - 7 - kCacheHits.size());
      row(fmt::format("  begun below a cached {}", entry), counter.value);
    }
  }
  if (const Counter* root = report.find("walker.from_root"))
    row("  begun at the root", root->value);
  if (const Counter* loads = report.find("walker.loads")) row("entries read", loads->value);
  if (const Counter* updates = report.find("walker.updates")) {
    row("entries written (A/D bits)", updates->value);
  }
  return "\n" + table.text();
}

// Who made the references that went through the memory model, and, with caches, which of them
// served what share of each.
std::string reference_text(const Report& report) {
  constexpr size_t kWhoWidth = 18;
  const bool cached = report.find("refs.user.served.l1") != nullptr;
  TextTable table({"Memory references", "reads", "writes", "cycles"}, kLabelWidth);
  TextTable served({"Served by", "L1", "L1 instr", "L2", "L3", "memory"}, kWhoWidth);
  for (const Counter& counter : report.counters()) {
    const std::string_view name = counter.name;
    if (!name.starts_with("refs.") || name.find('.', 5) != std::string_view::npos) continue;
    if (counter.value == 0) continue;
    const std::string who(name.substr(5));
    const uint64_t cycles = value_or(report, fmt::format("{}.cycles", name));
    table.row({who, format_count(value_or(report, fmt::format("{}.reads", name))),
               format_count(value_or(report, fmt::format("{}.writes", name))),
               cycles == 0 ? "-" : format_count(cycles)});
    std::vector<std::string> shares{who};
    for (const char* part : {"l1", "l1i", "l2", "l3", "memory"})
      shares.push_back(
          percent(value_or(report, fmt::format("{}.served.{}", name, part)), counter.value));
    served.row(shares);
  }
  if (table.empty()) return "";
  return "\n" + table.text() + (cached ? "\n" + served.text() : "");
}

struct Line {
  const char* counter;
  const char* label;
  bool always;  // also where it is 0
};

std::string list_text(const char* title, std::span<const Line> lines, const Report& report) {
  TextTable table({title, "", ""}, kLabelWidth);
  const uint64_t instructions = value_or(report, "run.instructions");
  for (const Line& line : lines) {
    const Counter* counter = report.find(line.counter);
    if (counter == nullptr || (counter->value == 0 && !line.always)) continue;
    const bool bytes = counter->unit == "bytes";
    const std::string rate = per_thousand(counter->value, instructions);
    table.row({line.label, bytes ? readable_bytes(counter->value) : format_count(counter->value),
               bytes || counter->value == 0 || rate == "-" ? "" : rate + " per 1000 instr"});
  }
  return table.empty() ? "" : "\n" + table.text();
}

constexpr Line kKernelLines[] = {
    {"mmu.faults", "page faults, entries of", true},
    {"mmu.faults.instructions", "  instructions of entries", false},
    {"kernel.faults.minor", "minor faults", true},
    {"kernel.faults.anon", "  new page", false},
    {"kernel.faults.anon_zero", "  zero page", false},
    {"kernel.faults.file_map", "  page of a file", false},
    {"kernel.faults.file_private", "  private copy of a file's page", false},
    {"kernel.faults.shared_write", "  write to shared memory", false},
    {"kernel.faults.cow_copy", "  copy on write", false},
    {"kernel.faults.cow_reuse", "  write to what was shared before", false},
    {"kernel.faults.cow_zero", "  write to the zero page", false},
    {"kernel.faults.spurious", "  spurious", false},
    {"kernel.faults.major", "major faults", false},
    {"kernel.refused", "faults refused", false},
    {"kernel.refused.no_place", "  no place in the page table", false},
    {"kernel.refused.no_huge_page", "  no huge page left", false},
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
    {"switch.pcid_kept", "  that kept their translations", false},
    {"flush.by_page", "flushes page by page", true},
    {"flush.full", "flushes of an address space", true},
    {"flush.deferred", "  left for the next switch", false},
    {"mmu.flushed_pages", "pages taken out of TLBs", true},
    {"mmu.emptied", "TLBs emptied", true},
    {"flush.interrupts", "flush interrupts", false},
};

constexpr Line kCycleLines[] = {
    {"mmu.miss_cycles", "TLB misses", true},
    {"mmu.cycles.next_level", "  answered by the next level", false},
    {"mmu.cycles.walks", "  walks, beside references", false},
    {"mmu.cycles.walker", "  references of the walker", false},
    {"mmu.cycles.traps", "  traps", false},
    {"mmu.cycles.instructions", "  instructions of handlers", false},
    {"mmu.cycles.handler", "  references of handlers", false},
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
    {"sched.moved", "  on another CPU than their last", true},
    {"kernel.switches", "switches to another thread", true},
    {"kernel.switches.cycles", "  cycles", true},
    {"mmu.interrupts", "interrupts to make others flush", true},
    {"mmu.broadcasts", "purges the hardware broadcast", false},
    {"flush.idle_spared", "idle CPUs left alone", false},
    {"flush.idle_caught_up", "  that flushed when they came back", false},
};

constexpr Line kShadowLines[] = {
    {"shadow.lookups", "faults shown to the page table", false},
    {"shadow.fills", "  that it answered", false},
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

std::string replay_table(const Heading& heading, const Report& report) {
  return heading_text(heading, report) + tlb_text(report) + walk_text(report) +
         reference_text(report) + list_text("Kernel", kKernelLines, report) +
         list_text("Switches and flushes", kFlushLines, report) +
         (report.find("sched.cpus") == nullptr ? "" : list_text("CPUs", kCpuLines, report)) +
         list_text("Copy the hardware walks", kShadowLines, report) +
         list_text("Cycles of translation", kCycleLines, report) +
         list_text("Checks", kCheckLines, report);
}

}  // namespace mmusim::report
