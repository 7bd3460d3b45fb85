// Words worked out by hand from the UltraSPARC manuals' fields and Linux's software bits.
#include "arch/sparc64/formats.h"

#include <gtest/gtest.h>

#include "arch/sparc64/entry_format.h"
#include "arch/sparc64/tsb.h"
#include "base/random.h"

namespace mmusim::sparc64 {
namespace formats_test {

const EntryFormat kFormat;

pt::Entry leaf(unsigned rights, bool accessed, bool dirty, bool special = false,
               PageShift size = kPage) {
  return kFormat.make_leaf({.pfn = Pfn(0x12000),
                            .size = size,
                            .rights = Rights(rights),
                            .accessed = accessed,
                            .dirty = dirty,
                            .special = special});
}

TEST(Sparc64Formats, DescribesEntries) {
  // V, size code 3, huge; ACCESSED 400, READ 200, PRESENT 80, CP 20, CV 10.
  EXPECT_EQ(kFormat.describe(1ull << 63 | 3ull << 61 | 1ull << 56 | 0x2400'0000 | 0x6b0, kHugePage),
            "v=1 size=4M pa=0x24000000 exec=0 modified=0 accessed=1 read=1 write=0 present=1 l=0 "
            "cp=1 cv=1 e=0 p=0 w=0 g=0 huge");
  EXPECT_EQ(kFormat.describe(0x2'0080, kHugePage), "table at 0x20000");
  EXPECT_EQ(kFormat.describe(0, kPage), "none");
}

TEST(Sparc64Formats, Ttes) {
  constexpr uint64_t kPa = 0x12000ull << 13;
  // V 2^63; MODIFIED 800, ACCESSED 400, READ 200, WRITE 100, PRESENT 80, CP 20, CV 10, W 2.
  EXPECT_EQ(leaf(Rights::kRead | Rights::kWrite, true, true), 1ull << 63 | kPa | 0xfb2);
  // Clean: neither MODIFIED nor W.
  EXPECT_EQ(leaf(Rights::kRead | Rights::kWrite, true, false), 1ull << 63 | kPa | 0x7b0);
  // Old: neither ACCESSED nor V.
  EXPECT_EQ(leaf(Rights::kRead | Rights::kWrite, false, true), kPa | 0xbb2);
  // EXEC 1000; SPECIAL 2^57.
  EXPECT_EQ(leaf(Rights::kRead | Rights::kExec, true, false, true),
            1ull << 63 | 1ull << 57 | kPa | 0x16b0);
  // PROT_NONE: present, neither readable nor valid.
  EXPECT_EQ(leaf(0, true, false), kPa | 0x4b0);
  // 8M: marked huge (2^56), size code 3 (4M).
  EXPECT_EQ(leaf(Rights::kRead, true, false, false, kHugePage),
            1ull << 63 | 3ull << 61 | 1ull << 56 | kPa | 0x6b0);
  EXPECT_TRUE(kFormat.is_leaf(1ull << 56 | 0x80, kHugePage));
  EXPECT_FALSE(kFormat.is_leaf(kFormat.make_table(PhysAddr(0x4000), kHugePage), kHugePage));
  EXPECT_EQ(kFormat.make_table(PhysAddr(0x4000), kHugePage), 0x4080u);
  EXPECT_EQ(kFormat.table_address(0x4080), PhysAddr(0x4000));
}

TEST(Sparc64Formats, WhatTheKernelDoesByMask) {
  const pt::Entry e = leaf(Rights::kRead | Rights::kWrite, true, true);
  // Write-protecting takes W along, cleaning too, and making old takes V along.
  EXPECT_EQ(kFormat.write_protected(e), e & ~uint64_t{0x102});
  EXPECT_FALSE(kFormat.is_writable(kFormat.write_protected(e)));
  EXPECT_EQ(e & ~kFormat.dirty_mask, e & ~uint64_t{0x802});
  EXPECT_EQ(e & ~kFormat.accessed_mask, e & ~(1ull << 63 | 0x400));
  // A clean page is writable to the kernel, not to the hardware.
  const pt::Entry clean = leaf(Rights::kRead | Rights::kWrite, true, false);
  EXPECT_TRUE(kFormat.is_writable(clean));
  EXPECT_FALSE(data_rights(clean).has(Rights::kWrite));
  EXPECT_TRUE(data_rights(e).has(Rights::kWrite));
  // mprotect there and back.
  EXPECT_EQ(
      kFormat.with_rights(kFormat.with_rights(e, Rights()), Rights(Rights::kRead | Rights::kWrite)),
      e);
}

TEST(Sparc64Formats, EntriesRoundTrip) {
  Random random(7);
  for (unsigned i = 0; i < 2000; ++i) {
    unsigned bits = static_cast<unsigned>(random.below(8));
    if (bits != 0) bits |= Rights::kRead;
    const PageShift size = random.below(2) == 0 ? kPage : kHugePage;
    const pt::LeafFields in{
        .pfn = Pfn(random.below(uint64_t{1} << 30) & ~(size.offset_mask() >> 13)),
        .size = size,
        .rights = Rights(bits | Rights::kUser),
        .accessed = random.below(2) == 0,
        .dirty = random.below(2) == 0,
        .global = random.below(2) == 0,
        .special = random.below(2) == 0};
    const pt::LeafFields out = kFormat.parse_leaf(kFormat.make_leaf(in), size);
    EXPECT_EQ(out.pfn, in.pfn);
    EXPECT_EQ(out.rights, in.rights);
    EXPECT_EQ(out.accessed, in.accessed);
    EXPECT_EQ(out.dirty, in.dirty);
    EXPECT_EQ(out.global, in.global);
    EXPECT_EQ(out.special, in.special);
  }
}

TEST(Sparc64Formats, WhatIsLoadedOfALeaf) {
  const VirtAddr base(0x1080'0000);
  pt::Lookup found;
  found.entry = leaf(Rights::kRead | Rights::kWrite, true, true, false, kHugePage);
  found.base = base;
  found.size = kHugePage;
  // The second half of 8M, as 4M.
  EXPECT_EQ(tte_of(kFormat, found, base + 0x40'2000),
            1ull << 63 | 3ull << 61 | 1ull << 56 | ((0x12000ull << 13) + 0x40'0000) | 0xfb2);
  // What a shared sub-tree keeps back is not loaded.
  found.mask = Rights(Rights::kRead | Rights::kUser);
  EXPECT_EQ(*tte_of(kFormat, found, base) & 0x102, 0u);
  // 256K, which the hardware has not, as 64K.
  found.entry = leaf(Rights::kRead, true, false);
  found.size = PageShift(18);
  const uint64_t part = *tte_of(kFormat, found, base + 0x1'2345);
  EXPECT_EQ(tte::Size::get(part), 1u);
  EXPECT_EQ(tte::Frame::get(part), 0x12000u + 8);
  found.entry = leaf(Rights::kRead, false, false);
  EXPECT_FALSE(tte_of(kFormat, found, base).has_value());
}

TEST(Sparc64Formats, Tsbs) {
  mem::FrameMemory frames(uint64_t{64} << 20, kPage);
  // 64K: size code 3. Mapped by the 64K page around it.
  const auto tsb = Tsb::make(frames, MmId(1), 3, kPage, kTsbMap);
  ASSERT_NE(tsb, nullptr);
  EXPECT_EQ(tsb->entries(), 4096u);
  EXPECT_EQ(tsb->base().value() % 0x1'0000, 0u);
  EXPECT_EQ(tsb->register_value(), 0x800'0003u);
  // V, size 1, L 40, CP, CV, P 4, W 2; EXEC to PRESENT: 1f80.
  EXPECT_EQ(tsb->mapping_tte(), 1ull << 63 | 1ull << 61 | tsb->base().value() | 0x1ff6);
  // Index: VA 24:13; tag: VA 63:22.
  const VirtAddr va(0xffff'f801'2345'6789);
  EXPECT_EQ(tsb->entry_of(va) - tsb->base(), ((0x1'2345'6789ull >> 13) & 0xfff) * 16);
  EXPECT_EQ(tsb::tag_of(va), 0x3ff'ffe0'048dull);
  // Invalid is bit 46, everywhere.
  EXPECT_EQ(*frames.words(tsb->entry_of(va)), 1ull << 46);
  const auto huge = Tsb::make(frames, MmId(1), 0, kLargePage, std::nullopt);
  EXPECT_EQ(huge->register_value(), huge->base().value());
  EXPECT_EQ(huge->entry_of(va) - huge->base(), ((0x1'2345'6789ull >> 22) & 0x1ff) * 16);
  // The linear mapping: V, 4M, CP, CV, P, W.
  EXPECT_EQ(linear_tte(PhysAddr(0x1234'5678)), 1ull << 63 | 3ull << 61 | 0x1200'0000 | 0x36);
}

TEST(Sparc64Formats, AddressSpace) {
  const mmu::AddressLayout layout = address_layout();
  EXPECT_EQ(layout.stack_top, VirtAddr(0x7ff'0000'0000));
  EXPECT_EQ(layout.mmap_base, VirtAddr(0xffff'f801'0000'0000));
  EXPECT_TRUE(layout.mmap_upward);
  EXPECT_TRUE(in_hole(VirtAddr(0x800'0000'0000)));
  EXPECT_TRUE(in_hole(VirtAddr(0xffff'f7ff'ffff'ffff)));
  EXPECT_FALSE(in_hole(VirtAddr(0xffff'f800'0000'0000)));
}

}  // namespace formats_test
}  // namespace mmusim::sparc64
