// How fast the kernel model works: page faults and fork-copied entries a second, on one core, over
// the MLPT with x86-64's entries and a TLB that has nothing to do.
#include <benchmark/benchmark.h>
#include <memory>

#include "arch/x86/entry_format.h"
#include "kernel/kernel.h"
#include "kernel/linux_abi.h"
#include "kernel/syscalls.h"

namespace {

using namespace mmusim;
using namespace mmusim::kernel;
using namespace mmusim::kernel::abi;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kBase = 0x100000000000;
constexpr trace::ThreadId kParent{Pid(1), Tid(1)}, kChild{Pid(2), Tid(2)};

class NoTlb final : public mmu::TlbMaintenance {
 public:
  void activate(CpuId, MmId, pt::PageTable&) override {}
  void flush_range(MmId, VirtRange, PageShift, bool) override {}
  void flush_mm(MmId) override {}
  void flush_local_page(CpuId, MmId, VirtAddr) override {}
  void forget(MmId) override {}
  void for_each_entry(const std::function<void(const mmu::CachedTranslation&)>&) const override {}
  bool walk_caches_reach(PhysAddr, uint64_t) const override { return false; }
  void report(stats::Report&) const override {}
};

struct Machine {
  Machine() {
    mem::FrameMemory::declare(schema);
    mem::ReferenceSink::declare(schema);
    Kernel::declare(schema);
    for (const pt::Backend& backend : pt::backends())
      backend.declare(schema);
    config = std::make_unique<config::Config>(schema);
    frames = std::make_unique<mem::FrameMemory>(*config, PageShift(12));
    sink = std::make_unique<mem::ReferenceSink>(*config);
    tables = std::make_unique<pt::TableAllocator>(*frames);
    pt::Environment environment;
    environment.sink = sink.get();
    environment.allocator = tables.get();
    environment.format = &format;
    environment.geometry = x86::radix_geometry({4}, true);
    factory = pt::backends().front().make(*config, environment);
    Platform platform;
    platform.frames = frames.get();
    platform.sink = sink.get();
    platform.tables = tables.get();
    platform.page_tables = factory.get();
    platform.format = &format;
    platform.tlbs = &tlb;
    platform.layout = x86::address_layout({4});
    kernel = std::make_unique<Kernel>(*config, platform);
    kernel->run(CpuId(0), kParent);
  }
  void map(uint64_t pages, uint32_t flags) {
    kernel->syscalls().mmap(kParent, VirtAddr(kBase), pages * kPage, kProtRead | kProtWrite,
                            flags | kMapFixed | kMapAnonymous);
  }
  void touch(uint64_t pages, AccessKind kind) {
    for (uint64_t i = 0; i < pages; ++i)
      benchmark::DoNotOptimize(
          kernel->fault(CpuId(0), VirtAddr(kBase + i * kPage), kind, mmu::FaultReason::NotPresent));
  }

  config::Schema schema;
  std::unique_ptr<config::Config> config;
  x86::EntryFormat format;
  NoTlb tlb;
  std::unique_ptr<mem::FrameMemory> frames;
  std::unique_ptr<mem::ReferenceSink> sink;
  std::unique_ptr<pt::TableAllocator> tables;
  std::unique_ptr<pt::Factory> factory;
  std::unique_ptr<Kernel> kernel;
};

// Faults on fresh private memory; unmapping it again is part of the time.
void fresh_faults(benchmark::State& state, AccessKind kind) {
  Machine m;
  const auto pages = static_cast<uint64_t>(state.range(0));
  for (auto _ : state) {
    m.map(pages, kMapPrivate);
    m.touch(pages, kind);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
void write_faults(benchmark::State& state) {
  fresh_faults(state, AccessKind::Store);
}
void zero_page_faults(benchmark::State& state) {
  fresh_faults(state, AccessKind::Load);
}
BENCHMARK(write_faults)->Arg(1024)->Arg(65536);
BENCHMARK(zero_page_faults)->Arg(65536);

// fork of a space with so many pages and the child's end; with `rewrites` the parent then writes
// every page again: faults that copy nothing.
void fork_and_exit(benchmark::State& state, bool rewrites) {
  Machine m;
  const auto pages = static_cast<uint64_t>(state.range(0));
  m.map(pages, kMapPrivate);
  m.touch(pages, AccessKind::Store);
  for (auto _ : state) {
    m.kernel->syscalls().fork(kParent, kChild);
    m.kernel->syscalls().exit(kChild, 0);
    m.kernel->syscalls().wait(kParent, Pid(2));
    if (rewrites) m.touch(pages, AccessKind::Store);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
void fork_exit(benchmark::State& state) {
  fork_and_exit(state, false);
}
void fork_exit_rewrite(benchmark::State& state) {
  fork_and_exit(state, true);
}
BENCHMARK(fork_exit)->Arg(1024)->Arg(65536);
BENCHMARK(fork_exit_rewrite)->Arg(65536);

}  // namespace

BENCHMARK_MAIN();
