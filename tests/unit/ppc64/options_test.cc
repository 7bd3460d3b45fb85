#include "arch/ppc64/options.h"

#include <gtest/gtest.h>
#include <string>

#include "base/error.h"

namespace mmusim::ppc64 {
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

TEST(Ppc64Options, DefaultsAndRules) {
  const Options options = read("");
  EXPECT_EQ(options.htab_bytes, 0u);  // by Linux's rule
  EXPECT_EQ(options.slb_entries, 64u);
  EXPECT_EQ(read("[ppc64.htab]\nbytes = 256K\n").htab_bytes, 256u << 10);
  refused("[ppc64.htab]\nbytes = 128K\n", "at least 256K");
  refused("[ppc64.htab]\nbytes = 3M\n", "power of two");
  refused("[ppc64.tlb]\nentries = 0\n", "there must be the TLB");
  EXPECT_EQ(options.page, k4K);
  // All that translates must hold the base page.
  refused("[ppc64]\npage = 64K\n", "the instruction ERAT does not hold pages of 64K");
  const std::string first = "[ppc64]\npage = 64K\n[ppc64.ierat]\npages = 64K\n";
  refused(first + "[ppc64.derat]\npages = 64K\n", "the TLB does not hold pages of 64K");
  EXPECT_EQ(read(first + "[ppc64.derat]\npages = 64K\n[ppc64.tlb]\npages = 4K,64K\n").page, k64K);
  refused("[ppc64.ierat]\npages = 64K\n", "the instruction ERAT does not hold pages of 4K");
  refused("[ppc64.ierat]\npages = 16K\n", "not a page size of this machine");
}

}  // namespace options_test
}  // namespace mmusim::ppc64
