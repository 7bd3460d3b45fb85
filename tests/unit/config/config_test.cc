#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "config/schema.h"

namespace mmusim::config {
namespace config_test {

using testing::HasSubstr;

Schema example() {
  Schema schema;
  schema.choice("machine.arch", "x86", {"x86", "ia64"}, "Architecture.");
  schema.number("tlb.l2.entries", 1536, "Entries.", 1, 65536);
  schema.choice("tlb.l2.policy", "lru", {"lru", "fifo", "random"}, "Replacement.");
  schema.size("mem.bytes", uint64_t{1} << 30, "Memory.", 4096);
  schema.flag("run.check", false, "Check.");
  schema.text("machine.name", "", "Name.");
  return schema;
}

// What the error of `action` says; it must be a UsageError.
std::string message(const std::function<void()>& action) {
  try {
    action();
  } catch (const UsageError& error) {
    EXPECT_EQ(error.exit_status(), 2);
    return error.what();
  }
  return "(no error)";
}

TEST(Config, StartsWithTheDefaults) {
  const Schema schema = example();
  const Config config(schema);
  EXPECT_EQ(config.number("tlb.l2.entries"), 1536u);
  EXPECT_EQ(config.size("mem.bytes"), uint64_t{1} << 30);
  EXPECT_EQ(config.choice("tlb.l2.policy"), "lru");
  EXPECT_FALSE(config.flag("run.check"));
  EXPECT_EQ(config.text("machine.name"), "");
  EXPECT_EQ(config.origin("run.check"), "default");
}

TEST(Config, LaterSettingsWinAndRememberTheirSource) {
  const Schema schema = example();
  Config config(schema);
  config.load_text("[tlb.l2]\n\nentries = 64\npolicy = fifo\n", "machine.cfg");
  config.load_text("tlb.l2.entries = 128 # fewer\n", "run.cfg");
  config.set("tlb.l2.policy", "random", "--tlb.l2.policy");
  EXPECT_EQ(config.number("tlb.l2.entries"), 128u);
  EXPECT_EQ(config.origin("tlb.l2.entries"), "run.cfg:1");
  EXPECT_EQ(config.choice("tlb.l2.policy"), "random");
  EXPECT_EQ(config.origin("tlb.l2.policy"), "--tlb.l2.policy");
}

TEST(Config, UnknownKeyNamesPlaceAndNearestKey) {
  const Schema schema = example();
  Config config(schema);
  EXPECT_EQ(message([&] { config.load_text("\n[tlb.l2]\nentires = 4\n", "a.cfg"); }),
            "a.cfg:3: unknown key 'tlb.l2.entires' (the nearest known key is 'tlb.l2.entries')");
}

TEST(Config, ValuesOutOfTypeOrRangeAreRefused) {
  const Schema schema = example();
  Config config(schema);
  const auto set = [&](const char* key, const char* value) {
    return message([&] { config.set(key, value, "--x"); });
  };
  EXPECT_EQ(set("tlb.l2.entries", "0"),
            "--x: tlb.l2.entries: 0 is out of range (it takes 1 to 65536)");
  EXPECT_EQ(set("tlb.l2.entries", "many"),
            "--x: tlb.l2.entries: 'many' is not a whole number (it takes 1 to 65536)");
  EXPECT_THAT(set("tlb.l2.entries", "1K"), HasSubstr("not a whole number"));
  EXPECT_THAT(set("tlb.l2.entries", "-1"), HasSubstr("not a whole number"));
  EXPECT_THAT(set("tlb.l2.entries", "18446744073709551616"), HasSubstr("not a whole number"));
  EXPECT_THAT(set("mem.bytes", "1Q"), HasSubstr("at least 4K"));
  EXPECT_THAT(set("mem.bytes", "1K"), HasSubstr("out of range"));
  EXPECT_THAT(set("run.check", "maybe"), HasSubstr("true or false"));
  EXPECT_EQ(set("tlb.l2.policy", "fifi"),
            "--x: tlb.l2.policy: 'fifi' is not one of lru, fifo, random; did you mean 'fifo'?");
  EXPECT_EQ(config.number("tlb.l2.entries"), 1536u);  // untouched by what was refused
}

TEST(Config, TheSameValueIsWrittenInOneWay) {
  const Schema schema = example();
  Config a(schema);
  Config b(schema);
  a.set("mem.bytes", "0x200000", "");
  a.set("run.check", "yes", "");
  a.set("tlb.l2.entries", "007", "");
  b.set("mem.bytes", "2048KiB", "");
  b.set("run.check", "1", "");
  b.set("tlb.l2.entries", "0x7", "");
  EXPECT_EQ(a.effective(), b.effective());
}

TEST(Config, EffectiveConfigurationIsTheWholeAndReadsBack) {
  const Schema schema = example();
  Config config(schema);
  EXPECT_EQ(config.effective(),
            "[machine]\narch = x86\nname = \n\n"
            "[tlb.l2]\nentries = 1536\npolicy = lru\n\n"
            "[mem]\nbytes = 1G\n\n"
            "[run]\ncheck = false\n");
  for (const std::string name :
       {"", "plain", " padded ", "# no comment", "a #b", "a#b", "\"quoted\"", "line\nbreak\ttab\r",
        "back\\slash", "[x]", "= y", "\"", "\\"}) {
    config.set("machine.name", name, "test");
    Config again(schema);
    again.load_text(config.effective(), "effective");
    EXPECT_EQ(again.text("machine.name"), name);
    EXPECT_EQ(again.effective(), config.effective());
  }
}

TEST(Config, FilesThatCannotBeRead) {
  const Schema schema = example();
  Config config(schema);
  EXPECT_EQ(message([&] { config.load("/nonexistent/x.cfg"); }),
            "/nonexistent/x.cfg: cannot open: No such file or directory");
  EXPECT_THAT(message([&] { config.load("/"); }), HasSubstr("is a directory"));
  EXPECT_THAT(message([&] { config.load("/dev/zero"); }), HasSubstr("too long"));
}

TEST(Config, LoadsAFile) {
  const std::string path =
      (std::filesystem::temp_directory_path() / "mmusim-config-test.cfg").string();
  std::ofstream(path) << "[mem]\nbytes=8G\n";
  const Schema schema = example();
  Config config(schema);
  config.load(path);
  std::filesystem::remove(path);
  EXPECT_EQ(config.size("mem.bytes"), uint64_t{8} << 30);
  EXPECT_EQ(config.origin("mem.bytes"), path + ":2");
}

// What stands in a comment behind a value is kept: machines name their sources there.
TEST(Config, RemembersTheCommentBehindAValue) {
  Schema schema;
  schema.number("cost.trap", 20, "");
  schema.number("cost.walk", 0, "");
  schema.text("machine.name", "", "");
  Config config(schema);
  EXPECT_EQ(config.remark("cost.trap"), "");
  config.load_text("[cost]\ntrap = 30   # [HRM], 4.2\nwalk = 9\n[machine]\nname = \"a # b\" # c\n",
                   "x.cfg");
  EXPECT_EQ(config.number("cost.trap"), 30u);
  EXPECT_EQ(config.remark("cost.trap"), "[HRM], 4.2");
  EXPECT_EQ(config.remark("cost.walk"), "");
  EXPECT_EQ(config.text("machine.name"), "a # b");
  EXPECT_EQ(config.remark("machine.name"), "c");
  config.set("cost.trap", "31", "--cost.trap");
  EXPECT_EQ(config.remark("cost.trap"), "");
}

TEST(Config, ANumberMayHaveAWordInItsPlace) {
  Schema schema;
  schema.number_or("cost.walker", "same", "", 0, 100);
  Config config(schema);
  EXPECT_EQ(config.number_if("cost.walker"), std::nullopt);
  EXPECT_EQ(config.effective(), "[cost]\nwalker = same\n");
  config.set("cost.walker", "7", "test");
  EXPECT_EQ(config.number_if("cost.walker"), 7u);
  config.set("cost.walker", "same", "test");
  EXPECT_EQ(config.number_if("cost.walker"), std::nullopt);
  EXPECT_THROW(config.set("cost.walker", "other", "test"), UsageError);
  EXPECT_THROW(config.set("cost.walker", "101", "test"), UsageError);
}

}  // namespace config_test
}  // namespace mmusim::config
