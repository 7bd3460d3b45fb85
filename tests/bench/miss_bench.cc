// What exact miss handlers cost the replay: the same references through a machine's Cpu and through
// one that only counts TLB misses (oracle_mmu.h), in turns, in one process.
//
// The trace is made here: blocks of 8 instructions and 4 data accesses over 16 pages of code and 16
// of data, which first levels hold; one reference in a hundred goes to the next of 4096 or
// 32768 pages, in an order drawn at random, which no TLB holds. All pages are faulted in
// beforehand. It is replayed from a trace container, as traces are; and from memory, undecoded, so
// that the loop and the miss path are all there is.
//
// Traces of $MMUSIM_BENCH_TRACE, between colons, are replayed likewise, if there are any: by a
// machine as it is made, page faults and all, at addresses of its own where the trace is of another
// one; and through the TLBs alone, behind a kernel that has no page to give.
//
// Counters: `exact` and `tlb_only`, references per second of processor time out of the container,
// and `speed`, their ratio; `loop_...`, the same out of memory; `misses`, of the TLB-only Cpu's
// last level, in per cent of references; and of traces `ns_a_miss`, what the exact one takes longer
// for each of these.
#include <algorithm>
#include <benchmark/benchmark.h>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <fmt/format.h>
#include <numeric>
#include <span>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "arch/alpha/architecture.h"
#include "arch/ia64/architecture.h"
#include "arch/ppc64/architecture.h"
#include "arch/sparc64/architecture.h"
#include "arch/x86/architecture.h"
#include "base/random.h"
#include "config/schema.h"
#include "listed.h"
#include "oracle_mmu.h"
#include "sim/machine.h"
#include "sim/relocation/trace_source.h"
#include "sim/replay_loop.h"
#include "sim/simulation.h"
#include "trace/reader.h"
#include "trace/writer.h"

namespace mmusim::bench {
namespace {

constexpr uint64_t kHotPages = 16;
constexpr unsigned kInstructions = 8;  // of a block
constexpr unsigned kDataOps = 4;
constexpr uint64_t kMissEvery = 100;  // references
constexpr uint64_t kMisses = 32768;   // of one replay
constexpr uint64_t kBlocksPerBatch = 4096;

double seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

class Trace {
 public:
  Trace(const mmu::AddressLayout& layout, PageShift page, uint64_t cold_pages)
      : cold_pages_(cold_pages),
        code_(align_down(layout.program_base + (page.bytes() - 1), page)),
        hot_(code_ + (uint64_t{64} << 20)),
        cold_(code_ + (uint64_t{256} << 20)) {
    for (unsigned i = 0; i < kDataOps; ++i)
      ops_.push_back({.instruction = static_cast<uint8_t>(2 * i),
                      .kind = i == kDataOps - 1 ? AccessKind::Store : AccessKind::Load,
                      .bytes = 8});
    for (uint64_t i = 0; i < kHotPages; ++i)
      for (uint64_t k = 0; k < 8; ++k)
        table_.push_back({.start = code_ + i * page.bytes() + k * 64,
                          .bytes = 4 * kInstructions,
                          .instructions = kInstructions,
                          .mem_ops = kDataOps,
                          .crosses_page = false,
                          .lengths = lengths_.data(),
                          .ops = ops_.data()});
    Random random(1);
    std::vector<uint64_t> order(cold_pages_);
    std::iota(order.begin(), order.end(), uint64_t{0});
    for (uint64_t i = cold_pages_; i > 1; --i)
      std::swap(order[i - 1], order[random.below(i)]);
    uint64_t references = 0;
    uint64_t next_miss = kMissEvery;
    uint64_t misses = 0;
    while (misses < kMisses) {
      blocks_.push_back(static_cast<uint32_t>(random.below(table_.size())));
      references += kInstructions;
      for (unsigned op = 0; op < kDataOps; ++op) {
        ++references;
        const bool miss = references >= next_miss;
        const VirtAddr at = miss ? cold_ + order[misses++ % cold_pages_] * page.bytes()
                                 : hot_ + random.below(kHotPages) * page.bytes();
        if (miss) next_miss += kMissEvery;
        addresses_.push_back(at.value() + uint64_t{64} * op);
      }
    }
    areas_ = {area(code_, kHotPages * page.bytes(), 5), area(hot_, kHotPages * page.bytes(), 3),
              area(cold_, cold_pages_ * page.bytes(), 3)};
  }

  [[nodiscard]] uint64_t references() const { return blocks_.size() * (kInstructions + kDataOps); }
  // Every page written to, those of code fetched from.
  template <class Loop>
  void warm_up(Loop& loop, PageShift page) const {
    for (const trace::Event& event : areas_) {
      trace::Batch batch;
      batch.thread = kThread;
      batch.event = &event;
      loop.template run<sim::ReplayMode::Fast>(batch);
    }
    for (uint64_t i = 0; i < kHotPages; ++i)
      loop.template access<sim::ReplayMode::Fast>(hot_ + i * page.bytes(), AccessKind::Store, 8);
    for (uint64_t i = 0; i < cold_pages_; ++i)
      loop.template access<sim::ReplayMode::Fast>(cold_ + i * page.bytes(), AccessKind::Store, 8);
    play(loop);
  }
  void write(const std::string& path, const char* isa, PageShift page) const {
    trace::Header header;
    header.isa = isa;
    header.page = page;
    trace::Writer writer(path, header);
    writer.thread(kThread);
    const uint64_t* address = addresses_.data();
    for (const uint32_t number : blocks_) {
      const trace::StaticBlock& block = table_[number];
      for (unsigned i = 0; i < kInstructions; ++i) {
        writer.instruction(block.start + uint64_t{4} * i, 4);
        if (i % 2 == 0) writer.access(ops_[i / 2].kind, VirtAddr(*address++), 8);
      }
    }
    writer.finish();
  }
  template <class Loop>
  void play(Loop& loop) const {
    const uint64_t* addresses = addresses_.data();
    for (size_t at = 0; at < blocks_.size(); at += kBlocksPerBatch) {
      trace::Batch batch;
      batch.thread = kThread;
      batch.table = table_;
      batch.blocks =
          std::span(blocks_).subspan(at, std::min<size_t>(kBlocksPerBatch, blocks_.size() - at));
      batch.addresses = addresses;
      batch.totals.blocks = batch.blocks.size();
      batch.totals.instructions = kInstructions * batch.blocks.size();
      batch.totals.loads = (kDataOps - 1) * batch.blocks.size();
      batch.totals.stores = batch.blocks.size();
      loop.template run<sim::ReplayMode::Fast>(batch);
      addresses += kDataOps * batch.blocks.size();
    }
  }

 private:
  static constexpr trace::ThreadId kThread{Pid(1), Tid(1)};

  static trace::Event area(VirtAddr start, uint64_t bytes, uint32_t prot) {
    constexpr uint32_t kPrivateFixedAnonymous = 0x32;
    return trace::MmapEvent{.hint = start,
                            .length = bytes,
                            .prot = prot,
                            .flags = kPrivateFixedAnonymous,
                            .result = static_cast<int64_t>(start.value()),
                            .file = {}};
  }

  uint64_t cold_pages_;
  VirtAddr code_;
  VirtAddr hot_;
  VirtAddr cold_;
  std::vector<uint8_t> lengths_ = std::vector<uint8_t>(kInstructions, 4);
  std::vector<trace::MemOp> ops_;
  std::vector<trace::StaticBlock> table_;
  std::vector<uint32_t> blocks_;
  std::vector<uint64_t> addresses_;
  std::vector<trace::Event> areas_;
};

Levels levels_of(const x86::Options& o) {
  return {o.tlb[x86::kL1I], o.tlb[x86::kL1D], o.tlb[x86::kL2I], o.tlb[x86::kL2]};
}
Levels levels_of(const ia64::Options& o) {
  return {o.tlb[ia64::kL1I], o.tlb[ia64::kL1D], o.tlb[ia64::kL2I], o.tlb[ia64::kL2D]};
}
Levels levels_of(const ppc64::Options& o) {
  return {o.tlb[ppc64::kIerat], o.tlb[ppc64::kDerat], {}, o.tlb[ppc64::kTlb]};
}
Levels levels_of(const sparc64::Options& o) {
  return {o.tlb[sparc64::kItlb], o.tlb[sparc64::kDtlb], {}, {}};
}
Levels levels_of(const alpha::Options& o) {
  return {o.tlb[alpha::kItb], o.tlb[alpha::kDtb], {}, {}};
}

template <class Loop>
void replay(const std::string& path, Loop& loop) {
  trace::Reader reader(path);
  trace::Batch batch;
  while (reader.next(batch))
    loop.template run<sim::ReplayMode::Fast>(batch);
}

// Processor time of two ways to do the same.
struct Times {
  double exact = 0;
  double tlb_only = 0;
  template <class Exact, class TlbOnly>
  void measure(Exact do_exact, TlbOnly do_tlb_only) {
    const double begin = seconds();
    do_exact();
    const double middle = seconds();
    do_tlb_only();
    exact += middle - begin;
    tlb_only += seconds() - middle;
  }
  void report(benchmark::State& state, const std::string& prefix, double references) const {
    state.counters[prefix + "exact"] = references / exact;
    state.counters[prefix + "tlb_only"] = references / tlb_only;
    state.counters[prefix + "speed"] = tlb_only / exact;
  }
};

config::Config config_of(const config::Schema& schema, const char* name) {
  config::Config config(schema);
  config.load(std::string(MMUSIM_SOURCE_DIR "/configs/machines/") + name + ".cfg");
  return config;
}

template <class Arch>
void misses(benchmark::State& state, const char* name) {
  config::Schema schema;
  sim::declare(schema);
  const config::Config config = config_of(schema, name);
  sim::Machine<Arch> machine(config);
  const PageShift page = machine.page();
  OracleMmu oracle(levels_of(Arch::read_options(config)), page);
  sim::ReplayLoop<typename Arch::Tlbs> exact(machine.tlbs(), machine.kernel(), machine.sink(),
                                             nullptr, page);
  sim::ReplayLoop<OracleMmu> tlb_only(oracle, machine.kernel(), machine.sink(), nullptr, page);
  const Trace trace(machine.layout(), page, static_cast<uint64_t>(state.range(0)));
  const std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("miss_bench-{}-{}.mmt", name, getpid()))
          .string();
  trace.write(path, Arch::kName, page);
  trace.warm_up(exact, page);
  trace.play(tlb_only);
  const auto last_misses = [&oracle] {
    return oracle.last_misses(AccessKind::Fetch) + oracle.last_misses(AccessKind::Load);
  };
  const uint64_t misses_before = last_misses();
  Times file;
  Times loop;
  double references = 0;
  for (auto _ : state) {
    file.measure([&] { replay(path, exact); }, [&] { replay(path, tlb_only); });
    loop.measure([&] { trace.play(exact); }, [&] { trace.play(tlb_only); });
    references += static_cast<double>(trace.references());
  }
  std::filesystem::remove(path);
  file.report(state, "", references);
  loop.report(state, "loop_", references);
  state.counters["misses"] =
      100 * static_cast<double>(last_misses() - misses_before) / (2 * references);
}

// All of a recorded trace; how many references it has.
template <class Arch, class Loop>
uint64_t replay_recorded(const config::Config& config, const sim::Machine<Arch>& machine,
                         Loop& loop) {
  sim::TraceSource source(
      sim::TraceRoute::of(config, Arch::kName, machine.layout(), machine.huge()));
  trace::Batch batch;
  uint64_t references = 0;
  while (source.next(batch)) {
    loop.template run<sim::ReplayMode::Fast>(batch);
    references += batch.totals.references();
  }
  return references;
}

template <class Arch>
void recorded(benchmark::State& state, const char* name, const std::string& trace) {
  config::Schema schema;
  sim::declare(schema);
  config::Config config = config_of(schema, name);
  config.set("run.trace", trace, "bench");
  Times times;
  double references = 0;
  double misses = 0;
  for (auto _ : state) {
    sim::Machine<Arch> exact(config);
    sim::Machine<Arch> idle(config);
    const PageShift page = exact.page();
    OracleMmu oracle(levels_of(Arch::read_options(config)), page);
    sim::ReplayLoop<typename Arch::Tlbs> by_exact(exact.tlbs(), exact.kernel(), exact.sink(),
                                                  nullptr, page);
    sim::ReplayLoop<OracleMmu> by_oracle(oracle, idle.kernel(), idle.sink(), nullptr, page);
    times.measure(
        [&] { references += static_cast<double>(replay_recorded(config, exact, by_exact)); },
        [&] { replay_recorded(config, idle, by_oracle); });
    misses += static_cast<double>(oracle.last_misses(AccessKind::Fetch) +
                                  oracle.last_misses(AccessKind::Load));
  }
  times.report(state, "", references);
  state.counters["misses"] = 100 * misses / references;
  state.counters["ns_a_miss"] = 1e9 * (times.exact - times.tlb_only) / misses;
}

template <class Arch>
void add(const char* name) {
  benchmark::RegisterBenchmark(name, [name](benchmark::State& state) { misses<Arch>(state, name); })
      ->Arg(4096)
      ->Arg(32768)
      ->Unit(benchmark::kMillisecond);
  for (const std::string& trace : listed("MMUSIM_BENCH_TRACE", ':', ""))
    benchmark::RegisterBenchmark(
        fmt::format("{}/{}", name, std::filesystem::path(trace).stem().string()).c_str(),
        [name, trace](benchmark::State& state) { recorded<Arch>(state, name, trace); })
        ->Unit(benchmark::kMillisecond);
}

}  // namespace
}  // namespace mmusim::bench

int main(int argc, char** argv) {
  using namespace mmusim;
  bench::add<x86::Architecture>("skylake-sp");
  bench::add<ia64::Architecture>("itanium2-madison");
  bench::add<ppc64::Architecture>("ppc970");
  bench::add<sparc64::Architecture>("ultrasparc-iii");
  bench::add<alpha::Architecture>("alpha-21264");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
