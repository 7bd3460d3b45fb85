#include "record/plugin/unreported.h"

#include <string_view>

namespace mmusim::record::plugin {
namespace {

using Kind = Unreported::Kind;

bool is_power(const Isa& isa) {
  return std::string_view(isa.name).starts_with("ppc64");
}
bool is_aarch64(const Isa& isa) {
  return std::string_view(isa.name) == "aarch64";
}
bool is_sparc(const Isa& isa) {
  return std::string_view(isa.name) == "sparc64";
}

Unreported of_aarch64(uint32_t instruction) {
  constexpr uint32_t kZeroByAddress = 0xd50b7420;  // the register is in the lowest five bits
  constexpr uint32_t kRegister = 31;
  if ((instruction & ~kRegister) != kZeroByAddress) return {};
  const auto number = static_cast<uint8_t>(instruction & kRegister);
  return {Kind::ZeroBlock, number == kRegister ? Unreported::kNoRegister : number,
          Unreported::kNoRegister};
}

Unreported of_power(uint32_t instruction) {
  // Bit 21 of the field before the registers tells dcbzl from dcbz, which are the same here.
  if ((instruction & 0xfc0007ff) != 0x7c0007ec) return {};
  const auto base = static_cast<uint8_t>(instruction >> 16 & 31);
  const auto index = static_cast<uint8_t>(instruction >> 11 & 31);
  return {Kind::ZeroBlock, base == 0 ? Unreported::kNoRegister : base, index};
}

Unreported of_sparc(uint32_t instruction) {
  switch (instruction & 0xc1f80000) {  // op and op3
    case 0x81e00000:
      return {Kind::Save};
    case 0x81e80000:  // restore
    case 0x81c80000:  // return
      return {Kind::Restore};
    case 0x81580000:
      return {Kind::FlushWindows};
    default:
      break;
  }
  // ta 3, and getcontext's and setcontext's traps.
  if (instruction == 0x91d02003 || instruction == 0x91d0206e || instruction == 0x91d0206f)
    return {Kind::FlushTrap};
  return {};
}

}  // namespace

bool has_unreported(const Isa& isa) {
  return is_aarch64(isa) || is_power(isa) || is_sparc(isa);
}

Unreported unreported_of(const Isa& isa, uint32_t instruction) {
  if (is_aarch64(isa)) return of_aarch64(instruction);
  if (is_power(isa)) return of_power(instruction);
  return is_sparc(isa) ? of_sparc(instruction) : Unreported{};
}

uint64_t zero_block_bytes(const Isa& isa, std::string_view cpu) {
  if (is_power(isa)) return 128;
  if (cpu.empty() || cpu == "max") return 512;
  return cpu == "a64fx" ? 256 : 64;
}

}  // namespace mmusim::record::plugin
