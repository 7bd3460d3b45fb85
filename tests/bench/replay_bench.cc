// How fast traces are replayed, beside two yardsticks measured in the same run:
//   bare_loop    the same references as an array of 8-byte records in memory, through the same
//                TLBs, nothing around it;
//   decode_only  the container read to its end, every address looked at, nothing simulated.
// A replay is of all references; "pages" is one from page streams, where machine and trace allow
// it, of a copy of the trace in $TMPDIR that is prepared for it.
// The traces are those of $MMUSIM_BENCH_TRACE, between colons, or the shipped one; the machines
// those of $MMUSIM_BENCH_MACHINES, between commas, or skylake-sp, whose TLBs the bare loop has. The
// bare loop reads at most $MMUSIM_BENCH_RECORDS records (default 256 M, 2 GiB of memory) from the
// beginning of the trace. Rates are references (fetches and data accesses) per second of processor
// time.
//
// At the end the best of all repetitions are put side by side: the rate against the bare loop's,
// what a miss of the last TLB level takes where there are many (all of the replay over their
// number; and the same without what decoding alone takes), the time of a replay from page streams
// beside that of all references, which it should not be above, and the ratio that recorded.txt has;
// where that was better by more than 5 %, it is said. The same lines are what recorded.txt is made
// of.
#include <algorithm>
#include <benchmark/benchmark.h>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

#include "bare_tlb.h"
#include "config/schema.h"
#include "listed.h"
#include "sim/simulation.h"
#include "trace/prepare.h"
#include "trace/reader.h"

namespace mmusim::bench {
namespace {

uint64_t record_limit() {
  const char* limit = std::getenv("MMUSIM_BENCH_RECORDS");
  return limit != nullptr ? std::strtoull(limit, nullptr, 10) : uint64_t{256} << 20;
}

// The trace's references one by one, as 8-byte records. An access to two pages is two records.
std::vector<uint64_t> flatten(const std::string& trace) {
  trace::Reader reader(trace);
  std::vector<uint64_t> records;
  trace::Batch batch;
  const uint64_t limit = record_limit();
  const auto add = [&](uint64_t process, uint64_t address, unsigned bytes, uint64_t kind) {
    constexpr uint64_t kMask = (uint64_t{1} << 48) - 1;
    const uint64_t tag = (process << 48 & ~kFetchBit) | kind;
    records.push_back(tag | (address & kMask));
    if ((address >> 12) != ((address + bytes - 1) >> 12))
      records.push_back(tag | ((address + bytes - 1) & kMask));
  };
  while (records.size() < limit && reader.next(batch)) {
    const uint64_t* address = batch.addresses;
    for (const uint32_t number : batch.blocks) {
      const trace::StaticBlock& block = batch.table[number];
      uint64_t pc = block.start.value();
      unsigned op = 0;
      for (unsigned i = 0; i < block.instructions; ++i) {
        add(batch.thread.pid.value(), pc, block.lengths[i], kFetchBit);
        for (; op < block.mem_ops && block.ops[op].instruction == i; ++op) {
          add(batch.thread.pid.value(), *address++, block.ops[op].bytes, 0);
        }
        pc += block.lengths[i];
      }
    }
  }
  return records;
}

// The best of what was measured of one thing.
struct Best {
  double seconds = 0;  // for a reference
  double misses = 0;   // of the last level, for a reference
};
using Bests = std::map<std::string, Best>;  // "bare_loop", ..., of one trace

double seconds_now() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Runs `once`, which returns how many references it went through, as often as asked.
template <class Once>
void measure(benchmark::State& state, Best& best, Once once) {
  uint64_t references = 0;
  for (auto _ : state) {
    const double begin = seconds_now();
    references = once();
    const double each = (seconds_now() - begin) / static_cast<double>(references);
    best.seconds = best.seconds == 0 ? each : std::min(best.seconds, each);
  }
  state.SetItemsProcessed(static_cast<int64_t>(references) * state.iterations());
}

void bare_loop(benchmark::State& state, const std::string& trace, Best& best) {
  const std::vector<uint64_t> records = flatten(trace);
  measure(state, best, [&] {
    BareMmu mmu;
    mmu.run(records);
    best.misses = static_cast<double>(mmu.counts().l2_misses) / static_cast<double>(records.size());
    return records.size();
  });
}

void decode_only(benchmark::State& state, const std::string& trace, Best& best) {
  measure(state, best, [&] {
    trace::Reader reader(trace);
    trace::Batch batch;
    uint64_t sum = 0;
    uint64_t references = 0;
    while (reader.next(batch)) {
      for (uint64_t i = 0; i < batch.totals.data_accesses(); ++i)
        sum += batch.addresses[i];
      for (const uint32_t number : batch.blocks)
        sum += batch.table[number].start.value();
      references += batch.totals.references();
    }
    benchmark::DoNotOptimize(sum);
    return references;
  });
}

// A copy of a trace with page streams, as long as this lives.
class Prepared {
 public:
  explicit Prepared(const std::string& trace)
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("mmusim_bench_{}_{}.mmt", getpid(), std::hash<std::string>()(trace))) {
    trace::prepare(trace, path_);
  }
  ~Prepared() { std::filesystem::remove(path_); }
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void replay(benchmark::State& state, const std::string& trace, const std::string& machine,
            const char* stream, Best& best) {
  config::Schema schema;
  sim::declare(schema);
  config::Config config(schema);
  config.load(std::string(MMUSIM_SOURCE_DIR "/configs/machines/") + machine + ".cfg");
  config.set("run.trace", trace, "bench");
  config.set("run.stream", stream, "bench");
  measure(state, best, [&] {
    const sim::ReplayResult result = sim::replay(config, {});
    const auto references = static_cast<double>(result.totals.references());
    best.misses = static_cast<double>(result.report.value("mmu.last.fetch_misses") +
                                      result.report.value("mmu.last.data_misses")) /
                  references;
    return result.totals.references();
  });
}

// The ratios of recorded.txt: lines of what was measured and its ratio; the rest of a line is of
// no account, nor is a line that begins with '#'.
std::map<std::string, double> recorded() {
  std::map<std::string, double> ratios;
  std::ifstream file(MMUSIM_SOURCE_DIR "/tests/bench/recorded.txt");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string what;
    double ratio = 0;
    if (words >> what >> ratio && what[0] != '#') ratios[what] = ratio;
  }
  return ratios;
}

// What a replay from page streams is put beside; nothing for others.
std::string of_all_references(const std::string& what) {
  const std::string pages = "pages/";
  return what.starts_with(pages) ? "replay/" + what.substr(pages.size()) : "";
}

void conclude(const std::map<std::string, Bests>& traces) {
  constexpr double kTolerance = 0.05;
  constexpr double kMissBound = 0.01;  // of references, for misses to be what takes the time
  const std::map<std::string, double> before = recorded();
  fmt::print(
      "\n# of the bare loop, in the same run; ns for a miss of the last level, and without "
      "decoding; time beside all references'; recorded\n");
  for (const auto& [trace, bests] : traces) {
    const auto bare = bests.find("bare_loop");
    if (bare == bests.end() || bare->second.seconds == 0) continue;
    const auto decoded = bests.find("decode_only");
    for (const auto& [what, best] : bests) {
      if (what == "bare_loop" || best.seconds == 0) continue;
      const std::string name = trace + "/" + what;
      const double ratio = bare->second.seconds / best.seconds;
      fmt::print("{:<32} {:.3f}", name, ratio);
      if (best.misses > kMissBound) {
        fmt::print("  {:6.0f} ns", 1e9 * best.seconds / best.misses);
        if (decoded != bests.end() && decoded->second.seconds != 0)
          fmt::print(" {:6.0f}", 1e9 * (best.seconds - decoded->second.seconds) / best.misses);
      }
      if (const auto full = bests.find(of_all_references(what));
          full != bests.end() && full->second.seconds != 0) {
        const double beside = best.seconds / full->second.seconds;
        fmt::print("  {:.2f} of {}{}", beside, full->first,
                   beside > 1 + kTolerance ? " SLOWER THAN ALL REFERENCES" : "");
      }
      const auto known = before.find(name);
      if (known == before.end())
        fmt::print("  not recorded");
      else
        fmt::print("  recorded {:.3f}{}", known->second,
                   ratio < known->second * (1 - kTolerance) ? "  SLOWER BY MORE THAN 5 %" : "");
      fmt::print("\n");
    }
  }
}

}  // namespace
}  // namespace mmusim::bench

int main(int argc, char** argv) {
  using namespace mmusim::bench;
  std::map<std::string, Bests> traces;
  for (const std::string& trace :
       listed("MMUSIM_BENCH_TRACE", ':', MMUSIM_SOURCE_DIR "/workloads/traces/pipeline.mmt")) {
    const std::string name = std::filesystem::path(trace).stem().string();
    const auto add = [&](const std::string& what, auto run) {
      Best& best = traces[name][what];
      benchmark::RegisterBenchmark((name + "/" + what).c_str(), [run,
                                                                 &best](benchmark::State& state) {
        run(state, best);
      })->Unit(benchmark::kMillisecond);
    };
    add("bare_loop", [trace](auto& state, Best& best) { bare_loop(state, trace, best); });
    add("decode_only", [trace](auto& state, Best& best) { decode_only(state, trace, best); });
    for (const std::string& machine : listed("MMUSIM_BENCH_MACHINES", ',', "skylake-sp")) {
      add("replay/" + machine, [trace, machine](auto& state, Best& best) {
        replay(state, trace, machine, "full", best);
      });
      add("pages/" + machine, [trace, machine](auto& state, Best& best) {
        replay(state, Prepared(trace).path(), machine, "auto", best);
      });
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  conclude(traces);
}
