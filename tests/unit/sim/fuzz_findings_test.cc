// What fuzzing found in whole simulations (tests/fuzz), each as a small script on the machine where
// it went wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "pt/page_table.h"
#include "sim/simulation.h"
#include "sim/workload/plan.h"
#include "sim/workload/simulate.h"

namespace mmusim::sim {
namespace fuzz_findings_test {

class FuzzFindings : public testing::Test {
 protected:
  using Settings = std::vector<std::pair<std::string, std::string>>;

  FuzzFindings() { declare(schema_); }

  // What simulating the script with every translation checked ends with: "" or an error.
  [[nodiscard]] std::string simulated(const std::string& script, const Settings& settings) const {
    config::Config config(schema_);
    config.set("mem.bytes", "64M", "test");
    config.set("run.check", "true", "test");
    for (const auto& [key, value] : settings)
      config.set(key, value, "test");
    try {
      static_cast<void>(
          workload::simulate(config, workload::unroll(workload::parse(script, "script"))));
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  config::Schema schema_;
};

// The kernel's table, which has the gate, hangs in the hash that serves all, and outlives them.
TEST_F(FuzzFindings, AHashThatGrewIsNoLeak) {
  for (const std::string kind : {"hashed", "clustered"}) {
    EXPECT_EQ(simulated("map a 16M\ntouch a write\n", {{"machine.arch", "i386"},
                                                       {"paging.levels", "2"},
                                                       {"machine.page_table", kind},
                                                       {"pt." + kind + ".scope", "global"},
                                                       {"pt.clustered.block", "2"},
                                                       {"kernel.special_pages", "true"}}),
              "")
        << kind;
  }
}

// What the copy of the page table gives back is less than it needs, time and again.
TEST_F(FuzzFindings, ACopyForWhichThereIsNoMemoryIsNoDefect) {
  for (const pt::Backend& backend : pt::backends()) {
    EXPECT_THAT(simulated("map a 8M\ntouch a write\n", {{"machine.arch", "ia64"},
                                                        {"ia64.walker", "short"},
                                                        {"ia64.rid_bits", "18"},
                                                        {"machine.page_table", backend.name},
                                                        {"mem.bytes", "4M"},
                                                        {"kernel.overcommit", "1T"}}),
                testing::HasSubstr("out of simulated memory"))
        << backend.name;
  }
}

// Tables lay above what an entry's address can say.
TEST_F(FuzzFindings, AGuardedTableIsRefusedMoreMemoryThanItsEntriesCanName) {
  const auto with_memory = [this](const char* bytes) {
    return simulated("map a 4M\ntouch a write\n",
                     {{"machine.page_table", "gpt"}, {"mem.bytes", bytes}, {"run.check", "false"}});
  };
  EXPECT_EQ(with_memory("8796093022207"), "");
  EXPECT_THAT(with_memory("17592186044405"), testing::HasSubstr("mem.bytes"));
}

}  // namespace fuzz_findings_test
}  // namespace mmusim::sim
