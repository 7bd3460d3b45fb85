// What a simulated Alpha's MMU is made of: the keys alpha.*.
//
// Plain data, read-only after read_options(). The defaults are the 21264's, as in
// configs/machines/alpha-21264.cfg.
#ifndef MMUSIM_ARCH_ALPHA_OPTIONS_H_
#define MMUSIM_ARCH_ALPHA_OPTIONS_H_

#include <vector>

#include "arch/alpha/formats.h"
#include "config/schema.h"
#include "tlb/geometry.h"

namespace mmusim::alpha {

struct Options {
  std::vector<tlb::Geometry> itb;  // one array
  std::vector<tlb::Geometry> dtb;
  Asn most_asn = 255;  // MAX_ASN
  bool linear_table = true;
  bool code_takes_number = false;  // when a page of it is flushed
};

void declare(config::Schema& schema);

// Errors: UsageError naming the key and the rule of the architecture that is broken.
Options read_options(const config::Config& config);

}  // namespace mmusim::alpha

#endif  // MMUSIM_ARCH_ALPHA_OPTIONS_H_
