#include "config/schema.h"

#include <gtest/gtest.h>

namespace mmusim::config {
namespace {

TEST(Schema, KeepsTheOrderOfDeclaration) {
  Schema schema;
  schema.number("tlb.l2.ways", 8, "Ways.", 1, 64);
  schema.size("mem.bytes", 65536, "Memory.");
  ASSERT_EQ(schema.keys().size(), 2u);
  EXPECT_EQ(schema.keys()[0].name, "tlb.l2.ways");
  EXPECT_EQ(schema.keys()[1].default_value, "64K");
  ASSERT_NE(schema.find("mem.bytes"), nullptr);
  EXPECT_EQ(schema.find("mem.bytes")->type, Type::Size);
  EXPECT_EQ(schema.find("mem"), nullptr);
}

TEST(Schema, FindsTheNearestName) {
  Schema schema;
  EXPECT_EQ(schema.nearest("anything"), "");
  schema.number("tlb.l1d.ways", 4, "Ways.");
  schema.number("tlb.l2.ways", 8, "Ways.");
  schema.number("tlb.l2.entries", 8, "Entries.");
  EXPECT_EQ(schema.nearest("tlb.l2.entires"), "tlb.l2.entries");
  EXPECT_EQ(schema.nearest("tlb.ld1.ways"), "tlb.l1d.ways");
}

TEST(SchemaDeathTest, RefusesMistakesOfTheProgram) {
  EXPECT_DEATH(
      {
        Schema schema;
        schema.flag("a.b", true, "");
        schema.flag("a.b", true, "");
      },
      "internal error");
  EXPECT_DEATH(
      {
        Schema schema;
        schema.number("a.b", 0, "", 1, 2);  // the default is out of range
      },
      "internal error");
  EXPECT_DEATH(
      {
        Schema schema;
        schema.choice("a.b", "mru", {"lru", "fifo"}, "");
      },
      "internal error");
  EXPECT_DEATH(
      {
        Schema schema;
        schema.flag("nosection", true, "");
      },
      "internal error");
}

}  // namespace
}  // namespace mmusim::config
