#include "mmu/mmu.h"

#include <gtest/gtest.h>
#include <set>
#include <string>

namespace mmusim::mmu {
namespace mmu_test {

TEST(FaultReason, EachHasItsName) {
  std::set<std::string> names;
  for (const FaultReason reason :
       {FaultReason::None, FaultReason::NotPresent, FaultReason::Protection,
        FaultReason::NonCanonical, FaultReason::Malformed})
    names.insert(name_of(reason));
  EXPECT_EQ(names.size(), 5u);
  EXPECT_FALSE(names.contains("?"));
}

TEST(Translation, IsOkUnlessItFaulted) {
  Translation t;
  EXPECT_TRUE(t.ok());
  t.fault = FaultReason::Malformed;
  EXPECT_FALSE(t.ok());
}

}  // namespace mmu_test
}  // namespace mmusim::mmu
