#include "base/types.h"

#include <gtest/gtest.h>
#include <limits>
#include <type_traits>
#include <unordered_set>

namespace mmusim {
namespace types_test {

// What must not compile, said as a test.
static_assert(!std::is_convertible_v<uint64_t, VirtAddr>);
static_assert(!std::is_convertible_v<VirtAddr, PhysAddr>);
static_assert(!std::is_convertible_v<VirtAddr, uint64_t>);
static_assert(!std::is_same_v<Vpn, Pfn>);

TEST(Types, AddressesMoveByBytesAndWrap) {
  EXPECT_EQ(VirtAddr(0x1000) + 0x234, VirtAddr(0x1234));
  EXPECT_EQ(VirtAddr(0x2000) - VirtAddr(0x1ff0), 0x10u);
  EXPECT_EQ(VirtAddr(std::numeric_limits<uint64_t>::max()) + 1, VirtAddr(0));
}

TEST(Types, PagesOfAddresses) {
  constexpr PageShift k4K{12};
  constexpr PageShift k2M{21};
  EXPECT_EQ(k2M.bytes(), 2097152u);
  EXPECT_EQ(page_of(VirtAddr(0x7fff12345678), k4K), Vpn(0x7fff12345));
  EXPECT_EQ(page_base(Vpn(3), k2M), VirtAddr(0x600000));
  EXPECT_EQ(align_down(VirtAddr(0x1fff), k4K), VirtAddr(0x1000));
  EXPECT_EQ(align_up(VirtAddr(0x1001), k4K), VirtAddr(0x2000));
  EXPECT_EQ(align_up(VirtAddr(0x1000), k4K), VirtAddr(0x1000));
  EXPECT_TRUE(is_aligned(VirtAddr(0x200000), k2M));
  EXPECT_FALSE(is_aligned(VirtAddr(0x201000), k2M));
}

TEST(Types, HalfOpenRanges) {
  const VirtRange range{VirtAddr(0x1000), VirtAddr(0x3000)};
  EXPECT_EQ(range.bytes(), 0x2000u);
  EXPECT_TRUE(range.contains(VirtAddr(0x1000)));
  EXPECT_FALSE(range.contains(VirtAddr(0x3000)));
  EXPECT_FALSE(range.overlaps({VirtAddr(0x3000), VirtAddr(0x4000)}));
  EXPECT_TRUE(range.overlaps({VirtAddr(0x2fff), VirtAddr(0x4000)}));
  EXPECT_TRUE((VirtRange{VirtAddr(5), VirtAddr(5)}).empty());
}

TEST(Types, RightsAllowWhatTheyName) {
  const Rights rights(Rights::kRead | Rights::kWrite);
  EXPECT_TRUE(rights.allows(AccessKind::Load));
  EXPECT_TRUE(rights.allows(AccessKind::Modify));
  EXPECT_FALSE(rights.allows(AccessKind::Fetch));
  EXPECT_FALSE(rights.without(Rights::kWrite).allows(AccessKind::Store));
  // An atomic update needs the right to write, as a store does.
  EXPECT_FALSE(Rights(Rights::kRead).allows(AccessKind::Modify));
  EXPECT_TRUE(Rights().with(Rights::kExec).allows(AccessKind::Fetch));
}

TEST(Types, IdsAreOrderedAndHashable) {
  std::unordered_set<Pid> pids{Pid(1), Pid(2), Pid(1)};
  EXPECT_EQ(pids.size(), 2u);
  EXPECT_LT(Vpn(1), Vpn(2));
}

}  // namespace types_test
}  // namespace mmusim
