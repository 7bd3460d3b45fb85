// Random scripts in little memory, with swap space: what a program can see, results of its calls,
// accesses refused, areas, and how many private pages it has in memory or out of it, is what it
// would be in much memory, whatever the page table. No translation is stale, and no frame is left
// over at the end (run.check).
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "pt/page_table.h"
#include "sim/architectures.h"
#include "tests/differential/random_script.h"

namespace mmusim::sim::workload {
namespace {

struct Seen {
  std::vector<int64_t> areas;  // at each measure
  std::vector<Failure> failures;
  uint64_t private_bytes = 0;
  uint64_t swapped_out = 0;  // not for the program to see
};

Seen run(const config::Schema& schema, const std::string& arch, const std::string& page_table,
         const char* memory, const Plan& plan) {
  config::Config config(schema);
  config.set("machine.arch", arch, "test");
  if (arch == "i386") config.set("paging.levels", "2", "test");
  config.set("machine.page_table", page_table, "test");
  config.set("mem.bytes", memory, "test");
  // Neither the processor's own tables nor their copies for it can be swapped out.
  config.set("ppc64.htab.bytes", "256K", "test");
  config.set("kernel.swap_pages", "1000000", "test");
  config.set("run.check", "true", "test");
  const uint64_t page = architecture_of(config).layout(config).page.bytes();
  const Simulated result = simulate(config, plan);
  Seen seen;
  for (const Counted& counted : result.outcome.measures)
    seen.areas.push_back(counted.areas);
  seen.failures = result.outcome.failures;
  seen.private_bytes =
      result.report.value("kernel.rss.anon") + result.report.value("kernel.swap.entries") * page;
  seen.swapped_out = result.report.value("kernel.swap.writes");
  return seen;
}

class SwapPressure : public testing::TestWithParam<std::string> {};

TEST_P(SwapPressure, IsNotForTheProgramToSee) {
  config::Schema schema;
  declare(schema);
  uint64_t swapped_out = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const std::string script =
        differential::RandomScript(seed,
                                   {.lock = false, .brk = true, .free = false, .most_pages = 13})
            .text(60);
    SCOPED_TRACE(testing::Message() << "seed " << seed << "\n" << script);
    const Plan plan = unroll(parse(script, "seed " + std::to_string(seed)));
    const Seen much = run(schema, GetParam(), "mlpt", "1G", plan);
    for (const pt::Backend& backend : pt::backends()) {
      // A copy of the table for x86's walker has no frames where reclaim leaves none free.
      const bool x86 = GetParam() == "x86_64" || GetParam() == "i386";
      if (x86 && backend.name != std::string("mlpt")) continue;
      SCOPED_TRACE(backend.name);
      const Seen little = run(schema, GetParam(), backend.name, "8M", plan);
      EXPECT_EQ(little.failures, much.failures);
      EXPECT_EQ(little.areas, much.areas);
      EXPECT_EQ(little.private_bytes, much.private_bytes);
      swapped_out += little.swapped_out;
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(swapped_out, 1000u) << "there was memory enough";
}

INSTANTIATE_TEST_SUITE_P(Architectures, SwapPressure,
                         testing::Values("x86_64", "i386", "ia64", "ppc64", "sparc64", "alpha"),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace mmusim::sim::workload
