// Instructions that ask for the system, by what they look like: of those ISAs whose registers name
// the instruction itself, not the one behind it, when QEMU has its exception.
#ifndef MMUSIM_RECORD_PLUGIN_SYSTEM_CALL_H_
#define MMUSIM_RECORD_PLUGIN_SYSTEM_CALL_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "record/isa.h"

namespace mmusim::record::plugin {

inline constexpr size_t kCallBytes = 4;

// `bytes`: kCallBytes from the instruction's first on; x86 needs two.
inline bool asks_the_system(const Isa& isa, const uint8_t* bytes) {
  const std::string_view name = isa.name;
  if (name == "x86_64" || name == "i386") {
    return (bytes[0] == 0x0f && (bytes[1] == 0x05 || bytes[1] == 0x34)) ||  // syscall, sysenter
           (bytes[0] == 0xcd && bytes[1] == 0x80);                          // int 0x80
  }
  uint32_t instruction = 0;
  for (size_t i = 0; i < kCallBytes; ++i)
    instruction |= uint32_t{bytes[i]} << 8 * (isa.big_endian ? kCallBytes - 1 - i : i);
  if (name == "riscv64") return instruction == 0x73;                                       // ecall
  if (name == "ppc64" || name == "ppc64le") return (instruction & ~0xfe0u) == 0x44000002;  // sc
  if (name == "sparc64") return (instruction & 0xc1f80000) == 0x81d00000;  // ta, and other traps
  return false;
}

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_SYSTEM_CALL_H_
