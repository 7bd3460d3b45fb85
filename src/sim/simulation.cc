#include "sim/simulation.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/units.h"
#include "kernel/kernel.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "pt/page_table.h"
#include "pt/plugin.h"
#include "sim/architectures.h"
#include "sim/explain.h"
#include "sim/inspect.h"
#include "sim/machine.h"
#include "sim/relocation/trace_source.h"
#include "sim/replay.h"

namespace mmusim::sim {
namespace {

constexpr uint64_t kMostCpus = 64;

std::vector<std::string> names_of(void (*declare)(config::Schema&)) {
  config::Schema schema;
  declare(schema);
  std::vector<std::string> names;
  for (const config::Key& key : schema.keys())
    names.push_back(key.name);
  return names;
}

// A page table under two paths has its keys once; two of the same name cannot both have theirs.
void declare_plugins(config::Schema& schema, const std::vector<std::string>& plugins) {
  std::vector<const pt::Backend*> declared;
  for (const std::string& path : plugins) {
    const pt::Backend& backend = pt::load_plugin(path);
    if (std::find(declared.begin(), declared.end(), &backend) != declared.end()) continue;
    for (const pt::Backend* other : declared)
      if (std::string_view(other->name) == backend.name)
        throw UsageError(path,
                         fmt::format("another plug-in has a page table '{}' too", other->name),
                         "rename one of them");
    backend.declare(schema);
    declared.push_back(&backend);
  }
}

}  // namespace

std::vector<ArchitectureInfo> architectures() {
  std::vector<ArchitectureInfo> result;
  for (const Architecture& a : all_architectures())
    result.push_back(a.info);
  return result;
}

void declare(config::Schema& schema, const std::vector<std::string>& plugins) {
  schema.text("run.trace", "", "The trace (.mmt) to replay.");
  schema.flag("run.check", false,
              "Compare every translation with the page table, and every TLB entry after every "
              "event. Slow.");
  schema.count("run.limit", 0,
               "Stop after about this many instructions, an event counting as one (at the end of a "
               "batch); 0: replay all.");
  schema.flag("run.accept_torn", false,
              "Replay a torn trace up to its last whole chunk instead of refusing it.");
  TraceSource::declare(schema);
  schema.text("machine.name", "default", "What results call the machine.");
  std::vector<std::string> names;
  for (const Architecture& a : all_architectures())
    names.emplace_back(a.info.name);
  schema.choice("machine.arch", names.front(), names, "The architecture of the MMU.");
  schema.number(
      "machine.cpus", 1,
      "CPUs, each with TLBs of its own. Who goes on when is the recording's to say; where, "
      "the scheduler's (sched.*).",
      1, kMostCpus);
  std::vector<std::string> kinds;
  for (const pt::Backend& b : pt::backends())
    kinds.emplace_back(b.name);
  schema.choice_or_path("machine.page_table", kinds.front(), kinds,
                        "The kernel's page table: a name, or the path of a plug-in.");
  mem::FrameMemory::declare(schema);
  mem::ReferenceSink::declare(schema);
  for (const pt::Backend& b : pt::backends())
    b.declare(schema);
  declare_plugins(schema, plugins);
  kernel::Kernel::declare(schema);
  for (const Architecture& a : all_architectures()) {
    const std::vector<std::string> own = names_of(a.declare);
    if (own.empty() || schema.find(own.front()) == nullptr)
      a.declare(schema);  // two may share theirs
  }
}

std::vector<const config::Key*> keys_read(const config::Config& config) {
  std::set<std::string> others;
  for (const Architecture& a : all_architectures())
    for (const std::string& name : names_of(a.declare))
      others.insert(name);
  for (const pt::Backend& b : pt::backends())
    for (const std::string& name : names_of(b.declare))
      others.insert(name);
  for (const auto declare : {architecture_of(config).declare, page_table_backend(config).declare})
    for (const std::string& name : names_of(declare))
      others.erase(name);
  std::vector<const config::Key*> read;
  for (const config::Key& key : config.schema().keys())
    if (others.count(key.name) == 0) read.push_back(&key);
  return read;
}

const pt::Backend& page_table_backend(const config::Config& config) {
  const pt::Backend& backend = pt::find_backend(config.choice("machine.page_table"));
  config::Schema own;
  backend.declare(own);
  for (const config::Key& key : own.keys())
    if (config.schema().find(key.name) == nullptr)
      throw UsageError("machine.page_table",
                       fmt::format("the key '{}' of this plug-in was not declared", key.name),
                       "give its path to sim::declare()");
  return backend;
}

bool hardware_reads(const pt::Factory& factory, const pt::RadixGeometry& geometry) {
  const pt::RadixGeometry* const actual = factory.hardware_walkable();
  return actual != nullptr && *actual == geometry;
}

void check_reach(const pt::Factory& factory, const mmu::AddressLayout& layout, const char* arch) {
  if (factory.can_map(layout.top - 1)) return;
  throw UsageError(
      "machine.page_table",
      fmt::format("this page table cannot map the user addresses of {}, which go up to {:#x}", arch,
                  layout.top.value() - 1),
      "give it more levels or bits");
}

std::optional<PageShift> huge_page(const pt::RadixGeometry& geometry) {
  if (geometry.size() < 2 || !geometry[1].leaf_allowed) return std::nullopt;
  return PageShift(geometry[1].shift);
}

namespace {

void require_trace(const config::Config& config) {
  if (config.text("run.trace").empty()) {
    throw UsageError("run.trace", "no trace is named",
                     "give one on the command line, or run.trace in the config");
  }
}

}  // namespace

ReplayResult replay(const config::Config& config, const ReplayOptions& options) {
  require_trace(config);
  return architecture_of(config).replay(config, options);
}

std::string Moment::text() const {
  return fmt::format("process {} after {} {}", pid.value(),
                     format_count(script != nullptr ? steps : instructions),
                     script != nullptr ? "steps" : "instructions");
}

Moment find_moment(const config::Config& config, const Choice& choice,
                   const ReplayOptions& options) {
  if (choice.script == nullptr) require_trace(config);
  return architecture_of(config).find_moment(config, choice, options);
}

void inspect(const config::Config& config, const Moment& moment, const ReplayOptions& options,
             const Inspection& look) {
  architecture_of(config).inspect(config, moment, options, look);
}

Explanation explain(const config::Config& config, const Moment& moment, const Question& question,
                    const ReplayOptions& options) {
  return architecture_of(config).explain(config, moment, question, options);
}

Explanation explain_miss(const config::Config& config, const workload::Plan* script,
                         const MissQuestion& question, const ReplayOptions& options,
                         Moment& moment) {
  if (script == nullptr) require_trace(config);
  return architecture_of(config).explain_miss(config, script, question, options, moment);
}

void inspect_set(const config::Config& config, const PageSet& set, const Inspection& look) {
  architecture_of(config).inspect_set(config, set, look);
}

stats::Report catalog(const config::Config& config) {
  return architecture_of(config).catalog(config);
}

void report_totals(const trace::Totals& totals, stats::Report& report) {
  report.add("run.instructions", totals.instructions, "instructions", "Instructions replayed.");
  report.add("run.blocks", totals.blocks, "blocks",
             "Block records replayed: straight runs of instructions.");
  report.add("run.loads", totals.loads, "accesses", "Loads replayed.", "run.instructions");
  report.add("run.stores", totals.stores, "accesses", "Stores replayed.", "run.instructions");
  report.add("run.modifies", totals.modifies, "accesses",
             "Read-modify-writes replayed; each is one access.", "run.instructions");
  report.add("run.events", totals.events, "events",
             "Events replayed: system calls, forks, execs, exits.");
}

void LoopCounters::report(stats::Report& report) const {
  report.add(
      "access.fetches", fetches, "lookups",
      "TLB look-ups for instruction fetches: one per instruction, two if it straddles pages.");
  report.add("access.data", data_accesses, "lookups",
             "TLB look-ups for data: one per load, store or read-modify-write, two if it straddles "
             "pages.");
  report.add("access.straddles", straddles, "accesses",
             "Fetches and data accesses that straddled pages.");
  report.add("access.refused", refused, "lookups",
             "Look-ups whose fault the kernel refused; the access was skipped.");
  report.add("access.retries", retries, "lookups",
             "Look-ups repeated after a page fault was fixed; not among the other look-ups.");
  if (instructions.size() < 2) return;
  for (size_t cpu = 0; cpu < instructions.size(); ++cpu)
    report.add(fmt::format("run.instructions.cpu{}", cpu), instructions[cpu], "instructions",
               "Instructions of threads while they ran on that CPU.", "run.instructions");
}

}  // namespace mmusim::sim
