// Sets of pages to fill a page table with, named in a few characters.
//
//   dense:SIZE                 SIZE bytes without a gap
//   dense:SIZE:shuffled        the same, in random order
//   stride:STEP:COUNT          COUNT pages, STEP bytes from one to the next
//   random:BITS:COUNT          COUNT different pages anywhere in the lowest 2^BITS bytes
//   objects:BITS:COUNT:PAGES   COUNT objects of PAGES pages each, anywhere in the lowest 2^BITS
//
// Dense and strided sets begin at address 2^44 (2^26 where that is beyond the user's addresses).
#ifndef MMUSIM_SIM_PAGE_SET_H_
#define MMUSIM_SIM_PAGE_SET_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace mmusim::sim {

struct PageSet {
  std::string text;  // as it was named
  enum class Kind : uint8_t { Dense, Shuffled, Stride, Random, Objects } kind = Kind::Dense;
  uint64_t bytes = 0;  // dense: size; stride: step
  unsigned bits = 0;
  uint64_t count = 0;
  uint64_t pages = 1;
  uint64_t seed = 1;
};

// Whether the text begins as a set does.
bool is_page_set(std::string_view text);
// Errors: UsageError naming what is wrong.
PageSet parse_page_set(std::string_view text, uint64_t seed);
// The addresses, in the order to map them, without repetition. Errors: UsageError when they do not
// fit below `end`.
std::vector<VirtAddr> addresses_of(const PageSet& set, PageShift page, VirtAddr end);

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_PAGE_SET_H_
