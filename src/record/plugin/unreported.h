// Instructions whose accesses QEMU 7.2 makes without telling plug-ins, by what they look like:
// aarch64's `dc zva` and ppc64's `dcbz`, which write a block of zeros, and what stores or loads
// SPARC's register windows.
#ifndef MMUSIM_RECORD_PLUGIN_UNREPORTED_H_
#define MMUSIM_RECORD_PLUGIN_UNREPORTED_H_

#include <cstdint>
#include <string_view>

#include "record/isa.h"

namespace mmusim::record::plugin {

struct Unreported {
  enum class Kind : uint8_t {
    None,
    ZeroBlock,     // the address is the sum of two general registers
    Save,          // stores the oldest window if there is no free one
    Restore,       // loads the caller's window if it is not in registers
    FlushWindows,  // stores all, one trap each
    FlushTrap      // stores all at once
  };
  Kind kind = Kind::None;
  uint8_t first = kNoRegister;  // of ZeroBlock
  uint8_t second = kNoRegister;

  static constexpr uint8_t kNoRegister = 255;  // 0 stands in its place
};

// Whether the ISA has any, so that one need not look.
bool has_unreported(const Isa& isa);
// `instruction`: its four bytes as a number.
Unreported unreported_of(const Isa& isa, uint32_t instruction);
// How much a ZeroBlock writes, at a multiple of it. `cpu`: the model QEMU was asked for; empty: its
// own choice.
uint64_t zero_block_bytes(const Isa& isa, std::string_view cpu);

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_UNREPORTED_H_
