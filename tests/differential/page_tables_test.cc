// The kernel does the same whatever its page table: the library of scripts, and random ones of all
// kinds, count the same on each but for the tables' own size, and what fails on one fails on all;
// nothing stale is used (run.check), nothing is left over.
//
// One difference there is (src/kernel/README.md): a radix tree may have a leaf table that holds
// nothing any more, and the last folio of a file is mapped otherwise where a leaf table is. Seeds
// 6 (of cold files), 212 and 218 (of folios) meet it.
#include <algorithm>
#include <filesystem>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "pt/page_table.h"
#include "report/workload_table.h"
#include "sim/simulation.h"
#include "sim/workload/simulate.h"
#include "tests/differential/random_script.h"
#include "tests/effort.h"

namespace mmusim::sim::workload {
namespace {

class OnEveryPageTable : public testing::Test {
 protected:
  OnEveryPageTable() { declare(schema_); }
  // What is counted on the first.
  Outcome expect_alike(const std::string& settings, const Plan& plan,
                       const std::string& shown) const {
    const pt::Backend& first = pt::backends().front();
    const Outcome expected = on(first, settings, plan);
    for (const pt::Backend& backend : pt::backends()) {
      if (&backend == &first) continue;
      const Outcome outcome = on(backend, settings, plan);
      EXPECT_EQ(report::workload_differences(outcome, expected), 0u)
          << backend.name << " and, as \"real\", " << first.name << "; " << plan.name() << "\n"
          << report::workload_comparison(plan, outcome, expected) << "\n"
          << settings << shown;
    }
    return expected;
  }
  void random_scripts(const std::string& settings, const differential::Abilities& abilities,
                      uint64_t first_seed = 1) const {
    const uint64_t seeds = tests::kWholeEffort ? 25 : 4;
    for (uint64_t seed = first_seed; seed < first_seed + seeds && !HasFailure(); ++seed) {
      const std::string script = differential::RandomScript(seed, abilities).text(40);
      expect_alike(settings, unroll(parse(script, "seed " + std::to_string(seed))), script);
    }
  }
  static differential::Abilities everything() {
    differential::Abilities with;
    with.disk = true;
    with.change_files = true;
    with.guards = true;
    with.anywhere = true;
    with.far = true;
    return with;
  }
  static differential::Abilities huge() {
    differential::Abilities with = everything();
    with.huge = true;
    with.collapse = true;
    with.huge_files = true;
    with.most_pages = 11;
    return with;
  }

 private:
  [[nodiscard]] Outcome on(const pt::Backend& backend, const std::string& settings,
                           const Plan& plan) const {
    config::Config config(schema_);
    config.load_text(settings, "settings");
    config.set("run.check", "true", "test");
    config.set("machine.page_table", backend.name, "test");
    Outcome outcome = simulate(config, plan).outcome;
    for (Counted& counted : outcome.measures)
      counted.tables = 0;
    return outcome;
  }

  config::Schema schema_;
};

TEST_F(OnEveryPageTable, Library) {
  std::vector<std::string> scripts;
  for (const auto& entry : std::filesystem::directory_iterator(MMUSIM_SCRIPTS))
    scripts.push_back(entry.path().string());
  std::sort(scripts.begin(), scripts.end());
  ASSERT_GT(scripts.size(), 4u);
  if (!tests::kWholeEffort) scripts.resize(4);
  for (const std::string& path : scripts)
    EXPECT_EQ(expect_alike("", unroll(load(path)), path).failed, 0u) << path;
}

TEST_F(OnEveryPageTable, RandomScripts) {
  random_scripts("", everything());
}
TEST_F(OnEveryPageTable, RandomScriptsOfFolios) {
  random_scripts("[kernel]\nfolio_order = 8\nreadahead = 8M\n", everything());
}
TEST_F(OnEveryPageTable, RandomScriptsOfColdFiles) {
  random_scripts("[kernel]\nfolio_order = 8\nfiles = cold\n", everything(), 7);
}
TEST_F(OnEveryPageTable, RandomScriptsWithAdviceForHugePages) {
  random_scripts("[kernel]\nthp = madvise\nfolio_order = 8\n", huge());
}
TEST_F(OnEveryPageTable, RandomScriptsWithHugePages) {
  random_scripts("[kernel]\nthp = always\n", huge());
}

}  // namespace
}  // namespace mmusim::sim::workload
