// What a simulated sun4u machine's MMU is made of: the keys sparc64.*.
//
// Each side has a fully associative TLB, which holds the kernel's locked entries too, and may have
// set-associative ones beside it, each of one page size (UltraSPARC III: T128, T512). Plain data,
// read-only after read_options(). The defaults are UltraSPARC I's, as in
// configs/machines/ultrasparc-i.cfg.
#ifndef MMUSIM_ARCH_SPARC64_OPTIONS_H_
#define MMUSIM_ARCH_SPARC64_OPTIONS_H_

#include <cstdint>
#include <vector>

#include "config/schema.h"
#include "tlb/geometry.h"

namespace mmusim::sparc64 {

enum class TsbMode : uint8_t {
  None,  // handlers walk the page table
  One,   // one for each address space, of all page sizes
  Two,   // as Linux: another for huge pages, once there are any
};

struct Options {
  std::vector<tlb::Geometry> itlb;  // set-associative ones first
  std::vector<tlb::Geometry> dtlb;
  unsigned image_entries = 2;  // locked 4M entries of the kernel's image, on each side
  TsbMode tsb = TsbMode::Two;
  bool tsb_physical = false;
  unsigned tsb_first = 0;  // size codes
  unsigned tsb_most = 7;
  bool linear_map = true;
  unsigned va_bits = 44;
  unsigned physical_bits = 41;

  [[nodiscard]] unsigned tsb_count() const {
    return tsb == TsbMode::None ? 0 : tsb == TsbMode::One ? 1 : 2;
  }
  // Most locked entries there can be, in the fully associative TLBs, the last of `itlb` and `dtlb`.
  [[nodiscard]] unsigned locked_fetch() const { return image_entries; }
  [[nodiscard]] unsigned locked_data() const {
    return image_entries + (tsb_physical ? 0 : tsb_count());
  }
};

void declare(config::Schema& schema);

// Errors: UsageError naming the key and the rule of the architecture; besides those of each array
// (see tlb/geometry.h): the array with locked entries is fully associative, holds 4M and has room
// for more than them; each other one holds one page size; each side holds 8K; a TSB is a power of
// two from 8K to 1M.
Options read_options(const config::Config& config);

}  // namespace mmusim::sparc64

#endif  // MMUSIM_ARCH_SPARC64_OPTIONS_H_
