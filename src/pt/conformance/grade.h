// Points for a page table that somebody writes as an assignment: the kit's cases in stages, from
// the first translation to every address space there is. How it was taught is
// workloads/course/README.md.
//
// Each case is worth as much as the others of its stage; a stage begun earns points by itself, so
// that half a page table earns what its half keeps. For what fails there is a hint: where to look,
// not what to write. A page table is not trusted: all of it runs apart (check.h).
#ifndef MMUSIM_PT_CONFORMANCE_GRADE_H_
#define MMUSIM_PT_CONFORMANCE_GRADE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "pt/conformance/check.h"

namespace mmusim::pt::conformance {

struct GradedCase {
  std::string name;  // a case of promises.h, "random runs", or a layout
  bool kept = false;
  std::string promise = {};  // broken: in words, with what was expected and what came
  std::string expected = {};
  std::string came = {};
  std::string after = {};
  std::string hint = {};
};

struct Stage {
  std::string name;
  std::string about;
  unsigned points = 0;  // at most
  unsigned earned = 0;
  std::vector<GradedCase> cases;
  [[nodiscard]] bool whole() const { return earned == points; }
};

bool are_whole(const std::vector<Stage>& stages);

// All stages that need no machine to run on: 90 points. Options: settings, seed, operations,
// budget. Errors: as check().
std::vector<Stage> grade(const Backend& backend, const Options& options);

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_GRADE_H_
