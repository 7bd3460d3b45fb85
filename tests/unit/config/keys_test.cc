// Keys bound to fields: what a struct says is what the schema declares, and what is read comes
// back.
#include "config/keys.h"

#include <array>
#include <cstdint>
#include <gtest/gtest.h>
#include <optional>
#include <string>

namespace mmusim::config {
namespace keys_test {

enum class Order : uint8_t { Lru, Fifo };

struct Options {
  uint64_t bytes = 4096;
  unsigned ways = 4;
  uint8_t small = 7;
  uint64_t limit = 0;
  bool on = true;
  bool cold = false;
  Order order = Order::Fifo;
  std::string name = "plain";
  std::optional<uint64_t> price;
  std::array<uint32_t, 2> parts = {1, 2};
};

Keys<Options> keys() {
  Keys<Options> keys;
  keys.size("a.bytes", &Options::bytes, "Bytes.")
      .number("a.ways", &Options::ways, "Ways.", 1, 64)
      .power_of_two("a.ways", &Options::ways, "sets are found by bits")
      .number("a.small", &Options::small, "A small one.")
      .count("a.limit", &Options::limit, "A limit.")
      .flag("a.on", &Options::on, "On.")
      .choice("a.files", &Options::cold, {{"hot", false}, {"cold", true}}, "Files.")
      .choice("a.order", &Options::order, {{"lru", Order::Lru}, {"fifo", Order::Fifo}}, "Order.")
      .text("a.name", &Options::name, "Name.")
      .number_or("a.price", "same", &Options::price, "Price.", 0, 100)
      .rule(
          "a.ways",
          [](const Options& o) {
            return o.ways * 64 > o.bytes ? std::string("more ways than lines") : std::string();
          },
          "give it more bytes");
  for (unsigned i = 0; i < 2; ++i)
    keys.number(
        i == 0 ? "a.part0" : "a.part1", [i](auto& o) -> auto& { return o.parts[i]; }, "A part.");
  return keys;
}

// What is refused, as the user reads it.
std::string refusal(const std::string& ini) {
  Schema schema;
  keys().declare(schema);
  Config config(schema);
  try {
    config.load_text(ini, "x.cfg");
    static_cast<void>(keys().read(config));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(Keys, DefaultsAreThoseOfTheStruct) {
  Schema schema;
  keys().declare(schema);
  EXPECT_EQ(schema.find("a.bytes")->default_value, "4K");
  EXPECT_EQ(schema.find("a.ways")->default_value, "4");
  EXPECT_EQ(schema.find("a.on")->default_value, "true");
  EXPECT_EQ(schema.find("a.files")->default_value, "hot");
  EXPECT_EQ(schema.find("a.order")->default_value, "fifo");
  EXPECT_EQ(schema.find("a.name")->default_value, "plain");
  EXPECT_EQ(schema.find("a.price")->default_value, "same");
  EXPECT_EQ(schema.find("a.part1")->default_value, "2");
  const Options read = keys().read(Config(schema));
  EXPECT_EQ(read.bytes, 4096u);
  EXPECT_EQ(read.small, 7u);
  EXPECT_EQ(read.order, Order::Fifo);
  EXPECT_FALSE(read.price.has_value());
}

TEST(Keys, WhatIsSetComesToItsField) {
  Schema schema;
  keys().declare(schema);
  Config config(schema);
  config.load_text(
      "[a]\nbytes = 1M\nways = 16\nsmall = 255\nlimit = 3M\non = false\nfiles = cold\n"
      "order = lru\nname = other\nprice = 9\npart0 = 5\npart1 = 6\n",
      "x.cfg");
  const Options o = keys().read(config);
  EXPECT_EQ(o.bytes, uint64_t{1} << 20);
  EXPECT_EQ(o.ways, 16u);
  EXPECT_EQ(o.small, 255u);
  EXPECT_EQ(o.limit, 3'000'000u);
  EXPECT_FALSE(o.on);
  EXPECT_TRUE(o.cold);
  EXPECT_EQ(o.order, Order::Lru);
  EXPECT_EQ(o.name, "other");
  EXPECT_EQ(o.price, 9u);
  EXPECT_EQ(o.parts, (std::array<uint32_t, 2>{5, 6}));
}

TEST(Keys, NoValueIsCutToFitItsField) {
  EXPECT_NE(refusal("[a]\nsmall = 256\n").find("0 to 255"), std::string::npos)
      << refusal("[a]\nsmall = 256\n");
  EXPECT_NE(refusal("[a]\npart0 = 4294967296\n"), "");
  EXPECT_EQ(refusal("[a]\npart0 = 4294967295\n"), "");
}

TEST(Keys, RulesSayWhereTheValueIsFrom) {
  EXPECT_EQ(refusal("[a]\nways = 3\n"),
            "x.cfg:2: a.ways: 3 is not a power of two: sets are found by bits");
  EXPECT_EQ(refusal("[a]\nways = 64\nbytes = 2K\n"),
            "x.cfg:2: a.ways: more ways than lines (give it more bytes)");
  EXPECT_EQ(refusal("[a]\nbytes = 128\n"), "a.ways: more ways than lines (give it more bytes)");
  EXPECT_EQ(refusal("[a]\nways = 64\n"), "");
}

TEST(Keys, JoinedKeysAreDeclaredAndReadWithTheOthers) {
  struct Two {
    uint64_t one = 1;
    uint64_t two = 2;
  };
  Keys<Two> both;
  both.number("b.one", &Two::one, "One.")
      .join(Keys<Two>().number("b.two", &Two::two, "Two.", 2, 5));
  Schema schema;
  both.declare(schema);
  ASSERT_EQ(schema.keys().size(), 2u);
  Config config(schema);
  config.set("b.two", "5", "here");
  EXPECT_EQ(both.read(config).two, 5u);
  EXPECT_EQ(both.read(config).one, 1u);
}

}  // namespace keys_test
}  // namespace mmusim::config
