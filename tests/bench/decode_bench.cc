// How fast a trace is decoded, with nothing done to its records. The trace is the file named by the
// environment variable MMUSIM_BENCH_TRACE.
#include <benchmark/benchmark.h>
#include <cstdlib>

#include "trace/reader.h"

namespace {

void decode(benchmark::State& state) {
  const char* path = std::getenv("MMUSIM_BENCH_TRACE");
  if (path == nullptr) {
    state.SkipWithError("set MMUSIM_BENCH_TRACE to a trace file");
    return;
  }
  mmusim::trace::Totals totals;
  for (auto iteration : state) {
    static_cast<void>(iteration);
    mmusim::trace::Reader reader(path);
    for (mmusim::trace::Batch batch; reader.next(batch);)
      totals += batch.totals;
  }
  benchmark::DoNotOptimize(totals);
  state.counters["references/s"] =
      benchmark::Counter(static_cast<double>(totals.references()), benchmark::Counter::kIsRate);
  state.counters["instructions/s"] =
      benchmark::Counter(static_cast<double>(totals.instructions), benchmark::Counter::kIsRate);
}
// Rates are of processor time: one thread, and machines are busy.
BENCHMARK(decode)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
