// The kernel model against the kernel these tests run on: random scripts, both count the same at
// every statement. A failure prints the script; `mmusim workload check` runs it again.
#include <cstdlib>
#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "report/workload_table.h"
#include "sim/simulation.h"
#include "sim/workload/native.h"
#include "sim/workload/simulate.h"
#include "tests/differential/random_script.h"

namespace mmusim::sim::workload {
namespace {

class RealKernel : public testing::Test {
 protected:
  RealKernel() {
    declare(schema_);
    config_ = std::make_unique<config::Config>(schema_);
    config_->set("run.check", "true", "test");
    config_->set("kernel.pt_reclaim", native_features().pt_reclaim ? "true" : "false", "test");
  }
  void compare(const std::string& script, const std::string& name) {
    const Plan plan = unroll(parse(script, name));
    const Outcome native = run_native(plan);
    const Outcome simulated = simulate(*config_, plan).outcome;
    EXPECT_EQ(report::workload_differences(simulated, native), 0u)
        << report::workload_comparison(plan, simulated, native) << "\n"
        << script;
  }
  config::Schema schema_;
  std::unique_ptr<config::Config> config_;
};

TEST_F(RealKernel, CountedByHand) {
  const Plan plan =
      unroll(parse("map a 4M\ntouch a write\nfork c\n"
                   "in c { measure \"copy\" { touch a[0..1M] write } }\n"
                   "measure \"mine\" { touch a[..2M] write }\nwait c\n"
                   "measure \"move\" { move a to 1G }\n",
                   "by hand"));
  const Outcome native = run_native(plan);
  EXPECT_TRUE(native.failures.empty());
  EXPECT_EQ(native.measures, simulate(*config_, plan).outcome.measures);
  EXPECT_EQ(native.measures.at(0).minor_faults, 256);
  EXPECT_EQ(native.measures.at(1).minor_faults, 512);
}

// MMUSIM_REAL_KERNEL_SEEDS: more scripts than the usual.
TEST_F(RealKernel, RandomScripts) {
  const char* more = std::getenv("MMUSIM_REAL_KERNEL_SEEDS");
  const uint64_t last = more == nullptr ? 250 : std::strtoull(more, nullptr, 10);
  for (uint64_t seed = 1; seed <= last && !HasFailure(); ++seed)
    compare(differential::RandomScript(seed).text(40), "seed " + std::to_string(seed));
}

}  // namespace
}  // namespace mmusim::sim::workload
