// Geometries of the multi-level table: as text, checked, and as configured.
#include "pt/mlpt/shape.h"

#include <gtest/gtest.h>
#include <set>
#include <string>

#include "base/error.h"
#include "pt/conformance/machine.h"

namespace mmusim::pt::mlpt {
namespace shape_test {

using conformance::layout_named;
using conformance::Machine;

constexpr const char* kX86 = "12:9:leaf,21:9:leaf,30:9:leaf,39:9";

TEST(Shape, OfX86) {
  const Shape shape(parse_levels(kX86), PageShift(12), "here");
  EXPECT_EQ(shape.top(), 3u);
  EXPECT_EQ(shape.level(0).shift, 12u);
  EXPECT_EQ(shape.level(0).span, 21u);
  EXPECT_EQ(shape.level(3).entries, 512u);
  EXPECT_EQ(shape.level(3).table_bytes, 4096u);
  EXPECT_EQ(shape.last(), VirtAddr(0xffff'ffff'ffff));
  const VirtAddr va(0x7fff'ffff'e123);
  EXPECT_EQ(shape.index(va, 3), 255u);
  EXPECT_EQ(shape.index(va, 2), 511u);
  EXPECT_EQ(shape.index(va, 1), 511u);
  EXPECT_EQ(shape.index(va, 0), 510u);
  EXPECT_EQ(shape.leaf_level(PageShift(21)), 1);
  EXPECT_EQ(shape.leaf_level(PageShift(39)), -1);
  EXPECT_EQ(shape.leaf_level(PageShift(13)), -1);
  EXPECT_EQ(shape.leaf_size_below(2), PageShift(21));
}

TEST(Shape, TablesSmallerAndLargerThanAPage) {
  const Shape small(parse_levels("12:9:leaf,21:9:leaf,30:2"), PageShift(12), "here");
  EXPECT_EQ(small.level(2).entries, 4u);
  EXPECT_EQ(small.level(2).table_bytes, 4096u);
  EXPECT_EQ(small.last(), VirtAddr(0xffff'ffff));
  const Shape large(parse_levels("12:11:leaf,23:12"), PageShift(12), "here");
  EXPECT_EQ(large.level(0).table_bytes, 16384u);
  EXPECT_EQ(large.level(1).table_bytes, 32768u);
}

// An architecture may know better than a page.
TEST(Shape, TablesOfASizeOfTheirOwn) {
  RadixGeometry geometry = {{.shift = 16, .index_bits = 8, .leaf_allowed = true, .table_log2 = 12},
                            {.shift = 24, .index_bits = 10, .table_log2 = 13},
                            {.shift = 34, .index_bits = 12}};
  const Shape shape(geometry, PageShift(16), "here");
  EXPECT_EQ(shape.level(0).table_bytes, 4096u);
  EXPECT_EQ(shape.level(1).table_bytes, 8192u);
  EXPECT_EQ(shape.level(2).table_bytes, 65536u);
  geometry[1].table_log2 = 12;
  EXPECT_THROW(Shape(geometry, PageShift(16), "here"), UsageError);
}

// IA-64 with three levels: the top index is the region number and bits 43:36.
TEST(Shape, Regions) {
  const Shape shape(parse_levels("14:11:leaf,25:11,36:11:region3"), PageShift(14), "here");
  EXPECT_EQ(shape.index(VirtAddr(0x2000'0000'0000'0000), 2), 0x100u);
  EXPECT_EQ(shape.index(VirtAddr(0x6000'0fff'ffff'c000), 2), 0x3ffu);
  EXPECT_EQ(shape.index(VirtAddr(0x6000'0fff'ffff'c000), 1), 0x7ffu);
  EXPECT_EQ(shape.index(VirtAddr(0x6000'0fff'ffff'c000), 0), 0x7ffu);
  EXPECT_EQ(shape.last(), VirtAddr(0xe000'0fff'ffff'ffff));
  EXPECT_TRUE(shape.maps(VirtAddr(0x0fff'ffff'ffff)));
  EXPECT_FALSE(shape.maps(VirtAddr(0x1000'0000'0000)));
  EXPECT_FALSE(shape.maps(VirtAddr(0x1fff'ffff'ffff'ffff)));
  EXPECT_EQ(shape.beyond(VirtAddr(0x2000'2000'0000'0000)),
            (VirtRange{VirtAddr(0x2000'1000'0000'0000), VirtAddr(0x4000'0000'0000'0000)}));
  EXPECT_EQ(shape.beyond(VirtAddr(0xffff'0000'0000'0000)),
            (VirtRange{VirtAddr(0xe000'1000'0000'0000), VirtAddr(0xffff'ffff'ffff'ffff)}));
  EXPECT_EQ(shape.flat_of(VirtAddr(0x4000'0000'0000'4000)), 0x2000'0000'4000u);
  EXPECT_EQ(shape.address_of(0x2000'0000'4000), VirtAddr(0x4000'0000'0000'4000));
  EXPECT_EQ(shape.flat_from(VirtAddr(0x2000'1000'0000'0000)), 0x2000'0000'0000u);
  EXPECT_EQ(shape.flat_up_to(VirtAddr(0x3fff'ffff'ffff'ffff)), 0x1fff'ffff'ffffu);
}

// SPARC's four levels over sign-extended addresses of 53 bits: the top index is bits 52:43.
TEST(Shape, SignExtendedAddresses) {
  const Shape shape(parse_levels("13:10:leaf,23:10:leaf,33:10,43:10:signed"), PageShift(13),
                    "here");
  EXPECT_EQ(shape.index(VirtAddr(0x7ff'ffff'e000), 3), 0u);
  EXPECT_EQ(shape.index(VirtAddr(0xffff'f801'0000'2000), 3), 0x3ffu);
  EXPECT_EQ(shape.index(VirtAddr(0xffff'f801'0000'2000), 2), 0u);
  EXPECT_EQ(shape.index(VirtAddr(0xffff'f801'0000'2000), 1), 0x200u);
  EXPECT_EQ(shape.index(VirtAddr(0xffff'f801'0000'2000), 0), 1u);
  EXPECT_EQ(shape.last(), VirtAddr(~uint64_t{0}));
  EXPECT_TRUE(shape.maps(VirtAddr(0xf'ffff'ffff'ffff)));
  EXPECT_FALSE(shape.maps(VirtAddr(0x10'0000'0000'0000)));
  EXPECT_FALSE(shape.maps(VirtAddr(0x8000'0000'0000'0000)));
  EXPECT_FALSE(shape.maps(VirtAddr(0xffef'ffff'ffff'ffff)));
  EXPECT_TRUE(shape.maps(VirtAddr(0xfff0'0000'0000'0000)));
  const VirtRange hole{VirtAddr(0x10'0000'0000'0000), VirtAddr(0xfff0'0000'0000'0000)};
  EXPECT_EQ(shape.beyond(VirtAddr(0x10'0000'0000'0000)), hole);
  EXPECT_EQ(shape.beyond(VirtAddr(0x9000'0000'0000'0000)), hole);
  EXPECT_EQ(shape.flat_of(VirtAddr(0xffff'f801'0000'2000)), 0x1f'f801'0000'2000u);
  EXPECT_EQ(shape.address_of(0x1f'f801'0000'2000), VirtAddr(0xffff'f801'0000'2000));
  EXPECT_EQ(shape.address_of(0xf'ffff'ffff'ffff), VirtAddr(0xf'ffff'ffff'ffff));
  for (const uint64_t va : {uint64_t{0x10} << 48, uint64_t{0x9000} << 48}) {
    EXPECT_EQ(shape.flat_from(VirtAddr(va)), 0x10'0000'0000'0000u);
    EXPECT_EQ(shape.flat_up_to(VirtAddr(va)), 0xf'ffff'ffff'ffffu);
  }
}

TEST(Shape, NoSuchGeometry) {
  for (const char* text : {
           "12:9:leaf",                           // one level
           "12:2:leaf,14:2,16:2,18:2,20:2,22:2",  // six
           "12:9,21:9:leaf",                      // no leaves at the lowest level
           "13:9:leaf,22:9",                      // not the page
           "12:9:leaf,22:9",                      // a hole between the levels
           "12:9:leaf,20:9",                      // an overlap
           "12:0:leaf,12:9",                      // no index
           "12:20:leaf,32:9",                     // a table no block can hold
           "12:19:leaf,31:19,50:15",              // more than 64 bits
           "",                                    // nothing
       })
    EXPECT_THROW(Shape(parse_levels(text), PageShift(12), "here"), UsageError) << text;
  EXPECT_NO_THROW(Shape(parse_levels("12:19:leaf,31:19,50:14"), PageShift(12), "here"));
}

TEST(Shape, NotAGeometry) {
  for (const char* text : {"12", "12:", ":9", "12:9:leav", "12:9:leaf:leaf", "12:x:leaf", "x:9",
                           "12:9:leaf,", ",12:9:leaf", "12:9:leaf,,21:9", "-1:9", "12:9:leaf;21:9",
                           "99999999999999999999:9", "65:9", "12 :9"})
    EXPECT_THROW(parse_levels(text), UsageError) << text;
}

TEST(Shape, ErrorsNameTheKey) {
  config::Schema schema;
  const Backend& mlpt = backends().front();
  ASSERT_STREQ(mlpt.name, "mlpt");
  mlpt.declare(schema);
  config::Config config(schema);
  config.set("pt.mlpt.levels", "12:9:leaf,22:9", "test");
  Machine machine(mlpt, layout_named("x86_64"));
  try {
    static_cast<void>(mlpt.make(config, machine.environment));
    FAIL() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("pt.mlpt.levels"), std::string::npos);
  }
}

TEST(Shape, ConfiguredInsteadOfTheArchitectures) {
  config::Schema schema;
  const Backend& mlpt = backends().front();
  mlpt.declare(schema);
  config::Config config(schema);
  Machine machine(mlpt, layout_named("x86_64"));
  const auto own_factory = mlpt.make(config, machine.environment);
  ASSERT_NE(own_factory->hardware_walkable(), nullptr);
  EXPECT_EQ(*own_factory->hardware_walkable(), machine.environment.geometry);
  config.set("pt.mlpt.levels", "12:12:leaf,24:12", "test");
  const auto factory = mlpt.make(config, machine.environment);
  const auto other = factory->create(MmId(2));
  EXPECT_NE(*factory->hardware_walkable(), machine.environment.geometry);
  EXPECT_EQ(other->stats().root_bytes, 32768u);
  EXPECT_EQ(other->capabilities().leaf_sizes, std::vector<PageShift>{PageShift(12)});
}

TEST(Backends, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const Backend& backend : backends()) {
    EXPECT_TRUE(names.insert(backend.name).second) << backend.name;
    EXPECT_FALSE(std::string(backend.summary).empty());
  }
}

TEST(Statuses, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (unsigned i = 0; i <= static_cast<unsigned>(Status::NotSupported); ++i) {
    const char* name = pt::name_of(static_cast<Status>(i));
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_STRNE(name, "?");
  }
}

}  // namespace shape_test
}  // namespace mmusim::pt::mlpt
