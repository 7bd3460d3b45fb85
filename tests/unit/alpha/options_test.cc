#include "arch/alpha/options.h"

#include <gtest/gtest.h>
#include <string>

#include "base/error.h"

namespace mmusim::alpha {
namespace options_test {

Options read(const std::string& text) {
  config::Schema schema;
  Options::keys().declare(schema);
  config::Config config(schema);
  config.load_text(text, "test.cfg");
  return Options::keys().read(config);
}

void refused(const std::string& text, const std::string& key, const std::string& part) {
  try {
    read(text);
    FAIL() << "accepted: " << text;
  } catch (const UsageError& e) {
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find(key), std::string::npos) << e.what();
  }
}

TEST(AlphaOptions, DefaultsAndRules) {
  const Options options = read("");
  EXPECT_EQ(options.tlb[kItb].front().entries, 128u);
  EXPECT_EQ(options.tlb[kDtb].front().pages.size(), 4u);
  EXPECT_EQ(options.most_asn(), 255u);
  EXPECT_TRUE(options.linear_table);
  EXPECT_EQ(read("[alpha]\nasn_bits = 7\n").most_asn(), 127u);
  refused("[alpha]\nasn_bits = 9\n", "alpha.asn_bits", "8");
  refused("[alpha.dtb]\nentries = 0\n", "alpha.dtb.entries", "there must be the data");
  refused("[alpha.itb]\npages = 64K\n", "alpha.itb.pages", "base page");
  // Granularity hints say 1, 8, 64 or 512 pages, nothing between.
  refused("[alpha.dtb]\npages = 8K,16K\n", "alpha.dtb.pages", "16K");
  refused("[alpha.dtb]\npages = 4K,8K\n", "alpha.dtb.pages", "4K");
}

}  // namespace options_test
}  // namespace mmusim::alpha
