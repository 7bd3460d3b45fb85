#include "record/plugin/unreported.h"

#include <gtest/gtest.h>

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

}  // namespace unreported_test
}  // namespace mmusim::record::plugin
