// How fast a trace is replayed, beside two yardsticks measured in the same run:
//   bare_loop    the same references as an array of 8-byte records in memory, through the same
//                TLBs, nothing around it;
//   decode_only  the container read to its end, every address looked at, nothing simulated.
// The trace is $MMUSIM_BENCH_TRACE, or the shipped one. The bare loop reads at most
// $MMUSIM_BENCH_RECORDS records (default 256 M, 2 GiB of memory) from the beginning of the trace.
// Rates are references (fetches and data accesses) per second of processor time.
#include <benchmark/benchmark.h>
#include <cstdlib>
#include <string>
#include <vector>

#include "bare_tlb.h"
#include "config/schema.h"
#include "sim/simulation.h"
#include "trace/reader.h"

namespace mmusim::bench {
namespace {

std::string trace_path() {
  const char* path = std::getenv("MMUSIM_BENCH_TRACE");
  return path != nullptr ? path : MMUSIM_SOURCE_DIR "/workloads/traces/pipeline.mmt";
}

uint64_t record_limit() {
  const char* limit = std::getenv("MMUSIM_BENCH_RECORDS");
  return limit != nullptr ? std::strtoull(limit, nullptr, 10) : uint64_t{256} << 20;
}

// The trace's references one by one, as 8-byte records. An access to two pages is two records.
std::vector<uint64_t> flatten() {
  trace::Reader reader(trace_path());
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

void bare_loop(benchmark::State& state) {
  const std::vector<uint64_t> records = flatten();
  uint64_t misses = 0;
  for (auto _ : state) {
    BareMmu mmu;
    mmu.run(records);
    misses = mmu.counts().l1d_misses;
    benchmark::DoNotOptimize(misses);
  }
  state.SetItemsProcessed(static_cast<int64_t>(records.size()) * state.iterations());
  state.counters["l1d_misses"] = static_cast<double>(misses);
}

void decode_only(benchmark::State& state) {
  uint64_t references = 0;
  for (auto _ : state) {
    trace::Reader reader(trace_path());
    trace::Batch batch;
    uint64_t sum = 0;
    references = 0;
    while (reader.next(batch)) {
      for (uint64_t i = 0; i < batch.totals.data_accesses(); ++i)
        sum += batch.addresses[i];
      for (const uint32_t number : batch.blocks)
        sum += batch.table[number].start.value();
      references += batch.totals.references();
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(static_cast<int64_t>(references) * state.iterations());
}

void replay(benchmark::State& state, const char* machine) {
  config::Schema schema;
  sim::declare(schema);
  config::Config config(schema);
  config.load(std::string(MMUSIM_SOURCE_DIR "/configs/machines/") + machine + ".cfg");
  config.set("run.trace", trace_path(), "bench");
  uint64_t references = 0;
  for (auto _ : state) {
    const sim::ReplayResult result = sim::replay(config, {});
    references = result.totals.references();
  }
  state.SetItemsProcessed(static_cast<int64_t>(references) * state.iterations());
}

BENCHMARK(bare_loop)->Unit(benchmark::kMillisecond);
BENCHMARK(decode_only)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replay, skylake_sp, "skylake-sp")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace mmusim::bench

BENCHMARK_MAIN();
