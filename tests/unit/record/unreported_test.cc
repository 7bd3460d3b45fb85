#include "record/plugin/unreported.h"

#include <array>
#include <gtest/gtest.h>

#include "record/plugin/system_call.h"

namespace mmusim::record::plugin {
namespace unreported_test {

using Kind = Unreported::Kind;

Unreported of(const char* isa, uint32_t instruction) {
  return unreported_of(*isa_named(isa), instruction);
}

// Encodings as Debian's assemblers give them.
TEST(Unreported, Aarch64) {
  const Unreported zva = of("aarch64", 0xd50b7423);  // dc zva, x3
  EXPECT_EQ(zva.kind, Kind::ZeroBlock);
  EXPECT_EQ(zva.first, 3);
  EXPECT_EQ(zva.second, Unreported::kNoRegister);
  EXPECT_EQ(of("aarch64", 0xd50b743f).first, Unreported::kNoRegister);  // dc zva, xzr
  EXPECT_EQ(of("aarch64", 0xd50b7b23).kind, Kind::None);                // dc cvau, x3
  EXPECT_EQ(of("aarch64", 0xd53b00e3).kind, Kind::None);                // mrs x3, dczid_el0
}

TEST(Unreported, Ppc64) {
  const Unreported indexed = of("ppc64", 0x7c042fec);  // dcbz r4, r5
  EXPECT_EQ(indexed.kind, Kind::ZeroBlock);
  EXPECT_EQ(indexed.first, 4);
  EXPECT_EQ(indexed.second, 5);
  const Unreported plain = of("ppc64le", 0x7c0037ec);  // dcbz 0, r6
  EXPECT_EQ(plain.kind, Kind::ZeroBlock);
  EXPECT_EQ(plain.first, Unreported::kNoRegister);
  EXPECT_EQ(plain.second, 6);
  EXPECT_EQ(of("ppc64", 0x7c0031ec).kind, Kind::None);  // dcbtst 0, r6
}

TEST(Unreported, Sparc64) {
  EXPECT_EQ(of("sparc64", 0x9de3bf50).kind, Kind::Save);          // save %sp, -176, %sp
  EXPECT_EQ(of("sparc64", 0x91e80008).kind, Kind::Restore);       // restore %g0, %o0, %o0
  EXPECT_EQ(of("sparc64", 0x81cfe008).kind, Kind::Restore);       // return %i7 + 8
  EXPECT_EQ(of("sparc64", 0x81580000).kind, Kind::FlushWindows);  // flushw
  EXPECT_EQ(of("sparc64", 0x91d02003).kind, Kind::FlushTrap);     // ta 3
  EXPECT_EQ(of("sparc64", 0x91d0206d).kind, Kind::None);          // ta 0x6d: a system call
  EXPECT_EQ(of("sparc64", 0x81c7e008).kind, Kind::None);          // ret
}

TEST(Unreported, OthersReportAll) {
  for (const char* isa : {"x86_64", "i386", "arm", "riscv64", "alpha"})
    EXPECT_FALSE(has_unreported(*isa_named(isa))) << isa;
}

TEST(Unreported, BlocksOfZeros) {
  EXPECT_EQ(zero_block_bytes(*isa_named("aarch64"), ""), 512U);
  EXPECT_EQ(zero_block_bytes(*isa_named("aarch64"), "cortex-a72"), 64U);
  EXPECT_EQ(zero_block_bytes(*isa_named("aarch64"), "a64fx"), 256U);
  EXPECT_EQ(zero_block_bytes(*isa_named("ppc64"), "970_v2.2"), 128U);
}

// Encodings as Debian's assemblers give them, byte by byte.
TEST(SystemCall, IsToldByItsLooks) {
  struct Case {
    const char* isa;
    std::array<uint8_t, kCallBytes> bytes;
    bool asks;
  };
  const Case cases[] = {
      {"x86_64", {0x0f, 0x05, 0x48, 0x89}, true},    // syscall
      {"i386", {0xcd, 0x80, 0x90, 0x90}, true},      // int $0x80
      {"i386", {0x0f, 0x34, 0x90, 0x90}, true},      // sysenter
      {"i386", {0xcd, 0x03, 0x90, 0x90}, false},     // int $3
      {"x86_64", {0x0f, 0xb6, 0x05, 0x00}, false},   // movzbl
      {"riscv64", {0x73, 0x00, 0x00, 0x00}, true},   // ecall
      {"riscv64", {0x73, 0x00, 0x10, 0x00}, false},  // ebreak
      {"ppc64", {0x44, 0x00, 0x00, 0x02}, true},     // sc
      {"ppc64le", {0x02, 0x00, 0x00, 0x44}, true},
      {"ppc64", {0x7c, 0x00, 0x07, 0xec}, false},    // dcbz
      {"sparc64", {0x91, 0xd0, 0x20, 0x6d}, true},   // ta 0x6d
      {"sparc64", {0x9d, 0xe3, 0xbf, 0x50}, false},  // save
      {"aarch64", {0x01, 0x00, 0x00, 0xd4}, false},  // svc: the next instruction is named
  };
  for (const Case& one : cases)
    EXPECT_EQ(asks_the_system(*isa_named(one.isa), one.bytes.data()), one.asks)
        << one.isa << " " << unsigned{one.bytes[0]};
}

}  // namespace unreported_test
}  // namespace mmusim::record::plugin
