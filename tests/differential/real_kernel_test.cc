// The kernel model against the kernel these tests run on: random scripts and those of calibration/,
// both count the same at every statement. A failure prints the script; `mmusim workload check` runs
// it again.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "report/workload_table.h"
#include "sim/simulation.h"
#include "sim/workload/native.h"
#include "sim/workload/simulate.h"
#include "tests/differential/random_script.h"

namespace mmusim::sim::workload {
namespace {

std::vector<std::string> scripts_in(const char* folder) {
  std::vector<std::string> scripts;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    scripts.push_back(entry.path().string());
  std::sort(scripts.begin(), scripts.end());
  EXPECT_FALSE(scripts.empty());
  return scripts;
}

class RealKernel : public testing::Test {
 protected:
  RealKernel() {
    declare(schema_);
    config_ = std::make_unique<config::Config>(schema_);
    config_->set("run.check", "true", "test");
  }
  static const NativeFeatures& features() {
    static const NativeFeatures kFeatures = native_features();
    return kFeatures;
  }
  Outcome simulated_here(const Plan& plan) const {
    config::Config config = *config_;
    NativeFeatures here = features();
    here.uses_huge_pages = options_.huge_pages;
    imitate(config, here, plan);
    return simulate(config, plan).outcome;
  }
  // All scripts of a folder but for what this computer does not allow.
  void script_files(const char* folder) {
    for (const std::string& path : scripts_in(folder)) {
      const Plan plan = unroll(load(path));
      const bool on_disk = std::any_of(plan.files.begin(), plan.files.end(),
                                       [](const Plan::File& file) { return file.on_disk; });
      if (plan.breaks && !features().can_place_break) continue;
      if (plan.huge_pages > features().huge_pages_free) continue;
      if (plan.locks && !features().can_lock) continue;
      if (plan.guards && !features().has_guards) continue;
      if (on_disk && !features().folio_order_known) continue;
      compare(plan, path);
    }
  }
  // False if they differ.
  bool compare(const Plan& plan, const std::string& shown) {
    const Outcome simulated = simulated_here(plan);
    Outcome native;
    uint64_t differences = 1;
    // A processor that looks translations up ahead of need may hold some that the kernel has
    // changed without a flush: faults that come now and then.
    for (unsigned tries = 0; tries < 3 && differences != 0; ++tries) {
      native = run_native(plan, options_);
      differences = report::workload_differences(simulated, native);
    }
    EXPECT_EQ(differences, 0u) << plan.name() << "\n"
                               << report::workload_comparison(plan, simulated, native) << "\n"
                               << shown;
    return differences == 0;
  }
  // Scripts of what these abilities allow, of the seeds 1 to `most`, up to the first that differs.
  // MMUSIM_REAL_KERNEL_SEEDS="FIRST LAST": others than the usual, all of them even if some differ.
  void random_scripts(const differential::Abilities& abilities, uint64_t most) {
    uint64_t first = 1;
    uint64_t last = most;
    const char* others = std::getenv("MMUSIM_REAL_KERNEL_SEEDS");
    if (others != nullptr) {
      char* rest = nullptr;
      first = std::strtoull(others, &rest, 10);
      last = std::strtoull(rest, nullptr, 10);
    }
    uint64_t differ = 0;
    for (uint64_t seed = first; seed <= last && (differ == 0 || others != nullptr); ++seed) {
      const std::string script = differential::RandomScript(seed, abilities).text(40);
      if (!compare(unroll(parse(script, "seed " + std::to_string(seed))), script)) ++differ;
    }
    if (others != nullptr) printf("%lu of %lu scripts differ\n", differ, last - first + 1);
  }
  // What every random script may do here.
  static differential::Abilities abilities() {
    differential::Abilities abilities;
    abilities.lock = features().can_lock;
    abilities.brk = features().can_place_break;
    abilities.guards = features().has_guards;
    return abilities;
  }

  config::Schema schema_;
  std::unique_ptr<config::Config> config_;
  NativeOptions options_;
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
  EXPECT_EQ(native.measures, simulated_here(plan).measures);
  EXPECT_EQ(native.measures.at(0).minor_faults, 256);
  EXPECT_EQ(native.measures.at(1).minor_faults, 512);
}

TEST_F(RealKernel, RandomScripts) {
  random_scripts(abilities(), 100);
}

// Files on disk, which come in folios, and files that change under their mappings.
TEST_F(RealKernel, RandomScriptsOfFiles) {
  if (!features().folio_order_known || features().readahead == 0) return;
  differential::Abilities with_files = abilities();
  with_files.disk = true;
  with_files.change_files = true;
  random_scripts(with_files, 40);
}

// Upper tables that hold nothing, and are made all the same.
TEST_F(RealKernel, RandomFarScripts) {
  differential::Abilities abilities = this->abilities();
  abilities.far = true;
  random_scripts(abilities, 40);
}

// Where the kernel puts what it is left to put.
TEST_F(RealKernel, RandomPlaces) {
  differential::Abilities abilities = this->abilities();
  abilities.anywhere = true;
  abilities.pool = features().huge_pages_free >= differential::RandomScript::kHugePages;
  random_scripts(abilities, 40);
}

// Where the computer has a pool of huge pages (vm.nr_hugepages).
TEST_F(RealKernel, RandomPoolScripts) {
  differential::Abilities abilities = this->abilities();
  abilities.pool = true;
  if (features().huge_pages_free >= differential::RandomScript::kHugePages)
    random_scripts(abilities, 100);
}

// As many areas as a process may have, less a few.
TEST_F(RealKernel, RandomScriptsAtTheLimitOfAreas) {
  differential::Abilities abilities = this->abilities();
  abilities.fill_areas = features().max_map_count - 6;
  random_scripts(abilities, 2);
}

// calibration/: every kind of step once, and the library of scripts.
TEST_F(RealKernel, ScriptFiles) {
  for (const char* folder : {MMUSIM_CALIBRATION, MMUSIM_SCRIPTS})
    script_files(folder);
}

class RealKernelWithHugePages : public RealKernel {
 protected:
  RealKernelWithHugePages() { options_.huge_pages = true; }
  static bool has_huge_pages() {
    return features().huge_pages == "madvise" || features().huge_pages == "always";
  }
  // `shared`: in shared memory, which madvise(COLLAPSE) makes huge, too.
  static differential::Abilities huge_abilities(bool shared) {
    differential::Abilities with = abilities();
    with.huge = true;
    with.collapse = true;
    with.huge_files = shared;
    with.change_files = shared;
    with.most_pages = 11;
    return with;
  }
};

TEST_F(RealKernelWithHugePages, RandomScripts) {
  if (!has_huge_pages()) return;
  random_scripts(huge_abilities(false), 100);
}

// Shared memory that madvise(COLLAPSE) makes huge, and what becomes of it.
TEST_F(RealKernelWithHugePages, RandomScriptsOfSharedMemory) {
  if (!has_huge_pages()) return;
  random_scripts(huge_abilities(true), 40);
}

// All there is in one script: files on disk too, places the kernel chooses, and far ones.
TEST_F(RealKernelWithHugePages, RandomScriptsOfAllKinds) {
  if (!has_huge_pages()) return;
  differential::Abilities with = huge_abilities(true);
  with.disk = features().folio_order_known && features().readahead != 0;
  with.anywhere = true;
  with.far = true;
  random_scripts(with, 20);
}

TEST_F(RealKernelWithHugePages, ScriptFiles) {
  if (has_huge_pages()) script_files(MMUSIM_CALIBRATION_THP);
}

// Areas that nobody touches change nothing: with the kernel's own pages in every program a script
// counts the same.
TEST_F(RealKernel, WithTheKernelsOwnPages) {
  for (const std::string& path : scripts_in(MMUSIM_CALIBRATION)) {
    const Plan plan = unroll(load(path));
    const Outcome without = simulated_here(plan);
    config_->set("kernel.special_pages", "true", "test");
    const Outcome with = simulated_here(plan);
    config_->set("kernel.special_pages", "false", "test");
    EXPECT_EQ(with.measures, without.measures) << path;
    EXPECT_EQ(with.failures, without.failures) << path;
  }
}

}  // namespace
}  // namespace mmusim::sim::workload
