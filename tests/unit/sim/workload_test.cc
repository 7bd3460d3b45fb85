// Workload scripts: what the language means, and what it refuses, with the place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/error.h"
#include "kernel/linux_abi.h"
#include "sim/simulation.h"
#include "sim/workload/script.h"
#include "sim/workload/simulate.h"

namespace mmusim::sim::workload {
namespace {

Plan plan_of(const std::string& text) {
  return unroll(parse(text, "t"));
}
VirtRange range(uint64_t begin, uint64_t end) {
  return {VirtAddr(kBase + begin), VirtAddr(kBase + end)};
}
std::vector<uint64_t> touches(const Step& step) {
  std::vector<uint64_t> pages;
  for_each_touch(step, [&](VirtAddr va) { pages.push_back((va.value() - kBase) / 4096); });
  return pages;
}

TEST(WorkloadScript, SegmentsHaveAddresses) {
  const Plan plan = plan_of(
      "map a 5000          # rounded to pages\n"
      "map b 1M shared read exec at 64K\n"
      "map c 4K file data\n"
      "unmap a\nmap a 8K none at 0\n");
  ASSERT_EQ(plan.steps.size(), 5u);
  EXPECT_EQ(plan.steps[0].range, range(0, 8192));
  EXPECT_EQ(plan.steps[0].prot, kernel::abi::kProtRead | kernel::abi::kProtWrite);
  EXPECT_EQ(plan.steps[1].range, range(64 << 10, (64 << 10) + (1 << 20)));
  EXPECT_EQ(plan.steps[1].flags, kernel::abi::kMapShared | kernel::abi::kMapAnonymous);
  EXPECT_EQ(plan.steps[1].prot, kernel::abi::kProtRead | kernel::abi::kProtExec);
  // Behind all there are: the next 2M, and 2M of a gap.
  EXPECT_EQ(plan.steps[2].range, range(4 << 20, (4 << 20) + 4096));
  EXPECT_EQ(plan.steps[2].file, 1u);
  EXPECT_EQ(plan.files.at(0).bytes, 4096u);
  EXPECT_EQ(plan.steps[4].prot, 0u);
}

TEST(WorkloadScript, TouchesHaveAnOrder) {
  const Plan plan = plan_of(
      "map a 32K\ntouch a\ntouch a[8K..20K] write stride 8K\ntouch a backwards\n"
      "touch a random 5 count 6\ntouch a[..8K] count 5");
  EXPECT_EQ(touches(plan.steps[1]), (std::vector<uint64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(touches(plan.steps[2]), (std::vector<uint64_t>{2, 4}));
  EXPECT_TRUE(plan.steps[2].write);
  EXPECT_EQ(touches(plan.steps[3]), (std::vector<uint64_t>{7, 6, 5, 4, 3, 2, 1, 0}));
  const auto random = touches(plan.steps[4]);
  EXPECT_EQ(random.size(), 6u);
  EXPECT_EQ(random, touches(plan.steps[4]));
  EXPECT_EQ(touches(plan.steps[5]), (std::vector<uint64_t>{0, 1, 0, 1, 0}));
}

TEST(WorkloadScript, ProcessesHaveTheirOwnSegments) {
  const Plan plan = plan_of(
      "map a 4K\nfork c\nin c { unmap a\n map b 4K }\ntouch a\nmap b 8K\n"
      "repeat 2 { measure \"w\" { touch b } }\nwait c\nfork c\nin c { touch b[4K..8K] }\n");
  ASSERT_EQ(plan.processes, (std::vector<std::string>{"main", "c", "c"}));
  EXPECT_EQ(plan.steps[2].process, 1u);
  EXPECT_EQ(plan.measures.size(), 2u);
  EXPECT_EQ(plan.steps.back().process, 2u);
}

TEST(WorkloadScript, MistakesHaveAPlace) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"mop a 4K", "t:1:1: no statement 'mop'"},
      {"map a", "t:1:6: the line ends where a size should be"},
      {"map a 4Q", "t:1:7: '4Q' is not a size"},
      {"map 1a 4K", "t:1:5: '1a' is no name"},
      {"map a 4K sideways", "t:1:10: 'sideways' is not known here"},
      {"map a 4K\nmap a 4K", "t:2:1: segment 'a' exists already"},
      {"map a 4K\n  touch b", "t:2:3: no segment 'b'"},
      {"map a 8K\ntouch a[4K..16K]", "t:2:1: the part"},
      {"map a 8K\ntouch a[4K]", "t:2:7: 'a[4K]' is no part"},
      {"map a 8K\ntouch a[8K..4K]", "t:2:7: the part is empty"},
      {"map a 8K at 4K\nmap b 4K at 8K", "t:2:1: there is another segment"},
      {"map a 4K at 100", "t:1:1: an offset is a multiple of 4K"},
      {"measure \"x\" {\n touch a", "t:1:13: the block that begins here does not end"},
      {"measure \"x", "t:1:9: a quoted name does not end"},
      {"}", "t:1:1: '}' without"},
      {"repeat 3 touch", "t:1:10: '{' should follow"},
      {"repeat 0 { }", "t:1:8: 0 is out of range"},
      {"in c { }", "t:1:1: no process 'c'"},
      {"wait main", "t:1:1: 'main' is no child"},
      {"fork c\nfork c", "t:2:1: process 'c' exists already"},
      {"fork c\nin c { fork d }\nwait c", "t:3:1: 'c' has a child"},
      {"map a 4K\nadvise a dontneeded", "t:2:10: no advice 'dontneeded'"},
      {"map a 4K\nprotect a", "which rights"},
      {"map a 4K extra", "t:1:10"},
      {"map a 999999T", "t:1:7"},
      {"repeat 1000000 { repeat 1000000 { fork c\nwait c } }", "more than 5000000 steps"},
  };
  for (const auto& [text, message] : cases) {
    try {
      plan_of(text);
      ADD_FAILURE() << text << " is taken";
    } catch (const UsageError& error) {
      EXPECT_THAT(std::string(error.what()), testing::HasSubstr(message)) << text;
    }
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
  EXPECT_EQ(result.outcome.failures[0], (Outcome::Failure{5, 1}));  // the hole
  EXPECT_EQ(result.outcome.failures[1].result, -kernel::abi::kENOMEM);
  EXPECT_EQ(result.outcome.failures[2], (Outcome::Failure{7, 1}));  // read-only
  EXPECT_EQ(result.report.value("run.stores"), 17u);
  EXPECT_EQ(result.report.value("access.refused"), 2u);
}

}  // namespace
}  // namespace mmusim::sim::workload
