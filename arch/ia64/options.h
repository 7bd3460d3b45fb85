// What a simulated IA-64 machine's MMU is made of: the keys ia64.*.
//
// Plain data, read-only after read_options(). The defaults are Itanium 2's (Madison), as in
// configs/machines/itanium2-madison.cfg.
#ifndef MMUSIM_ARCH_IA64_OPTIONS_H_
#define MMUSIM_ARCH_IA64_OPTIONS_H_

#include <cstdint>
#include <vector>

#include "arch/ia64/formats.h"
#include "arch/ia64/hash.h"
#include "config/schema.h"
#include "tlb/geometry.h"

namespace mmusim::ia64 {

enum class Walker : uint8_t {
  Long,        // reads a hash table of 32-byte entries that handlers fill
  Short,       // reads a linear table of 8-byte entries
  Off,         // handlers search the page table
  OffAsLinux,  // off; handlers read the linear table, which nothing maps: a nested miss each time
};

struct Options {
  Walker walker = Walker::Long;
  uint64_t vhpt_bytes = 0;
  bool chains = false;
  bool exchange = false;  // of what is found in a chain with what is in its slot
  bool folded_hash = false;
  uint64_t chain_entries = 0;

  // One array each; empty: there is none. A side's last level holds the translation registers, and
  // is given here without what the kernel pins.
  std::vector<tlb::Geometry> l1i;
  std::vector<tlb::Geometry> l1d;
  std::vector<tlb::Geometry> l2i;
  std::vector<tlb::Geometry> l2d;

  unsigned levels = 3;
  unsigned va_msb = 60;
  unsigned rid_bits = 24;
  bool swap_rid = false;
  bool smp = true;
  bool identity = true;
  unsigned granule = 24;

  // Translation registers the kernel takes: its text (I and D), PAL code (I), its stack (D) and,
  // in long format, the VHPT (D).
  [[nodiscard]] unsigned pinned_instruction() const { return 2; }
  [[nodiscard]] unsigned pinned_data() const { return walker == Walker::Long ? 3 : 2; }
  [[nodiscard]] Pta pta() const;
  [[nodiscard]] Hash hash() const { return {pta(), kPage, va_msb, folded_hash}; }
  // Whether the walker looks for anything.
  [[nodiscard]] bool walks() const { return walker == Walker::Long || walker == Walker::Short; }
  // Whether anybody reads the linear table, so that what it maps must be purged.
  [[nodiscard]] bool linear() const {
    return walker == Walker::Short || walker == Walker::OffAsLinux;
  }
};

// 4K to 4G: what itc takes.
const std::vector<PageShift>& insertable_sizes();
// Bytes of a VHPT where nobody says, of a machine with so much memory: log2 of its base pages, in
// bytes, rounded down, up to a size that can be inserted, at least 4M (the LVHPT patches'
// compute_vhpt_size_non_numa).
uint64_t vhpt_bytes_for(uint64_t memory);

void declare(config::Schema& schema);

// Errors: UsageError naming the key and the rule of the architecture that is broken.
Options read_options(const config::Config& config);

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_OPTIONS_H_
