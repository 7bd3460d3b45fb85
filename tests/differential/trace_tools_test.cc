// What the trace tools say, against what a replay makes of the same trace: a cut leaves the areas
// that the whole trace would have left, and reuse distances foretell an LRU TLB's misses.
#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <tuple>
#include <unistd.h>
#include <vector>

#include "arch/x86/architecture.h"
#include "base/error.h"
#include "kernel/system.h"
#include "random_history.h"
#include "sim/machine.h"
#include "sim/replay_loop.h"
#include "sim/simulation.h"
#include "trace/cut.h"
#include "trace/merge.h"
#include "trace/stats.h"

namespace mmusim::sim {
namespace trace_tools_test {

class Folder {
 public:
  Folder() : path_(testing::TempDir() + "trace_tools_" + std::to_string(getpid())) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

constexpr const char* kPipeline = MMUSIM_SOURCE_DIR "/workloads/traces/pipeline.mmt";

using Settings = std::map<std::string, std::string>;

config::Config configured(config::Schema& schema, const std::string& trace,
                          const Settings& settings) {
  declare(schema);
  config::Config config(schema);
  config.load(MMUSIM_SOURCE_DIR "/configs/machines/tiny.cfg");
  config.set("run.trace", trace, "test");
  for (const auto& [key, value] : settings)
    config.set(key, value, "test");
  return config;
}

std::map<std::string, uint64_t> counters_of(const std::string& trace, const Settings& settings) {
  config::Schema schema;
  const config::Config config = configured(schema, trace, settings);
  std::map<std::string, uint64_t> counters;
  const ReplayResult result = replay(config, {});
  for (const auto& c : result.report.counters())
    counters[c.name] = c.value;
  return counters;
}

// Areas of all processes at the end of a replay, as pieces that cannot be told apart by who made
// them: implied ones left out, neighbours of one kind joined.
struct Piece {
  uint64_t begin;
  uint64_t end;
  uint32_t flags;
  std::string file;
  uint64_t place;  // of the file's page 0
  auto operator<=>(const Piece&) const = default;
};
using Areas = std::map<uint32_t, std::vector<Piece>>;

Areas areas_after(const std::string& trace) {
  config::Schema schema;
  const config::Config config = configured(schema, trace, {{"run.check", "true"}});
  Machine<x86::Architecture> machine(config);
  ReplayLoop<x86::Architecture::Tlbs> loop(machine.tlbs(), machine.kernel(), machine.sink(),
                                           machine.checker(), machine.page());
  trace::Reader reader(trace);
  for (trace::Batch batch; reader.next(batch);)
    loop.run<ReplayMode::Full>(batch);
  Areas areas;
  auto& system = machine.kernel().system();
  // Memory is told by the order in which it is met.
  std::map<kernel::FileId, size_t> files;
  for (const auto& [pid, process] : system.processes()) {
    if (process.mm == nullptr) continue;
    std::vector<Piece>& pieces = areas[pid.value()];
    for (const auto& [start, vma] : process.mm->vmas.areas()) {
      if (vma.has(kernel::kVmImplied)) continue;
      // What is charged depends on rights it had once.
      const uint32_t flags = vma.flags & ~static_cast<uint32_t>(kernel::kVmAccount);
      Piece piece{vma.start.value(), vma.end.value(), flags, "", 0};
      if (!vma.is_anonymous()) {
        piece.file = std::to_string(files.try_emplace(vma.file, files.size()).first->second);
        piece.place = vma.start.value() - vma.pgoff * machine.page().bytes();
      }
      Piece* const last = pieces.empty() ? nullptr : &pieces.back();
      if (last != nullptr && last->end == piece.begin && last->flags == piece.flags &&
          last->file == piece.file && last->place == piece.place)
        last->end = piece.end;
      else
        pieces.push_back(piece);
    }
  }
  machine.shut_down();
  return areas;
}

void expect_same(const Areas& whole, const Areas& part, const std::string& what) {
  for (const auto& [pid, pieces] : whole) {
    ASSERT_TRUE(part.contains(pid)) << what << ", process " << pid;
    const std::vector<Piece>& others = part.at(pid);
    ASSERT_EQ(pieces.size(), others.size()) << what << ", process " << pid;
    for (size_t i = 0; i < pieces.size(); ++i)
      ASSERT_TRUE(pieces[i] == others[i])
          << what << ", process " << pid << std::hex << ": " << pieces[i].begin << "-"
          << pieces[i].end << " " << pieces[i].flags << " of " << pieces[i].file << "; "
          << others[i].begin << "-" << others[i].end << " " << others[i].flags << " of "
          << others[i].file;
  }
  EXPECT_EQ(whole.size(), part.size()) << what;
}

TEST(CutReplay, LeavesTheAreasOfTheWhole) {
  const Folder folder;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const std::string whole = folder.file("whole.mmt");
    differential::RandomHistory(seed).write(whole, 300);
    const uint64_t all = trace::Reader(whole).totals()->instructions;
    for (const uint64_t from : {all / 4, all / 2, all * 7 / 8}) {
      const uint64_t to = all - all / 16;
      trace::cut(whole, {0, to}, folder.file("begin.mmt"));
      trace::cut(whole, {from, to}, folder.file("part.mmt"));
      expect_same(areas_after(folder.file("begin.mmt")), areas_after(folder.file("part.mmt")),
                  "seed " + std::to_string(seed) + " from " + std::to_string(from));
    }
  }
}

TEST(CutReplay, OfARealTrace) {
  const Folder folder;
  const uint64_t all = trace::Reader(kPipeline).totals()->instructions;
  for (const uint64_t part : {1u, 2u, 3u}) {
    const uint64_t to = all * part / 4 + 200000;
    trace::cut(kPipeline, {0, to}, folder.file("begin.mmt"));
    trace::cut(kPipeline, {to - 400000, to}, folder.file("part.mmt"));
    const Areas areas = areas_after(folder.file("part.mmt"));
    EXPECT_GT(areas.size(), 1u);
    expect_same(areas_after(folder.file("begin.mmt")), areas, "to " + std::to_string(to));
  }
}

// Checked translations, and nothing refused, of two programs side by side.
TEST(MergeReplay, CountsBoth) {
  const Folder folder;
  const std::string one = folder.file("one.mmt");
  trace::cut(kPipeline, {0, 2000000}, one);
  const auto alone = counters_of(one, {{"run.check", "true"}});
  const std::string both = folder.file("both.mmt");
  trace::merge({one, one}, both, {.quantum = 50000});
  const auto together = counters_of(both, {{"run.check", "true"}});
  for (const char* const name : {"run.instructions", "kernel.forks", "kernel.execs"}) {
    ASSERT_TRUE(alone.contains(name)) << name;
    EXPECT_EQ(2 * alone.at(name), together.at(name)) << name;
  }
}

// One process, whose memory nobody takes away, all of whose data accesses are stores (the first to
// a page that was only read would take the zero page's entry out), and a kernel that uses no
// entries itself.
TEST(ReuseReplay, ForetellsAnLruTlb) {
  const Folder folder;
  const std::string path = folder.file("walk.mmt");
  Random random(7);
  {
    trace::Header header;
    header.isa = "x86_64";
    trace::Writer writer(path, header);
    writer.thread({Pid(1), Tid(1)});
    for (unsigned i = 0; i < 60000; ++i) {
      const uint64_t code = 0x400000 + random.below(1 + random.below(40)) * 0x1000;
      writer.instruction(VirtAddr(code + 0xff8), 4);
      writer.instruction(VirtAddr(code + 0xffc), 8);  // into the next page
      const uint64_t page = random.below(1 + random.below(1 + random.below(300)));
      writer.access(AccessKind::Store, VirtAddr(0x10000000 + page * 0x1000 + random.below(0xff9)),
                    8);
    }
    writer.finish();
  }
  const trace::Stats stats = trace::read_stats(path, {.entries = {4, 16, 64}});
  const trace::Reuse& reuse = stats.pages.at(0);
  for (const uint64_t entries : {4u, 16u, 64u}) {
    const std::string number = std::to_string(entries);
    const auto counters = counters_of(path, {{"tlb.l1i.entries", number},
                                             {"tlb.l1i.ways", number},
                                             {"tlb.l1d.entries", number},
                                             {"tlb.l1d.ways", number},
                                             {"x86.direct_map", "false"}});
    for (const auto& [side, level] : {std::pair{trace::ReuseSide::Fetch, "tlb.l1i."},
                                      std::pair{trace::ReuseSide::Data, "tlb.l1d."}}) {
      const trace::ReuseCounts& counts = reuse.counts(side);
      EXPECT_EQ(counters.at(std::string(level) + "lookups"), counts.lookups()) << level << entries;
      EXPECT_EQ(counters.at(std::string(level) + "misses"), counts.misses(entries))
          << level << entries;
    }
  }
}

}  // namespace trace_tools_test
}  // namespace mmusim::sim
