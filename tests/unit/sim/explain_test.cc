// Explanations: each thing told has its price, and together they are what the machine was charged.
#include "sim/explain.h"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <string>
#include <string_view>

#include "sim/simulation.h"
#include "sim/workload/plan.h"

namespace mmusim::sim {
namespace explain_test {

config::Schema& schema() {
  static config::Schema schema = [] {
    config::Schema made;
    declare(made, {});
    return made;
  }();
  return schema;
}

struct Case {
  const char* arch;
  const char* page_table;
  bool caches;
  bool native = false;  // x86: the hardware walks the page table as it is
};
std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  return fmt::format("{}_{}_{}{}", info.param.arch, info.param.page_table,
                     info.param.caches ? "caches" : "plain", info.param.native ? "_native" : "");
}

class ExplainedCycles : public testing::TestWithParam<Case> {};

TEST_P(ExplainedCycles, AreThePricesOfWhatIsTold) {
  config::Config config(schema());
  config.set("machine.arch", GetParam().arch, "test");
  if (std::string_view(GetParam().arch) == "i386") config.set("paging.levels", "2", "test");
  if (GetParam().native) config.set("paging.walk", "native", "test");
  config.set("mem.bytes", "64M", "test");
  config.set("machine.page_table", GetParam().page_table, "test");
  config.set("cache.enabled", GetParam().caches ? "true" : "false", "test");
  const workload::Plan plan = workload::unroll(
      workload::parse("map a 1M\ntouch a[0..64K] write\nmap b 8M\nrepeat 2 { touch b read }\n"
                      "touch a[0..64K] read\ntouch a[16K..256K] write\n",
                      "t"));
  const auto number = [&](const char* key) { return config.number(key); };
  unsigned without_fault = 0;
  unsigned answered = 0;
  for (const uint64_t miss : {1u, 20u, 700u, 1500u, 2500u}) {
    Moment moment;
    Explanation explanation;
    try {
      explanation = explain_miss(config, &plan, {.pid = {}, .number = miss}, {}, moment);
    } catch (const Error&) {
      continue;  // pages are larger here: there are not so many
    }
    int64_t sum = 0;
    uint64_t instructions = 0;
    uint64_t traps = 0;
    uint64_t steps = 0;
    uint64_t beside = 0;
    for (const Told& told : explanation.told) {
      EXPECT_GE(told.cycles, 0) << told.text;
      sum += told.cycles;
      instructions += told.instructions;
      traps += told.trap ? 1 : 0;
      steps += told.kind == Told::Kind::Step ? 1 : 0;
      beside += told.beside ? 1 : 0;
    }
    EXPECT_EQ(sum, static_cast<int64_t>(explanation.cycles));
    EXPECT_GT(explanation.cycles, 0u);
    if (GetParam().caches || explanation.faults != 0) continue;
    ++without_fault;
    answered += steps == 0 ? 1 : 0;
    const uint64_t references =
        explanation.by_walker + explanation.by_handler + explanation.by_kernel;
    EXPECT_EQ(explanation.cycles, instructions * number("cost.instruction") +
                                      traps * number("cost.trap") +
                                      (references - beside) * number("cost.reference") +
                                      (steps == 0 ? number("cost.next_level") : 0));
  }
  EXPECT_GT(without_fault + (GetParam().caches ? 1 : 0), answered);
}

INSTANTIATE_TEST_SUITE_P(
    Machines, ExplainedCycles,
    testing::Values(Case{"x86_64", "mlpt", false}, Case{"x86_64", "gpt", false},
                    Case{"x86_64", "hashed", true}, Case{"x86_64", "gpt", false, true},
                    Case{"x86_64", "hashed", false, true}, Case{"x86_64", "hashed", true, true},
                    Case{"i386", "mlpt", false}, Case{"ia64", "mlpt", false},
                    Case{"ia64", "gpt", true}, Case{"ppc64", "mlpt", false},
                    Case{"ppc64", "hashed", true}, Case{"sparc64", "mlpt", false},
                    Case{"sparc64", "gpt", true}, Case{"alpha", "mlpt", false},
                    Case{"alpha", "hashed", true}),
    name_of_case);

}  // namespace explain_test
}  // namespace mmusim::sim
