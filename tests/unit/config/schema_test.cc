#include "config/schema.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace mmusim::config {
namespace schema_test {

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

TEST(Schema, ChoiceOrPathTakesWhatHasASlash) {
  Schema schema;
  schema.choice_or_path("machine.page_table", "mlpt", {"mlpt", "gpt"}, "");
  Config config(schema);
  config.set("machine.page_table", "./mine.so", "here");
  EXPECT_EQ(config.choice("machine.page_table"), "./mine.so");
  EXPECT_THROW(config.set("machine.page_table", "mine.so", "here"), UsageError);
  // Written and read back.
  Config again(schema);
  again.load_text(config.effective(), "again");
  EXPECT_EQ(again.choice("machine.page_table"), "./mine.so");
}

TEST(Schema, PassesOverOnlyUndeclaredKeysOfThePrefix) {
  Schema schema;
  schema.number("pt.mlpt.levels", 4, "");
  schema.pass_over("pt.");
  EXPECT_TRUE(schema.passes_over("pt.mine.width"));
  EXPECT_FALSE(schema.passes_over("pt.mlpt.levels"));
  EXPECT_FALSE(schema.passes_over("tlb.l2.ways"));
  Config config(schema);
  config.load_text("[pt.mine]\nwidth = 4\n[pt.mlpt]\nlevels = 5\n", "text");
  EXPECT_EQ(config.number("pt.mlpt.levels"), 5u);
  EXPECT_THROW(config.set("pt.mlpt.levels", "many", "here"), UsageError);
  EXPECT_THROW(config.set("tlb.l2.ways", "4", "here"), UsageError);
}

TEST(Schema, RefusesMistakesOfTheProgram) {
  Schema schema;
  schema.flag("a.b", true, "");
  EXPECT_THROW(schema.flag("a.b", true, ""), InternalError);
  EXPECT_THROW(schema.number("a.c", 0, "", 1, 2), InternalError);  // the default is out of range
  EXPECT_THROW(schema.choice("a.d", "mru", {"lru", "fifo"}, ""), InternalError);
  EXPECT_THROW(schema.flag("nosection", true, ""), InternalError);
}

}  // namespace schema_test
}  // namespace mmusim::config
