#include "arch/sparc64/options.h"

#include <gtest/gtest.h>
#include <string>

#include "arch/sparc64/formats.h"
#include "base/error.h"

namespace mmusim::sparc64 {
namespace options_test {

Options read(const std::string& text) {
  config::Schema schema;
  Options::keys().declare(schema);
  config::Config config(schema);
  config.load_text(text, "test.cfg");
  return Options::keys().read(config);
}

void refused(const std::string& text, const std::string& part) {
  try {
    read(text);
    FAIL() << "accepted: " << text;
  } catch (const UsageError& e) {
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

TEST(Sparc64Options, LockedEntries) {
  const Options options = read("");
  EXPECT_EQ(options.tlb[kItlb].back().entries, 64u);
  EXPECT_EQ(options.locked_fetch(), 2u);  // the image's
  EXPECT_EQ(options.locked_data(), 4u);   // ... and two TSBs, at most
  EXPECT_EQ(read("[sparc64.tsb]\nphysical = true\n").locked_data(), 2u);
  EXPECT_EQ(read("[sparc64]\ntsb = one\n").locked_data(), 3u);
  refused("[sparc64.dtlb]\nentries = 4\nways = 4\n", "leave none");
  EXPECT_EQ(read("[sparc64.tsb]\nmost = 64K\n").tsb_most(), 3u);
}

TEST(Sparc64Options, TwoArraysOfOneSizeAreOneOfTwiceTheWays) {
  const std::string one =
      "[sparc64.dtlb.set0]\nentries = 512\n[sparc64.dtlb.set1]\nentries = 512\n";
  const Options same = read(one);
  ASSERT_EQ(same.tlb[kDtlb].size(), 2u);
  EXPECT_EQ(same.tlb[kDtlb][0].ways, 4u);
  EXPECT_EQ(same.tlb[kDtlb][0].sets(), 256u);
  EXPECT_EQ(read(one + "pages = 4M\n").tlb[kDtlb].size(), 3u);
  refused(one + "ways = 4\n", "alike");
}

TEST(Sparc64Options, Rules) {
  refused("[sparc64.tsb]\nleast = 4K\n", "512 entries of 16 bytes");
  refused("[sparc64.tsb]\nmost = 24K\n", "power of two");
  refused("[sparc64.tsb]\nmost = 2M\n", "size code");
  refused("[sparc64.tsb]\nleast = 64K\nmost = 8K\n", "below");
  refused("[sparc64.dtlb]\npages = 8K\n", "locked entries are of 4M");
  refused("[sparc64.dtlb]\npages = 4M\n", "base pages");
  refused("[sparc64.dtlb]\npages = 16K\n", "not a page size");
  refused("[sparc64.itlb]\nentries = 0\n", "there must be");
  refused("[sparc64.itlb]\nways = 2\n", "fully associative");
  refused("[sparc64.itlb]\nentries = 2\nways = 2\n", "leave none");
  refused("[sparc64.dtlb.set0]\nentries = 512\npages = 8K,4M\n", "one page size");
}

}  // namespace options_test
}  // namespace mmusim::sparc64
