// Alphas over every page table: random histories, taken block by block,
// reference by reference, and with each translation compared with the page table, count the same.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <unistd.h>
#include <vector>

#include "arch/alpha/architecture.h"
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
    {"21164", "alpha-21164", ""},
    {"21264", "alpha-21264", "[alpha]\nlinear_table = false\n"},
    // Few entries, so that pages of the linear table are thrown out, and few numbers.
    {"small", "alpha-21164",
     "[alpha]\nasn_bits = 2\n[alpha.itb]\nentries = 8\nways = 2\nreplacement = random\n"
     "[alpha.dtb]\nentries = 8\nways = 8\npages = 8K\n"},
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
  const ReplayResult result = Replay<alpha::Architecture>(config, {}).run(mode);
  for (const stats::Counter& counter : result.report.counters())
    if (!counter.name.starts_with("check.")) counters[counter.name] = counter.value;
  return counters;
}

class AlphaModes : public testing::TestWithParam<std::tuple<Variant, std::string>> {};

TEST_P(AlphaModes, RandomHistoriesCountTheSameEitherWay) {
  const auto& [variant, backend] = GetParam();
  static int files = 0;
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() /
      ("mmusim_alpha_" + std::to_string(getpid()) + "_" + std::to_string(files++) + ".mmt");
  uint64_t misses = 0;
  for (uint64_t seed = 31; seed <= 32 && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    differential::RandomHistory(seed, {.page = alpha::kPage.bytes(),
                                       .areas = 0x100'0000'0000,
                                       .code = 0x1'2000'0000,
                                       .stack = 0x1'1fff'0000})
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
    Machines, AlphaModes,
    testing::Combine(testing::ValuesIn(kVariants), testing::ValuesIn(backend_names())),
    [](const auto& test) {
      std::string name = std::get<0>(test.param).name + ("_" + std::get<1>(test.param));
      std::replace_if(
          name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
      return name;
    });

}  // namespace
}  // namespace mmusim::sim
