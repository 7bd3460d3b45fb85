// Words worked out by hand from the manual's figures (SDM vol. 3A, figure 4-11 and tables 4-14 to
// 4-20).
#include "arch/x86/entry_format.h"

#include <gtest/gtest.h>

#include "arch/x86/entry_bits.h"

namespace mmusim::x86 {
namespace entry_format_test {

constexpr Rights kR(Rights::kRead);
constexpr Rights kRW(Rights::kRead | Rights::kWrite);
constexpr Rights kRX(Rights::kRead | Rights::kExec);
constexpr Rights kRWX(Rights::kRead | Rights::kWrite | Rights::kExec);
constexpr Rights user(Rights rights) {
  return rights.with(Rights::kUser);
}

pt::LeafFields leaf(uint64_t pfn, Rights rights, PageShift size = k4K) {
  pt::LeafFields fields;
  fields.pfn = Pfn(pfn);
  fields.size = size;
  fields.rights = rights;
  return fields;
}

TEST(EntryFormat, DescribesEntries) {
  const EntryFormat format;
  // P 1, W 2, U 4, A 0x20, D 0x40, PS 0x80, G 0x100, special 0x200, XD 2^63.
  EXPECT_EQ(format.describe(0x8000'0000'1234'5067, k4K), "P W U A D XD -> frame 0x12345");
  EXPECT_EQ(format.describe(0x4020'00e7, k2M), "P W U A D PS -> frame 0x40200");
  EXPECT_EQ(format.describe(0x1067, k2M), "P W U A -> table in frame 0x1");
  EXPECT_EQ(format.describe(0x1301, k4K), "P G special -> frame 0x1");
  // Bit 7 of a PTE is PAT.
  EXPECT_EQ(format.describe(0x1081, k4K), "P -> frame 0x1");
  EXPECT_EQ(format.describe(0x8000'0000'0000'7124, k4K),
            "not present, PROT_NONE U A XD -> frame 0x7");
  EXPECT_EQ(format.describe(0x5a00, k4K), "not present, 0x5a00");
  EXPECT_EQ(format.describe(0, k4K), "empty");
}

TEST(EntryFormat, LeavesBitByBit) {
  const EntryFormat format;
  EXPECT_EQ(format.make_leaf(leaf(0x12345, kR)), 0x8000'0000'1234'5005u);   // P U XD
  EXPECT_EQ(format.make_leaf(leaf(0x12345, kRW)), 0x8000'0000'1234'5007u);  // P W U XD
  EXPECT_EQ(format.make_leaf(leaf(0x12345, kRX)), 0x0000'0000'1234'5005u);  // P U
  EXPECT_EQ(format.make_leaf(leaf(0x12345, kRWX)), 0x0000'0000'1234'5007u);

  pt::LeafFields fields = leaf(0xff'ffff'ffff, kRW);  // address bits 51:12 all set
  fields.accessed = true;
  EXPECT_EQ(format.make_leaf(fields), 0x800f'ffff'ffff'f027u);
  fields.dirty = true;
  EXPECT_EQ(format.make_leaf(fields), 0x800f'ffff'ffff'f067u);
  fields.special = true;
  EXPECT_EQ(format.make_leaf(fields), 0x800f'ffff'ffff'f267u);

  EXPECT_EQ(format.make_leaf(leaf(0x200, kRW, k2M)), 0x8000'0000'0020'0087u);  // PS
  EXPECT_EQ(format.make_leaf(leaf(0x40000, kRX, k1G)), 0x0000'0000'4000'0085u);

  fields = leaf(1, kRWX);
  fields.global = true;  // the kernel's: no U/S
  EXPECT_EQ(format.make_leaf(fields), 0x0000'0000'0000'1103u);
}

TEST(EntryFormat, MappingsWithoutRightsStayButAreNotPresentToHardware) {
  const EntryFormat format;
  pt::LeafFields fields = leaf(0x77, Rights());
  fields.dirty = true;
  const pt::Entry e = format.make_leaf(fields);
  EXPECT_EQ(e, 0x8000'0000'0007'7144u);  // bit 8 with P = 0; U, D, XD
  EXPECT_TRUE(format.is_present(e));
  EXPECT_FALSE(format.is_writable(e));
  EXPECT_EQ(format.pfn_of(e), Pfn(0x77));
  const pt::LeafFields parsed = format.parse_leaf(e, k4K);
  EXPECT_EQ(parsed.rights, Rights(Rights::kUser));
  EXPECT_FALSE(parsed.global);
  EXPECT_TRUE(parsed.dirty);

  const pt::Entry back = format.with_rights(e, kRW);
  EXPECT_EQ(back, 0x8000'0000'0007'7047u);
  EXPECT_EQ(format.with_rights(back, Rights()), e);
}

TEST(EntryFormat, ExecuteOnlyAndWriteOnlyAreReadable) {
  const EntryFormat format;
  EXPECT_EQ(format.parse_leaf(format.make_leaf(leaf(1, Rights(Rights::kExec))), k4K).rights,
            user(kRX));
  EXPECT_EQ(format.parse_leaf(format.make_leaf(leaf(1, Rights(Rights::kWrite))), k4K).rights,
            user(kRW));
}

TEST(EntryFormat, ParsesWhatItMakes) {
  const EntryFormat format;
  for (const PageShift size : {k4K, k2M, k1G})
    for (const Rights rights : {kR, kRW, kRX, kRWX})
      for (unsigned flags = 0; flags < 8; ++flags) {
        pt::LeafFields fields = leaf(uint64_t{3} << (size.log2() - 12), rights, size);
        fields.accessed = (flags & 1) != 0;
        fields.dirty = (flags & 2) != 0;
        fields.special = (flags & 4) != 0;
        const pt::Entry e = format.make_leaf(fields);
        const pt::LeafFields parsed = format.parse_leaf(e, size);
        EXPECT_EQ(parsed.pfn, fields.pfn);
        EXPECT_EQ(parsed.size, size);
        EXPECT_EQ(parsed.rights, user(rights));
        EXPECT_EQ(parsed.accessed, fields.accessed);
        EXPECT_EQ(parsed.dirty, fields.dirty);
        EXPECT_EQ(parsed.special, fields.special);
        EXPECT_FALSE(parsed.global);
        EXPECT_TRUE(format.is_leaf(e, size));
        EXPECT_EQ(format.is_writable(e), rights.has(Rights::kWrite));
        EXPECT_EQ(format.is_accessed(e), fields.accessed);
        EXPECT_EQ(format.is_dirty(e), fields.dirty);
        EXPECT_EQ(format.is_special(e), fields.special);
      }
}

TEST(EntryFormat, LargeLeavesIgnorePat) {
  const EntryFormat format;
  EXPECT_EQ(format.parse_leaf(0x0000'0000'0060'1087u, k2M).pfn, Pfn(0x600));
}

TEST(EntryFormat, ChangingRightsKeepsTheRest) {
  const EntryFormat format;
  // PWT, PCD, PAT, a software bit and a protection key stay.
  const pt::Entry e = 0x5000'0001'2345'6067u | 0x18u | 0x80u | 0x400u;
  EXPECT_EQ(format.with_rights(e, kR), (e & ~pt::Entry{2}) | uint64_t{1} << 63);
  EXPECT_EQ(format.with_rights(e, kRX), e & ~pt::Entry{2});
  EXPECT_EQ(format.with_rights(e, kRWX), e);
  EXPECT_EQ(format.write_protected(e), e & ~pt::Entry{2});
  const pt::Entry global = 0x0000'0000'0000'1103u;
  EXPECT_EQ(format.with_rights(global, kR), 0x8000'0000'0000'1101u);
}

TEST(EntryFormat, Tables) {
  const EntryFormat format;
  const pt::Entry e = format.make_table(PhysAddr(0xab'cdef'1000), k2M);
  EXPECT_EQ(e, 0x0000'00ab'cdef'1067u);  // P W U A D
  EXPECT_EQ(format.table_address(e), PhysAddr(0xab'cdef'1000));
  EXPECT_FALSE(format.is_leaf(e, k2M));
  EXPECT_FALSE(format.is_leaf(e, k1G));
  EXPECT_TRUE(format.is_present(e));
  EXPECT_FALSE(format.is_present(pt::kNone));
  EXPECT_FALSE(format.is_present(0x0000'1234'5000'003eu));  // a swap entry has bits 0 and 8 clear
}

TEST(RadixGeometry, FourAndFiveLevels) {
  const pt::RadixGeometry four = radix_geometry({4}, true);
  ASSERT_EQ(four.size(), 4u);
  const unsigned shifts[] = {12, 21, 30, 39};
  for (unsigned level = 0; level < 4; ++level) {
    EXPECT_EQ(four[level].shift, shifts[level]);
    EXPECT_EQ(four[level].index_bits, 9u);
    EXPECT_EQ(four[level].leaf_allowed, level < 3);
  }
  const pt::RadixGeometry five = radix_geometry({5}, false);
  ASSERT_EQ(five.size(), 5u);
  EXPECT_EQ(five[4].shift, 48u);
  EXPECT_TRUE(five[1].leaf_allowed);
  EXPECT_FALSE(five[2].leaf_allowed);
}

TEST(AddressLayout, IsLinuxWithoutRandomisation) {
  const mmu::AddressLayout layout = address_layout({4});
  EXPECT_EQ(layout.top, VirtAddr(0x7fff'ffff'f000));
  EXPECT_EQ(layout.stack_top, VirtAddr(0x7fff'ffff'f000));
  EXPECT_EQ(layout.mmap_base, VirtAddr(0x7fff'f7ff'f000));
  EXPECT_EQ(layout.page, k4K);
}

TEST(Paging, AddressesFollowTheHighestBitTranslated) {
  EXPECT_TRUE(Paging{4}.has_address(VirtAddr(0x0000'7fff'ffff'ffff)));
  EXPECT_FALSE(Paging{4}.has_address(VirtAddr(0x0000'8000'0000'0000)));
  EXPECT_FALSE(Paging{4}.has_address(VirtAddr(0xffff'7fff'ffff'ffff)));
  EXPECT_TRUE(Paging{4}.has_address(VirtAddr(0xffff'8000'0000'0000)));
  EXPECT_TRUE(Paging{5}.has_address(VirtAddr(0x0000'8000'0000'0000)));
  EXPECT_TRUE(Paging{5}.has_address(VirtAddr(0x00ff'ffff'ffff'ffff)));
  EXPECT_FALSE(Paging{5}.has_address(VirtAddr(0x0100'0000'0000'0000)));
  EXPECT_TRUE(Paging{5}.has_address(VirtAddr(0xff00'0000'0000'0000)));
}

}  // namespace entry_format_test
}  // namespace mmusim::x86
