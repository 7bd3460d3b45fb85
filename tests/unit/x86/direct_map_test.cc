// The kernel's own accesses: what they find and fill, worked out by hand.
#include "arch/x86/direct_map.h"

#include <gtest/gtest.h>
#include <string>

#include "arch/x86/architecture.h"
#include "tests/unit/arch_world.h"

namespace mmusim::x86::testing {
namespace direct_map_test {

constexpr VirtAddr kVa{0x400000};
constexpr unsigned kRW = mmusim::testing::kRW;

// One level, which holds two pages of 1G.
class World : public mmusim::testing::ArchWorld<Architecture> {
 public:
  explicit World(const std::string& text = "", const std::string& backend = "mlpt")
      : ArchWorld(
            "[mem]\nbytes = 4G\n[tlb.l1d.huge]\nentries = 2\nways = 2\n[tlb.l2]\nentries = "
            "0\n[tlb.l2.huge]\nentries = 0\n",
            text, backend, /*cpus=*/1) {}
};

TEST(DirectMap, MapsAllMemory) {
  for (const bool gigabytes : {true, false})
    for (const unsigned levels : {4u, 5u}) {
      SCOPED_TRACE(levels);
      Options options;
      options.paging.levels = levels;
      options.gigabyte_pages = gigabytes;
      mem::FrameMemory frames(uint64_t{3} << 30, k4K);
      const uint64_t before = frames.free_frames();
      const DirectMap map(options, frames);
      // Below the root: one table for 512G (and one above it), and one for each 1G.
      EXPECT_EQ(before - frames.free_frames(), levels - 2 + (gigabytes ? 0u : 3u));
      const PhysAddr there(0x8765'4321);
      const VirtAddr va = map.of(there);
      EXPECT_EQ(va.value(), (levels == 4 ? 0xffff'8880'8765'4321u : 0xff11'0000'8765'4321u));
      uint64_t entry = map.root().value();
      const unsigned leaf = gigabytes ? 2 : 1;
      for (unsigned level = levels; level-- > leaf;) {
        const uint64_t index = va.value() >> (12 + 9 * level) & 511;
        entry = *frames.words(PhysAddr((entry & 0xf'ffff'ffff'f000) + index * 8));
      }
      // P, W, A, D, PS, G and XD; not U.
      const uint64_t frame = gigabytes ? 0x8000'0000 : 0x8760'0000;
      EXPECT_EQ(entry, frame | 0x1e3 | uint64_t{1} << 63);
    }
}

TEST(DirectMap, AFaultTouchesEntryAndPage) {
  World world;
  EXPECT_EQ(world.access(kVa, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
  EXPECT_EQ(world.counter("direct.lookups"), 0u);
  // All in the first gigabyte but the page: two misses, of a PML4E and a PDPTE each; the second
  // walk begins below the cached PML4E.
  world.map(kVa, 0x4'0000, kRW);
  const uint64_t loads = world.counter("walker.loads");
  ASSERT_TRUE(world.access(kVa, AccessKind::Load, /*retry=*/true).ok());
  EXPECT_EQ(world.counter("direct.lookups"), 2u);
  EXPECT_EQ(world.counter("direct.misses"), 2u);
  EXPECT_EQ(world.counter("path.direct_walk"), 2u);
  // And four of the page's own walk.
  EXPECT_EQ(world.counter("walker.loads") - loads, 2u + 1u + 4u);
  EXPECT_EQ(world.counter("tlb.l1d.lookups"), 0u);
  // They are global: no flush of the program's takes them.
  world.map(kVa + 0x1000, 0x4'0001, kRW);
  world.tlbs().flush_mm(MmId(0));
  ASSERT_TRUE(world.access(kVa + 0x1000, AccessKind::Load, true).ok());
  EXPECT_EQ(world.counter("direct.lookups"), 4u);
  EXPECT_EQ(world.counter("direct.misses"), 2u);
  // What is no fault touches nothing.
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  EXPECT_EQ(world.counter("direct.lookups"), 4u);
  // A third gigabyte throws one out, of an array of two; the entry's is used last but one.
  world.map(kVa + 0x2000, 0x8'0000, kRW);
  ASSERT_TRUE(world.access(kVa + 0x2000, AccessKind::Load, true).ok());
  EXPECT_EQ(world.counter("direct.misses"), 3u);
  world.map(kVa + 0x3000, 0x4'0002, kRW);
  ASSERT_TRUE(world.access(kVa + 0x3000, AccessKind::Load, true).ok());
  EXPECT_EQ(world.counter("direct.misses"), 4u);
  EXPECT_TRUE(world.reachable().contains(kVa.value()));
  for (const auto& [va, pfn] : world.reachable())
    EXPECT_LT(va, uint64_t{1} << 47);  // the checker sees the program's only
}

TEST(DirectMap, OverEveryPageTable) {
  for (const char* backend : {"mlpt", "gpt", "hashed", "clustered"}) {
    SCOPED_TRACE(backend);
    World world("", backend);
    static_cast<void>(world.access(kVa, AccessKind::Load));
    world.map(kVa, 0x4'0000, kRW);
    ASSERT_TRUE(world.access(kVa, AccessKind::Load, true).ok());
    EXPECT_EQ(world.counter("direct.lookups"), 2u);
    EXPECT_EQ(world.counter("direct.misses"), 2u);
  }
}

TEST(DirectMap, CanBeLeftOut) {
  World world("[x86]\ndirect_map = false\n");
  static_cast<void>(world.access(kVa, AccessKind::Load));
  world.map(kVa, 0x4'0000, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load, true).ok());
  EXPECT_EQ(world.counter("path.direct_walk"), 0u);
  EXPECT_EQ(world.counter("walker.loads"), 4u + 1u);  // the first walk ends at the root
}

}  // namespace direct_map_test
}  // namespace mmusim::x86::testing
