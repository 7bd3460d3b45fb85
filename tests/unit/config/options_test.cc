#include "config/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>

#include "base/error.h"

namespace mmusim::config {
namespace options_test {

namespace po = boost::program_options;

Schema options_example() {
  Schema schema;
  schema.number("tlb.l2.entries", 1536, "Entries of the second level.", 1, 65536);
  schema.size("mem.bytes", uint64_t{1} << 30, "Memory.");
  schema.choice("tlb.l2.policy", "lru", {"lru", "fifo"}, "Replacement.");
  schema.flag("run.check", false, "Compare every translation.");
  schema.text("run.trace", "", "The trace.");
  return schema;
}

Config parse(const Schema& schema, const std::vector<std::string>& arguments) {
  po::options_description description;
  add_options(schema, description);
  Config config(schema);
  apply_options(po::command_line_parser(arguments).options(description).run(), config);
  return config;
}

TEST(Options, EveryKeyIsAnOption) {
  const Schema schema = options_example();
  const Config config = parse(schema, {"--tlb.l2.entries=512", "--mem.bytes", "64M",
                                       "--tlb.l2.policy=fifo", "--run.check", "--run.trace=a b"});
  EXPECT_EQ(config.number("tlb.l2.entries"), 512u);
  EXPECT_EQ(config.size("mem.bytes"), uint64_t{64} << 20);
  EXPECT_EQ(config.choice("tlb.l2.policy"), "fifo");
  EXPECT_TRUE(config.flag("run.check"));
  EXPECT_EQ(config.text("run.trace"), "a b");
  EXPECT_EQ(config.origin("mem.bytes"), "--mem.bytes");
}

TEST(Options, LaterOnesWin) {
  const Schema schema = options_example();
  const Config config = parse(
      schema, {"--tlb.l2.entries=1", "--tlb.l2.entries=2", "--run.check", "--run.check=false"});
  EXPECT_EQ(config.number("tlb.l2.entries"), 2u);
  EXPECT_FALSE(config.flag("run.check"));
}

TEST(Options, BadValuesNameTheOption) {
  const Schema schema = options_example();
  try {
    parse(schema, {"--tlb.l2.entries=0"});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("--tlb.l2.entries: "));
  }
}

TEST(Options, HelpShowsDefaultRangeAndChoices) {
  const Schema schema = options_example();
  po::options_description description("Keys", 100, 50);
  add_options(schema, description);
  std::ostringstream help;
  help << description;
  EXPECT_THAT(help.str(), testing::HasSubstr("--tlb.l2.entries NUMBER (=1536)"));
  EXPECT_THAT(help.str(), testing::HasSubstr("Takes 1 to 65536."));
  EXPECT_THAT(help.str(), testing::HasSubstr("--mem.bytes SIZE (=1G)"));
  EXPECT_THAT(help.str(), testing::HasSubstr("One of: lru, fifo."));
}

}  // namespace options_test
}  // namespace mmusim::config
