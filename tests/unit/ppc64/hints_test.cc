#include "arch/ppc64/hints.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/random.h"

namespace mmusim::ppc64 {
namespace hints_test {

using Model = std::map<std::pair<Context, VirtAddr>, unsigned>;

std::vector<VirtAddr> pages_of(const Model& model, Context context, VirtRange range) {
  std::vector<VirtAddr> pages;
  for (const auto& [page, hint] : model)
    if (page.first == context && range.contains(page.second)) pages.push_back(page.second);
  return pages;
}

// Against a map: few address spaces and pages, so that stretches of them become empty and are made
// anew, and ranges end within one.
TEST(Ppc64Hints, AreWhatAMapWouldHave) {
  for (const PageShift page : {k4K, k64K}) {
    Hints hints(page);
    Model model;
    Random random(page.log2());
    const auto some = [&] {
      return VirtAddr((random.below(5) * 509 + random.below(6)) << page.log2());
    };
    for (int step = 0; step < 20'000; ++step) {
      const auto context = static_cast<Context>(random.below(3));
      const VirtAddr va = some();
      switch (random.below(4)) {
        case 0:
        case 1: {
          const auto hint = static_cast<unsigned>(random.below(16));
          hints.set(context, va, hint);
          model[{context, va}] = hint;
          break;
        }
        case 2:
          hints.erase(context, va);
          model.erase({context, va});
          break;
        default: {
          const VirtAddr end = some();
          const VirtRange range{std::min(va, end), std::max(va, end)};
          ASSERT_EQ(hints.pages(context, range), pages_of(model, context, range));
        }
      }
      const auto known = model.find({context, va});
      const auto found = hints.find(context, va + (page.bytes() - 1));
      ASSERT_EQ(found, known == model.end() ? std::nullopt : std::optional(known->second));
    }
    Model all;
    hints.for_each([&](Context context, VirtAddr va, unsigned hint) {
      EXPECT_TRUE(all.emplace(std::pair(context, va), hint).second);
    });
    EXPECT_EQ(all, model);
    EXPECT_FALSE(model.empty());
  }
}

}  // namespace hints_test
}  // namespace mmusim::ppc64
