// 32-bit entries and PAE's, word by word from the manual's figures (SDM vol. 3A, tables 4-4 to 4-6
// and 4-8 to 4-11); geometry, layout and options of the 32-bit members of the family.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "arch/x86/architecture.h"
#include "arch/x86/entry_format.h"
#include "base/error.h"
#include "mem/frames.h"
#include "mem/sink.h"

namespace mmusim::x86 {
namespace i386_format_test {

using ::testing::HasSubstr;

constexpr Paging kTwo{2};
constexpr Paging kPae{3};
constexpr unsigned kR = Rights::kRead, kW = Rights::kWrite, kX = Rights::kExec, kU = Rights::kUser;

pt::LeafFields leaf(uint64_t pfn, unsigned rights, PageShift size = k4K) {
  return {.pfn = Pfn(pfn), .size = size, .rights = Rights(rights)};
}

TEST(I386Format, PtesAndPdesBitByBit) {
  const EntryFormat format(kTwo);
  EXPECT_EQ(format.entry_bytes, 4u);
  EXPECT_EQ(format.make_leaf(leaf(0x12345, kR)), 0x1234'5005u);       // P U
  EXPECT_EQ(format.make_leaf(leaf(0x12345, kR | kW)), 0x1234'5007u);  // P W U
  EXPECT_EQ(format.make_leaf(leaf(0x12345, kR | kX)), 0x1234'5005u);  // there is no XD
  EXPECT_EQ(format.make_leaf(leaf(0xfffff, kR | kW | kX)),
            0xffff'f007u);                                               // the last frame of 4 GiB
  EXPECT_EQ(format.make_leaf(leaf(0x400, kR | kW, k4M)), 0x0040'0087u);  // PS
  pt::LeafFields used = leaf(0x12345, kR | kW);
  used.accessed = used.dirty = used.special = true;
  EXPECT_EQ(format.make_leaf(used), 0x1234'5267u);  // A D, bit 9
  // PROT_NONE: bit 8 with P = 0.
  EXPECT_EQ(format.make_leaf(leaf(0x77, 0)), 0x0007'7104u);
  EXPECT_TRUE(format.is_present(0x0007'7104u));
  EXPECT_EQ(format.make_table(PhysAddr(0xabcd'e000), k4M), 0xabcd'e067u);  // P W U A D
  EXPECT_EQ(format.table_address(0xabcd'e067u), PhysAddr(0xabcd'e000));
  EXPECT_FALSE(format.is_leaf(0xabcd'e067u, k4M));
  EXPECT_TRUE(format.is_leaf(0x0040'0087u, k4M));
  // Bit 12 of a 4M leaf is PAT.
  EXPECT_EQ(format.parse_leaf(0x00c0'1087u, k4M).pfn, Pfn(0xc00));
}

TEST(I386Format, WhatCanBeReadCanBeExecuted) {
  const EntryFormat format(kTwo);
  for (const unsigned rights : {kR, kR | kW, kR | kX, kR | kW | kX, kX}) {
    const pt::Entry e = format.make_leaf(leaf(5, rights));
    EXPECT_EQ(e >> 32, 0u);
    EXPECT_EQ(format.parse_leaf(e, k4K).rights, Rights(rights | kR | kX | kU));
    EXPECT_EQ(format.with_rights(e, Rights(kR)), 0x5005u);
  }
  EXPECT_EQ(format.parse_leaf(format.make_leaf(leaf(5, 0)), k4K).rights, Rights(kU));
  EXPECT_EQ(format.with_rights(0x5067u, Rights()), 0x5164u);
  EXPECT_EQ(format.with_rights(0x5164u, Rights(kR | kW)), 0x5067u);
}

TEST(PaeFormat, LeavesAreThoseOfFourLevels) {
  const EntryFormat format(kPae);
  const EntryFormat four;
  EXPECT_EQ(format.entry_bytes, 8u);
  for (const PageShift size : {k4K, k2M})
    for (const unsigned rights : {0u, kR, kR | kW, kR | kX, kR | kW | kX}) {
      pt::LeafFields fields = leaf(0x40'0000, rights, size);  // beyond 4 GiB
      fields.accessed = true;
      EXPECT_EQ(format.make_leaf(fields), four.make_leaf(fields));
      EXPECT_EQ(format.parse_leaf(format.make_leaf(fields), size).rights,
                four.parse_leaf(four.make_leaf(fields), size).rights);
    }
  EXPECT_EQ(format.make_leaf(leaf(0x12345, kR | kW)), 0x8000'0000'1234'5007u);  // XD
}

TEST(PaeFormat, APdpteHasNoRights) {
  const EntryFormat format(kPae);
  EXPECT_EQ(format.make_table(PhysAddr(0x7'abcd'e000), k1G), 0x7'abcd'e001u);  // P alone
  EXPECT_EQ(format.make_table(PhysAddr(0x7'abcd'e000), k2M), 0x7'abcd'e067u);
  EXPECT_EQ(format.table_address(0x7'abcd'e001u), PhysAddr(0x7'abcd'e000));
  EXPECT_TRUE(format.is_present(0x7'abcd'e001u));
  EXPECT_FALSE(format.is_leaf(0x7'abcd'e001u, k1G));
  EXPECT_EQ(EntryFormat(Paging{4}).make_table(PhysAddr(0x1000), k1G), 0x1067u);
}

TEST(I386Format, DescribesEntriesOfItsLevels) {
  EXPECT_EQ(EntryFormat(kTwo).describe(0x0040'0087, k4M), "P W U PS -> frame 0x400");
  EXPECT_EQ(EntryFormat(kTwo).describe(0xabcd'e067, k4M), "P W U A -> table in frame 0xabcde");
  EXPECT_EQ(EntryFormat(kPae).describe(0x7'abcd'e001, k1G), "P -> table in frame 0x7abcde");
}

TEST(I386Paging, Geometries) {
  const pt::RadixGeometry two = {{12, 10, true}, {22, 10, true}};
  const pt::RadixGeometry pae = {{12, 9, true}, {21, 9, true}, {30, 2, false}};
  EXPECT_EQ(radix_geometry(kTwo, false), two);
  EXPECT_EQ(radix_geometry(kPae, false), pae);
}

TEST(I386Paging, AddressesEndAtFourGigabytes) {
  for (const Paging paging : {kTwo, kPae}) {
    EXPECT_TRUE(paging.has_address(VirtAddr(0)));
    EXPECT_TRUE(paging.has_address(VirtAddr(0xffff'ffff)));
    EXPECT_FALSE(paging.has_address(VirtAddr(0x1'0000'0000)));
    EXPECT_FALSE(paging.has_address(VirtAddr(0xffff'ffff'8000'0000)));
  }
}

TEST(I386Paging, LayoutIsLinuxWithThreeGigabytes) {
  const mmu::AddressLayout layout = address_layout(kPae);
  EXPECT_EQ(layout.top, VirtAddr(0xc000'0000));
  EXPECT_EQ(layout.stack_top, VirtAddr(0xc000'0000));
  EXPECT_EQ(layout.mmap_base, VirtAddr(0xb800'0000));
  EXPECT_EQ(layout.program_base, VirtAddr(0x0804'8000));
}

class I386Options : public ::testing::Test {
 protected:
  I386Options() {
    mem::FrameMemory::declare(schema_);
    mem::ReferenceSink::declare(schema_);
    Architecture::declare(schema_);
    schema_.text("machine.name", "", "As sim declares it.");
    schema_.text("machine.arch", "", "As sim declares it.");
  }
  config::Config config(const std::string& text) {
    config::Config config(schema_);
    config.load_text(text, "m.cfg");
    return config;
  }
  Options machine(const std::string& name) {
    config::Config config(schema_);
    config.load(std::string(MMUSIM_SOURCE_DIR) + "/configs/machines/" + name + ".cfg");
    return I386::read_options(config);
  }
  template <class Arch>
  std::string refusal(const std::string& text) {
    try {
      const config::Config c = config(text);
      const Options options = Arch::read_options(c);
      mem::FrameMemory frames(c, k4K);
      mem::ReferenceSink sink(c);
      const Tlbs tlbs(options, 1, frames, sink);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "accepted";
  }
  config::Schema schema_;
};

TEST_F(I386Options, EachArchitectureHasItsLevels) {
  EXPECT_THAT(refusal<I386>("[paging]\nlevels = 4\n"), HasSubstr("2 or 3"));
  EXPECT_THAT(refusal<I386>(""), HasSubstr("paging.levels"));  // the default is x86-64's
  EXPECT_THAT(refusal<Architecture>("[paging]\nlevels = 3\n"), HasSubstr("4 or 5"));
  EXPECT_EQ(refusal<I386>("[paging]\nlevels = 3\n"), "accepted");
  EXPECT_EQ(refusal<Architecture>("[paging]\nlevels = 5\n"), "accepted");
}

TEST_F(I386Options, MemoryBeyondWhatEntriesCanNameIsRefused) {
  const std::string two = "[paging]\nlevels = 2\nphysical_bits = 36\n[mem]\nbytes = ";
  EXPECT_EQ(refusal<I386>(two + "4G\n"), "accepted");
  EXPECT_THAT(refusal<I386>(two + "5G\n"), HasSubstr("addresses of 32 bits"));
  const std::string pae = "[paging]\nlevels = 3\nphysical_bits = 36\n[mem]\nbytes = ";
  EXPECT_EQ(refusal<I386>(pae + "64G\n"), "accepted");
  EXPECT_THAT(refusal<I386>(pae + "65G\n"), HasSubstr("mem.bytes"));
  EXPECT_THAT(refusal<I386>(pae + "65G\n"), HasSubstr("paging.physical_bits"));
}

TEST_F(I386Options, WhatNeedsFourLevelsIsOff) {
  const Options options = I386::read_options(config("[paging]\nlevels = 3\n"));
  EXPECT_FALSE(options.pcid);
  EXPECT_FALSE(options.gigabyte_pages);
  EXPECT_EQ(options.physical_bits, 46u);
  EXPECT_EQ(I386::read_options(config("[paging]\nlevels = 2\n")).physical_bits, 32u);
}

TEST_F(I386Options, Pentium4) {
  const Options options = machine("pentium4");
  EXPECT_EQ(options.paging.levels, 2u);
  ASSERT_EQ(options.tlb[kL1I].size(), 1u);
  EXPECT_EQ(options.tlb[kL1I][0].entries, 64u);
  EXPECT_EQ(options.tlb[kL1I][0].ways, 64u);
  ASSERT_EQ(options.tlb[kL1D].size(), 1u);
  EXPECT_EQ(options.tlb[kL1D][0].entries, 64u);
  EXPECT_TRUE(options.tlb[kL1D][0].holds(k4M));
  EXPECT_TRUE(options.tlb[kL2].empty());
}

TEST_F(I386Options, Core2) {
  const Options options = machine("core2");
  EXPECT_TRUE(options.paging.is_pae());
  ASSERT_EQ(options.tlb[kL1I].size(), 2u);
  EXPECT_EQ(options.tlb[kL1I][0].entries, 128u);
  ASSERT_EQ(options.tlb[kL1D].size(), 2u);
  EXPECT_EQ(options.tlb[kL1D][0].entries, 16u);
  EXPECT_EQ(options.tlb[kL1D][1].entries, 16u);
  ASSERT_EQ(options.tlb[kL2].size(), 2u);
  EXPECT_EQ(options.tlb[kL2][0].entries, 256u);
  EXPECT_EQ(options.tlb[kL2][1].entries, 32u);
  EXPECT_FALSE(options.l2_fetches);
  EXPECT_EQ(options.physical_bits, 36u);
}

}  // namespace i386_format_test
}  // namespace mmusim::x86
