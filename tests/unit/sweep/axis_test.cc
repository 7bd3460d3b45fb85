#include "sweep/axis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/error.h"

namespace mmusim::sweep {
namespace axis_test {

using testing::ElementsAre;
using testing::HasSubstr;

config::Schema schema() {
  config::Schema made;
  made.number("tlb.entries", 64, "Entries.");
  made.size("mem.bytes", 1 << 20, "Bytes.");
  made.count("run.limit", 0, "Instructions.");
  made.text("machine.note", "", "A text.");
  made.text("run.trace", "", "A trace.");
  return made;
}

std::vector<std::string> values(const char* key, const char* list) {
  const config::Schema known = schema();
  return values_of(*known.find(key), list, "--vary");
}

std::string problem(const char* text, bool zip = false) {
  const config::Schema known = schema();
  try {
    static_cast<void>(zip ? parse_zip(known, text, "--vary") : parse_vary(known, text, "--vary"));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(Axis, ListsAndRanges) {
  EXPECT_THAT(values("tlb.entries", "64, 96,512"), ElementsAre("64", "96", "512"));
  EXPECT_THAT(values("tlb.entries", "64..512 x2"), ElementsAre("64", "128", "256", "512"));
  EXPECT_THAT(values("tlb.entries", "4..12 +4, 3..81 x3"),
              ElementsAre("4", "8", "12", "3", "9", "27", "81"));
  EXPECT_THAT(values("tlb.entries", "0..2 +1"), ElementsAre("0", "1", "2"));
  EXPECT_THAT(values("tlb.entries", "7..7 x2"), ElementsAre("7"));
  // Of bytes K is 1024, of what is counted 1000.
  EXPECT_THAT(values("mem.bytes", "1K..4K x2"), ElementsAre("1024", "2048", "4096"));
  EXPECT_THAT(values("run.limit", "1K..2K x2"), ElementsAre("1000", "2000"));
  EXPECT_THAT(values("machine.note", "../a,b..c"), ElementsAre("../a", "b..c"));
}

TEST(Axis, RangesAtTheEndOfNumbers) {
  EXPECT_THAT(values("tlb.entries", "0xfffffffffffffffe..0xffffffffffffffff +1"),
              ElementsAre("18446744073709551614", "18446744073709551615"));
  EXPECT_THAT(problem("tlb.entries=0xfffffffffffffffe..0xffffffffffffffff x2"),
              HasSubstr("does not reach its end"));
}

TEST(Axis, WhatIsNoAxis) {
  EXPECT_THAT(problem("tlb.entries"), HasSubstr("is no KEY=VALUE,VALUE"));
  EXPECT_THAT(problem("tlb.entires=1"), HasSubstr("'tlb.entries'"));
  EXPECT_THAT(problem("tlb.entries="), HasSubstr("empty place"));
  EXPECT_THAT(problem("tlb.entries=1,,2"), HasSubstr("empty place"));
  EXPECT_THAT(problem("tlb.entries=1..8"), HasSubstr("how it goes on"));
  EXPECT_THAT(problem("tlb.entries=1..8 x"), HasSubstr("how it goes on"));
  EXPECT_THAT(problem("tlb.entries=1..8 x1"), HasSubstr("does not go up"));
  EXPECT_THAT(problem("tlb.entries=1..8 +0"), HasSubstr("does not go up"));
  EXPECT_THAT(problem("tlb.entries=0..8 x2"), HasSubstr("does not go up"));
  EXPECT_THAT(problem("tlb.entries=8..1 +1"), HasSubstr("does not go up"));
  EXPECT_THAT(problem("tlb.entries=1..6 x2"), HasSubstr("the last is 4"));
  EXPECT_THAT(problem("tlb.entries=a..6 x2"), HasSubstr("'a' is not a whole number"));
  EXPECT_THAT(problem("tlb.entries=0..1000000 +1"), HasSubstr("more than "));
  EXPECT_THAT(problem("run.trace=a,b"), HasSubstr("give the traces as arguments"));
}

TEST(Axis, KeysThatGoOnTogether) {
  const config::Schema known = schema();
  const Axis axis = parse_zip(known, "tlb.entries=64..256 x2 mem.bytes=1M,2M,4M", "--zip");
  EXPECT_THAT(axis.keys, ElementsAre("tlb.entries", "mem.bytes"));
  EXPECT_EQ(axis.steps(), 3U);
  EXPECT_THAT(axis.values[1], ElementsAre("1M", "2M", "4M"));
  EXPECT_THAT(problem("tlb.entries=1,2", true), HasSubstr("no two keys"));
  EXPECT_THAT(problem("tlb.entries=1,2 mem.bytes=1M", true),
              HasSubstr("2 values and mem.bytes has 1"));
}

TEST(Axis, EveryCombinationOnceTheLastFirst) {
  const config::Schema known = schema();
  const std::vector<Axis> axes = {parse_vary(known, "tlb.entries=1,2", ""),
                                  parse_zip(known, "mem.bytes=1M,2M run.limit=5,6", "")};
  std::vector<std::string> told;
  for (const std::vector<Setting>& point : combinations(axes)) {
    std::string text;
    for (const Setting& setting : point)
      text += setting.key.substr(0, 1) + setting.value;
    told.push_back(text);
  }
  EXPECT_THAT(told, ElementsAre("t1m1Mr5", "t1m2Mr6", "t2m1Mr5", "t2m2Mr6"));
  EXPECT_EQ(combinations({}).size(), 1U);
}

TEST(Axis, TooManyCombinationsAndKeysTwice) {
  const config::Schema known = schema();
  const Axis entries = parse_vary(known, "tlb.entries=1..200 +1", "");
  EXPECT_THROW(combinations({entries, parse_vary(known, "mem.bytes=1..51 +1", "")}), UsageError);
  EXPECT_EQ(combinations({entries, parse_vary(known, "mem.bytes=1..50 +1", "")}).size(), 10000U);
  EXPECT_THROW(combinations({entries, entries}), UsageError);
}

}  // namespace axis_test
}  // namespace mmusim::sweep
