// How fast the kernel model works: page faults and fork-copied entries a second of processor time,
// on one core, over the MLPT with x86-64's entries: the model alone, with a TLB that has nothing to
// do, and in a whole machine (skylake-sp: TLBs, walker, page tables in simulated memory). Beside
// two yardsticks measured in the same run:
//   bare_*   an array of entries and a stack of free frames, nothing around them: the least there
//            is to do;
//   host_*   the kernel this runs on doing the same, with small pages.
#include <benchmark/benchmark.h>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "arch/x86/entry_format.h"
#include "base/linux_abi.h"
#include "kernel/kernel.h"
#include "kernel/syscalls.h"
#include "sim/simulation.h"
#include "sim/workload/simulate.h"

namespace {

using namespace mmusim;
using namespace mmusim::kernel;
using namespace mmusim::abi;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kBase = 0x100000000000;
constexpr trace::ThreadId kParent{Pid(1), Tid(1)}, kChild{Pid(2), Tid(2)};

class NoTlb final : public mmu::TlbMaintenance {
 public:
  bool activate(CpuId, MmId, pt::PageTable&) override { return true; }
  void flush_range(MmId, VirtRange, PageShift, bool, mmu::RangeFlush) override {}
  void flush_mm(MmId) override {}
  void flush_local_page(CpuId, MmId, VirtAddr, bool) override {}
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
    environment.leaf_sizes = pt::leaf_sizes_of(environment.geometry, environment.page);
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
BENCHMARK(write_faults)->Arg(1024)->Arg(65536)->Arg(1 << 20);
BENCHMARK(zero_page_faults)->Arg(65536);

void bare_write_faults(benchmark::State& state) {
  const auto pages = static_cast<uint64_t>(state.range(0));
  std::vector<uint64_t> entries(pages);
  std::vector<uint64_t> frames(pages);
  for (uint64_t i = 0; i < pages; ++i)
    frames[i] = pages - i;
  for (auto _ : state) {
    for (uint64_t& entry : entries) {
      entry = frames.back() << 12 | 0x67;
      frames.pop_back();
      benchmark::ClobberMemory();
    }
    for (uint64_t& entry : entries) {
      frames.push_back(entry >> 12);
      entry = 0;
      benchmark::ClobberMemory();
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(bare_write_faults)->Arg(1024)->Arg(65536)->Arg(1 << 20);

// So many pages of this process, not to be huge ones.
char* host_map(uint64_t pages) {
  void* at =
      mmap(nullptr, pages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  madvise(at, pages * kPage, MADV_NOHUGEPAGE);
  return static_cast<char*>(at);
}
void host_touch(char* at, uint64_t pages) {
  for (uint64_t i = 0; i < pages; ++i)
    *static_cast<volatile char*>(at + i * kPage) = 1;
}
void host_write_faults(benchmark::State& state) {
  const auto pages = static_cast<uint64_t>(state.range(0));
  for (auto _ : state) {
    char* at = host_map(pages);
    if (at == nullptr) return state.SkipWithError("no memory");
    host_touch(at, pages);
    munmap(at, pages * kPage);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(host_write_faults)->Arg(1024)->Arg(65536);

// A script on a whole machine, made anew each time; `counter` of its report is what is counted.
using Settings = std::vector<std::pair<std::string, std::string>>;
void script(benchmark::State& state, const std::string& text, const char* counter,
            const std::string& machine = "skylake-sp", const Settings& settings = {}) {
  config::Schema schema;
  sim::declare(schema);
  config::Config config(schema);
  config.load(MMUSIM_SOURCE_DIR "/configs/machines/" + machine + ".cfg");
  for (const auto& [key, value] : settings)
    config.set(key, value, "bench");
  const sim::workload::Plan plan = sim::workload::unroll(sim::workload::parse(text, "bench"));
  uint64_t counted = 0;
  for (auto _ : state)
    counted += sim::workload::simulate(config, plan).report.value(counter);
  state.SetItemsProcessed(static_cast<int64_t>(counted));
}
void machine_write_faults(benchmark::State& state) {
  script(state, "repeat 8 { map a 256M\ntouch a write\nunmap a }", "kernel.faults.minor");
}
void machine_cow_faults(benchmark::State& state) {
  script(state,
         "map a 64M\ntouch a write\n"
         "repeat 8 { fork { touch a write } }",
         "kernel.faults.cow_copy");
}
void machine_file_faults(benchmark::State& state) {
  script(state,
         "file f 64M\nmap a 64M file f\n"
         "repeat 64 { touch a read stride 64K\nadvise a dontneed }",
         "kernel.faults.minor");
}
void machine_fork_entries(benchmark::State& state) {
  script(state, "map a 256M\ntouch a write\nrepeat 64 { fork { } }", "kernel.forks.entries");
}
BENCHMARK(machine_write_faults)->Unit(benchmark::kMillisecond);
BENCHMARK(machine_cow_faults)->Unit(benchmark::kMillisecond);
BENCHMARK(machine_file_faults)->Unit(benchmark::kMillisecond);
BENCHMARK(machine_fork_entries)->Unit(benchmark::kMillisecond);

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
// The same of a whole machine of 8 GiB, in base pages or in leaves of 1M (a guarded table, IA-64):
// what a fork is of it, and a child's end.
void machine_fork(benchmark::State& state, const char* sizes) {
  script(state, "map a 8G align 1M\ntouch a write stride 16K\nrepeat 64 { fork { } }",
         "kernel.forks", "itanium2-madison",
         {{"machine.page_table", "gpt"}, {"kernel.thp.sizes", sizes}});
}
void machine_fork_base(benchmark::State& state) {
  machine_fork(state, "");
}
void machine_fork_superpages(benchmark::State& state) {
  machine_fork(state, "1M:always");
}
BENCHMARK(machine_fork_base)->Unit(benchmark::kMillisecond);
BENCHMARK(machine_fork_superpages)->Unit(benchmark::kMillisecond);
BENCHMARK(fork_exit)->Arg(1024)->Arg(65536)->Arg(1 << 20);
BENCHMARK(fork_exit_rewrite)->Arg(65536);

// Entries copied and write-protected on both sides, references counted; and taken away again.
void bare_fork_exit(benchmark::State& state) {
  const auto pages = static_cast<uint64_t>(state.range(0));
  std::vector<uint64_t> mine(pages);
  std::vector<uint64_t> copy(pages);
  std::vector<uint32_t> references(pages, 1);
  for (uint64_t i = 0; i < pages; ++i)
    mine[i] = i << 12 | 0x67;
  for (auto _ : state) {
    for (uint64_t i = 0; i < pages; ++i) {
      ++references[mine[i] >> 12];
      copy[i] = mine[i] &= ~uint64_t{2};
      benchmark::ClobberMemory();
    }
    for (uint64_t i = 0; i < pages; ++i) {
      --references[copy[i] >> 12];
      copy[i] = 0;
      benchmark::ClobberMemory();
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(bare_fork_exit)->Arg(1024)->Arg(65536)->Arg(1 << 20);

void host_fork_exit(benchmark::State& state) {
  const auto pages = static_cast<uint64_t>(state.range(0));
  char* at = host_map(pages);
  if (at == nullptr) return state.SkipWithError("no memory");
  host_touch(at, pages);
  for (auto _ : state) {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, nullptr, 0);
  }
  munmap(at, pages * kPage);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
// The child's end is not the parent's processor time: as time passes.
BENCHMARK(host_fork_exit)->Arg(1024)->Arg(65536)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
