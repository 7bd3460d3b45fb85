// A relocated run against the run as recorded: the same pages with the same rights, sharing the
// same frames, and the same calls and faults, on a machine with 3 GiB of user addresses.
#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <type_traits>
#include <unistd.h>

#include "arch/x86/architecture.h"
#include "kernel/system.h"
#include "random_history.h"
#include "sim/machine.h"
#include "sim/relocation/relocator.h"
#include "sim/replay_loop.h"
#include "sim/simulation.h"
#include "tests/effort.h"
#include "trace/reader.h"

namespace mmusim::sim {
namespace {

// With PAE, whose leaves are as those of x86-64.
template <class Arch>
config::Config configured(config::Schema& schema, const std::string& trace, const char* relocate,
                          bool check) {
  declare(schema);
  config::Config config(schema);
  config.load(MMUSIM_SOURCE_DIR "/configs/machines/tiny.cfg");
  config.set("machine.arch", Arch::kName, "test");
  if (std::is_same_v<Arch, x86::I386>) config.set("paging.levels", "3", "test");
  config.set("run.trace", trace, "test");
  config.set("run.relocate", relocate, "test");
  config.set("run.check", check ? "true" : "false", "test");
  return config;
}

template <class Arch>
std::map<std::string, uint64_t> run(const std::string& trace, const char* relocate, bool check) {
  config::Schema schema;
  const config::Config config = configured<Arch>(schema, trace, relocate, check);
  std::map<std::string, uint64_t> counters;
  const ReplayResult result = replay(config, {});
  for (const auto& c : result.report.counters())
    counters[c.name] = c.value;
  return counters;
}

// One machine with its loop, batch by batch.
template <class Arch>
struct Side {
  explicit Side(const config::Config& config)
      : machine(config),
        loop(machine.tlbs(), machine.kernel(), machine.sink(), machine.checker(), machine.page()) {}

  Machine<Arch> machine;
  ReplayLoop<typename Arch::Tlbs> loop;
};

using Leaves = std::map<VirtAddr, pt::LeafFields>;

Leaves leaves(pt::PageTable& table, VirtRange range) {
  Leaves result;
  const x86::EntryFormat format;
  const auto cursor = table.cursor(range);
  pt::Run run;
  while (cursor->next(run)) {
    for (uint32_t i = 0; i < run.count; ++i) {
      const pt::Entry e = run.get(i);
      if (e != pt::kNone && format.is_present(e))
        result[run.address(i)] = format.parse_leaf(e, run.size);
    }
  }
  return result;
}

// Compares the private anonymous pages of all processes; file pages come in windows that depend on
// where leaf tables begin.
void compare(Side<x86::Architecture>& plain, Side<x86::I386>& moved, const Relocator& relocator,
             uint64_t& compared) {
  std::map<Pfn, Pfn> there;
  std::map<Pfn, Pfn> back;
  const auto& others = moved.machine.kernel().system().processes();
  for (const auto& [pid, process] : plain.machine.kernel().system().processes()) {
    const auto other = others.find(pid);
    ASSERT_NE(other, others.end());
    ASSERT_EQ(process.mm == nullptr, other->second.mm == nullptr);
    if (process.mm == nullptr) continue;
    uint64_t bytes = 0;
    for (const auto& [start, vma] : process.mm->vmas.areas()) {
      if (!vma.is_anonymous()) continue;
      bytes += vma.range().bytes();
      const auto pieces = relocator.space(pid)->map.pieces(vma.range());
      Leaves seen;
      for (const auto& piece : pieces)
        for (const auto& [va, leaf] :
             leaves(*other->second.mm->table, {piece.target, piece.target + piece.source.bytes()}))
          seen[piece.source.begin + (va - piece.target)] = leaf;
      const Leaves wanted = leaves(*process.mm->table, vma.range());
      ASSERT_EQ(wanted.size(), seen.size()) << std::hex << vma.start.value();
      for (const auto& [va, leaf] : wanted) {
        ASSERT_TRUE(seen.contains(va)) << std::hex << va.value();
        ASSERT_EQ(leaf.rights.bits(), seen.at(va).rights.bits()) << std::hex << va.value();
        ASSERT_EQ(there.emplace(leaf.pfn, seen.at(va).pfn).first->second, seen.at(va).pfn);
        ASSERT_EQ(back.emplace(seen.at(va).pfn, leaf.pfn).first->second, leaf.pfn);
        ++compared;
      }
    }
    uint64_t other_bytes = 0;
    for (const auto& [start, vma] : other->second.mm->vmas.areas()) {
      if (vma.is_anonymous()) other_bytes += vma.range().bytes();
    }
    ASSERT_EQ(bytes, other_bytes);
  }
}

class RelocationDifferential : public testing::Test {
 protected:
  std::string path_ = std::filesystem::temp_directory_path() /
                      ("mmusim_relocation_" + std::to_string(getpid()) + ".mmt");
  void TearDown() override { std::filesystem::remove(path_); }
};

TEST_F(RelocationDifferential, TheKernelSeesTheSamePagesRightsAndSharing) {
  uint64_t compared = 0;
  for (uint64_t seed = 1; seed <= tests::effort(4); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    differential::RandomHistory(seed).write(path_, 250);
    config::Schema schema;
    Side<x86::Architecture> plain(configured<x86::Architecture>(schema, path_, "off", false));
    config::Schema other;
    Side<x86::I386> moved(configured<x86::I386>(other, path_, "off", false));
    Relocator relocator({VirtAddr(uint64_t{1} << 47), PageShift(12), moved.machine.layout()});
    trace::Reader reader(path_);
    trace::Batch batch;
    std::vector<trace::Event> events;
    for (unsigned i = 0; reader.next(batch); ++i) {
      plain.loop.run<ReplayMode::Fast>(batch);
      if (batch.event != nullptr) {
        events.clear();
        relocator.event(batch.thread, *batch.event, events);
        for (const trace::Event& event : events) {
          trace::Batch one;
          one.thread = batch.thread;
          one.event = &event;
          moved.loop.run<ReplayMode::Fast>(one);
        }
      } else {
        moved.loop.run<ReplayMode::Fast>(relocator.references(batch));
      }
      if (i % 8 == 0) {
        ASSERT_NO_FATAL_FAILURE(compare(plain, moved, relocator, compared));
      }
    }
  }
  EXPECT_GT(compared, tests::effort(10000));
}

// File faults map what of a 64 KiB window lies in one mapping and leaf table: those differ with the
// addresses, on which the kernel puts mappings page by page.
TEST_F(RelocationDifferential, RunsCountTheSameCallsAndFaults) {
  const std::string shipped = MMUSIM_SOURCE_DIR "/workloads/traces/pipeline.mmt";
  differential::RandomHistory(9).write(path_, 300);
  for (const std::string& trace : {path_, shipped}) {
    const auto plain = run<x86::Architecture>(trace, "off", false);
    const auto moved = run<x86::I386>(trace, "force", tests::kWholeEffort);
    EXPECT_EQ(plain.at("relocation.active"), 0u);
    EXPECT_EQ(moved.at("relocation.active"), 1u);
    EXPECT_EQ(moved.at("relocation.partial_pages"), 0u);
    const double events = static_cast<double>(moved.at("relocation.added_events") +
                                              moved.at("relocation.dropped_events"));
    for (const auto& counter : plain) {
      const std::string& name = counter.first;
      const uint64_t value = counter.second;
      const auto near = [&](double margin) {
        EXPECT_NEAR(static_cast<double>(value), static_cast<double>(moved.at(name)), margin)
            << name << " of " << trace;
      };
      if (name == "access.fetches" || name == "access.data" || name == "access.refused" ||
          (name.starts_with("run.") && name != "run.events")) {
        near(0);
      } else if (name.starts_with("kernel.calls") || name.find("fork") != std::string::npos ||
                 name.find("cow") != std::string::npos) {
        near(events);
      } else if (name == "kernel.faults.minor") {
        near(static_cast<double>(value) * 0.03);
      }
    }
  }
}

}  // namespace
}  // namespace mmusim::sim
