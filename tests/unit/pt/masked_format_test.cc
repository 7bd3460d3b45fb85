// A format of no real machine, with each thing masks can say; words worked out by hand.
#include "pt/masked_format.h"

#include <gtest/gtest.h>

namespace mmusim::pt {
namespace masked_format_test {

constexpr PageShift kPage{12};
constexpr PageShift kLarge{21};
constexpr Rights kR{Rights::kRead | Rights::kUser};
constexpr Rights kRW{Rights::kRead | Rights::kWrite | Rights::kUser};
constexpr Rights kRX{Rights::kRead | Rights::kExec | Rights::kUser};
constexpr Rights kNoAccess{Rights::kUser};

// Bit 0: some right. 1: store. 2: no fetch. 3: user. 4: global, or none of the rights. 5: accessed.
// 6: dirty. 7: large. 8: special. 9: goes when rights change. 15: in each leaf. The frame from bit
// 16 on, a table in units of 1K from there on, with bits 0 and 14.
class Format final : public MaskedFormat {
 public:
  Format() {
    present_mask = 0x8000;
    accessed_mask = 0x20;
    dirty_mask = 0x40;
    special_mask = 0x100;
    write_mask = 0x2;
    pfn_shift = 16;
    pfn_mask = ~Entry{0xffff};
    page = kPage;
    leaf_bits = 0x8000;
    rights = {.read = {}, .write = {.set = 2}, .exec = {.clear = 4}, .user = {.set = 8}};
    granted = 0x1;
    refused = 0x10;
    rights_rest = 0x200;
    global_mask = 0x10;
    large_mask = 0x80;
    table_bits = 0x4001;
    table_mask = pfn_mask;
    table_unit = 10;
    table_shift = 16;
    shown = kFields;
  }

 private:
  static constexpr WordField kFields[] = {{.name = "store", .low = 1, .width = 1},
                                          {.name = "frame", .low = 16, .width = 48}};
};
const Format kFormat;

LeafFields leaf(Rights rights, PageShift size = kPage) {
  return {.pfn = Pfn(0xa00), .size = size, .rights = rights};
}

TEST(MaskedFormat, RightsAreBitsThatAllowAndBitsThatRefuse) {
  EXPECT_EQ(kFormat.make_leaf(leaf(kR)), 0xa00'800du);
  EXPECT_EQ(kFormat.make_leaf(leaf(kRW)), 0xa00'800fu);
  EXPECT_EQ(kFormat.make_leaf(leaf(kRX)), 0xa00'8009u);
  // The user's, though not said so; without any right, "none" in place of "some".
  EXPECT_EQ(kFormat.make_leaf(leaf(Rights(Rights::kRead))), 0xa00'800du);
  EXPECT_EQ(kFormat.make_leaf(leaf(kNoAccess)), 0xa00'801cu);
  for (const Rights rights : {kR, kRW, kRX, kNoAccess})
    EXPECT_EQ(kFormat.parse_leaf(kFormat.make_leaf(leaf(rights)), kPage).rights, rights);
}

TEST(MaskedFormat, ABitMayMeanGlobalOrNoRights) {
  LeafFields fields = leaf(Rights(Rights::kRead));
  fields.global = true;
  EXPECT_EQ(kFormat.make_leaf(fields), 0xa00'8015u);  // the kernel's own
  EXPECT_TRUE(kFormat.parse_leaf(0xa00'8015, kPage).global);
  EXPECT_FALSE(kFormat.parse_leaf(0xa00'801c, kPage).global);
  // It stays global as long as it has rights.
  EXPECT_EQ(kFormat.with_rights(0xa00'8015, Rights(Rights::kRead | Rights::kWrite)), 0xa00'8017u);
  EXPECT_EQ(kFormat.with_rights(0xa00'8015, Rights()), 0xa00'8014u);
}

TEST(MaskedFormat, OtherRightsKeepAllElseButWhatGoesWithThem) {
  EXPECT_EQ(kFormat.with_rights(0xa00'836d, Rights(Rights::kRead | Rights::kWrite)), 0xa00'816fu);
  EXPECT_EQ(kFormat.with_rights(0xa00'816f, Rights()), 0xa00'817cu);
}

TEST(MaskedFormat, LargeLeavesBeginAtTheirSize) {
  LeafFields fields = leaf(kR, kLarge);
  fields.accessed = fields.dirty = fields.special = true;
  EXPECT_EQ(kFormat.make_leaf(fields), 0xa00'81edu);
  const LeafFields parsed = kFormat.parse_leaf(0xa01'81ed, kLarge);  // bit 16 is something else's
  EXPECT_EQ(parsed.pfn, Pfn(0xa00));
  EXPECT_EQ(parsed.size, kLarge);
  EXPECT_TRUE(parsed.accessed && parsed.dirty && parsed.special);
}

TEST(MaskedFormat, TablesAreToldFromLeavesAndSayWhereTheyAre) {
  const Entry table = kFormat.make_table(PhysAddr(0x12'3400), kLarge);
  EXPECT_EQ(table, 0x48d'4001u);
  EXPECT_EQ(kFormat.table_address(table), PhysAddr(0x12'3400));
  EXPECT_FALSE(kFormat.is_leaf(table, kLarge));
  EXPECT_TRUE(kFormat.is_leaf(0xa00'808d, kLarge));
  EXPECT_TRUE(kFormat.is_leaf(0xa00'800d, kPage));
  EXPECT_EQ(kFormat.describe(table, kLarge), "table at 0x123400");
  EXPECT_EQ(kFormat.describe(0xa00'800f, kPage), "store=1 frame=2560");
  EXPECT_EQ(kFormat.describe(kNone, kPage), "none");
}

}  // namespace masked_format_test
}  // namespace mmusim::pt
