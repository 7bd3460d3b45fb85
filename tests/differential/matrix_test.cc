// Every machine over every page table, whatever the architecture: a cell of the matrix is a machine
// of configs/machines, or one of them with the settings of a file of variants/, and a page table.
//
// In each cell, whatever makes replay fast gives the same counts as the plain way: a trace taken
// block by block (Fast), only what a sieve keeps of it (Sifted), from its page streams where the
// machine can (run.stream), reference by reference (Exact), and with each translation compared with
// the page table (Full, under run.check) reports the same numbers, each and every one. And what the
// kernel does is the same over each page table.
#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/error.h"
#include "pt/page_table.h"
#include "random_history.h"
#include "sim/machine_options.h"
#include "sim/replay_all.h"
#include "sim/simulation.h"
#include "sim/workload/script.h"
#include "sim/workload/script_config.h"
#include "tests/backends.h"
#include "tests/effort.h"
#include "tests/machine_files.h"
#include "trace/cut.h"
#include "trace/reader.h"

namespace mmusim::sim {
namespace {

namespace fs = std::filesystem;
using Counters = std::map<std::string, uint64_t>;

const fs::path kScripts = MMUSIM_SOURCE_DIR "/workloads/scripts";
const char* const kTrace = MMUSIM_SOURCE_DIR "/workloads/traces/pipeline.mmt";

constexpr unsigned kSteps = tests::kWholeEffort ? 160 : 40;   // of a history
constexpr size_t kOneScriptIn = tests::kWholeEffort ? 1 : 5;  // that a cell runs

struct Target : tests::MachineFiles {};
void PrintTo(const Target& target, std::ostream* out) {
  *out << target.name;
}

std::vector<Target> targets() {
  std::vector<Target> all;
  for (tests::MachineFiles& machine : tests::machine_files())
    all.push_back({std::move(machine)});
  return all;
}

config::Config config_of(const config::Schema& schema, const Target& target,
                         const std::string& backend) {
  config::Config config(schema);
  for (const fs::path& file : target.configs)
    config.load(file);
  config.set("machine.page_table", backend, "test");
  return config;
}

std::vector<Target> one_of_each_architecture() {
  config::Schema schema;
  declare(schema);
  std::map<std::string, Target> by_name;
  for (const Target& target : targets())
    by_name.try_emplace(config_of(schema, target, "mlpt").choice("machine.arch"), target);
  std::vector<Target> all;
  for (const auto& [name, target] : by_name)
    all.push_back(target);
  return all;
}

// All counters but the checker's own.
Counters counters_of(const stats::Report& report) {
  Counters counters;
  for (const stats::Counter& counter : report.counters())
    if (!counter.name.starts_with("check.")) counters[counter.name] = counter.value;
  return counters;
}

class Replays : public testing::Test {
 protected:
  Replays() { declare(schema_); }

  [[nodiscard]] Counters run(const Target& target, const std::string& backend,
                             const std::string& trace, ReplayMode mode,
                             const char* relocate = "auto") const {
    config::Config config = config_of(schema_, target, backend);
    config.set("run.relocate", relocate, "test");
    config.set("run.trace", trace, "test");
    config.set("run.check", mode == ReplayMode::Full ? "true" : "false", "test");
    config.set("run.stream", "full", "test");
    ReplayOptions options;
    options.mode = mode;
    return counters_of(replay(config, options).report);
  }
  // From page streams, wherever machine and trace allow it, whether they pay or not.
  [[nodiscard]] static ReplayResult from_pages(config::Config& config) {
    config.set("run.stream", "pages", "test");
    try {
      return replay(config, {});
    } catch (const Error& error) {
      const std::string why = error.what();
      if (why.find("needs every reference") == std::string::npos &&
          why.find("no page stream") == std::string::npos)
        throw;
    }
    config.set("run.stream", "auto", "test");
    return replay(config, {});
  }
  [[nodiscard]] ReplayResult run_pages(const Target& target, const std::string& backend,
                                       const std::string& trace,
                                       const char* relocate = "auto") const {
    config::Config config = config_of(schema_, target, backend);
    config.set("run.relocate", relocate, "test");
    config.set("run.trace", trace, "test");
    return from_pages(config);
  }

  config::Schema schema_;
};

// A machine's cells, in one test: what they do alike is done once.
struct Row {
  Target target;
  std::vector<std::string> backends;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << row.target.name;
}

class Matrix : public Replays, public testing::WithParamInterface<Row> {
 protected:
  [[nodiscard]] const Target& target() const { return GetParam().target; }

  void expect_same_all_ways(const std::string& trace) {
    const Counters over_mlpt = run(target(), "mlpt", trace, ReplayMode::Fast);
    for (const std::string& backend : GetParam().backends) {
      SCOPED_TRACE(backend);
      const Counters fast =
          backend == "mlpt" ? over_mlpt : run(target(), backend, trace, ReplayMode::Fast);
      EXPECT_EQ(fast, run(target(), backend, trace, ReplayMode::Exact));
      EXPECT_EQ(fast, run(target(), backend, trace, ReplayMode::Sifted));
      EXPECT_EQ(fast, run(target(), backend, trace, ReplayMode::Full));
      EXPECT_EQ(fast, counters_of(run_pages(target(), backend, trace).report));
      misses_[backend] += fast.at("mmu.last.data_misses");
      pool_faults_ += fast.at("kernel.faults.hugetlb");
      expect_kernel_as_over_mlpt(fast, over_mlpt);
    }
  }

  // The program and the kernel do not see which page table there is: same faults, same flushes. But
  // for how tables are freed and how a flush that frees some is carried out, what is set aside for
  // splitting huge pages, and for faults retried because of a software copy of the table. A
  // superpage is one entry or many (kernel.thp.sizes), which forks copy.
  void expect_kernel_as_over_mlpt(const Counters& counters, const Counters& over_mlpt) const {
    // PAE: a radix table has page directories from the start, so that a process that never had a
    // page has tables to free, and a flush for them.
    const config::Config config = config_of(schema_, target(), "mlpt");
    // What is copied into superpages hangs on where frames lie, in which tables have a part.
    const std::string policy = config.choice("kernel.superpage.policy");
    if (policy == "promote" || policy == "online") return;
    const bool pae =
        config.choice("machine.arch") == std::string("i386") && config.number("paging.levels") == 3;
    for (const auto& [name, value] : over_mlpt) {
      const bool of_kernel = name.starts_with("kernel.");
      const bool of_tables =
          name.find("page_tables") != std::string::npos ||
          name.find("range_pages") != std::string::npos ||
          name.find("deposited") != std::string::npos || name.find("retr") != std::string::npos ||
          (!config.text("kernel.thp.sizes").empty() && name.starts_with("kernel.forks."));
      if (of_kernel && !of_tables && !(pae && name == "kernel.flushes.mm")) {
        EXPECT_EQ(value, counters.at(name)) << name;
      }
    }
  }

  void expect_misses_above(uint64_t least) const {
    for (const auto& [backend, misses] : misses_)
      EXPECT_GT(misses, least) << backend << ": this is too tame to test anything";
  }

  [[nodiscard]] uint64_t pool_faults() const { return pool_faults_; }

 private:
  std::map<std::string, uint64_t> misses_;  // by page table
  uint64_t pool_faults_ = 0;
};

TEST_P(Matrix, RandomHistoriesCountTheSameEitherWay) {
  const config::Config config = config_of(schema_, target(), "mlpt");
  const Architecture& architecture = architecture_of(config);
  const mmu::AddressLayout layout = architecture.layout(config);
  const fs::path path =
      fs::temp_directory_path() / ("mmusim_matrix_" + std::to_string(getpid()) + ".mmt");
  for (uint64_t seed = 31; seed <= 32 && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    differential::RandomHistory(seed, differential::places_of(architecture.name, layout))
        .write(path, kSteps);
    expect_same_all_ways(path);
  }
  expect_misses_above(3u * kSteps);
  const bool has_pool = !layout.huge_region.range.empty();
  EXPECT_EQ(pool_faults() > 10, has_pool);
  fs::remove(path);
}

// At addresses of another machine, most of which no event tells of.
TEST_P(Matrix, MovedHistoriesCountTheSameEitherWay) {
  const fs::path path =
      fs::temp_directory_path() / ("mmusim_moved_" + std::to_string(getpid()) + ".mmt");
  for (uint64_t seed = 41; seed <= 43 && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    differential::RandomHistory(seed, differential::places_elsewhere()).write(path, kSteps);
    const std::string& backend = GetParam().backends.at(seed % GetParam().backends.size());
    const Counters fast = run(target(), backend, path, ReplayMode::Fast, "force");
    EXPECT_GT(fast.at("relocation.areas"), kSteps / 2u);
    EXPECT_EQ(fast, run(target(), backend, path, ReplayMode::Exact, "force"));
    EXPECT_EQ(fast, run(target(), backend, path, ReplayMode::Sifted, "force"));
    EXPECT_EQ(fast, counters_of(run_pages(target(), backend, path, "force").report));
  }
  fs::remove(path);
}

TEST_P(Matrix, TheShippedTraceCountsTheSameEitherWay) {
  const fs::path path =
      fs::temp_directory_path() / ("mmusim_matrix_cut_" + std::to_string(getpid()) + ".mmt");
  trace::cut(kTrace, {0, std::max<uint64_t>(3000 * kSteps, 300'000)}, path, {},
             {.pages = trace::PageChoice::Any, .page_percent = 100'000});
  expect_same_all_ways(path);
  expect_misses_above(kSteps / 2u);
  fs::remove(path);
}

// What the comparisons above are worth: machines of each kind are given page streams, those for
// sets where the sets of first levels allow it, and go back to the columns now and then.
TEST_F(Replays, UsePageStreamsWhereTheyCan) {
  const fs::path path =
      fs::temp_directory_path() / ("mmusim_pages_" + std::to_string(getpid()) + ".mmt");
  const std::map<std::string, trace::References> expected = {
      {"skylake-sp", trace::References::Sets}, {"core2", trace::References::Any},
      {"alpha-21264", trace::References::Any}, {"itanium2-madison", trace::References::Any},
      {"ppc970", trace::References::Any},      {"ultrasparc-iii", trace::References::Any}};
  uint64_t fallbacks = 0;
  size_t found = 0;
  for (const Target& target : targets()) {
    const auto kind = expected.find(target.name);
    if (kind == expected.end()) continue;
    ++found;
    const config::Config config = config_of(schema_, target, "mlpt");
    const Architecture& architecture = architecture_of(config);
    differential::RandomHistory(
        31, differential::places_of(architecture.name, architecture.layout(config)))
        .write(path, kSteps);
    const StreamUse use = run_pages(target, "mlpt", path).streams;
    EXPECT_GT(use.chunks.at(static_cast<size_t>(kind->second)), 0u) << target.name;
    fallbacks += use.fallbacks;
    // Moved, each has those for any.
    differential::RandomHistory(31, differential::places_elsewhere()).write(path, kSteps);
    const auto moved = run_pages(target, "mlpt", path, "force").streams.chunks;
    EXPECT_GT(moved.at(static_cast<size_t>(trace::References::Any)), 0u) << target.name;
    EXPECT_EQ(moved.at(static_cast<size_t>(trace::References::Sets)), 0u) << target.name;
    // They serve who they are written for by the instruction set.
    EXPECT_EQ(trace::page_choice_of(architecture.name), kind->second == trace::References::Sets
                                                            ? trace::PageChoice::Sets
                                                            : trace::PageChoice::Any)
        << target.name;
  }
  fs::remove(path);
  EXPECT_EQ(found, expected.size());
  EXPECT_GT(fallbacks, 0u);
}

// Machines of one architecture in a pass over a random history, each of which is to be as alone:
// counters, which streams it took, and how often it went back to the columns. `alone` replays one
// by itself, and may set its keys before. Adds what all took to `sum`. `moved`: the history is of
// another machine, and those of all architectures are in the pass.
class Together : public Replays {
 protected:
  template <class Alone>
  static void expect_each_as_alone(std::vector<config::Config>& configs, Alone alone,
                                   StreamUse& sum) {
    std::vector<const config::Config*> each;
    std::vector<ReplayResult> one_by_one;
    for (config::Config& config : configs) {
      one_by_one.push_back(alone(config));
      each.push_back(&config);
    }
    AllOptions options;
    std::vector<ReplayOutcome> outcomes(configs.size());
    options.done = [&](size_t i, ReplayOutcome&& outcome) { outcomes[i] = std::move(outcome); };
    replay_all(each, options);
    for (size_t i = 0; i < configs.size(); ++i) {
      SCOPED_TRACE(testing::Message() << i << " " << configs[i].text("machine.name"));
      ASSERT_TRUE(outcomes[i].result);
      const ReplayResult& by_itself = one_by_one[i];
      EXPECT_EQ(counters_of(by_itself.report), counters_of(outcomes[i].result->report));
      EXPECT_EQ(by_itself.streams.chunks, outcomes[i].result->streams.chunks);
      EXPECT_EQ(by_itself.streams.fallbacks, outcomes[i].result->streams.fallbacks);
      EXPECT_EQ(by_itself.totals, outcomes[i].result->totals);
      for (size_t kind = 0; kind < sum.chunks.size(); ++kind)
        sum.chunks[kind] += by_itself.streams.chunks[kind];
      sum.fallbacks += by_itself.streams.fallbacks;
    }
  }
  template <class Alone>
  void expect_as_alone(uint64_t seed, Alone alone, StreamUse& sum, bool moved = false) {
    const fs::path path = fs::temp_directory_path() / ("mmusim_together_" + std::to_string(seed) +
                                                       "_" + std::to_string(getpid()) + ".mmt");
    std::map<std::string, std::vector<config::Config>> by_architecture;
    for (const Target& target : targets()) {
      config::Config config = config_of(schema_, target, "mlpt");
      config.set("run.trace", path.string(), "test");
      if (moved) config.set("run.relocate", "force", "test");
      by_architecture[moved ? "all" : config.choice("machine.arch")].push_back(std::move(config));
    }
    for (auto& [name, configs] : by_architecture) {
      const Architecture& architecture = architecture_of(configs.front());
      const auto own =
          differential::places_of(architecture.name, architecture.layout(configs.front()));
      differential::RandomHistory(seed, moved ? differential::places_elsewhere() : own)
          .write(path, kSteps);
      SCOPED_TRACE(name);
      expect_each_as_alone(configs, alone, sum);
    }
    fs::remove(path);
  }
};

// Those given page streams share what is decoded of them and of the columns, and each goes back to
// these when it has to.
TEST_F(Together, FromPageStreams) {
  StreamUse sum;
  expect_as_alone(33, from_pages, sum);
  // What this is worth.
  for (const uint64_t some : sum.chunks)
    EXPECT_GT(some, 0u);
  EXPECT_GT(sum.fallbacks, 100u);
}

// Each chunk is moved once for those that are given all references, and once for the others.
TEST_F(Together, FromMovedPageStreams) {
  StreamUse sum;
  expect_as_alone(36, from_pages, sum, true);
  EXPECT_GT(sum.chunks[static_cast<size_t>(trace::References::All)], 0u);
  EXPECT_GT(sum.chunks[static_cast<size_t>(trace::References::Any)], 0u);
  EXPECT_GT(sum.fallbacks, 100u);
  StreamUse as_it_pays;
  expect_as_alone(
      37, [](config::Config& config) { return replay(config, {}); }, as_it_pays, true);
  EXPECT_GT(as_it_pays.chunks[static_cast<size_t>(trace::References::Any)], 0u);
  // With a limit, which none reaches, the source moves what several batches in a row are made of.
  const auto limited = [](config::Config& config) {
    config.set("run.limit", "1000000000", "test");
    return replay(config, {});
  };
  StreamUse from_columns;
  for (const uint64_t seed : {36, 37, 38})
    expect_as_alone(seed, limited, from_columns, true);
}

// Left to itself a machine takes page streams where that pays, whoever else is in the pass, where
// batches of blocks may be sifted.
TEST_F(Together, AsItPays) {
  StreamUse sum;
  expect_as_alone(
      35, [](config::Config& config) { return replay(config, {}); }, sum);
  for (const uint64_t some : sum.chunks)
    EXPECT_GT(some, 0u);
}

// Where some take all of a chunk, those with its page stream are given the same references from the
// columns, and tell what they would have been given.
TEST_F(Together, WithOthersThatTakeTheColumns) {
  const fs::path path =
      fs::temp_directory_path() / ("mmusim_columns_" + std::to_string(getpid()) + ".mmt");
  trace::cut(kTrace, {0, 600'000}, path, {},
             {.chunk_bytes = 32 << 10, .pages = trace::PageChoice::Any, .page_percent = 100'000});
  std::vector<config::Config> configs;
  for (const Target& target : targets()) {
    config::Config config = config_of(schema_, target, "mlpt");
    configs.push_back(std::move(config));
    configs.back().set("run.trace", path.string(), "test");
  }
  StreamUse sum;
  expect_each_as_alone(
      configs, [](config::Config& config) { return replay(config, {}); }, sum);
  fs::remove(path);
  for (const uint64_t some : sum.chunks)
    EXPECT_GT(some, 0u);
  EXPECT_GT(sum.fallbacks, 0u);
}

// Left to itself a replay takes page streams where that pays: who seldom goes back to the columns
// from the first chunk on, others when a chunk of columns has shown that they would not have to.
TEST_F(Replays, TakesPageStreamsWhereTheyPay) {
  const fs::path path =
      fs::temp_directory_path() / ("mmusim_pays_" + std::to_string(getpid()) + ".mmt");
  trace::cut(kTrace, {0, 600'000}, path, {},
             {.chunk_bytes = 32 << 10, .pages = trace::PageChoice::Any, .page_percent = 100'000});
  std::map<std::string, std::array<uint64_t, 3>> chunks;
  for (const Target& target : targets()) {
    if (target.name != "skylake-sp" && target.name != "itanium2-madison" &&
        target.name != "alpha-21164")
      continue;
    config::Config config = config_of(schema_, target, "mlpt");
    config.set("run.trace", path.string(), "test");
    config.set("run.relocate", "off", "test");
    const auto take = [&](const std::string& name) {
      config.set("run.stream", "auto", "test");
      const ReplayResult taken = replay(config, {});
      chunks[name] = taken.streams.chunks;
      config.set("run.stream", "full", "test");
      EXPECT_EQ(counters_of(taken.report), counters_of(replay(config, {}).report)) << name;
    };
    take(target.name);
    if (target.name != "alpha-21164") continue;
    config.set("alpha.itb.replacement", "lru", "test");
    config.set("alpha.dtb.replacement", "lru", "test");
    take("alpha-21164 with LRU");
  }
  fs::remove(path);
  ASSERT_EQ(chunks.size(), 4u);
  const auto all = static_cast<size_t>(trace::References::All);
  EXPECT_EQ(chunks["skylake-sp"][all], 0u);
  EXPECT_GE(chunks["itanium2-madison"][all], 1u);
  EXPECT_GT(chunks["itanium2-madison"][static_cast<size_t>(trace::References::Any)], 5u);
  // Its handler loads through the same TLB, which matters where victims hang on the order of uses,
  // and else does not.
  EXPECT_GT(chunks["alpha-21164 with LRU"][all], 5u);
  EXPECT_GT(chunks["alpha-21164"][static_cast<size_t>(trace::References::Any)], 5u);
}

// Every workload script on one machine of each architecture.
class ScriptMatrix : public Replays,
                     public testing::WithParamInterface<std::tuple<Target, std::string>> {
 protected:
  Target target_ = std::get<0>(GetParam());
  std::string backend_ = std::get<1>(GetParam());
};

// Checked throughout: a translation that is stale, or a frame left over at the end, is an error.
TEST_P(ScriptMatrix, EveryScriptPassesTheChecks) {
  // Where a sanitizer makes all slow each cell runs one script in so many, and neighbours others.
  const std::string cell = target_.name + backend_;
  size_t turn = std::accumulate(cell.begin(), cell.end(), size_t{0});
  for (const fs::path& script : tests::files_of(kScripts)) {
    if (script.extension() != ".workload" || turn++ % kOneScriptIn != 0) continue;
    SCOPED_TRACE(script);
    config::Config config = config_of(schema_, target_, backend_);
    config.set("run.check", "true", "test");
    const workload::Plan plan = workload::unroll(workload::load(script));
    const config::Config as_script = workload::script_config(config, plan);
    try {
      const workload::Simulated simulated =
          architecture_of(config).simulate(as_script, plan, nullptr);
      EXPECT_EQ(simulated.outcome.measures.size(), plan.measures.size());
    } catch (const UsageError& error) {
      // Not every processor has huge pages.
      EXPECT_NE(plan.huge_pages, 0u) << error.what();
      EXPECT_NE(std::string(error.what()).find("has no huge pages"), std::string::npos);
      EXPECT_NE(config.choice("machine.arch"), "x86_64");
    }
  }
}

// Where threads run is not seen by the kernel, but for the switches.
TEST_P(ScriptMatrix, SeveralCpusDoTheSame) {
  std::map<unsigned, Counters> kernel;
  for (const unsigned cpus : {1u, 4u}) {
    config::Config config = config_of(schema_, target_, backend_);
    config.set("run.trace", kTrace, "test");
    config.set("run.limit", std::to_string(3000 * kSteps), "test");
    config.set("machine.cpus", std::to_string(cpus), "test");
    for (const auto& [name, value] : counters_of(replay(config, {}).report))
      if (name.starts_with("kernel.") && !name.starts_with("kernel.switches"))
        kernel[cpus][name] = value;
  }
  EXPECT_EQ(kernel[1], kernel[4]);
}

// What a leaf table of the architecture covers.
uint64_t leaf_span(const config::Config& config) {
  const uint64_t page = architecture_of(config).layout(config).page.bytes();
  const bool narrow =
      config.choice("machine.arch") == std::string("i386") && config.number("paging.levels") == 2;
  return page * (page / (narrow ? 4 : 8));
}

// Where processes share tables, no stale translation is used either, and less is faulted in, if the
// page table can share blocks of that size: a leaf table's span, or with a guarded table any.
TEST_P(ScriptMatrix, SharedTablesPassTheChecks) {
  if (backend_ != "mlpt" && backend_ != "gpt") return;
  uint64_t faults[2];
  for (const bool shared : {false, true}) {
    config::Config config = config_of(schema_, target_, backend_);
    config.set("run.check", "true", "test");
    config.set("kernel.shared_tables", shared ? std::to_string(leaf_span(config)) : "0", "test");
    const workload::Plan plan = workload::unroll(workload::load(kScripts / "database.workload"));
    const workload::Simulated simulated =
        architecture_of(config).simulate(workload::script_config(config, plan), plan, nullptr);
    faults[shared ? 1 : 0] = counters_of(simulated.report).at("kernel.faults.minor");
  }
  EXPECT_LT(faults[1], faults[0]);
}

// Processes that share blocks, of which each then changes something for itself, forks, and ends.
constexpr const char* kSharers = R"(
file big 128M
map a 128M shared file big align 128M
touch a write stride 1M
repeat 4 as i { fork c$i { touch a read stride 1M } }
repeat 4 as i { in c$i { touch a write random i+1 count 60 } }
in c0 {
  protect a[0..64K] read
  touch a read stride 1M
}
in c1 {
  unmap a[33M..34M]
  touch a[40M..48M] write stride 128K
}
in c2 {
  advise a[64M..65M] dontneed
  touch a write stride 2M
  move a[96M..128M] as b
  touch b read stride 512K
}
touch a write random 9 count 80
fork late { touch a read random 10 count 80 }
in c3 {
  fork last { touch a write random 12 count 60 }
  wait last
}
wait c0
wait c2
touch a read stride 512K
in late {
  touch a write stride 512K
  unmap a
}
in c1 {
  touch a[0..32M] read stride 512K
  exec
}
in c3 { touch a read stride 512K }
)";

// Where the hardware walks copies of the kernel's tables, those of shared blocks are shared as they
// are: no stale translation is used, and they are smaller.
TEST(SharedCopies, PassTheChecksAndAreSmaller) {
  config::Schema schema;
  declare(schema);
  const workload::Plan plan = workload::unroll(workload::parse(kSharers, "sharers"));
  const std::set<std::string> names = {"core2",    "pentium4",   "pae-small",     "skylake-sp",
                                       "x86-cpus", "vhpt-short", "itanium-merced"};
  for (const Target& target : targets()) {
    if (!names.contains(target.name)) continue;
    const config::Config config = config_of(schema, target, "gpt");
    const bool x86 = config.choice("machine.arch") != std::string("ia64");
    SCOPED_TRACE(target.name);
    const std::string copies = x86 ? "shadow." : "linear.";
    Counters counters[2];
    for (const bool shared : {false, true}) {
      config::Config one = config_of(schema, target, "gpt");
      one.set("run.check", "true", "test");
      one.set("sched.quantum", "0", "test");  // of some variants; a script has no instructions
      one.set("kernel.shared_tables", shared ? std::to_string(leaf_span(one)) : "0", "test");
      const workload::Simulated simulated =
          architecture_of(one).simulate(workload::script_config(one, plan), plan, nullptr);
      counters[shared ? 1 : 0] = counters_of(simulated.report);
    }
    EXPECT_EQ(counters[0].at(copies + "joined"), 0u);
    EXPECT_GT(counters[1].at(copies + "joined"), 8u);
    EXPECT_GT(counters[1].at(copies + "left"), 0u);
    EXPECT_GT(counters[1].at("kernel.page_tables.left"), 3u);
    EXPECT_LT(counters[1].at("mmu.soft.bytes"), counters[0].at("mmu.soft.bytes"));
  }
}

// Hardware that walks the kernel's tables as they are, and remembers some: what one process changes
// for itself in a shared block, or shares no longer, no walk of another's goes astray by.
TEST(NativeWalks, OfSharedTablesPassTheChecks) {
  config::Schema schema;
  declare(schema);
  const workload::Plan plan = workload::unroll(workload::parse(kSharers, "sharers"));
  for (const Target& target : targets()) {
    if (!target.name.ends_with("-native")) continue;
    // Of a guarded table with a top the hardware remembers nothing (src/pt/gpt/README.md).
    for (const auto& [backend, top] : {std::pair{"mlpt", "0"}, {"gpt", "0"}, {"gpt", "5"}}) {
      SCOPED_TRACE(target.name + "/" + backend + ", top " + top);
      config::Config config = config_of(schema, target, backend);
      config.set("run.check", "true", "test");
      config.set("kernel.shared_tables", "32M", "test");
      config.set("sched.quantum", "0", "test");
      config.set("pt.gpt.top", top, "test");
      config.set("pt.mlpt.levels", "12:13:leaf,25:13,38:10", "test");
      if (config.number("paging.levels") == 3)
        config.set("pt.mlpt.levels", "12:13:leaf,25:7", "test");
      const workload::Simulated simulated =
          architecture_of(config).simulate(workload::script_config(config, plan), plan, nullptr);
      const Counters counters = counters_of(simulated.report);
      if (*top == '0') {
        EXPECT_GT(counters.at("walker.table_cache_hits"), 100u);
      } else {
        EXPECT_EQ(counters.at("walker.table_cache_hits"), 0u);
      }
      EXPECT_GT(counters.at("kernel.page_tables.left"), 3u);
      EXPECT_EQ(counters.at("shadow.lookups"), 0u);
    }
  }
}

std::string identifier(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}
std::string name_of_row(const testing::TestParamInfo<Row>& row) {
  return identifier(row.param.target.name);
}
std::string name_of_cell(const testing::TestParamInfo<ScriptMatrix::ParamType>& cell) {
  return identifier(std::get<0>(cell.param).name + ("_" + std::get<1>(cell.param)));
}
// Under a sanitizer every third cell: each machine over one page table or two, each page table
// under a third of the machines.
std::vector<Row> rows() {
  std::vector<Row> all;
  uint64_t turn = 0;
  for (const Target& target : targets()) {
    all.push_back({target, {}});
    for (const std::string& backend : tests::backend_names())
      if (tests::kWholeEffort || turn++ % 3 == 0) all.back().backends.push_back(backend);
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(Machines, Matrix, testing::ValuesIn(rows()), name_of_row);
INSTANTIATE_TEST_SUITE_P(Architectures, ScriptMatrix,
                         testing::Combine(testing::ValuesIn(one_of_each_architecture()),
                                          testing::ValuesIn(tests::backend_names())),
                         name_of_cell);

}  // namespace
}  // namespace mmusim::sim
