// The machines that tests go through: those of configs/machines, and variants of them that a test
// wants and nobody else (tests/differential/variants).
#ifndef MMUSIM_TESTS_MACHINE_FILES_H_
#define MMUSIM_TESTS_MACHINE_FILES_H_

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/effort.h"

namespace mmusim::tests {

// By name.
inline std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

struct MachineFiles {
  std::string name;
  std::vector<std::filesystem::path> configs;  // in the order they are loaded
};

// Machines first, then variants. A variant's first line names its machine: "# MACHINE: what is
// special".
inline std::vector<MachineFiles> machine_files() {
  const std::filesystem::path source = MMUSIM_SOURCE_DIR;
  const std::filesystem::path machines = source / "configs/machines";
  std::vector<MachineFiles> all;
  for (const auto& machine : files_of(machines))
    all.push_back({machine.stem(), {machine}});
  for (const auto& variant : files_of(source / "tests/differential/variants")) {
    std::ifstream file(variant);
    std::string hash;
    std::string machine;
    file >> hash >> machine;
    machine.pop_back();  // the colon
    all.push_back({variant.stem(), {machines / (machine + ".cfg"), variant}});
  }
  return all;
}

// All of them, or every third under a sanitizer: for a test that runs each machine and asks what
// has been counted.
inline std::vector<MachineFiles> machine_files_by_effort() {
  std::vector<MachineFiles> all = machine_files();
  if (kWholeEffort) return all;
  std::vector<MachineFiles> some;
  for (size_t i = 0; i < all.size(); i += 3)
    some.push_back(std::move(all[i]));
  return some;
}

}  // namespace mmusim::tests

#endif  // MMUSIM_TESTS_MACHINE_FILES_H_
