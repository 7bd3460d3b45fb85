// Workload scripts on simulated machines: what statements do, count and refuse there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/linux_abi.h"
#include "sim/simulation.h"
#include "sim/workload/plan.h"
#include "sim/workload/simulate.h"

namespace mmusim::sim::workload {
namespace workload_simulate_test {

Plan plan_of(const std::string& text) {
  return unroll(parse(text, "t"));
}

// However many frames one call frees, the TLBs are looked through a few times for them.
TEST(Check, FreedFramesAreLookedUpTogether) {
  config::Schema schema;
  declare(schema);
  const Plan plan = plan_of(
      "map a 4M shared\ntouch a write\nrepeat 4 as i { fork s$i\nin s$i { touch a } }\n"
      "repeat 4 as i { wait s$i }\nunmap a\n");
  for (const char* table : {"mlpt", "gpt"}) {
    config::Config config(schema);
    config.set("run.check", "true", "test");
    config.set("machine.page_table", table, "test");
    const Simulated result = simulate(config, plan);
    EXPECT_GT(result.report.value("check.frees"), 1024u) << table;
    EXPECT_LT(result.report.value("check.scans"), 200u) << table;
  }
}

class SimulatedWorkload : public testing::Test {
 protected:
  SimulatedWorkload() {
    declare(schema_);
    config_ = std::make_unique<config::Config>(schema_);
    config_->set("run.check", "true", "test");
  }
  config::Schema schema_;
  std::unique_ptr<config::Config> config_;
};

TEST_F(SimulatedWorkload, CountsAndRefuses) {
  const Plan plan = plan_of(
      "map a 1M\n"
      "measure \"write\" { touch a[0..64K] write }\n"
      "unmap a[4K..8K]\n"
      "touch a[0..12K]\n"
      "protect a read\n"
      "touch a[0..4K] write\n");
  const Simulated result = simulate(*config_, plan);
  EXPECT_EQ(result.outcome.measures.at(0),
            (Counted{.minor_faults = 16, .anonymous = 64, .file = 0, .tables = 12, .areas = 0}));
  ASSERT_EQ(result.outcome.failures.size(), 3u);
  EXPECT_EQ(result.outcome.failures[0], (Failure{6, Step::Kind::Touch, {}, 1}));  // the hole
  EXPECT_EQ(result.outcome.failures[1].result, -abi::kENOMEM);
  EXPECT_EQ(result.outcome.failures[2], (Failure{8, Step::Kind::Touch, {}, 1}));  // read-only
  EXPECT_EQ(result.report.value("run.stores"), 17u);
  EXPECT_EQ(result.report.value("access.refused"), 2u);
}

// The results of all steps that fail, by line.
std::vector<std::pair<unsigned, int64_t>> failures_of(const Simulated& result) {
  std::vector<std::pair<unsigned, int64_t>> all;
  for (const Failure& failure : result.outcome.failures)
    all.emplace_back(failure.at.line, failure.result);
  return all;
}
using Failures = std::vector<std::pair<unsigned, int64_t>>;
using namespace abi;

TEST_F(SimulatedWorkload, ResultsAreThoseOfLinux) {
  // simulate() in checking mode counts the frames at the end.
  const Simulated result = simulate(*config_, plan_of("map a 8K at 1M\n"
                                                      "map b 8K at a.end-4K\n"
                                                      "map c 131072T\n"
                                                      "unmap b\n"
                                                      "unmap a[4K..8K]\n"
                                                      "unmap a[4K..8K]\n"
                                                      "move a to a+4K\n"
                                                      "brk 1T\n"
                                                      "lock a\n"));
  EXPECT_EQ(failures_of(result),
            (Failures{{2, -kEEXIST}, {3, -kENOMEM}, {7, -kEINVAL}, {8, -kENOMEM}, {9, -kENOMEM}}));
}

// Where the hardware walks a copy of the page table, a fetch that the kernel has put right as a
// read is refused the next time, though the copy still has nothing there.
TEST_F(SimulatedWorkload, FetchesAreRefusedOverCopies) {
  const Plan plan = plan_of("map a 4K\ntouch a exec\n");
  for (const char* table : {"mlpt", "gpt", "hashed"}) {
    config_->set("machine.page_table", table, "test");
    const Outcome outcome = simulate(*config_, plan).outcome;
    ASSERT_EQ(outcome.failures.size(), 1u) << table;
    EXPECT_EQ(outcome.failures[0].result, 1) << table;
  }
}

// Files that change, and what is said of whole processes: results are Linux's.
TEST_F(SimulatedWorkload, FilesChange) {
  const Plan plan = plan_of(
      "file f 64K\nmap a 64K shared file f\ntouch a write\n"
      "measure \"shorter\" { truncate f 16K }\ntouch a[8K..24K] read\n"
      "measure \"hole\" { hole f 4K 8K }\nsync a\n"
      "map b 64K\nadvise b remove\nlockall future\nmap c 16K\n"
      "fork p\nadvise a dontneed of p\nadvise a cold of p\nthp off\n");
  const Outcome outcome = simulate(*config_, plan).outcome;
  EXPECT_EQ(outcome.measures.at(0).file, -48);
  EXPECT_EQ(outcome.measures.at(1).file, -8);
  ASSERT_EQ(outcome.failures.size(), 3u);
  EXPECT_EQ(outcome.failures[0].result, 2);  // touches behind the end
  EXPECT_EQ(outcome.failures[1].result, -22);
  EXPECT_EQ(outcome.failures[2].result, -22);
}

TEST_F(SimulatedWorkload, AreasRunOut) {
  config_->set("kernel.max_map_count", "100", "test");
  const Simulated result =
      simulate(*config_, plan_of("map a 1M at 1G\nrepeat 120 as i { map s$i 4K at i*8K }\n"
                                 "unmap a[4K..8K]\nprotect a[4K..8K] read\n"
                                 "advise a[4K..8K] dontfork\ntouch s119\n"));
  // 101 can be made, as in Linux, whose mmap goes one past the limit.
  const Failures failures = failures_of(result);
  ASSERT_EQ(failures.size(), 20u + 4);
  EXPECT_EQ(failures[0], (std::pair<unsigned, int64_t>{2, -kENOMEM}));
  EXPECT_EQ(failures[20], (std::pair<unsigned, int64_t>{3, -kENOMEM}));
  EXPECT_EQ(failures[21], (std::pair<unsigned, int64_t>{4, -kENOMEM}));
  EXPECT_EQ(failures[22], (std::pair<unsigned, int64_t>{5, -kEAGAIN}));
  EXPECT_EQ(failures[23], (std::pair<unsigned, int64_t>{6, 1}));
}

TEST_F(SimulatedWorkload, FramesRunOut) {
  config_->set("mem.bytes", "1M", "test");
  config_->set("kernel.overcommit", "1G", "test");
  // 256 frames: the tables of 150 pages cannot be copied many times.
  const Simulated result =
      simulate(*config_, plan_of("map a 600K\ntouch a write\nrepeat 60 as i { fork c$i\n"
                                 "in c$i { map b 4K at 1G } }\nmap d 1M\nadvise d populate-write\n"
                                 "repeat 60 as i { wait c$i }\n"));
  const Failures failures = failures_of(result);
  ASSERT_FALSE(failures.empty());
  EXPECT_EQ(failures.front(), (std::pair<unsigned, int64_t>{3, -kENOMEM}));
  EXPECT_EQ(failures.back(), (std::pair<unsigned, int64_t>{6, -kENOMEM}));
  try {
    simulate(*config_, plan_of("map a 2M\ntouch a write\n"));
    ADD_FAILURE() << "2M fit into 1M";
  } catch (const Error& error) {
    EXPECT_THAT(std::string(error.what()), testing::HasSubstr("out of simulated memory"));
  }
}

// x86 faults in what may be read, and refuses the fetch that follows.
TEST_F(SimulatedWorkload, TouchesThatAreFetches) {
  const Plan plan = plan_of(
      "map a 64K read exec\nmeasure \"allowed\" { touch a exec }\n"
      "map b 64K\nmeasure \"not allowed\" { touch b exec stride 8K }\n"
      "touch a exec\n");
  EXPECT_TRUE(plan.executes);
  const Simulated result = simulate(*config_, plan);
  EXPECT_EQ(result.outcome.measures.at(0).minor_faults, 16);
  EXPECT_EQ(result.outcome.measures.at(1).minor_faults, 8);
  ASSERT_EQ(result.outcome.failures.size(), 1u);
  EXPECT_EQ(result.outcome.failures[0].result, 8);
  EXPECT_EQ(result.report.value("run.instructions"), 16u + 8u + 16u);
  EXPECT_THROW(plan_of("map a 8K\ntouch a exec stride 4097\n"), UsageError);
  EXPECT_THROW(plan_of("map a 8K\ntouch a[1..] exec\n"), UsageError);
}

TEST_F(SimulatedWorkload, PeaksAndMajorFaults) {
  config_->set("kernel.files", "cold", "test");
  const Plan plan = plan_of(
      "map a 1M\nmeasure \"come and gone\" { touch a write\nadvise a dontneed }\n"
      "measure \"nothing\" { touch a[..4K] read }\n"
      "file f 64K disk\nmap b 64K file f\nmeasure \"read\" { touch b }\n");
  const Simulated result = simulate(*config_, plan);
  EXPECT_EQ(result.outcome.measures.at(0).peak, 1024);
  EXPECT_EQ(result.outcome.measures.at(0).anonymous, 0);
  EXPECT_EQ(result.outcome.measures.at(1).peak, 0);
  EXPECT_EQ(result.outcome.measures.at(2).major_faults, 1);
  EXPECT_EQ(result.outcome.measures.at(2).peak, 64);
}

TEST_F(SimulatedWorkload, WithoutHugePagesThereIsNoCollapse) {
  const Plan plan = plan_of(
      "map a 2M at 0\nadvise a hugepage\nmeasure \"write\" { touch a write }\n"
      "advise a collapse\n");
  EXPECT_EQ(simulate(*config_, plan).outcome.measures.at(0).minor_faults, 1);
  config_->set("kernel.thp", "never", "test");
  EXPECT_EQ(simulate(*config_, plan).outcome.failed, 0u);
  config_->set("kernel.thp", "disabled", "test");
  const Outcome outcome = simulate(*config_, plan).outcome;
  EXPECT_EQ(outcome.measures.at(0).minor_faults, 512);
  ASSERT_EQ(outcome.failures.size(), 1u);
  EXPECT_EQ(outcome.failures[0].result, -abi::kEINVAL);
}

// Until exec or exit a vfork's child has its parent's memory, to write to and to map.
TEST_F(SimulatedWorkload, VforkSharesMemory) {
  const Plan plan = plan_of(
      "map a 1M\ntouch a[..64K] write\n"
      "vfork { touch a[64K..128K] write\nmap b 64K populate }\n"
      "measure \"parent\" { touch a[..128K] write\ntouch b write }\n"
      "vfork c { unmap b\nvfork { touch a[128K..132K] write }\n"
      "measure \"exec\" { exec }\nmap b 8K\ntouch b write }\n"
      "measure \"after\" { touch a[..132K] write }\n"
      "in c { measure \"own\" { touch b[4K..] write\nunmap b } }\nwait c\n");
  EXPECT_EQ(plan.vforks, 2u);
  const Simulated result = simulate(*config_, plan);
  EXPECT_EQ(result.outcome.failed, 0u);
  EXPECT_EQ(result.outcome.measures.at(0), Counted{});
  EXPECT_EQ(result.outcome.measures.at(1),
            (Counted{.minor_faults = 0, .anonymous = -132, .file = 0, .tables = -12, .areas = -1}));
  EXPECT_EQ(result.outcome.measures.at(2), Counted{});
  EXPECT_EQ(result.outcome.measures.at(3),
            (Counted{.minor_faults = 0, .anonymous = -8, .file = 0, .tables = -12, .areas = -1}));
  EXPECT_EQ(result.report.value("kernel.forks.shared"), 3u);
}

// The pool is as large as the script says, unless that is given.
TEST_F(SimulatedWorkload, HugePagesOfThePool) {
  const Plan plan = plan_of(
      "hugepages 3\nmap a 4M hugetlb\nmeasure \"fill\" { touch a write }\n"
      "map b 4M hugetlb\nmap c 2M shared hugetlb\nunmap a[..4K]\nunmap a\n"
      "fork d { touch c write }\nmeasure \"there\" { touch c read }\n");
  Simulated result = simulate(*config_, plan);
  EXPECT_EQ(
      result.outcome.measures.at(0),
      (Counted{
          .minor_faults = 2, .anonymous = 0, .file = 0, .tables = 8, .areas = 0, .pool = 4096}));
  EXPECT_EQ(failures_of(result), (Failures{{4, -kENOMEM}, {6, -kEINVAL}}));
  EXPECT_EQ(result.outcome.measures.at(1).pool, 2048);
  config_->set("kernel.hugetlb_pages", "1", "test");
  result = simulate(*config_, plan);
  EXPECT_EQ(failures_of(result).front(), (std::pair<unsigned, int64_t>{2, -kENOMEM}));
  config_->set("machine.arch", "alpha", "test");
  EXPECT_THROW(simulate(*config_, plan), UsageError);
}

// A machine without huge pages of a size of its own: those of the smallest pool there is, which is
// as large as the script says at least.
TEST_F(SimulatedWorkload, HugePagesWhereThereAreOnlyPoolsOfOtherSizes) {
  const Plan plan = plan_of(
      "hugepages 3\nmap a 192K hugetlb\nmeasure \"fill\" { touch a write }\n"
      "map b 512K hugetlb 512K\nmap c 64K hugetlb\n");
  config_->set("machine.arch", "alpha", "test");
  EXPECT_THROW(simulate(*config_, plan), UsageError);
  for (const char* pools : {"64K:1,512K:1", "64K:3,512K:1"}) {
    config_->set("kernel.hugetlb.pools", pools, "test");
    const Simulated result = simulate(*config_, plan);
    EXPECT_EQ(failures_of(result), (Failures{{5, -kENOMEM}})) << pools;
    EXPECT_EQ(result.outcome.measures.at(0).pool, 192) << pools;
  }
  config_->set("kernel.hugetlb.pools", "64K:4,512K:1", "test");
  EXPECT_TRUE(failures_of(simulate(*config_, plan)).empty());
}

// Each process has a copy of its page table there: an event must not cost a look at all of them.
TEST_F(SimulatedWorkload, CheckingCopiesGrowsWithTheStepsAlone) {
  config_->set("machine.page_table", "gpt", "test");
  const auto entries = [&](unsigned sharers) {
    return simulate(*config_, plan_of(fmt::format("map a 2M shared\ntouch a write\n"
                                                  "repeat {0} as i {{ fork c$i {{ touch a }} }}\n"
                                                  "repeat {0} as i {{ in c$i {{ touch a }} }}\n",
                                                  sharers)))
        .report.value("check.entries");
  };
  const uint64_t few = entries(12);
  EXPECT_GT(few, 0u);
  EXPECT_LT(entries(24), few * 5 / 2);
}

TEST_F(SimulatedWorkload, ExecLeavesNothing) {
  const Simulated result =
      simulate(*config_, plan_of("map a 1M populate\nbrk 64K\ntouch heap write\n"
                                 "fork c { measure \"exec\" { exec }\n brk 4K\n"
                                 "measure \"heap\" { touch heap write } }\nwait c\n"));
  EXPECT_EQ(
      result.outcome.measures.at(0),
      (Counted{.minor_faults = 0, .anonymous = -1088, .file = 0, .tables = -24, .areas = -2}));
  EXPECT_EQ(result.outcome.measures.at(1).tables, 12);
  EXPECT_EQ(result.outcome.failed, 0u);
}

}  // namespace workload_simulate_test
}  // namespace mmusim::sim::workload
