#include "sweep/store.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/error.h"

namespace mmusim::sweep {
namespace store_test {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class StoreTest : public testing::Test {
 protected:
  StoreTest() : folder_(testing::TempDir() + "sweep_store_" + std::to_string(getpid())) {
    fs::remove_all(folder_);
  }
  ~StoreTest() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string file(const std::string& name) const { return folder_ + "/" + name; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(file(name)) << text;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream in(file(name));
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  std::string problem(const std::string& program) {
    try {
      const Store store(folder_, program);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  bool find(Store& store, const std::string& id, stats::Report& report) {
    return store.find(id, report, [this](const std::string& text) { warned_.push_back(text); });
  }

  std::string folder_;
  std::vector<std::string> warned_;
};

std::string result(uint64_t value) {
  config::Schema schema;
  const config::Config config(schema);
  stats::Report report;
  report.add("a.b", value, "accesses", "A count.");
  return stats::results_json({}, config, report);
}

TEST_F(StoreTest, KeepsAndFinds) {
  {
    Store store(folder_, "1");
    stats::Report report;
    EXPECT_FALSE(find(store, "id", report));
    store.keep("id", result(7));
  }
  Store store(folder_, "1");
  stats::Report report;
  ASSERT_TRUE(find(store, "id", report));
  EXPECT_EQ(report.value("a.b"), 7U);
  EXPECT_EQ(report.find("a.b")->meaning, "A count.");
  EXPECT_TRUE(has_result(folder_, "id"));
  EXPECT_FALSE(has_result(folder_, "other"));
  EXPECT_TRUE(warned_.empty());
}

TEST_F(StoreTest, AnotherProgramOrSchemaOrFolder) {
  { const Store store(folder_, "1"); }
  EXPECT_EQ(problem("1"), "");
  EXPECT_THAT(problem("2"), HasSubstr("another mmusim (1; this is 2)"));
  write("store.json", R"({"schema": 9, "program": "1"})");
  EXPECT_THAT(problem("1"), HasSubstr("schema 9"));
  write("store.json", "{");
  EXPECT_THAT(problem("1"), HasSubstr("store.json: no JSON from byte 2 of 1 on"));
  write("store.json", R"({"schema": "one"})");
  EXPECT_THAT(problem("1"), HasSubstr("store.json: is not what a sweep writes"));
  write("store.json", "{");
  EXPECT_THAT(problem("1"), HasSubstr("name another folder"));
  EXPECT_EQ(read("store.json"), "{");
  fs::remove(file("store.json"));
  EXPECT_EQ(problem("1"), "");  // killed before it wrote that
  fs::remove(file("store.json"));
  write("thesis.tex", "x");
  EXPECT_THAT(problem("1"), HasSubstr("thesis.tex"));
  EXPECT_FALSE(fs::exists(file("store.json")));
}

TEST_F(StoreTest, TwoAtATime) {
  std::optional<Store> first(std::in_place, folder_, "1");
  EXPECT_THAT(problem("1"), HasSubstr("another sweep is at work"));
  first.reset();
  EXPECT_EQ(problem("1"), "");
}

TEST_F(StoreTest, WhatCannotBeReadIsSetAside) {
  const std::string half = result(7).substr(0, 100);
  for (const std::string& bad :
       {half, std::string("{}"), std::string(R"({"schema": 2, "counters": []})"),
        std::string(R"({"schema": 1, "counters": [{"name": 3}]})"),
        std::string(R"({"schema": 1, "counters": [
          {"name": "a", "value": 1, "unit": "", "meaning": "", "denominator": ""},
          {"name": "a", "value": 1, "unit": "", "meaning": "", "denominator": ""}]})")}) {
    fs::remove_all(folder_);
    warned_.clear();
    Store store(folder_, "1");
    stats::Report report;
    for (const char* const aside : {"runs/id.json.unreadable", "runs/id.json.unreadable2"}) {
      write("runs/id.json", bad);
      EXPECT_FALSE(find(store, "id", report)) << bad;
      EXPECT_EQ(read(aside), bad);
      EXPECT_FALSE(fs::exists(file("runs/id.json")));
      EXPECT_TRUE(report.counters().empty());
    }
    ASSERT_EQ(warned_.size(), 2U);
    EXPECT_THAT(warned_[0], HasSubstr("id.json.unreadable now"));
    // In the program's words, not in its library's.
    EXPECT_THAT(warned_[0], Not(HasSubstr("exception"))) << bad;
    if (bad == half) {
      EXPECT_THAT(warned_[0], HasSubstr("no JSON from byte 101 of 100 on"));
    }
  }
}

}  // namespace store_test
}  // namespace mmusim::sweep
