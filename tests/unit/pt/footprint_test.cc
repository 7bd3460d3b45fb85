// What a page table weighs, on tables small enough to count by hand; and its picture.
#include "pt/footprint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pt/conformance/machine.h"
#include "pt/drawing.h"

namespace mmusim::pt {
namespace footprint_test {

using conformance::Machine;

using testing::HasSubstr;
using testing::Not;

constexpr uint64_t kBase = uint64_t{1} << 40;
constexpr uint64_t k2M = uint64_t{2} << 20;

class FootprintTest : public testing::Test {
 protected:
  FootprintTest()
      : machine_(backends().front(), {"x86_64", 12, "12:9:leaf,21:9:leaf,30:9:leaf,39:9"}),
        table_(machine_.factory->create(MmId(1))) {}

  void map(uint64_t va, unsigned size = 12) {
    LeafFields fields;
    fields.pfn = Pfn(uint64_t{1} << (size - 12));
    fields.size = PageShift(size);
    fields.rights = Rights(Rights::kRead);
    const Slot slot = table_->ensure(VirtAddr(va), PageShift(size));
    ASSERT_EQ(slot.status, Status::Ok);
    ASSERT_EQ(table_->install(slot.handle, kNone, machine_.format.make_leaf(fields)), Status::Ok);
  }
  Footprint measured() {
    return measure(*table_, machine_.format, PageShift(12), machine_.everything());
  }

  Machine machine_;
  std::unique_ptr<PageTable> table_;
};

TEST_F(FootprintTest, AnEmptyTable) {
  const Footprint f = measured();
  EXPECT_EQ(f.pages, 0u);
  EXPECT_EQ(f.table_bytes, 0u);
  EXPECT_EQ(f.root_bytes, 4096u);
  EXPECT_EQ(f.words_most(), 0u);
  EXPECT_EQ(f.lines_distinct, 0u);
  ASSERT_EQ(f.classes.size(), 1u);
  EXPECT_EQ(f.classes[0].level, 3u);
  EXPECT_EQ(f.classes[0].tables, 1u);
}

TEST_F(FootprintTest, DensePagesShareLines) {
  for (uint64_t i = 0; i < 1024; ++i)
    map(kBase + i * 4096);
  const Footprint f = measured();
  EXPECT_EQ(f.pages, 1024u);
  EXPECT_EQ(f.leaves, 1024u);
  EXPECT_EQ(f.table_bytes, 4 * 4096u);  // two leaf tables, one above, one above that
  EXPECT_EQ(f.words, (std::map<unsigned, uint64_t>{{4, 1024}}));
  EXPECT_EQ(f.words_total, 4096u);
  EXPECT_EQ(f.lines_total, 4096u);
  // Eight entries a line at the bottom; above, each level's one or two entries lie in one line.
  EXPECT_EQ(f.lines_distinct, 1024u / 8 + 3);
  ASSERT_EQ(f.classes.size(), 4u);
  EXPECT_EQ(f.classes[3].tables, 2u);
  EXPECT_EQ(f.classes[3].leaves, 1024u);
  EXPECT_EQ(f.classes[2].pointers, 2u);
  EXPECT_EQ(
      measure(*table_, machine_.format, PageShift(12), machine_.everything(), 4096).lines_distinct,
      5u);
}

TEST_F(FootprintTest, ALargeLeafCountsForItsPages) {
  map(kBase, 21);
  map(kBase + k2M);
  const Footprint f = measured();
  EXPECT_EQ(f.pages, 513u);
  EXPECT_EQ(f.leaves, 2u);
  EXPECT_EQ(f.leaves_by_size, (std::map<unsigned, uint64_t>{{12, 1}, {21, 1}}));
  EXPECT_EQ(f.words, (std::map<unsigned, uint64_t>{{3, 512}, {4, 1}}));
  EXPECT_EQ(f.words_total, 3 * 512u + 4);
  EXPECT_EQ(f.lines_total, 3 * 512u + 4);
  EXPECT_EQ(f.lines_distinct, 4u);  // the two entries of level 1 are neighbours
}

TEST_F(FootprintTest, Picture) {
  for (uint64_t i = 0; i < 5; ++i)
    map(kBase + i * k2M);
  const std::string all = draw_part(*table_, "five \"pages\"");
  EXPECT_THAT(all, HasSubstr("label=\"five \\\"pages\\\"\""));
  EXPECT_THAT(all, HasSubstr("root\\n0x0 + 256T\\n512 slots, 4K\""));
  EXPECT_THAT(all, HasSubstr("0x10000000000 + 2M\\n512 slots, 4K\\n1 leaf\""));
  EXPECT_THAT(all, HasSubstr("[label=\"4\"];"));
  EXPECT_THAT(all, Not(HasSubstr("more")));
  EXPECT_THAT(all, Not(HasSubstr("all of it")));
  // Root, two above the leaf tables, two of those five; the others are counted.
  const std::string some = draw_part(*table_, "", 0, 5);
  EXPECT_THAT(some, HasSubstr("label=\"3 more tables\\n12K, 3 leaves\""));
  EXPECT_THAT(some, Not(HasSubstr("[label=\"4\"];")));
  EXPECT_EQ(std::count(some.begin(), some.end(), '>'), 4 + 1);
  EXPECT_THAT(some, HasSubstr("level 1: 1 table, 4K\\llevel 0: 5 tables, 20K, 5 leaves\\l"));
  // Of four, the first three and the last.
  const std::string four = draw_part(*table_, "", 1, 7);
  EXPECT_THAT(four, HasSubstr("label=\"1 more table\\n4K, 1 leaf\""));
  EXPECT_THAT(four, HasSubstr("[label=\"2\"];"));
  EXPECT_THAT(four, HasSubstr("[label=\"4\"];"));
  EXPECT_THAT(four, Not(HasSubstr("[label=\"3\"];")));
  // Side by side, each table has a name of its own.
  const std::string both = picture_of(std::vector{all, four});
  EXPECT_THAT(both, HasSubstr("subgraph cluster_0 {"));
  EXPECT_THAT(both, HasSubstr("subgraph cluster_1 {"));
  EXPECT_THAT(all, Not(HasSubstr("p1_")));
  EXPECT_THAT(four, Not(HasSubstr("p0_")));
}

}  // namespace footprint_test
}  // namespace mmusim::pt
