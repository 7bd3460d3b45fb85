// Words worked out by hand from Linux 3.12's headers and the Power ISA's fields.
#include "arch/ppc64/formats.h"

#include <gtest/gtest.h>

#include "arch/ppc64/entry_format.h"
#include "base/random.h"

namespace mmusim::ppc64 {
namespace formats_test {

TEST(Ppc64Formats, PageTableEntries) {
  const EntryFormat format(k4K, false);
  const pt::Entry e = format.make_leaf({.pfn = Pfn(0x1234),
                                        .size = k4K,
                                        .rights = Rights(Rights::kRead | Rights::kWrite),
                                        .accessed = true,
                                        .dirty = true});
  // RPN at 17, RW 0x200, ACCESSED 0x100, DIRTY 0x80, COHERENT 0x10, USER 2, PRESENT 1.
  EXPECT_EQ(e, 0x1234ull << 17 | 0x393);
  // SPECIAL 0x10000, EXEC 4.
  EXPECT_EQ(format.make_leaf({.pfn = Pfn(1),
                              .size = k4K,
                              .rights = Rights(Rights::kRead | Rights::kExec),
                              .special = true}),
            1ull << 17 | 0x10017);
  // PROT_NONE: present, coherent, not the user's.
  EXPECT_EQ(format.make_leaf({.pfn = Pfn(1), .size = k4K, .rights = Rights()}), 1ull << 17 | 0x11);
  EXPECT_EQ(format.make_table(PhysAddr(0x4400), PageShift(21)), 0xc000'0000'0000'4400);
  EXPECT_EQ(format.table_address(0xc000'0000'0000'4400), PhysAddr(0x4400));
  EXPECT_FALSE(format.is_leaf(0xc000'0000'0000'4400, PageShift(21)));
  // Rights change; the hint (HASHPTE, slot 5, secondary) goes.
  EXPECT_EQ(format.with_rights(e | 0xd400, Rights(Rights::kRead)), 0x1234ull << 17 | 0x193);
}

TEST(Ppc64Formats, DescribesEntries) {
  const EntryFormat format(k4K, false);
  // 0x393 as above; HASHPTE 0x400, slot 5 (0x5000), secondary 0x8000.
  EXPECT_EQ(format.describe(0x1234ull << 17 | 0xd793, k4K),
            "present=1 user=1 exec=0 coherent=1 dirty=1 accessed=1 rw=1 hashpte=1 slot=5 "
            "secondary=1 special=0 rpn=0x1234");
  EXPECT_EQ(format.describe(0xc000'0000'0000'4400, PageShift(21)), "table at 0x4400");
  EXPECT_EQ(format.describe(0, k4K), "none");
}

TEST(Ppc64Formats, EntriesRoundTrip) {
  const EntryFormat format(k4K, false);
  Random random(7);
  for (unsigned i = 0; i < 2000; ++i) {
    unsigned bits = static_cast<unsigned>(random.below(8));
    if (bits != 0) bits |= Rights::kRead;
    const pt::LeafFields in{.pfn = Pfn(random.below(uint64_t{1} << 40)),
                            .size = k4K,
                            .rights = Rights(bits | Rights::kUser),
                            .accessed = random.below(2) == 0,
                            .dirty = random.below(2) == 0,
                            .global = false,
                            .special = random.below(2) == 0};
    const pt::LeafFields out = format.parse_leaf(format.make_leaf(in), k4K);
    EXPECT_EQ(out.pfn, in.pfn);
    EXPECT_EQ(out.rights, in.rights);
    EXPECT_EQ(out.accessed, in.accessed);
    EXPECT_EQ(out.dirty, in.dirty);
    EXPECT_EQ(out.special, in.special);
  }
}

TEST(Ppc64Formats, VsidsAreTheProductModulo) {
  // Without a division, but the same: (2^37 - 1) and (2^25 - 1) are the moduli.
  Random random(8);
  for (unsigned i = 0; i < 5000; ++i) {
    const uint64_t proto = random.below(uint64_t{1} << 37);
    // The product has 61 bits.
    EXPECT_EQ(scramble(proto, 37), proto * 12538073 % ((uint64_t{1} << 37) - 1));
    const uint64_t small = random.below(uint64_t{1} << 25);
    EXPECT_EQ(scramble(small, 25), small * 12538073 % ((uint64_t{1} << 25) - 1));
  }
  // Context 1, segment 1 (256M): proto = 2^18 + 1.
  EXPECT_EQ(user_segment(VirtAddr(0x1000'0000), 1, true),
            (Segment{(0x40001ull * 12538073) % 0x1f'ffff'ffff, false}));
  // 1T segments only from 1T up, and only where there are any.
  EXPECT_EQ(user_segment(VirtAddr(0x100'0000'0000), 1, true),
            (Segment{(0x41ull * 12538073) % 0x1ff'ffff, true}));
  EXPECT_FALSE(user_segment(VirtAddr(0x100'0000'0000), 1, false).tera);
  EXPECT_FALSE(user_segment(VirtAddr(0xff'ffff'ffff), 1, true).tera);
}

TEST(Ppc64Formats, HashAndAvpn) {
  const Segment small{0x123456789, false};
  const VirtAddr va(0x1abc'd000);  // page 0xabcd of its segment
  EXPECT_EQ(vpn_of(va, small), 0x123456789ull << 16 | 0xabcd);
  EXPECT_EQ(hash_of(va, small, k4K), 0x123456789ull ^ 0xabcd);
  EXPECT_EQ(hash_of(va, small, kLargePage), 0x123456789ull ^ 0xa);
  // AVPN is VA >> 23: 5 bits of the offset remain; at bit 7.
  EXPECT_EQ(compared_of(va, small, k4K), (0x123456789ull << 5 | 0xabcd >> 11) << 7);
  // 16M pages omit one bit more.
  EXPECT_EQ(compared_of(va, small, kLargePage), (0x123456789ull << 5 | 0x14) << 7);
  const Segment tera{0x1234567, true};
  const VirtAddr high(0x123'4567'8000);
  EXPECT_EQ(vpn_of(high, tera), 0x1234567ull << 28 | 0x2345678);
  EXPECT_EQ(hash_of(high, tera, k4K),
            (0x1234567ull ^ 0x1234567ull << 25 ^ 0x2345678) & 0x7f'ffff'ffff);
  EXPECT_EQ(compared_of(high, tera, k4K), 1ull << 62 | (0x1234567ull << 17 | 0x2345678 >> 11) << 7);
}

TEST(Ppc64Formats, HashedEntries) {
  // Writable and dirty: PP 2; N because not EXEC; M; R from ACCESSED; C.
  EXPECT_EQ(hpte_second(0x1234ull << 17 | 0x393, kPte4K, k4K),
            0x1234ull << 12 | 0x100 | 0x80 | 0x10 | 4 | 2);
  // Clean: PP 3, so that the first store faults; C all the same.
  EXPECT_EQ(hpte_second(0x1234ull << 17 | 0x313, kPte4K, k4K),
            0x1234ull << 12 | 0x100 | 0x80 | 0x10 | 4 | 3);
  // Executable, read-only, not accessed.
  EXPECT_EQ(hpte_second(0x1234ull << 17 | 0x17, kPte4K, k4K), 0x1234ull << 12 | 0x80 | 0x10 | 3);
  // Not the user's: PP 0.
  EXPECT_EQ(hpte_second(0x111, kPte4K, k4K), 0x100 | 0x80 | 0x10 | 4);
  EXPECT_EQ(rights_of(4 | 2), Rights(Rights::kRead | Rights::kWrite | Rights::kUser));
  EXPECT_EQ(rights_of(3), Rights(Rights::kRead | Rights::kExec | Rights::kUser));
  EXPECT_EQ(rights_of(0), Rights());
}

// With 64K pages: RPN at 30, SPECIAL 0x400, HPTE_SUB 0xffff000, of which a page hashed whole has
// the first bit, 0x8000000.
TEST(Ppc64Formats, PageTableEntriesOf64K) {
  const EntryFormat format(k64K, false);
  const pt::Entry e = format.make_leaf({.pfn = Pfn(0x123),
                                        .size = k64K,
                                        .rights = Rights(Rights::kRead | Rights::kWrite),
                                        .accessed = true,
                                        .dirty = true});
  EXPECT_EQ(e, 0x123ull << 30 | 0x393);
  EXPECT_EQ(format.make_leaf(
                {.pfn = Pfn(1), .size = k64K, .rights = Rights(Rights::kRead), .special = true}),
            1ull << 30 | 0x413);
  // The largest frame number: 30 bits, below those of the order.
  EXPECT_EQ(format.pfn_of(~uint64_t{0}), Pfn(0x3fff'ffff));
  EXPECT_EQ(format.parse_leaf(e, k64K).pfn, Pfn(0x123));
  EXPECT_EQ(format.with_rights(e | 0x800'd000, Rights(Rights::kRead)), 0x123ull << 30 | 0x193);
  EXPECT_TRUE(format.is_leaf(e, k64K));
  EXPECT_FALSE(format.is_leaf(0xc000'0000'0000'2000, PageShift(24)));
  EXPECT_EQ(format.describe(e | 0x800'd000, k64K),
            "present=1 user=1 exec=0 coherent=1 dirty=1 accessed=1 rw=1 hashpte=1 slot=5 "
            "secondary=1 special=0 rpn=0x123");
}

TEST(Ppc64Formats, HashedEntriesOf64K) {
  // The real address from bit 16 on; LP 1 at bit 12; flags as of 4K.
  const uint64_t second = hpte_second(0x123ull << 30 | 0x393, kPte64K, k64K);
  EXPECT_EQ(second, 0x123ull << 16 | 1ull << 12 | 0x100 | 0x80 | 0x10 | 4 | 2);
  EXPECT_EQ(hpte_frame(second, k64K, k64K), Pfn(0x123));
  EXPECT_EQ(hpte_frame(0x1234ull << 12 | 0x196, k4K, k4K), Pfn(0x1234));
  EXPECT_EQ(hpte_large(k64K), 4u);
  EXPECT_EQ(hpte_large(k4K), 0u);
  // Of segments: L 0x100, LP 01 at bit 4.
  EXPECT_EQ(slb::page_size_bits(k64K), 0x110u);
  EXPECT_EQ(slb::page_size_bits(k4K), 0u);
  const Segment small{0x123456789, false};
  EXPECT_EQ(hash_of(VirtAddr(0x1abc'd000), small, k64K), 0x123456789ull ^ 0xabc);
  EXPECT_EQ(compared_of(VirtAddr(0x1abc'0000), small, k64K), (0x123456789ull << 5 | 0xabc >> 7)
                                                                 << 7);
}

// LP of 64K and 16M in segments of 4K is 7 and 0x38, of 16M in segments of 64K 8 (POWER7's
// ibm,segment-page-sizes): under the RPN from bit 12 on, 8 bits of it, or as many as the page has.
TEST(Ppc64Formats, SeveralSizesInASegment) {
  const uint64_t flags = 0x100 | 0x80 | 0x10 | 4 | 2;
  EXPECT_EQ(hpte_second(0x1230ull << 17 | 0x393, kPte4K, k64K), 0x1230ull << 12 | 7 << 12 | flags);
  EXPECT_EQ(hpte_second(0x5000ull << 17 | 0x393, kPte4K, kLargePage),
            0x5000ull << 12 | 0x38 << 12 | flags);
  EXPECT_EQ(hpte_second(0x500ull << 30 | 0x393, kPte64K, kLargePage),
            0x500ull << 16 | 8 << 12 | flags);
  EXPECT_EQ(encoding_of(k64K, k4K), nullptr);
  // What is said is found again, whatever the frame; L is of the actual page.
  Random random(11);
  for (const PageEncoding& one : kPageEncodings)
    for (unsigned i = 0; i < 200; ++i) {
      if (one.base == kLargePage) continue;
      const PteForm& form = pte_form(one.base);
      const uint64_t frame = random.below(uint64_t{1} << 20)
                             << (one.actual.log2() - one.base.log2());
      const uint64_t second = hpte_second(frame << form.frame_shift | 0x393, form, one.actual);
      const uint64_t first = hpte_large(one.actual) | 1;
      EXPECT_EQ(actual_page(first, second, one.base), one.actual);
      EXPECT_EQ(hpte_frame(second, one.actual, one.base), Pfn(frame));
      // No HPTE is another segment's too.
      for (const PageShift other : {k4K, k64K, kLargePage})
        if (other != one.base) {
          EXPECT_EQ(actual_page(first, second, other), std::nullopt);
        }
    }
}

// A hint is log2 of its pages at bit 60; without mpss there is none.
TEST(Ppc64Formats, Hints) {
  for (const PageShift page : {k4K, k64K}) {
    EXPECT_TRUE(EntryFormat(page, false).hint_sizes().empty());
    const EntryFormat format(page, true);
    // Pointers to tables are told from leaves, and from what is not present.
    const pt::Entry pointer = format.make_table(PhysAddr(0x4000), kLargePage);
    EXPECT_TRUE(format.is_present(pointer));
    EXPECT_FALSE(format.is_leaf(pointer, kLargePage));
    ASSERT_EQ(format.hint_sizes().size(), kLargePage.log2() - page.log2());
    for (const PageShift size : format.hint_sizes()) {
      const pt::LeafFields fields{
          .pfn = Pfn(0x123), .size = page, .rights = Rights(Rights::kRead), .hint = size};
      const pt::Entry e = format.make_leaf(fields);
      EXPECT_EQ(e >> 60, size.log2() - page.log2());
      EXPECT_EQ(format.parse_leaf(e, page).hint, size);
      EXPECT_EQ(format.parse_leaf(e, page).pfn, Pfn(0x123));
      // Rights may change; and the HPTE has nothing of it.
      EXPECT_EQ(format.parse_leaf(format.with_rights(e, Rights(Rights::kWrite)), page).hint, size);
      EXPECT_EQ(hpte_second(e, pte_form(page), page),
                hpte_second(e & ~(uint64_t{15} << 60), pte_form(page), page));
    }
  }
}

// Linux 3.12: PTE 8, PMD 10, PGD 12 bits; fragments of 4K, and tables of 8K and 32K.
TEST(Ppc64Formats, GeometryOf64K) {
  const pt::RadixGeometry geometry = radix_geometry(k64K, false);
  ASSERT_EQ(geometry.size(), 3u);
  EXPECT_EQ(geometry[0].shift, 16u);
  EXPECT_EQ(geometry[1].shift, 24u);
  EXPECT_EQ(geometry[2].shift, 34u);
  EXPECT_EQ(geometry[2].shift + geometry[2].index_bits, 46u);
  EXPECT_EQ(geometry[0].table_log2, 12u);
  EXPECT_EQ(geometry[1].table_log2, 13u);
  EXPECT_EQ(geometry[2].table_log2, 15u);
  // Huge pages of 16M with MPSS only; with 4K pages a table has 2M, which no page is.
  EXPECT_FALSE(geometry[1].leaf_allowed);
  EXPECT_TRUE(radix_geometry(k64K, true)[1].leaf_allowed);
  EXPECT_FALSE(radix_geometry(k64K, true)[2].leaf_allowed);
  EXPECT_FALSE(radix_geometry(k4K, true)[1].leaf_allowed);
}

TEST(Ppc64Formats, GeometryIs46Bits) {
  const pt::RadixGeometry geometry = radix_geometry(k4K, false);
  ASSERT_EQ(geometry.size(), 4u);
  EXPECT_EQ(geometry[1].shift, 21u);
  EXPECT_EQ(geometry[2].shift, 28u);
  EXPECT_EQ(geometry[3].shift, 37u);
  EXPECT_EQ(geometry[3].shift + geometry[3].index_bits, 46u);
}

// The highest context of user space, 2^19 - 5, the next four being the kernel's: its VSIDs, and
// those of the kernel's first: proto-VSIDs of 37 bits (256M) and 25 (1T), multiplied modulo 2^37 -
// 1 and 2^25 - 1 in long hand.
TEST(Ppc64Formats, VsidsOfTheHighestContexts) {
  const auto by_division = [](uint64_t proto, unsigned bits) {
    return proto * 12538073 % ((uint64_t{1} << bits) - 1);  // of at most 61 bits
  };
  const Context highest = 0x7fffb;
  EXPECT_EQ(kLastUserContext, highest);
  const VirtAddr top(0x3fff'ffff'f000);
  EXPECT_EQ(user_segment(top, highest, false).vsid,
            by_division(uint64_t{highest} << 18 | 0x3ffff, 37));
  EXPECT_EQ(user_segment(top, highest, true).vsid, by_division(uint64_t{highest} << 6 | 0x3f, 25));
  EXPECT_EQ(linear_segment(kLinearMap, false).vsid, by_division(uint64_t{0x7fffc} << 18, 37));
  EXPECT_EQ(linear_segment(kLinearMap, true).vsid, by_division(uint64_t{0x7fffc} << 6, 25));
  // None is another's, and none is 0, which is no address's.
  EXPECT_NE(user_segment(top, highest, true).vsid, 0u);
  EXPECT_NE(user_segment(top, highest, true).vsid, linear_segment(kLinearMap, true).vsid);
}

}  // namespace formats_test
}  // namespace mmusim::ppc64
