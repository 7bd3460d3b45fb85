// Random workload scripts: small address spaces that are mapped, touched, protected, advised,
// locked, moved, forked, replaced and unmapped, with a measure around every statement. Much of it
// fails on purpose: what is refused, and how, is compared too. The same seed gives the same text.
// What they are made of is in random_script/kinds.h.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_H_
#define MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_H_

#include <cstdint>
#include <fmt/format.h>
#include <string>

#include "tests/differential/random_script/kinds.h"
#include "tests/differential/random_script/state.h"

namespace mmusim::differential {

class RandomScript {
 public:
  RandomScript(uint64_t seed, Abilities abilities) : state_(seed, abilities) {
    if (abilities.pool && abilities.pool_page == kHugePage)
      state_.text += fmt::format("hugepages {}\n", kHugePages);
    if (abilities.fill_areas != 0)
      state_.text += fmt::format(
          "map filler {}K at 16T noreserve\n"
          "repeat {} as i {{ protect filler[i*8K..i*8K+4K] read }}\n",
          8 * (abilities.fill_areas / 2), abilities.fill_areas / 2 - 1);
    for (const FileKind& file : kFileKinds) {
      if (file.allowed != nullptr && !(abilities.*file.allowed)) continue;
      state_.files[file.name] = file.pages;
      state_.text += fmt::format("file {} {}K {}\n", file.name, State::kib(file.pages), file.where);
    }
  }

  // With huge pages of the pool, so many; a small part of what scripts map.
  static constexpr unsigned kHugePages = 6;

  // Statements, most of them by the main process.
  std::string text(int statements) {
    for (int i = 0; i < statements; ++i) {
      const std::string some = state_.some(state_.processes)->first;
      const std::string who = state_.chance(3) ? some : "main";
      const std::string one = statement(state_, who);
      if (one.empty()) continue;
      state_.text += who == "main" ? state_.measured(one) + "\n"
                                   : fmt::format("in {} {{ {} }}\n", who, state_.measured(one));
    }
    return state_.text;
  }

 private:
  State state_;
};

}  // namespace mmusim::differential

#endif  // MMUSIM_TESTS_DIFFERENTIAL_RANDOM_SCRIPT_H_
