// Machines for the targets that simulate: whatever there is in configs/machines and in the variants
// of tests/differential, over every page table, with settings that lead to rarer paths.
#ifndef MMUSIM_TESTS_FUZZ_MACHINES_H_
#define MMUSIM_TESTS_FUZZ_MACHINES_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "config/schema.h"
#include "tests/fuzz/input.h"

namespace mmusim::fuzz {

// All keys there are.
const config::Schema& schema();

struct Machine {
  std::string name;
  config::Config config;
};
// In the order of their names, machines before variants. Few frames, so that memory runs out.
const std::vector<Machine>& machines();

// Takes a machine, a page table, and then a number of settings, two bytes each, from the input.
// run.check is on.
config::Config choose_machine(Input& input);

// For whoever looks into what was found: with MMUSIM_FUZZ_KEEP=NAME in the environment, NAME.cfg.
void keep(const config::Config& config);
// The same for another file: NAME and `ending`. The path, or nothing.
std::string keep(std::string_view content, const char* ending);

// Ends the process if the error says that a check has failed: what a user may cause is an error
// too, but not that one.
void refuse_defects(const Error& error);

}  // namespace mmusim::fuzz

#endif  // MMUSIM_TESTS_FUZZ_MACHINES_H_
