// Words worked out by hand from the fields of the architecture manual and Linux's software bits.
#include "arch/alpha/formats.h"

#include <gtest/gtest.h>

#include "arch/alpha/entry_format.h"
#include "base/random.h"

namespace mmusim::alpha {
namespace formats_test {

constexpr unsigned kR = Rights::kRead;
constexpr unsigned kW = Rights::kWrite;
constexpr unsigned kX = Rights::kExec;

pt::Entry leaf(uint64_t pfn, unsigned rights, bool accessed, bool dirty, PageShift size = kPage) {
  return EntryFormat().make_leaf({.pfn = Pfn(pfn),
                                  .size = size,
                                  .rights = Rights(rights | Rights::kUser),
                                  .accessed = accessed,
                                  .dirty = dirty});
}

TEST(AlphaFormats, DescribesEntries) {
  // V 1, FOE 8, KRE 0x100, URE 0x200, KWE 0x1000, UWE 0x2000, DIRTY 0x20000, ACCESSED 0x40000.
  EXPECT_EQ(EntryFormat().describe(0x1234'0006'3309, kPage),
            "v=1 for=0 fow=0 foe=1 asm=0 gh=0 kre=1 ure=1 kwe=1 uwe=1 dirty=1 accessed=1 "
            "pfn=0x1234");
  // FOR 2, FOW 4, ASM 0x10, GH 2 (0x40), SPECIAL 0x100000.
  EXPECT_EQ(EntryFormat().describe(0x1'0010'0057, kPage),
            "v=1 for=1 fow=1 foe=0 asm=1 gh=2 kre=0 ure=0 kwe=0 uwe=0 dirty=0 accessed=0 special "
            "pfn=0x1");
  EXPECT_EQ(EntryFormat().describe(0, kPage), "none");
}

TEST(AlphaFormats, PageTableEntries) {
  // PFN at 32; V 1, FOE 8; KRE 0x100, URE 0x200, ACCESSED 0x40000; KWE 0x1000, UWE 0x2000, DIRTY
  // 0x20000.
  EXPECT_EQ(leaf(0x1234, kR | kW, true, true), 0x1234'0006'3309u);
  // Clean: the write enables are clear, FOW is not set.
  EXPECT_EQ(leaf(0x1234, kR | kW, true, false), 0x1234'0004'0309u);
  // Aged: nobody may read.
  EXPECT_EQ(leaf(0x1234, kR | kW, false, true), 0x1234'0002'3009u);
  // Read-only text: FOW 4.
  EXPECT_EQ(leaf(1, kR | kX, true, false), 0x1'0004'0305u);
  EXPECT_EQ(leaf(1, kR | kW | kX, true, true), 0x1'0006'3301u);
  // PROT_NONE as Linux's PAGE_NONE: valid, faults on all three.
  EXPECT_EQ(leaf(1, 0, true, false), 0x1'0004'030fu);
  // The largest frame number.
  EXPECT_EQ(leaf(0xffff'ffff, kR, true, false), 0xffff'ffff'0004'030du);
  // ASM 0x10, the simulator's SPECIAL 0x100000.
  EXPECT_EQ(EntryFormat().make_leaf({.pfn = Pfn(2),
                                     .size = kPage,
                                     .rights = Rights(kR),
                                     .accessed = true,
                                     .global = true,
                                     .special = true}),
            0x2'0014'031du);
}

TEST(AlphaFormats, GranularityHints) {
  // GH at 6:5: 64K is 1, 512K is 2, 4M is 3.
  EXPECT_EQ(leaf(8, kR, true, false, PageShift(16)), 0x8'0004'032du);
  EXPECT_EQ(leaf(64, kR, true, false, PageShift(19)), 0x40'0004'034du);
  EXPECT_EQ(leaf(512, kR, true, false, PageShift(22)), 0x200'0004'036du);
  // Of sizes between, and above, the group that fits.
  EXPECT_EQ(hint_for(PageShift(14)), 0u);
  EXPECT_EQ(hint_for(PageShift(18)), 1u);
  EXPECT_EQ(hint_for(PageShift(21)), 2u);
  EXPECT_EQ(hint_for(PageShift(30)), 3u);
  EXPECT_EQ(group_of(0x00), PageShift(13));
  EXPECT_EQ(group_of(0x20), PageShift(16));
  EXPECT_EQ(group_of(0x40), PageShift(19));
  EXPECT_EQ(group_of(0x60), PageShift(22));
}

TEST(AlphaFormats, EntriesOfTables) {
  const EntryFormat format;
  // Linux's _PAGE_TABLE: valid, both sets of use bits.
  EXPECT_EQ(format.make_table(PhysAddr(0x5'4000), PageShift(23)), 0x2a'0006'3301u);
  EXPECT_EQ(format.table_address(0x2a'0006'3301u), PhysAddr(0x5'4000));
  EXPECT_FALSE(format.is_leaf(0x2a'0006'3301u, PageShift(23)));
  EXPECT_TRUE(format.is_leaf(leaf(1024, kR, true, false, PageShift(23)), PageShift(23)));
  EXPECT_TRUE(format.is_leaf(leaf(1, kR, true, false), kPage));
  const pt::RadixGeometry geometry = radix_geometry();
  ASSERT_EQ(geometry.size(), 3u);  // 1024 entries each: shifts 13, 23, 33
  EXPECT_EQ(geometry[2].shift, 33u);
  EXPECT_EQ(geometry[2].index_bits, 10u);
}

TEST(AlphaFormats, WhatTheKernelDoesToEntries) {
  const EntryFormat format;
  const pt::Entry e = leaf(7, kR | kW, true, true);
  EXPECT_TRUE(format.is_writable(e));
  // Write-protecting sets FOW and leaves dirty, and with it the write enables, alone.
  EXPECT_EQ(format.write_protected(e), e | 4);
  EXPECT_FALSE(format.is_writable(e | 4));
  EXPECT_FALSE(format.is_writable(e & ~uint64_t{1}));  // not valid
  EXPECT_EQ(rights_of(e | 4), Rights(kR | Rights::kUser));
  // A clean page is writable to the kernel, and not to the hardware.
  const pt::Entry clean = e & ~format.dirty_mask;
  EXPECT_EQ(clean, 0x7'0004'0309u);
  EXPECT_TRUE(format.is_writable(clean));
  EXPECT_EQ(rights_of(clean), Rights(kR | Rights::kUser));
  // An aged one cannot be read nor executed.
  const pt::Entry aged = leaf(7, kR | kX, true, false) & ~format.accessed_mask;
  EXPECT_EQ(aged, 0x7'0000'0005u);
  EXPECT_EQ(rights_of(aged), Rights(Rights::kUser));
  EXPECT_EQ(format.parse_leaf(aged, kPage).rights, Rights(kR | kX | Rights::kUser));
  // mprotect changes the three bits only.
  EXPECT_EQ(format.with_rights(e, Rights(kR | kX)), 0x7'0006'3305u);
  EXPECT_EQ(format.with_rights(e, Rights()), 0x7'0006'330fu);
  EXPECT_EQ(rights_of(0x7'0006'3300u), Rights());
}

TEST(AlphaFormats, EntriesRoundTrip) {
  const EntryFormat format;
  Random random(11);
  for (unsigned i = 0; i < 4000; ++i) {
    const PageShift size(13 + 3 * static_cast<unsigned>(random.below(4)));
    const pt::LeafFields in{
        .pfn = Pfn(random.below(uint64_t{1} << 32) & ~(size.offset_mask() >> 13)),
        .size = size,
        .rights = Rights(static_cast<unsigned>(random.below(8)) | Rights::kUser),
        .accessed = random.below(2) == 0,
        .dirty = random.below(2) == 0,
        .global = random.below(2) == 0,
        .special = random.below(2) == 0};
    const pt::Entry e = format.make_leaf(in);
    ASSERT_EQ(group_of(e), size);
    const pt::LeafFields out = format.parse_leaf(e, size);
    EXPECT_EQ(out.pfn, in.pfn);
    EXPECT_EQ(out.rights, in.rights);
    EXPECT_EQ(out.accessed, in.accessed);
    EXPECT_EQ(out.dirty, in.dirty);
    EXPECT_EQ(out.global, in.global);
    EXPECT_EQ(out.special, in.special);
    EXPECT_EQ(format.make_leaf(out), e);
  }
}

TEST(AlphaFormats, AddressesInTheLinearTable) {
  // VA_FORM: (VA >> 10) with the low three bits clear, of a VA of 43 bits, behind VPTB.
  EXPECT_EQ(entry_address(VirtAddr(0)), VirtAddr(0xffff'fffe'0000'0000));
  EXPECT_EQ(entry_address(VirtAddr(0x1'2000'2000)), VirtAddr(0xffff'fffe'0048'0008));
  EXPECT_EQ(entry_address(VirtAddr(0x3ff'ffff'ffff)), VirtAddr(0xffff'fffe'ffff'fff8));
  // The table maps itself: entry 1023 of the root is where the table begins.
  EXPECT_EQ(entry_address(kVptb), VirtAddr(0xffff'ffff'ff80'0000));
  EXPECT_EQ(entry_address(entry_address(kVptb)), VirtAddr(0xffff'ffff'ffff'e000));
}

}  // namespace formats_test
}  // namespace mmusim::alpha
