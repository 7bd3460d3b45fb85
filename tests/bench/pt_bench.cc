// How fast page tables are on the host: look-ups, and fork.
//
// fork_by_hand is what the interface is measured against: the same copy of a dense 1 GiB space,
// entry by entry, written straight on the words of a four-level x86-64 tree with no interface and
// no call in its loop. fork_interface does it through PageTable::copy_ranges, one call per run of
// 512 entries; fork_call_per_entry through the same, but with an indirect call for every entry,
// which is what the first page-table interface for Linux lost 3.5 % of fork to (linux-mm, May
// 2006).
#include <benchmark/benchmark.h>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "arch/x86/entry_format.h"
#include "base/random.h"
#include "config/schema.h"
#include "mem/frames.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"

namespace {

using namespace mmusim;

constexpr PageShift kPage{12};
constexpr VirtAddr kBase{0x100000000000};
constexpr uint64_t kGigabyte = uint64_t{1} << 30;

struct Machine {
  explicit Machine(const pt::Backend& backend, std::optional<PageShift> superpage = {})
      : frames(uint64_t{64} << 30, kPage), allocator(frames) {
    for (const pt::Backend& b : pt::backends())
      b.declare(schema);
    const config::Config config(schema);
    environment = {.sink = &sink,
                   .allocator = &allocator,
                   .format = &format,
                   .geometry = x86::radix_geometry({4}, true),
                   .page = kPage,
                   .leaf_sizes = pt::leaf_sizes_of(x86::radix_geometry({4}, true), kPage)};
    if (superpage) environment.leaf_sizes.insert(environment.leaf_sizes.begin(), *superpage);
    factory = backend.make(config, environment);
    table = factory->create(MmId(1));
  }
  void map(VirtAddr va, uint64_t pfn, PageShift size = kPage) {
    const pt::Slot slot = table->ensure(va, size);
    const Rights rights(Rights::kRead | Rights::kWrite | Rights::kUser);
    table->install(
        slot.handle, slot.entry,
        format.make_leaf({.pfn = Pfn(pfn), .size = size, .rights = rights, .accessed = true}));
  }
  void map_dense(uint64_t bytes, PageShift size = kPage) {
    for (uint64_t at = 0; at < bytes; at += size.bytes())
      map(kBase + at, (size.bytes() + at) >> 12, size);
  }

  config::Schema schema;
  x86::EntryFormat format;
  mem::ReferenceSink sink;
  mem::FrameMemory frames;
  pt::TableAllocator allocator;
  pt::Environment environment;
  std::unique_ptr<pt::Factory> factory;
  std::unique_ptr<pt::PageTable> table;
};

// Look-ups of mapped pages in random order.
void lookups(benchmark::State& state, const pt::Backend& backend, bool dense) {
  Machine m(backend);
  std::vector<VirtAddr> pages;
  Random random(1);
  if (dense) {
    m.map_dense(kGigabyte);
    for (int i = 0; i < 100'000; ++i)
      pages.push_back(kBase + (random.below(kGigabyte >> 12) << 12));
  } else {
    for (uint64_t i = 0; i < 100'000; ++i) {
      pages.emplace_back(random.below(uint64_t{1} << 35) << 12);
      m.map(pages.back(), i + 1);
    }
  }
  size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(m.table->find(pages[next]));
    next = next + 1 == pages.size() ? 0 : next + 1;
  }
  state.SetItemsProcessed(state.iterations());
}

// What fork does to a private entry: write-protected here and there, not accessed there.
struct Protect {
  const pt::EntryFormat& format;
  void operator()(uint32_t /*i*/, pt::Entry& from, pt::Entry& to) const {
    if (from == pt::kNone || !format.is_present(from)) return;
    from = format.write_protected(from);
    to = from & ~format.accessed_mask;
  }
};

void report_run(Machine& m, const pt::Run& from, const pt::Run& to) {
  from.report(m.sink, mem::Origin::Kernel, from.count, from.count);
  to.report(m.sink, mem::Origin::Kernel, 0, to.count);
}

template <class CopyRun>
void fork(benchmark::State& state, const pt::Backend& backend, CopyRun copy_run,
          std::optional<PageShift> superpage = {}) {
  Machine m(backend, superpage);
  m.map_dense(kGigabyte, superpage.value_or(kPage));
  const VirtRange range{kBase, kBase + kGigabyte};
  for (auto _ : state) {
    auto child = m.factory->create(MmId(2));
    m.table->copy_ranges(*child, {&range, 1}, [&](size_t, pt::Run& from, pt::Run& to) {
      copy_run(m, from, to);
      report_run(m, from, to);
      return true;
    });
    benchmark::DoNotOptimize(child->root());
    state.PauseTiming();
    child.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kGigabyte >> 12));
}

void fork_interface(benchmark::State& state, const pt::Backend& backend) {
  fork(state, backend, [](Machine& m, pt::Run& from, pt::Run& to) {
    pt::Run::for_each_pair(from, to, Protect{m.format});
  });
}

// The same gigabyte in leaves of 1M.
void fork_superpages(benchmark::State& state, const pt::Backend& backend) {
  fork(
      state, backend,
      [](Machine& m, pt::Run& from, pt::Run& to) {
        pt::Run::for_each_pair(from, to, Protect{m.format});
      },
      PageShift(20));
}

void fork_call_per_entry(benchmark::State& state) {
  fork(state, pt::backends().front(), [](Machine& m, pt::Run& from, pt::Run& to) {
    std::function<void(uint32_t, pt::Entry&, pt::Entry&)> call = Protect{m.format};
    benchmark::DoNotOptimize(call);
    pt::Run::for_each_pair(from, to, call);
  });
}

// The copy with nothing between it and the words: tables of 512 entries, four levels.
class ByHand {
 public:
  explicit ByHand(Machine& m) : m_(m) {}

  // Copies the tree below `from`, tables of `level`, into the empty table `to`.
  void copy(PhysAddr from, PhysAddr to, unsigned level) {
    uint64_t* source = m_.frames.words(from);
    uint64_t* target = m_.frames.words(to);
    const mem::Touch touch{mem::Origin::Kernel, static_cast<uint8_t>(level), false};
    if (level == 0) {
      for (unsigned i = 0; i < 512; ++i) {
        const uint64_t e = source[i];
        if (e == 0 || !m_.format.is_present(e)) continue;
        const uint64_t read_only = e & ~m_.format.write_mask;
        source[i] = read_only;
        target[i] = read_only & ~m_.format.accessed_mask;
      }
      m_.sink.reference_run(from, 8, 512, false, touch);
      m_.sink.reference_run(from, 8, 512, true, touch);
      m_.sink.reference_run(to, 8, 512, true, touch);
      return;
    }
    for (unsigned i = 0; i < 512; ++i) {
      m_.sink.reference(from + 8 * i, 8, false, touch);
      if (source[i] == 0) continue;
      const PhysAddr below = *m_.allocator.allocate(4096, MmId(2));
      made.push_back(below);
      m_.sink.reference(to + 8 * i, 8, true, touch);
      target[i] = m_.format.make_table(below, PageShift(12 + 9 * level));
      copy(m_.format.table_address(source[i]), below, level - 1);
    }
  }
  std::vector<PhysAddr> made;

 private:
  Machine& m_;
};

void fork_by_hand(benchmark::State& state) {
  Machine m(pt::backends().front());
  m.map_dense(kGigabyte);
  for (auto _ : state) {
    ByHand hand(m);
    const PhysAddr root = *m.allocator.allocate(4096, MmId(2));
    hand.copy(m.table->root().address, root, 3);
    state.PauseTiming();
    hand.made.push_back(root);
    for (const PhysAddr table : hand.made)
      m.allocator.free(table, 4096);
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kGigabyte >> 12));
}

void register_all() {
  for (const pt::Backend& backend : pt::backends()) {
    for (const bool dense : {true, false})
      benchmark::RegisterBenchmark(
          ("lookup/" + std::string(dense ? "dense_1G/" : "sparse/") + backend.name).c_str(),
          [&backend, dense](benchmark::State& state) { lookups(state, backend, dense); });
    benchmark::RegisterBenchmark(
        ("fork_interface/" + std::string(backend.name)).c_str(),
        [&backend](benchmark::State& state) { fork_interface(state, backend); });
    if (std::string(backend.name) != "mlpt")
      benchmark::RegisterBenchmark(
          ("fork_superpages/" + std::string(backend.name)).c_str(),
          [&backend](benchmark::State& state) { fork_superpages(state, backend); });
  }
  benchmark::RegisterBenchmark("fork_by_hand/mlpt", fork_by_hand);
  benchmark::RegisterBenchmark("fork_call_per_entry/mlpt", fork_call_per_entry);
}

}  // namespace

int main(int argc, char** argv) {
  register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
