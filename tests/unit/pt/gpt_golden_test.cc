// What guarded page tables weigh, and how deep they are, for known sets of pages under several
// rules. The figures are those of another program, written before this one from the same
// description of the algorithms; deterministic sets must give them exactly, random ones within 2 %.
#include <algorithm>
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "pt/conformance/machine.h"
#include "pt/gpt/gpt.h"
#include "pt/mlpt/shape.h"
#include "tests/effort.h"

namespace mmusim::pt {
namespace gpt_golden_test {

using conformance::Layout;
using conformance::Machine;

const Layout kWhole = {"whole64", 12, "12:9:leaf,21:9,30:9,39:9,48:16"};

struct Measured {
  double bytes = 0;    // per page
  double average = 0;  // tables passed by a look-up
  unsigned most = 0;
};

Measured measure(const std::vector<uint64_t>& pages, const char* settings) {
  Machine machine(gpt::backend(), kWhole, settings, uint64_t{4} << 30);
  const auto table = machine.factory->create(MmId(1));
  for (const uint64_t page : pages) {
    const Slot slot = table->ensure(VirtAddr(page << 12), machine.page);
    LeafFields fields;
    fields.pfn = Pfn(page & 0xffffff);
    fields.size = machine.page;
    static_cast<void>(table->install(slot.handle, slot.entry, machine.format.make_leaf(fields)));
  }
  Measured result;
  uint64_t total = 0;
  for (const uint64_t page : pages) {
    WalkPath path;
    static_cast<void>(table->walk(VirtAddr(page << 12), path));
    total += path.count();
    result.most = std::max(result.most, path.count());
  }
  result.average = static_cast<double>(total) / static_cast<double>(pages.size());
  result.bytes = static_cast<double>(table->table_bytes()) / static_cast<double>(pages.size());
  return result;
}

std::vector<uint64_t> range(uint64_t first, uint64_t count, uint64_t step = 1) {
  std::vector<uint64_t> pages;
  for (uint64_t i = 0; i < count; ++i)
    pages.push_back(first + i * step);
  return pages;
}
std::vector<uint64_t> shuffled(std::vector<uint64_t> pages, uint64_t seed) {
  Random random(seed);
  for (size_t i = pages.size(); i > 1; --i)
    std::swap(pages[i - 1], pages[random.below(i)]);
  return pages;
}
// `count` objects of `each` pages anywhere in 2^bits bytes, in ascending order.
std::vector<uint64_t> scattered(unsigned bits, uint64_t count, uint64_t each) {
  Random random(1);
  std::set<uint64_t> pages;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t base = random.next() >> (64 - (bits - 12));
    for (uint64_t j = 0; j < each; ++j)
      pages.insert(base + j);
  }
  return {pages.begin(), pages.end()};
}

constexpr const char* kWide = "[pt.gpt]\nwidest = 12\nlines = false\n";
constexpr const char* kNine = "[pt.gpt]\nwidest = 9\nlines = false\n";
constexpr const char* kReluctant =
    "[pt.gpt]\nwidest = 12\nlines = false\ninflate = 75\nhalve = 40\n";
constexpr const char* kEager = "[pt.gpt]\nwidest = 12\nlines = false\ninflate = 30\nhalve = 12\n";
// Lines and arrays, which that program did not have: worked out by hand where a set is said.
constexpr const char* kDefault = "";
constexpr const char* kBinary = "[pt.gpt]\norder = 1\n";

struct Expected {
  const char* settings;
  double bytes;
  double average;
  unsigned most;
};

// To the precision the figures were written down with.
void expect_exactly(const std::vector<uint64_t>& pages, const std::vector<Expected>& rows) {
  for (const Expected& row : rows) {
    const Measured m = measure(pages, row.settings);
    EXPECT_NEAR(m.bytes, row.bytes, 0.0051) << row.settings;
    EXPECT_NEAR(m.average, row.average, 0.0051) << row.settings;
    EXPECT_EQ(m.most, row.most) << row.settings;
  }
}
void expect_nearly(const std::vector<uint64_t>& pages, const std::vector<Expected>& rows) {
  for (const Expected& row : rows) {
    const Measured m = measure(pages, row.settings);
    EXPECT_NEAR(m.bytes, row.bytes, 0.02 * row.bytes) << row.settings;
    EXPECT_NEAR(m.average, row.average, 0.02 * row.average) << row.settings;
  }
}

// One table of 512 slots, and nothing else: 16 bytes a page.
TEST(GptGolden, DenseTwoMegabytes) {
  expect_exactly(range(512 * 7, 512), {{kWide, 16.00, 1, 1},
                                       {kNine, 16.00, 1, 1},
                                       {kReluctant, 16.00, 1, 1},
                                       {kEager, 16.00, 1, 1},
                                       {kBinary, 31.94, 9, 9},
                                       // One array of 512 words.
                                       {kDefault, 8.00, 1, 1}});
}

TEST(GptGolden, DenseGigabyte) {
  if (!tests::kWholeEffort) return;  // a sanitizer sees all of it in the smaller ones
  const auto pages = range(uint64_t{1} << 18, 1 << 18);
  expect_exactly(pages, {{kWide, 16.00, 2, 2},
                         {kNine, 16.03, 2, 2},
                         {kReluctant, 16.02, 2.06, 3},
                         {kEager, 16.00, 2, 2},
                         {kBinary, 32.00, 18, 18},
                         // 32 of 8192, below a table of 32: 2 MiB and 512 bytes.
                         {kDefault, 8.00, 2, 2}});
  // Mapped in any order.
  expect_exactly(shuffled(pages, 1), {{kWide, 16.25, 2, 2},
                                      {kNine, 16.03, 2, 2},
                                      {kReluctant, 16.12, 2, 2},
                                      {kEager, 16.25, 2, 2},
                                      {kBinary, 32.00, 18, 18},
                                      {kDefault, 8.00, 2, 2}});
}

TEST(GptGolden, DenseFromAnOddPage) {
  expect_exactly(range((uint64_t{1} << 20) + 1, 100000), {{kWide, 16.06, 2, 2},
                                                          {kNine, 16.06, 2, 2},
                                                          {kReluctant, 16.08, 2.98, 4},
                                                          {kEager, 16.06, 2, 2},
                                                          {kBinary, 32.00, 16.93, 17}});
}

TEST(GptGolden, Stride) {
  for (const uint64_t step : {uint64_t{512}, uint64_t{1} << 18})
    expect_exactly(range(0, 1000, step), {{kWide, 16.38, 1, 1},
                                          {kNine, 16.42, 2, 2},
                                          {kReluctant, 16.38, 1, 1},
                                          {kEager, 16.38, 1, 1},
                                          {kBinary, 31.97, 9.98, 10},
                                          // A table of 128, and below it tables of eight; its
                                          // last three slots wait for the next pages. And a top
                                          // of four slots, 64 bytes.
                                          {kDefault, 18.14, 2.02, 4}});
}

// The worst for any trie: each page needs a branch of its own.
TEST(GptGolden, ZeroAndPowersOfTwo) {
  auto pages = range(0, 1);
  for (unsigned i = 0; i < 51; ++i)
    pages.push_back(uint64_t{1} << i);
  expect_exactly(pages, {{kWide, 32.00, 24.54, 49},
                         {kNine, 32.00, 24.54, 49},
                         {kReluctant, 31.38, 25.50, 50},
                         {kEager, 33.85, 23.60, 48},
                         {kBinary, 31.38, 26.48, 51}});
}

TEST(GptGolden, Random) {
  expect_nearly(scattered(64, 100000, 1),
                {{kNine, 29.1, 2.86, 8}, {kEager, 44.7, 2.41, 6}, {kBinary, 32.0, 16.9, 21}});
  // With these rules there are fewer tables to pass than the other program had (3.68 and 4.46), at
  // about its weight or less (29.6 and 28.1).
  const Measured wide = measure(scattered(64, 100000, 1), kWide);
  EXPECT_NEAR(wide.bytes, 29.6, 0.02 * 29.6);
  EXPECT_NEAR(wide.average, 2.79, 0.02 * 2.79);
  const Measured reluctant = measure(scattered(64, 100000, 1), kReluctant);
  EXPECT_NEAR(reluctant.bytes, 26.73, 0.02 * 26.73);
  EXPECT_NEAR(reluctant.average, 3.64, 0.02 * 3.64);
}

TEST(GptGolden, Objects) {
  expect_nearly(scattered(47, 10000, 16), {{kWide, 27.8, 3.98, 8},
                                           {kNine, 27.9, 4.73, 9},
                                           {kReluctant, 24.1, 4.68, 10},
                                           {kEager, 28.0, 4.20, 8},
                                           {kBinary, 32.0, 18.0, 23}});
}

TEST(GptGolden, Million) {
  if (!tests::kWholeEffort) return;
  expect_nearly(scattered(64, 1000000, 1), {{kWide, 28.6, 2.79, 8}, {kNine, 28.6, 3.73, 8}});
}

}  // namespace gpt_golden_test
}  // namespace mmusim::pt
