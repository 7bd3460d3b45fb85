// Workload scripts: what the language means, and what it refuses, with the place.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/linux_abi.h"
#include "sim/simulation.h"
#include "sim/workload/native.h"
#include "sim/workload/plan.h"
#include "sim/workload/simulate.h"
#include "sim/workload/touch.h"
#include "tests/effort.h"

namespace mmusim::sim::workload {
namespace workload_test {

Plan plan_of(const std::string& text) {
  return unroll(parse(text, "t"));
}
VirtRange range(uint64_t begin, uint64_t end) {
  return {VirtAddr(kBase + begin), VirtAddr(kBase + end)};
}
std::vector<Step> steps_of(const std::string& text) {
  std::vector<Step> steps;
  for_each_step(plan_of(text), [&](const Step& step) { steps.push_back(step); });
  return steps;
}
std::vector<uint64_t> touches(const Step& step) {
  std::vector<uint64_t> pages;
  for_each_touch(step, [&](VirtAddr va) { pages.push_back((va.value() - kBase) / 4096); });
  return pages;
}

TEST(WorkloadScript, SegmentsHaveAddresses) {
  const std::string text =
      "map a 5000          # rounded to pages\n"
      "map b 1M shared read exec at 64K\n"
      "map c 4K file data offset 8K\n"
      "unmap a\nmap a 8K none at 0\n";
  const auto steps = steps_of(text);
  ASSERT_EQ(steps.size(), 5u);
  EXPECT_EQ(steps[0].range, range(0, 8192));
  EXPECT_EQ(steps[0].prot, abi::kProtRead | abi::kProtWrite);
  EXPECT_EQ(steps[1].range, range(64 << 10, (64 << 10) + (1 << 20)));
  EXPECT_EQ(steps[1].flags, abi::kMapShared | abi::kMapAnonymous | abi::kMapFixedNoReplace);
  EXPECT_EQ(steps[1].prot, abi::kProtRead | abi::kProtExec);
  // Behind all there are: the next 2M, and 2M of a gap.
  EXPECT_EQ(steps[2].range, range(4 << 20, (4 << 20) + 4096));
  EXPECT_EQ(steps[2].file, 1u);
  EXPECT_EQ(steps[2].offset, 8192u);
  EXPECT_EQ(plan_of(text).files.at(0).bytes, 12288u);
  EXPECT_EQ(steps[4].prot, 0u);
}

TEST(WorkloadScript, PlacesAreRelativeAndAligned) {
  const auto steps = steps_of(
      "let step 64K\nmap a 1M at 1G\nmap b 8K at a.end+step\nmap c 4K at b-4K over\n"
      "map d 4K align 1G\nrepeat 3 as i { map s$i 4K at d.end+(i+1)*2M }\n"
      "repeat 2 as i { repeat 2 as j { touch a[(i*2+j)*4K..(i*2+j)*4K+4K] } }\n");
  constexpr uint64_t kG = 1 << 30;
  EXPECT_EQ(steps[1].range, range(kG + (1 << 20) + (64 << 10), kG + (1 << 20) + (72 << 10)));
  EXPECT_EQ(steps[2].range.begin, steps[1].range.begin - 4096);
  EXPECT_NE(steps[2].flags & abi::kMapFixed, 0u);
  EXPECT_EQ(steps[3].range.begin, VirtAddr(kBase + 2 * kG));
  EXPECT_EQ(steps[6].range.begin, VirtAddr(kBase + 2 * kG + 4096 + 3 * (2 << 20)));
  EXPECT_EQ(steps[10].range.begin, VirtAddr(kBase + kG + 3 * 4096));
}

TEST(WorkloadScript, TouchesHaveAnOrder) {
  const auto steps = steps_of(
      "map a 32K\ntouch a\ntouch a[8K..20K] write stride 8K\ntouch a backwards\n"
      "touch a random 5 count 6\ntouch a[..8K] count 5\ntouch a permuted 9\n"
      "touch a permuted 10\ntouch a[..20K] permuted 1");
  EXPECT_EQ(touches(steps[1]), (std::vector<uint64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(touches(steps[2]), (std::vector<uint64_t>{2, 4}));
  EXPECT_EQ(steps[2].access, AccessKind::Store);
  EXPECT_EQ(touches(steps[3]), (std::vector<uint64_t>{7, 6, 5, 4, 3, 2, 1, 0}));
  const auto random = touches(steps[4]);
  EXPECT_EQ(random.size(), 6u);
  EXPECT_EQ(random, touches(steps[4]));
  EXPECT_EQ(touches(steps[5]), (std::vector<uint64_t>{0, 1, 0, 1, 0}));
  EXPECT_THAT(touches(steps[6]), testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_NE(touches(steps[6]), touches(steps[7]));
  EXPECT_THAT(touches(steps[8]), testing::UnorderedElementsAre(0, 1, 2, 3, 4));
}

TEST(WorkloadScript, ProcessesHaveTheirOwnSegments) {
  const std::string text =
      "map a 4K\nfork c\nin c { unmap a\n map b 4K }\ntouch a\nmap b 8K\n"
      "repeat 2 { measure \"w\" { touch b } }\nwait c\nfork c\nin c { touch b[4K..8K] }\n";
  const auto steps = steps_of(text);
  EXPECT_EQ(steps[2].process, 1u);
  EXPECT_EQ(steps.back().process, 1u);  // the number of the first child is free again
  const Plan plan = plan_of(text);
  EXPECT_EQ(plan.measures.size(), 2u);
  EXPECT_EQ(plan.processes, 2u);
  EXPECT_EQ(plan.steps, steps.size());
}

TEST(WorkloadScript, BlocksAndChildren) {
  using Kind = Step::Kind;
  const auto kinds = [](const std::string& text) {
    std::vector<std::pair<Kind, unsigned>> all;
    for (const Step& step : steps_of(text))
      all.emplace_back(step.kind, step.process);
    return all;
  };
  const std::vector<std::pair<Kind, unsigned>> once = {
      {Kind::Fork, 0}, {Kind::Exec, 1}, {Kind::Map, 1}, {Kind::Exit, 1}, {Kind::Wait, 0}};
  EXPECT_EQ(kinds("define hello { exec\n map text 4K }\nfork { do hello }"), once);
  EXPECT_EQ(kinds("define hello { exec\n map text 4K }\nfork c { do hello\n exit }\nwait c"), once);
}

// Such a segment is where the kernel put it, in each process that has it; one that could not be
// mapped is nowhere. Nothing else goes behind it.
TEST(WorkloadScript, SegmentsThatTheKernelPlaces) {
  config::Schema schema;
  declare(schema);
  config::Config config(schema);
  config.set("machine.arch", "x86_64", "test");
  config.set("run.check", "true", "test");
  const Plan plan = plan_of(
      "map a 8K anywhere\nmap b 4M anywhere\nmap c 64G anywhere\nmap d 4K\n"
      "measure \"mine\" { touch a write }\nfork f\n"
      "in f { measure \"a child's\" { touch a write\ntouch b[4K..8K] write } }\n"
      "unmap a[4K..]\nmap e 4K anywhere\ntouch a[4K..8K]\ntouch c[..16K]\n");
  const Outcome outcome = simulate(config, plan).outcome;
  ASSERT_EQ(outcome.places.size(), 3u);  // 64G is more than there is memory
  // mmap_base is 4K below a multiple of 2M.
  EXPECT_EQ(outcome.places[0].offset, -(8 << 10));
  EXPECT_EQ(outcome.places[1].offset, -((6 << 20) - 4096));
  EXPECT_EQ(outcome.places[2].offset, -(4 << 10));
  EXPECT_EQ(outcome.measures[0].minor_faults, 2);
  EXPECT_EQ(outcome.measures[1].minor_faults, 3);
  ASSERT_EQ(outcome.failures.size(), 2u);  // what was the end of a is e now
  EXPECT_EQ(outcome.failures[0].result, -abi::kENOMEM);
  EXPECT_EQ(outcome.failures[1].result, 4);
}

TEST(WorkloadScript, MistakesHaveAPlace) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"mop a 4K", "t:1:1: no statement 'mop'"},
      {"mop a 4K", "did you mean 'map'?"},
      {"map a", "t:1:6: the line ends where a size should be"},
      {"map a 4Q", "t:1:7: '4Q' is not a size"},
      {"map a 4K*", "t:1:10: '4K*' is not a size"},
      {"map 1a 4K", "t:1:5: '1a' is no name"},
      {"map heap 4K", "t:1:1: segment 'heap' is what brk moves"},
      {"map a 4K sideways", "t:1:10: 'sideways' is not known here"},
      {"map a 4K popolate", "did you mean 'populate'?"},
      {"map a 4K\nmap a 4K", "t:2:1: segment 'a' exists already"},
      {"map aa 4K\n  touch ab", "t:2:3: no segment 'ab' in process 'main' (did you mean 'aa'?)"},
      {"map a 8K\ntouch a[4K..16K]", "t:2:1: the part"},
      {"map a 8K\ntouch a[4K]", "t:2:7: 'a[4K]' is no part"},
      {"map a 8K\ntouch a[8K..4K]", "t:2:1: the part [8192..4096] of segment 'a' is empty"},
      {"map a 8K\ntouch a[-4K..4K]", "t:2:1: the part"},
      {"map a 8K\ntouch a random 1 permuted 2", "t:2:18: one order only"},
      {"map a 8K at b", "t:1:13: no variable or segment 'b'"},
      {"map a$x 8K", "t:1:1: no variable 'x'"},
      {"map a 4K/0", "t:1:9: a division by zero"},
      {"map a 4T*4T*4T", "does not fit into 63 bits"},
      {"map a 4K at 100", "t:1:13: a place is a multiple of 4K"},
      {"map a 4K align 5000", "t:1:16: an alignment is a power of two"},
      {"map a 4K over", "t:1:1: over what"},
      {"map a 4K offset 4K", "t:1:1: an offset without a file"},
      {"map a 4K file f\nfile f 4K", "t:2:1: file 'f' exists already"},
      {"map a 8K\nmove a[..4K] to 1M", "t:2:1: a part that moves needs a name"},
      {"map a 8K\nmove a keep", "t:2:1: the new segment needs a name"},
      {"measure \"x\" {\n touch a", "t:1:13: the block that begins here does not end"},
      {"measure \"x", "t:1:9: a quoted name does not end"},
      {"}", "t:1:1: '}' without"},
      {"repeat 3 touch", "t:1:10: '{' should follow"},
      {"repeat 0-1 { }", "t:1:8: -1 is out of range"},
      {"in c { }", "t:1:1: no process 'c'"},
      {"wait main", "t:1:1: 'main' is no child"},
      {"fork c\nfork c", "t:2:1: process 'c' exists already"},
      {"fork c\nin c { fork d }\nwait c", "t:3:1: 'c' has a child"},
      {"fork c { exit\nbrk 4K }", "t:2:1: process 'c' has exited"},
      {"fork c { measure \"m\" { exit } }", "t:1:10: the process exits in the middle"},
      {"vfork c", "t:1:8: '{' should follow"},
      {"vfork c { }", "t:1:1: 'c' calls neither exec nor exit"},
      {"map a 4K\nvfork c {\n touch a\n}", "t:2:1: 'c' calls neither exec nor exit"},
      {"vfork { in main { brk 4K } }", "t:1:19: process 'main' waits until '(child)' has called"},
      {"vfork { vfork {\n exec } }\nvfork c {\nin main { brk 4K } }",
       "t:4:11: process 'main' waits until 'c' has called"},
      {"vfork c { exit }\nvfork c { exit }", "t:2:1: process 'c' exists already"},
      {"map a 4K\nvfork { unmap a }\ntouch a", "t:3:1: no segment 'a' in process 'main'"},
      {"map a 4K\nvfork { exec\ntouch a }", "t:3:1: no segment 'a' in process '(child)'"},
      {"map a 4M hugetlb", "t:1:1: how many huge pages the pool has to have is not said"},
      {"hugepages 4\nmap a 4M hugetlb file f", "t:2:1: huge pages of the pool hold no file"},
      {"map a 4M growsdown hugetlb", "t:1:1: huge pages of the pool do not grow down"},
      {"hugepages 0", "t:1:11: 0 is out of range"},
      {"hugepages", "t:1:10: the line ends where a number should be"},
      {"map a 4K anywhere at 1M", "t:1:1: either 'anywhere', or a place"},
      {"map a 3T anywhere", "t:1:1: no segment that the kernel places is longer than 2T"},
      {"map a 4K anywhere\nmap b 4K at a", "t:2:13: where segment 'a' is the kernel says"},
      {"exit", "t:1:1: the first process exits at the end"},
      {"do x", "t:1:1: no block 'x'"},
      {"define x { do x }\ndo x", "blocks are nested too deeply"},
      {"map a 4K\nadvise a dontneeded", "t:2:10: no advice 'dontneeded'"},
      {"map a 4K\nprotect a", "which rights"},
      {"truncate f 4K", "t:1:1: how long the file 'f' is has not been said"},
      {"file f 8K\ntruncate f", "t:2:11: the line ends where a size should be"},
      {"file f 8K\nhole f 1K 4K", "t:2:8: a hole begins with a page"},
      {"file f 8K\nhole f 4K", "the line ends where a size should be"},
      {"map a 4K\nsync a slowly", "'slowly' is not known here"},
      {"lockall never", "'never' is not known here"},
      {"thp maybe", "t:1:5: 'maybe' is not known here"},
      {"map a 4K\nadvise a cold of main", "'main' is no child of this process"},
      {"userfault a", "t:1:1: no statement 'userfault'"},
      {"map a 4K extra", "t:1:10"},
      {"map a 60T", "a segment cannot end beyond 48T"},
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

TEST(WorkloadScript, HasNoMoreStepsThanAreAllowed) {
  const uint64_t most = tests::kWholeEffort ? kMostSteps : kMostSteps / 100;
  try {
    static_cast<void>(
        unroll(parse("repeat 1000000 { repeat 1000000 { fork c\nwait c } }", "t"), most));
    ADD_FAILURE() << "it is taken";
  } catch (const UsageError& error) {
    EXPECT_THAT(std::string(error.what()),
                testing::HasSubstr(fmt::format("more than {} steps", most)));
  }
}

// Also where nothing that is repeated makes a step.
TEST(WorkloadScript, EndsSoonWhateverItRepeats) {
  for (const char* text :
       {"repeat 1000 { repeat 1000 { } }", "repeat 100 { let a 1\nlet b 2\nlet c 3\nlet d 4 }"}) {
    try {
      static_cast<void>(unroll(parse(text, "t"), 100));
      ADD_FAILURE() << text << " is taken";
    } catch (const UsageError& error) {
      EXPECT_THAT(std::string(error.what()),
                  testing::HasSubstr("more than 300 statements and blocks"))
          << text;
    }
  }
  EXPECT_EQ(unroll(parse("repeat 50 { map a 4K\nunmap a }", "t"), 100).steps, 100u);
}

// Linux 6.18 takes back more reservations than there were, for a moment, and prints the count as it
// is then: below zero.
TEST(HugePagesFree, CountsReservationsAsTheKernelDoes) {
  const auto of = [](const char* free, const char* reserved) {
    return huge_pages_free(std::istringstream(
        fmt::format("HugePages_Total:     300\nHugePages_Free:      {}\nHugePages_Rsvd:      {}\n",
                    free, reserved)));
  };
  EXPECT_EQ(of("296", "6"), 290u);
  EXPECT_EQ(of("6", "6"), 0u);
  EXPECT_EQ(of("6", "9"), 0u);
  EXPECT_EQ(of("296", "18446744073709551615"), 297u);
}

}  // namespace workload_test
}  // namespace mmusim::sim::workload
