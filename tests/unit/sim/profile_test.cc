// Where misses, walks and faults come from: on traces small enough to say it by hand, and on all
// machines against the counters of the same run without a profile.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "sim/profile/profiler.h"
#include "sim/simulation.h"
#include "sim/workload/plan.h"
#include "sim/workload/script.h"
#include "sim/workload/simulate.h"
#include "tests/machine_files.h"
#include "tests/unit/sim/trace_by_hand.h"
#include "trace/writer.h"

namespace mmusim::sim {
namespace profile_test {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kStackTop = 0x7fff'ff00'0000;
constexpr const char* kPipeline = MMUSIM_SOURCE_DIR "/workloads/traces/pipeline.mmt";

// What a row counts: misses of the last level, walks, faults.
struct Counted {
  uint64_t misses = 0;
  uint64_t walks = 0;
  uint64_t faults = 0;
  bool operator==(const Counted&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Counted& counted) {
  return out << counted.misses << " misses, " << counted.walks << " walks, " << counted.faults
             << " faults";
}
Counted counted(const ProfileCounts& counts) {
  return {.misses = counts[ProfileCount::FetchMisses] + counts[ProfileCount::DataMisses],
          .walks = counts[ProfileCount::Walks],
          .faults = counts[ProfileCount::MinorFaults] + counts[ProfileCount::MajorFaults]};
}

ReplayOptions watched_by(Profiler& profiler) {
  ReplayOptions options;
  options.profiler = &profiler;
  return options;
}

class Profiled : public tests::TraceByHand {
 protected:
  // A program with text, data, zeros, a heap of a page and a stack.
  void exec(const std::string& program) {
    const auto area = [](uint64_t begin, uint64_t pages, uint32_t prot, uint64_t offset,
                         const std::string& name) {
      return trace::ImageArea{.range = {VirtAddr(begin), VirtAddr(begin + pages * kPage)},
                              .prot = prot,
                              .flags = name.empty() || name.front() == '[' ? 0x22U : 0x2U,
                              .file_offset = offset,
                              .name = name};
    };
    trace::ExecEvent event;
    event.program = program;
    event.arguments = {program};
    event.image = {area(0x400000, 2, 5, 0, program), area(0x403000, 1, 3, 2 * kPage, program),
                   area(0x404000, 1, 3, 0, ""), area(0x500000, 1, 3, 0, "[heap]"),
                   area(kStackTop - 33 * kPage, 33, 3, 0, "[stack]")};
    event.brk = VirtAddr(0x501000);
    writer_->event(event);
  }
  void map(uint64_t start, uint64_t pages) {
    trace::MmapEvent event;
    event.hint = VirtAddr(start);
    event.length = pages * kPage;
    event.prot = 3;
    event.flags = 0x22;  // private, anonymous
    event.result = static_cast<int64_t>(start);
    writer_->event(event);
  }

  Profile run(const std::vector<unsigned>& tables,
              const std::function<void(config::Config&)>& configure = {}) {
    config::Config config = config_of_trace();
    // Else the kernel's own pages are walked for, too.
    config.set("x86.direct_map", "false", "test");
    if (configure) configure(config);
    Profiler profiler(tables);
    replay(config, watched_by(profiler));
    return profiler.take();
  }

  static Counted of_mapping(const Profile& profile, const std::string& name) {
    for (const auto& [key, counts] : profile.tables.front().rows)
      if (profile.mappings.at(key.mapping).name == name) return counted(counts);
    ADD_FAILURE() << "no row of " << name;
    return {};
  }
  static std::vector<std::string> mappings(const Profile& profile) {
    std::vector<std::string> names;
    for (const auto& [key, counts] : profile.tables.front().rows)
      names.push_back(profile.mappings.at(key.mapping).name);
    return names;
  }

  // Every access is the first to its page; a fault is a walk more.
  void touch_all() {
    thread(1);
    exec("/bin/one");
    map(0x10000000, 2);
    fetch(0x400000);                // a fault, which maps the next page of the file too
    store(0x500000);                // heap
    store(0x500008);                // hits
    fetch(0x401000);                // no fault
    load(0x404000);                 // zeros behind the data
    load(kStackTop - 8);            // exec has written there
    store(kStackTop - 40 * kPage);  // below: the stack grows
    fetch(0x401004);
    store(0x10001000);  // mapped
    load(0x20000000);   // nobody knows what is there
  }
};

TEST_F(Profiled, MappingsByHand) {
  touch_all();
  const Profile profile = run({kByMapping});
  EXPECT_EQ(of_mapping(profile, "/bin/one text"), (Counted{2, 3, 1}));
  EXPECT_EQ(of_mapping(profile, "[heap]"), (Counted{1, 2, 1}));
  EXPECT_EQ(of_mapping(profile, "/bin/one bss"), (Counted{1, 2, 1}));
  EXPECT_EQ(of_mapping(profile, "[stack]"), (Counted{2, 3, 1}));
  EXPECT_EQ(of_mapping(profile, "[anonymous 0x10000000]"), (Counted{1, 2, 1}));
  EXPECT_EQ(of_mapping(profile, "[unknown]"), (Counted{1, 2, 1}));
  EXPECT_EQ(of_mapping(profile, "[call: exec]"), (Counted{0, 0, 1})) << "its arguments";
  EXPECT_EQ(counted(profile.total), (Counted{8, 14, 7}));
}

TEST_F(Profiled, PagesAndInstructionsByHand) {
  touch_all();
  const Profile profile = run({kByPage, kByPc});
  const auto of_page = [&](uint64_t page) {
    for (const auto& [key, counts] : profile.tables.front().rows)
      if (key.page == page) return counted(counts);
    return Counted{};
  };
  EXPECT_EQ(of_page(0x401000), (Counted{1, 1, 0}));
  EXPECT_EQ(of_page(0x500000), (Counted{1, 2, 1}));
  EXPECT_EQ(of_page(0x10000000), Counted{}) << "its second page was touched";
  EXPECT_EQ(of_page(0x10001000), (Counted{1, 2, 1}));
  std::map<uint64_t, Counted> by_pc;
  for (const auto& [key, counts] : profile.tables.back().rows) {
    by_pc[key.pc] = counted(counts);
    if (key.code == ProfileKey::kNone) continue;
    EXPECT_EQ(profile.mappings.at(key.code).name, "/bin/one text");
    EXPECT_EQ(key.offset, key.pc - 0x400000);
  }
  EXPECT_EQ(by_pc[0x400000], (Counted{2, 4, 2})) << "its own fetch, and a store";
  EXPECT_EQ(by_pc[0x401000], (Counted{4, 6, 2})) << "its own fetch, zeros and the stack, twice";
  EXPECT_EQ(by_pc[0x401004], (Counted{2, 4, 2}));
  EXPECT_EQ(by_pc[0], (Counted{0, 0, 1})) << "exec";
}

// A fork is of its parent's program, an exec begins another, and threads are their process.
TEST_F(Profiled, ProcessesByHand) {
  thread(1);
  exec("/bin/one");
  fetch(0x400000);
  store(0x500000);
  writer_->event(trace::ForkEvent{{Pid(1), Tid(7)}, 0x10100, true});
  writer_->event(trace::ForkEvent{{Pid(2), Tid(2)}, 0, false});
  writer_->thread({Pid(1), Tid(7)});
  fetch(0x401000);
  thread(2);
  fetch(0x400000);
  store(0x500000);  // copies
  exec("/bin/two");
  fetch(0x400000);
  const Profile profile = run({kByProcess, kByProcess | kByMapping});
  std::map<std::pair<uint32_t, std::string>, Counted> of;
  for (const auto& [key, counts] : profile.tables.front().rows) {
    const ProfiledProcess& process = profile.processes.at(key.process);
    of[{process.pid.value(), process.program}] = counted(counts);
  }
  ASSERT_EQ(of.size(), 3U);
  EXPECT_EQ((of[{1, "/bin/one"}]), (Counted{3, 5, 3})) << "exec's own fault among them";
  // The heap's page is there, and not to be written: a walk finds it, the copy is another.
  EXPECT_EQ((of[{2, "/bin/one"}]), (Counted{2, 4, 2}));
  EXPECT_EQ((of[{2, "/bin/two"}]), (Counted{1, 2, 2}));
  for (const auto& [key, counts] : profile.tables.back().rows)
    if (profile.processes.at(key.process).program == "/bin/two") {
      EXPECT_THAT(profile.mappings.at(key.mapping).name,
                  testing::AnyOf("/bin/two text", "[call: exec]"));
    }
}

// What mprotect and munmap have cut into parts is one mapping; what is mapped anew there is it,
// too.
TEST_F(Profiled, PartsOfAMappingAreOne) {
  thread(1);
  exec("/bin/one");
  fetch(0x400000);
  map(0x10000000, 16);
  writer_->event(trace::MprotectEvent{VirtAddr(0x10004000), kPage, 1, 0});
  writer_->event(trace::MunmapEvent{VirtAddr(0x10008000), kPage, 0});
  fetch(0x400004);
  store(0x10000000);
  load(0x10004000);
  store(0x1000f000);
  const Profile profile = run({kByMapping});
  EXPECT_EQ(of_mapping(profile, "[anonymous 0x10000000]").misses, 3U);
  const std::vector<std::string> names = mappings(profile);
  EXPECT_EQ(std::count_if(names.begin(), names.end(),
                          [](const std::string& name) { return name.starts_with("[anonymous"); }),
            1);
}

// On machines with other pages and places: names and addresses are the recording's.
TEST_F(Profiled, AddressesAreTheRecordings) {
  touch_all();
  for (const char* const machine : {"alpha-21164", "itanium-merced", "core2"}) {
    SCOPED_TRACE(machine);
    const Profile profile = run({kByMapping | kByPage, kByPc}, [&](config::Config& config) {
      config.load(std::string(MMUSIM_SOURCE_DIR "/configs/machines/") + machine + ".cfg");
      config.set("run.relocate", "force", "test");
    });
    EXPECT_TRUE(profile.moved);
    EXPECT_EQ(profile.unplaced, 0U);
    EXPECT_THAT(mappings(profile), testing::Contains("[anonymous 0x10000000]"));
    EXPECT_THAT(mappings(profile), testing::Contains("[heap]"));
    EXPECT_THAT(mappings(profile), testing::Contains("/bin/one text"));
    for (const auto& [key, counts] : profile.tables.front().rows) {
      const std::string& name = profile.mappings.at(key.mapping).name;
      if (name == "[heap]") {
        EXPECT_EQ(key.page, 0x500000 & ~profile.page.offset_mask());
      }
      if (name == "[anonymous 0x10000000]") {
        EXPECT_EQ(key.page, 0x10001000 & ~profile.page.offset_mask());
      }
    }
    for (const auto& [key, counts] : profile.tables.back().rows) {
      if (key.code != ProfileKey::kNone) {
        EXPECT_EQ(key.offset, key.pc - 0x400000);
      }
    }
  }
}

// With short turns what is mapped is known when it is: not before the references ahead of it.
TEST_F(Profiled, EventsComeInTheirTurn) {
  thread(1);
  exec("/bin/one");
  fetch(0x400000);
  map(0x10000000, 1);
  fetch(0x400004);
  store(0x10000000);
  writer_->event(trace::MunmapEvent{VirtAddr(0x10000000), kPage, 0});
  fetch(0x400008);
  const Profile profile =
      run({kByMapping}, [](config::Config& config) { config.set("sched.quantum", "100", "test"); });
  EXPECT_EQ(of_mapping(profile, "[anonymous 0x10000000]"), (Counted{1, 2, 1}));
}

TEST_F(Profiled, AWarmUpIsLeftOut) {
  touch_all();
  const Profile profile =
      run({kByMapping}, [](config::Config& config) { config.set("run.warmup", "2", "test"); });
  EXPECT_THAT(mappings(profile),
              testing::UnorderedElementsAre("[anonymous 0x10000000]", "[unknown]"));
}

uint64_t sum_of(const stats::Report& report, const std::array<const char*, 2>& names) {
  uint64_t sum = 0;
  for (const char* const name : names) {
    const stats::Counter* const counter = name == nullptr ? nullptr : report.find(name);
    if (counter != nullptr) sum += counter->value;
  }
  return sum;
}

// Of `plain`, the same run without a profile.
void expect_sums(const Profile& profile, const stats::Report& plain) {
  for (const ProfileTable& table : profile.tables) {
    ProfileCounts sum = table.beyond;
    for (const auto& [key, counts] : table.rows)
      sum += counts;
    EXPECT_TRUE(sum == profile.total);
  }
  for (size_t i = 0; i < kProfileCounts; ++i) {
    const auto count = static_cast<ProfileCount>(i);
    const ProfileCountInfo& info = about(count);
    EXPECT_EQ(profile.total[count], sum_of(plain, info.counters) - sum_of(plain, info.less))
        << info.name;
  }
}

// On every machine, moved or not: the run counts what it counts without a profile, and the rows of
// each table add up to that.
TEST(Profiles, RowsAddUpToTheCountersOfTheSameRun) {
  config::Schema schema;
  declare(schema);
  std::vector<tests::MachineFiles> machines = tests::machine_files_by_effort();
  for (const tests::MachineFiles& machine : machines) {
    SCOPED_TRACE(machine.name);
    config::Config config(schema);
    for (const auto& file : machine.configs)
      config.load(file);
    config.set("run.trace", kPipeline, "test");
    config.set("run.limit", "200000", "test");
    const stats::Report plain = replay(config, {}).report;
    Profiler profiler({kByProcess, kByMapping, kByPage, kByProcess | kByMapping | kByPc});
    const stats::Report report = replay(config, watched_by(profiler)).report;
    const Profile profile = profiler.take();
    ASSERT_EQ(report.counters().size(), plain.counters().size());
    for (const stats::Counter& counter : plain.counters())
      EXPECT_EQ(report.value(counter.name), counter.value) << counter.name;
    expect_sums(profile, plain);
    // As time goes by the kernel works on page tables; nobody misses.
    for (const auto& [key, counts] : profile.tables[1].rows)
      if (profile.mappings.at(key.mapping).kind == ProfiledMapping::Kind::Other) {
        EXPECT_EQ(counted(counts), Counted{});
      }
  }
}

constexpr const char* kScript =
    "file f 64K\n"
    "map a 64K\n"
    "map b 64K anywhere\n"
    "map g 64K shared file f\n"
    "touch a write\ntouch b write\ntouch g read\n"
    "brk 64K\ntouch heap write\n"
    "fork {\ntouch a write\nmap c 16K\ntouch c write\nunmap a\n}\n"
    "move b to 1T\ntouch b write\n"
    "unmap a\n";

// Of a workload script too; and what it maps has the names it has in the script.
TEST(Profiles, OfScriptsAddUpAndNameSegments) {
  const workload::Plan plan = workload::unroll(workload::parse(kScript, "script"));
  config::Schema schema;
  declare(schema);
  for (const tests::MachineFiles& machine : tests::machine_files_by_effort()) {
    SCOPED_TRACE(machine.name);
    config::Config config(schema);
    for (const auto& file : machine.configs)
      config.load(file);
    if (config.origin("sched.quantum") != "default") continue;  // which is by instructions
    const stats::Report plain = workload::simulate(config, plan).report;
    Profiler profiler({kByProcess, kByMapping, kByPage});
    const stats::Report report = workload::simulate(config, plan, &profiler).report;
    const Profile profile = profiler.take();
    for (const stats::Counter& counter : plain.counters())
      EXPECT_EQ(report.value(counter.name), counter.value) << counter.name;
    expect_sums(profile, plain);
    EXPECT_EQ(profile.processes.size(), 2U);
    std::vector<std::string> names;
    for (const auto& [key, counts] : profile.tables[1].rows)
      if (counted(counts).faults != 0) names.push_back(profile.mappings.at(key.mapping).name);
    EXPECT_THAT(names, testing::UnorderedElementsAre("[segment a]", "[segment b]", "[segment c]",
                                                     "[heap]", "f data"));
  }
}

}  // namespace profile_test
}  // namespace mmusim::sim
