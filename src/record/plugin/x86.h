// What a translated x86 instruction is, as far as its block must be read differently.
#ifndef MMUSIM_RECORD_PLUGIN_X86_H_
#define MMUSIM_RECORD_PLUGIN_X86_H_

#include <cstddef>
#include <cstdint>

namespace mmusim::record::plugin {

// A string instruction with a repeat prefix: QEMU makes a block of it that runs once for each
// iteration. `wide`: 64-bit mode, which has REX prefixes.
inline bool repeats_string_instruction(const uint8_t* bytes, size_t size, bool wide) {
  bool repeats = false;
  for (size_t i = 0; i < size; ++i) {
    const uint8_t byte = bytes[i];
    switch (byte) {
      case 0xf2:
      case 0xf3:
        repeats = true;
        continue;
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
      case 0x64:
      case 0x65:
      case 0x66:
      case 0x67:
        continue;
      default:
        break;
    }
    if (wide && (byte & 0xf0) == 0x40) continue;
    const bool string = (byte >= 0xa4 && byte <= 0xa7) || (byte >= 0xaa && byte <= 0xaf) ||
                        (byte >= 0x6c && byte <= 0x6f);
    return repeats && string;
  }
  return false;
}

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_X86_H_
