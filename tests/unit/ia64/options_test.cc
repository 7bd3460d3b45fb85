// Machines no IA-64 processor can be are refused, naming the rule.
#include "arch/ia64/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include "base/error.h"
#include "sim/simulation.h"

namespace mmusim::ia64 {
namespace options_test {

Options read(const std::string& text) {
  config::Schema schema;
  Options::keys().declare(schema);
  config::Config config(schema);
  config.load_text(text, "test.cfg");
  return Options::keys().read(config);
}

std::string refusal(const std::string& text) {
  try {
    read(text);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Ia64Options, Defaults) {
  const Options options = read("");
  EXPECT_EQ(options.walker, Walker::Long);
  EXPECT_EQ(options.pta().word(), 0xbfff'ffff'ffc0'0159u);
  // Three data entries are pinned (text, stack, VHPT), two of instructions.
  EXPECT_EQ(options.tlb[kL2D].front().entries, 125u);
  EXPECT_EQ(options.tlb[kL2I].front().entries, 126u);
  EXPECT_EQ(read("[ia64]\nwalker = short\n").tlb[kL2D].front().entries, 126u);
  // The LVHPT patches exchange bytes, Linux's short format does not.
  EXPECT_TRUE(options.swaps_rid());
  EXPECT_FALSE(read("[ia64]\nwalker = short\n").swaps_rid());
  EXPECT_TRUE(read("[ia64]\nwalker = short\nswap_rid = true\n").swaps_rid());
  EXPECT_FALSE(read("[ia64]\nswap_rid = false\n").swaps_rid());
}

TEST(Ia64Options, Refused) {
  using ::testing::HasSubstr;
  EXPECT_THAT(refusal("[ia64.l2d]\nways = 64\n"), HasSubstr("fully associative"));
  EXPECT_THAT(refusal("[ia64.l2d]\nentries = 2\nways = 2\n"), HasSubstr("no room"));
  EXPECT_THAT(refusal("[ia64.l1d]\nentries = 0\n"), HasSubstr("first-level"));
  EXPECT_THAT(refusal("[ia64.l1d]\npages = 64K\n"), HasSubstr("base page of 16K"));
  EXPECT_THAT(refusal("[ia64.l1d]\npages = 32K\n"), HasSubstr("32K"));
  EXPECT_THAT(refusal("[ia64.vhpt]\nbytes = 2M\n"), HasSubstr("not a page size"));
  EXPECT_THAT(refusal("[ia64.vhpt]\nbytes = 3M\n"), HasSubstr("not a page size"));
  EXPECT_THAT(refusal("[ia64]\ngranule = 32M\n"), HasSubstr("neither 16M nor 64M"));
  EXPECT_THAT(refusal("[ia64]\nlevels = 4\nva_msb = 50\n"), HasSubstr("implements 51"));
  EXPECT_EQ(refusal("[ia64]\nwalker = short\n[ia64.vhpt]\nbytes = 2M\n"), "accepted");
}

// A byte for each base page of memory, rounded down, then up to what a translation register maps.
TEST(Ia64Options, TheVhptIsSizedByMemory) {
  constexpr uint64_t kGiB = uint64_t{1} << 30;
  EXPECT_EQ(vhpt_bytes_for(kGiB), uint64_t{4} << 20);
  EXPECT_EQ(vhpt_bytes_for(22 * kGiB), uint64_t{4} << 20);
  EXPECT_EQ(vhpt_bytes_for(127 * kGiB), uint64_t{4} << 20);
  EXPECT_EQ(vhpt_bytes_for(128 * kGiB), uint64_t{16} << 20);
  EXPECT_EQ(vhpt_bytes_for(1024 * kGiB), uint64_t{64} << 20);
  config::Schema schema;
  sim::declare(schema);
  config::Config config(schema);
  config.load_text("[mem]\nbytes = 128G\n", "test.cfg");
  EXPECT_EQ(Options::keys().read(config).vhpt_bytes, uint64_t{16} << 20);
  config.load_text("[ia64.vhpt]\nbytes = 1M\n", "test.cfg");
  EXPECT_EQ(Options::keys().read(config).vhpt_bytes, uint64_t{1} << 20);
}

TEST(Ia64Options, ShippedMachines) {
  for (const char* const name : {"itanium2-madison", "itanium-merced"}) {
    SCOPED_TRACE(name);
    config::Schema schema;
    sim::declare(schema);
    config::Config config(schema);
    config.load(std::string(MMUSIM_SOURCE_DIR "/configs/machines/") + name + ".cfg");
    EXPECT_EQ(config.choice("machine.arch"), "ia64");
    const Options options = Options::keys().read(config);
    EXPECT_EQ(options.tlb[kL2I].empty(), std::string(name) == "itanium-merced");
  }
}

}  // namespace options_test
}  // namespace mmusim::ia64
