// A machine file as text for an architecture's small world, which has no section [machine].
#ifndef MMUSIM_TESTS_DIFFERENTIAL_MACHINE_TEXT_H_
#define MMUSIM_TESTS_DIFFERENTIAL_MACHINE_TEXT_H_

#include <fstream>
#include <string>

#include "tests/differential/naive_mmu.h"
#include "tlb/geometry.h"

namespace mmusim::testing {

inline std::string machine_text(const std::string& name) {
  std::ifstream file(MMUSIM_SOURCE_DIR "/configs/machines/" + name + ".cfg");
  std::string text;
  std::string line;
  bool skipped = false;
  while (std::getline(file, line)) {
    if (line.starts_with('[')) skipped = line.starts_with("[machine]");
    if (!skipped) text += line + "\n";
  }
  return text;
}

inline naive::ArrayShape naive_shape(const tlb::Geometry& geometry) {
  naive::ArrayShape shape;
  shape.entries = geometry.entries;
  shape.ways = geometry.ways;
  shape.policy = tlb::name_of(geometry.replacement);
  shape.xored = geometry.index == tlb::Index::Xor;
  shape.seed = geometry.seed;
  for (const PageShift size : geometry.pages)
    shape.sizes.push_back(size.log2());
  return shape;
}

}  // namespace mmusim::testing

#endif  // MMUSIM_TESTS_DIFFERENTIAL_MACHINE_TEXT_H_
