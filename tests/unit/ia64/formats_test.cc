// The words of IA-64, bit by bit, worked out by hand from the manual's figures.
#include "arch/ia64/formats.h"

#include <gtest/gtest.h>
#include <set>

#include "arch/ia64/entry_format.h"
#include "arch/ia64/hash.h"
#include "base/random.h"
#include "tests/unit/ia64/machine.h"

namespace mmusim::ia64::testing {
namespace formats_test {

const EntryFormat kFormat;

TEST(Ia64Formats, DescribesEntries) {
  // 0x5e1: P, A (0x20), D (0x40), pl 3 (0x180), ar 2 (0x400); 14 in 58:53.
  EXPECT_EQ(kFormat.describe(0x01c0'0000'048d'05e1, kPage),
            "p=1 ma=0 a=1 d=1 pl=3 ar=2 ppn=0x48d0 ed=0 ps=14");
  // Not present: PROT_NONE 2^63, special 2^59, ed 2^52, ma 4 (0x10).
  EXPECT_EQ(kFormat.describe(0x89d0'0000'0000'1010, kPage),
            "p=0 ma=4 a=0 d=0 pl=0 ar=0 ppn=0x1 ed=1 ps=14 special PROT_NONE");
  EXPECT_EQ(kFormat.describe(kFormat.make_table(PhysAddr(0x10000), PageShift(25)), PageShift(25)),
            "table at 0x10000");
  EXPECT_EQ(kFormat.describe(0, kPage), "none");
}

TEST(Ia64Formats, UserPageReadWrite) {
  const pt::Entry e = kFormat.make_leaf(
      {.pfn = Pfn(0x1234), .size = kPage, .rights = Rights(kRW), .accessed = true, .dirty = true});
  // P, ma 0 (WB), A, D, pl 3, ar 2 (RW), ppn = 0x1234 << 14 >> 12, ps 14 in 58:53.
  EXPECT_EQ(e, 0x01c0'0000'048d'05e1u);
  EXPECT_EQ(e, kP | kA | kD | kPl3 | 2u << 9 | uint64_t{0x1234} << 14 | kSize16K);
  EXPECT_TRUE(is_insertable(e));
  EXPECT_TRUE(kFormat.is_writable(e));
  // Linux write-protects by clearing bit 10.
  EXPECT_EQ(kFormat.write_protected(e), e & ~uint64_t{0x400});
  EXPECT_EQ(rights_of(kFormat.write_protected(e)), Rights(kR));
}

TEST(Ia64Formats, AccessRightsOfUserPages) {
  const auto ar = [](unsigned rights) {
    return kFormat.make_leaf({.pfn = Pfn(1), .size = kPage, .rights = Rights(rights)}) >> 9 & 7;
  };
  EXPECT_EQ(ar(kR), 0u);
  EXPECT_EQ(ar(kRX), 1u);
  EXPECT_EQ(ar(kRW), 2u);
  EXPECT_EQ(ar(kRW | Rights::kExec), 3u);
  EXPECT_EQ(ar(Rights::kExec), 1u);  // never 7, which would look writable
  // Table 4-2 of the manual, from level 3.
  const unsigned expected[] = {kR,
                               kRX,
                               kRW,
                               kRW | Rights::kExec,
                               kR,
                               kRX,
                               kRW | Rights::kExec,
                               Rights::kExec | Rights::kUser};
  for (uint64_t rights = 0; rights < 8; ++rights) {
    EXPECT_EQ(rights_of(kP | kPl3 | rights << 9), Rights(expected[rights])) << rights;
    // A page of level 0: nothing, but for code that promotes.
    EXPECT_EQ(rights_of(kP | rights << 9).allows(AccessKind::Load), false);
  }
}

TEST(Ia64Formats, NoRightsIsNotPresentToTheHardware) {
  const pt::Entry e = kFormat.make_leaf(
      {.pfn = Pfn(7), .size = kPage, .rights = Rights(Rights::kUser), .accessed = true});
  EXPECT_EQ(e, kTi | kSize16K | 7u << 14 | kA | kPl3);  // bit 63, Linux's PROTNONE
  EXPECT_TRUE(kFormat.is_present(e));
  EXPECT_FALSE(kFormat.is_writable(e));
  EXPECT_EQ(rights_of(e), Rights());
  EXPECT_TRUE(is_insertable(e));  // all bits but P are ignored
  const pt::Entry back = kFormat.with_rights(e, Rights(kRW));
  EXPECT_EQ(back, kP | kA | kPl3 | 2u << 9 | 7u << 14 | kSize16K);
}

TEST(Ia64Formats, ReservedFieldsAreRefused) {
  EXPECT_FALSE(is_insertable(kP | 2));                  // bit 1
  EXPECT_FALSE(is_insertable(kP | uint64_t{1} << 50));  // 51:50
  EXPECT_FALSE(is_insertable(kP | uint64_t{1} << 51));
  for (uint64_t ma = 0; ma < 8; ++ma)
    EXPECT_EQ(is_insertable(kP | ma << 2), ma == 0 || ma >= 4) << ma;
  EXPECT_TRUE(is_insertable(2));                           // not present
  EXPECT_TRUE(is_insertable(kP | uint64_t{0x7ff} << 53));  // 63:53 are ignored
}

TEST(Ia64Formats, LeavesOfAllSizesComeBack) {
  Random random(97);  // the seed
  for (int i = 0; i < 2000; ++i) {
    const auto& sizes = insertable_sizes();
    const PageShift size = std::max(kPage, sizes[random.below(sizes.size())]);
    pt::LeafFields fields;
    fields.size = size;
    fields.pfn = Pfn(random.below(uint64_t{1} << 36) & ~(size.offset_mask() >> 14));
    fields.rights = Rights(Rights::kUser | (random.below(4) == 0 ? 0u : unsigned{Rights::kRead}));
    if (fields.rights.has(Rights::kRead))
      fields.rights = fields.rights.with(static_cast<unsigned>(random.below(4)) << 1);
    fields.accessed = random.below(2) != 0;
    fields.dirty = random.below(2) != 0;
    fields.special = random.below(2) != 0;
    const pt::Entry e = kFormat.make_leaf(fields);
    EXPECT_EQ(e >> 53 & 63, size.log2());
    EXPECT_TRUE(kFormat.is_leaf(e, size));
    const pt::LeafFields back = kFormat.parse_leaf(e, size);
    EXPECT_EQ(back.pfn, fields.pfn);
    EXPECT_EQ(back.rights, fields.rights);
    EXPECT_EQ(back.accessed, fields.accessed);
    EXPECT_EQ(back.dirty, fields.dirty);
    EXPECT_EQ(back.special, fields.special);
  }
}

TEST(Ia64Formats, Tables) {
  const pt::Entry e = kFormat.make_table(PhysAddr(0x1234'c000), PageShift(25));
  EXPECT_EQ(e, 0x1234'c001u);
  EXPECT_EQ(kFormat.table_address(e), PhysAddr(0x1234'c000));
  EXPECT_FALSE(kFormat.is_leaf(e, PageShift(25)));
}

TEST(Ia64Formats, Registers) {
  EXPECT_EQ(make_itir(PageShift(14), 0x123456), 0x1234'5638u);  // 14 << 2, key in 31:8
  EXPECT_EQ((RegionRegister{true, PageShift(14), 0x123456}).word(), 0x1234'5639u);
  EXPECT_EQ((RegionRegister{false, PageShift(24), 7}).word(), 0x760u);
  EXPECT_EQ((Pta{true, true, 22, VirtAddr(0xbfff'ffff'ffc0'0000)}).word(),
            0xbfff'ffff'ffc0'0159u);  // vf 8, size 7:2 = 22, ve 0
}

// Short format, 61 implemented bits, 16K: 2^50 bytes at the end of each region.
TEST(Ia64Hash, ShortFormat) {
  const World world("[ia64]\nwalker = short\n");
  Options options;
  options.walker = Walker::Short;
  const Hash hash = options.hash();
  EXPECT_EQ(hash.pta().size, 50u);
  EXPECT_EQ(hash.thash(VirtAddr(0), 0), VirtAddr(0x1ffc'0000'0000'0000));
  EXPECT_EQ(hash.thash(VirtAddr(0x2000'0000'0000'4000), 0), VirtAddr(0x3ffc'0000'0000'0008));
  EXPECT_EQ(hash.thash(VirtAddr(0x6000'0fff'ffff'ffff), 0), VirtAddr(0x7ffc'0001'ffff'fff8));
  // The table holds its own leaf words.
  EXPECT_EQ(hash.thash(VirtAddr(0x1ffc'0000'0000'0000), 0), VirtAddr(0x1fff'ff80'0000'0000));
}

TEST(Ia64Hash, LongFormat) {
  Pta pta{.walker = true, .long_format = true, .size = 22, .base = VirtAddr(0xbfff'ffff'ffc0'0000)};
  const Hash hash(pta, PageShift(14), 50);
  const VirtAddr va(0x2000'0000'1234'5678);
  EXPECT_EQ(hash.hpn(va), 0x1234'5678u >> 14);
  EXPECT_EQ(hash.tag(va, 0x9), 0x48d1u ^ uint64_t{9} << 39);
  EXPECT_EQ(hash.offset(va, 0x9), (0x48d1u ^ 9u) << 5);
  EXPECT_EQ(hash.thash(va, 0x9), VirtAddr(0xbfff'ffff'ffc0'0000 + ((0x48d1u ^ 9u) << 5)));
  // Only 17 bits of index: the rest is the tag's to tell.
  EXPECT_EQ(hash.offset(VirtAddr(uint64_t{1} << (14 + 17)), 0), 0u);
}

// 1024 pages 64 MB apart: Merced's index has the page number's low 17 bits, of which 12 are the
// same in all; folded, the bits above count too. Index and tag still tell any two apart.
TEST(Ia64Hash, FoldedReachesMoreSlots) {
  const Pta pta{.walker = true, .long_format = true, .size = 22, .base = VirtAddr(0)};
  for (const bool folded : {false, true}) {
    const Hash hash(pta, PageShift(14), 60, folded);
    std::set<uint64_t> slots;
    for (uint64_t i = 0; i < 1024; ++i)
      slots.insert(hash.offset(VirtAddr(i << 26), 9));
    EXPECT_EQ(slots.size(), folded ? 1024u : 32u);
  }
  const Hash hash(pta, PageShift(14), 60, true);
  std::set<std::pair<uint64_t, uint64_t>> seen;
  uint64_t pages = 0;
  for (const uint64_t high : {0u, 1u, 0x55u, 0xffu})
    for (const uint64_t middle : {0u, 1u, 0x2a5u, 0xfffu})
      for (const uint64_t low : {0u, 1u, 0x1'0001u, 0x1f'ffffu})
        for (const Rid rid : {0u, 1u, 0x55u, 0xffu, 0x100u, 0xff'ffffu}) {
          const VirtAddr va((high << 39 | middle << 22 | low) << 14);
          seen.emplace(hash.offset(va, rid), hash.tag(va, rid));
          ++pages;
        }
  EXPECT_EQ(seen.size(), pages);
}

TEST(Ia64Hash, SlotAndTagTellPagesApart) {
  Pta pta{.walker = true, .long_format = true, .size = 15, .base = VirtAddr(0)};
  for (const bool folded : {false, true}) {
    const Hash hash(pta, PageShift(14), 60, folded);
    std::set<std::pair<uint64_t, uint64_t>> seen;
    Random random(5);
    std::set<std::pair<uint64_t, Rid>> pages;
    for (int i = 0; i < 50000; ++i) {
      // Pages and RIDs that differ in few bits, anywhere.
      const uint64_t page = (uint64_t{1} << random.below(47)) | uint64_t{1} << random.below(47);
      const Rid rid = (Rid{1} << random.below(24)) | Rid{1} << random.below(24);
      if (!pages.emplace(page, rid).second) continue;
      const VirtAddr va(page << 14);
      EXPECT_EQ(hash.tag(va, rid) >> 63, 0u);
      EXPECT_TRUE(seen.emplace(hash.offset(va, rid), hash.tag(va, rid)).second);
    }
    EXPECT_GT(pages.size(), 20000u);
  }
}

}  // namespace formats_test
}  // namespace mmusim::ia64::testing
