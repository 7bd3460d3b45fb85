#include "arch/x86/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include "base/error.h"
#include "mem/sink.h"

namespace mmusim::x86 {
namespace options_test {

class OptionsTest : public ::testing::Test {
 protected:
  OptionsTest() {
    Options::keys().declare(schema_);
    mem::ReferenceSink::declare(schema_);
    schema_.text("machine.name", "", "As sim declares it.");
    schema_.text("machine.arch", "", "As sim declares it.");
  }
  Options from_text(const std::string& text) {
    config::Config config(schema_);
    config.load_text(text, "m.cfg");
    return Options::keys().read(config);
  }
  Options from_machine(const std::string& name) {
    config::Config config(schema_);
    config.load(std::string(MMUSIM_SOURCE_DIR) + "/configs/machines/" + name + ".cfg");
    return Options::keys().read(config);
  }
  std::string refusal(const std::string& text) {
    try {
      from_text(text);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "accepted";
  }
  config::Schema schema_;
};

void expect_array(const tlb::Geometry& array, uint32_t entries, uint32_t ways,
                  const std::vector<PageShift>& pages) {
  EXPECT_EQ(array.entries, entries);
  EXPECT_EQ(array.ways, ways);
  EXPECT_EQ(array.pages, pages);
  EXPECT_EQ(array.replacement, tlb::Replacement::Lru);
}

TEST_F(OptionsTest, SkylakeSpIsAsDocumentedAndTheDefault) {
  for (const Options& machine : {from_machine("skylake-sp"), from_text("")}) {
    ASSERT_EQ(machine.tlb[kL1I].size(), 2u);
    expect_array(machine.tlb[kL1I][0], 128, 8, {k4K});
    expect_array(machine.tlb[kL1I][1], 8, 8, {k2M});
    ASSERT_EQ(machine.tlb[kL1D].size(), 3u);
    expect_array(machine.tlb[kL1D][0], 64, 4, {k4K});
    expect_array(machine.tlb[kL1D][1], 32, 4, {k2M});
    expect_array(machine.tlb[kL1D][2], 4, 4, {k1G});
    ASSERT_EQ(machine.tlb[kL2].size(), 2u);
    expect_array(machine.tlb[kL2][0], 1536, 12, {k4K, k2M});
    expect_array(machine.tlb[kL2][1], 16, 4, {k1G});
    EXPECT_TRUE(machine.tlb[kL2I].empty());
    EXPECT_TRUE(machine.pcid);
    EXPECT_EQ(machine.pcid_slots, 6u);
    EXPECT_EQ(machine.flush_ceiling, 33u);
    EXPECT_EQ(machine.paging.levels, 4u);
  }
}

TEST_F(OptionsTest, Zen2) {
  const Options machine = from_machine("zen2");
  ASSERT_EQ(machine.tlb[kL1I].size(), 1u);
  expect_array(machine.tlb[kL1I][0], 64, 64, {k4K, k2M, k1G});
  ASSERT_EQ(machine.tlb[kL1D].size(), 1u);
  expect_array(machine.tlb[kL1D][0], 64, 64, {k4K, k2M, k1G});
  ASSERT_EQ(machine.tlb[kL2].size(), 1u);
  expect_array(machine.tlb[kL2][0], 2048, 16, {k4K, k2M});
  ASSERT_EQ(machine.tlb[kL2I].size(), 1u);
  expect_array(machine.tlb[kL2I][0], 512, 8, {k4K, k2M});
  EXPECT_FALSE(machine.pcid);
}

TEST_F(OptionsTest, Tiny) {
  const Options machine = from_machine("tiny");
  expect_array(machine.tlb[kL1D][0], 4, 2, {k4K, k2M});
  EXPECT_FALSE(machine.gigabyte_pages);
}

TEST_F(OptionsTest, EveryLevelMustHoldBasePages) {
  using ::testing::HasSubstr;
  EXPECT_THAT(refusal("[tlb.l1d]\nentries = 0\n"), HasSubstr("tlb.l1d"));
  EXPECT_THAT(refusal("[tlb.l1i]\npages = 2M\n"), HasSubstr("4K"));
  EXPECT_THAT(refusal("[tlb.l2]\nentries = 0\n"), HasSubstr("tlb.l2"));  // l2.huge alone
  EXPECT_THAT(refusal("[tlb.l2i.huge]\nentries = 4\n"), HasSubstr("tlb.l2i"));
  EXPECT_EQ(refusal("[tlb.l2]\nentries = 0\n[tlb.l2.huge]\nentries = 0\n"), "accepted");
}

TEST_F(OptionsTest, RangesAreChecked) {
  EXPECT_NE(refusal("[paging]\nlevels = 1\n"), "accepted");
  EXPECT_NE(refusal("[paging]\nlevels = 6\n"), "accepted");
  EXPECT_NE(refusal("[paging]\nphysical_bits = 53\n"), "accepted");
  EXPECT_NE(refusal("[x86]\npcid_slots = 0\n"), "accepted");
  EXPECT_NE(refusal("[x86]\npcid_slots = 4095\n"), "accepted");
  EXPECT_NE(refusal("[tlb.l1d]\nways = 3\n"), "accepted");
}

}  // namespace options_test
}  // namespace mmusim::x86
