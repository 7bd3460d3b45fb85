// sun4u machines over every page table: random histories, taken block by block,
// reference by reference, and with each translation compared with the page table, count the same.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <unistd.h>
#include <vector>

#include "arch/sparc64/architecture.h"
#include "pt/page_table.h"
#include "random_history.h"
#include "sim/replay.h"

namespace mmusim::sim {
namespace {

using Counters = std::map<std::string, uint64_t>;

struct Variant {
  const char* name;
  const char* machine;
  const char* settings;  // INI
};
const Variant kVariants[] = {
    {"ultrasparc_i", "ultrasparc-i", ""},
    {"ultrasparc_iii", "ultrasparc-iii", ""},
    // Few entries, one small TSB that does not grow.
    {"small", "ultrasparc-iii",
     "[sparc64]\ntsb = one\n[sparc64.tsb]\nmost = 8K\nphysical = true\n"
     "[sparc64.dtlb.set0]\nentries = 32\nreplacement = random\n"
     "[sparc64.itlb.set0]\nentries = 8\n[mem]\nbytes = 1G\n"},
    // As III Cu: a second T512, of huge pages.
    {"two_arrays", "ultrasparc-iii",
     "[sparc64.dtlb.set1]\nentries = 512\npages = 4M\n[sparc64.tsb]\nphysical = true\n"
     "[kernel]\nthp = always\n"},
    {"no_tsb", "ultrasparc-i", "[sparc64]\ntsb = none\n"},
};

Counters run(const std::string& trace, const Variant& variant, const std::string& backend,
             ReplayMode mode) {
  config::Schema schema;
  declare(schema);
  config::Config config(schema);
  config.load(std::string(MMUSIM_SOURCE_DIR "/configs/machines/") + variant.machine + ".cfg");
  config.load_text(variant.settings, variant.name);
  config.set("machine.page_table", backend, "test");
  config.set("run.trace", trace, "test");
  config.set("run.check", mode == ReplayMode::Full ? "true" : "false", "test");
  Counters counters;
  const ReplayResult result = Replay<sparc64::Architecture>(config, {}).run(mode);
  for (const stats::Counter& counter : result.report.counters())
    if (!counter.name.starts_with("check.")) counters[counter.name] = counter.value;
  return counters;
}

class Sparc64Modes : public testing::TestWithParam<std::tuple<Variant, std::string>> {};

TEST_P(Sparc64Modes, RandomHistoriesCountTheSameEitherWay) {
  const auto& [variant, backend] = GetParam();
  static int files = 0;
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() /
      ("mmusim_sparc64_" + std::to_string(getpid()) + "_" + std::to_string(files++) + ".mmt");
  uint64_t misses = 0;
  for (uint64_t seed = 31; seed <= 32 && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    differential::RandomHistory(seed, {.page = sparc64::kPage.bytes(),
                                       .areas = 0x2000'0000,
                                       .code = 0x1000'0000,
                                       .stack = 0x7fe'fff0'0000})
        .write(path, 200);
    const Counters fast = run(path, variant, backend, ReplayMode::Fast);
    EXPECT_EQ(fast, run(path, variant, backend, ReplayMode::Exact));
    EXPECT_EQ(fast, run(path, variant, backend, ReplayMode::Full));
    misses += fast.at("mmu.last.data_misses");
  }
  EXPECT_GT(misses, 1000u) << "the histories are too tame to test anything";
  std::filesystem::remove(path);
}

std::vector<std::string> backend_names() {
  std::vector<std::string> names;
  for (const pt::Backend& backend : pt::backends())
    names.emplace_back(backend.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(
    Machines, Sparc64Modes,
    testing::Combine(testing::ValuesIn(kVariants), testing::ValuesIn(backend_names())),
    [](const auto& test) {
      std::string name = std::get<0>(test.param).name + ("_" + std::get<1>(test.param));
      std::replace_if(
          name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
      return name;
    });

}  // namespace
}  // namespace mmusim::sim
