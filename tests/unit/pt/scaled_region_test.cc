// A table with a scaled region against a map of leaves: random leaves in and around the region,
// looked up, gone through, copied, moved, cleared and trimmed.
#include "pt/scaled_region.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <memory>

#include "base/random.h"
#include "pt/conformance/machine.h"

namespace mmusim::pt {
namespace scaled_region_test {

constexpr PageShift kPage{14};
constexpr PageShift kHuge{28};
constexpr uint64_t kBase = uint64_t{4} << 61;
constexpr VirtRange kRegion{VirtAddr(kBase), VirtAddr(kBase + (uint64_t{1} << 44))};
constexpr VirtAddr kBelow{(uint64_t{3} << 61) + (uint64_t{1} << 43)};
constexpr VirtAddr kAbove{uint64_t{5} << 61};

class ScaledRegionTest : public testing::Test {
 protected:
  ScaledRegionTest()
      : machine(backends().front(), {"regions", 14, "14:11:leaf,25:11,36:11:region3"}),
        factory(with_scaled_region(std::move(machine.factory),
                                   {.range = kRegion, .leaf = kHuge, .page = kPage}, machine.sink)),
        table(factory->create(MmId(1))) {}

  static PageShift size_at(VirtAddr va) { return kRegion.contains(va) ? kHuge : kPage; }
  // In the region, before or behind it; near each other, in several leaf tables.
  VirtAddr place() {
    const uint64_t n = random.below(5000);
    switch (random.below(3)) {
      case 0:
        return kBelow + (n << kPage.log2());
      case 1:
        return kAbove + (n << kPage.log2());
      default:
        return random.below(4) == 0 ? kRegion.end - ((n + 1) << kHuge.log2())
                                    : kRegion.begin + (n << kHuge.log2());
    }
  }
  void map(VirtAddr va, uint64_t pfn) {
    const PageShift size = size_at(va);
    const Slot slot = table->ensure(va, size);
    ASSERT_EQ(slot.status, Status::Ok);
    ASSERT_EQ(slot.handle.base, va);
    ASSERT_EQ(slot.handle.size, size);
    const Entry leaf = machine.format.make_leaf(
        {.pfn = Pfn(pfn), .size = size, .rights = Rights(Rights::kRead | Rights::kUser)});
    ASSERT_EQ(table->install(slot.handle, slot.entry, leaf), Status::Ok);
    truth[va.value()] = leaf;
  }
  static std::map<uint64_t, Entry> contents(PageTable& of, VirtRange range) {
    std::map<uint64_t, Entry> all;
    pt::Run run;
    const auto cursor = of.cursor(range);
    while (cursor->next(run))
      run.for_each([&](uint32_t i, Entry& e) {
        if (e == kNone) return;
        EXPECT_EQ(run.size, size_at(run.address(i)));
        all[run.address(i).value()] = e;
      });
    return all;
  }
  // Whole, where they reach into the range.
  std::map<uint64_t, Entry> expected(VirtRange range) const {
    std::map<uint64_t, Entry> all;
    for (const auto& [at, e] : truth)
      if (VirtRange{VirtAddr(at), VirtAddr(at) + size_at(VirtAddr(at)).bytes()}.overlaps(range))
        all[at] = e;
    return all;
  }
  void expect_looked_up(VirtAddr va) {
    const Lookup found = table->peek(va);
    const VirtAddr base = align_down(va, size_at(va));
    const auto there = truth.find(base.value());
    if (there != truth.end()) {
      EXPECT_EQ(found.entry, there->second);
      EXPECT_EQ(found.base, base);
      EXPECT_EQ(found.size, size_at(va));
      return;
    }
    EXPECT_EQ(found.entry, kNone);
    EXPECT_TRUE(found.empty.contains(va));
    EXPECT_GE(found.empty.bytes(), size_at(va).bytes());
    EXPECT_TRUE(expected(found.empty).empty());
  }

  conformance::Machine machine;
  std::unique_ptr<Factory> factory;
  std::unique_ptr<PageTable> table;
  std::map<uint64_t, Entry> truth;
  Random random{20261130};  // the seed, for whoever sees this fail
};

TEST_F(ScaledRegionTest, HoldsWhatAMapHolds) {
  const VirtRange all{VirtAddr(0), VirtAddr(uint64_t{6} << 61)};
  for (int round = 0; round < 1500 && !HasFailure(); ++round) {
    map(place(), 1 + random.below(1 << 20));
    expect_looked_up(place() + random.below(kPage.bytes()));
    if (round % 3 == 0 && !truth.empty()) {
      const auto gone = std::next(truth.begin(), static_cast<long>(random.below(truth.size())));
      Entry old = kNone;
      EXPECT_EQ(table->clear(table->peek(VirtAddr(gone->first)).handle, old), Status::Ok);
      EXPECT_EQ(old, gone->second);
      truth.erase(gone);
    }
    if (round % 100 != 0) continue;
    VirtAddr ends[] = {place(), place()};
    std::sort(std::begin(ends), std::end(ends));
    const VirtRange range{ends[0], ends[1] + kPage.bytes()};
    EXPECT_EQ(contents(*table, range), expected(range));
    const auto cursor = table->cursor(range);
    cursor->seek(ends[1]);
    pt::Run run;
    if (cursor->next(run)) {
      EXPECT_GT(run.address(run.count), ends[1]);
    }
  }
  EXPECT_EQ(contents(*table, all), truth);
  EXPECT_EQ(table->stats().leaves, truth.size());

  // fork
  const auto child = factory->create(MmId(2));
  const VirtRange ranges[] = {{kBelow, kBelow + (1 << 27)}, kRegion, {kAbove, kAbove + (1 << 27)}};
  const Status status =
      table->copy_ranges(*child, ranges, [](size_t range, pt::Run& from, pt::Run& to) {
        EXPECT_EQ(from.start, to.start);
        EXPECT_EQ(from.size, range == 1 ? kHuge : kPage);
        pt::Run::for_each_pair(from, to, [](uint32_t, Entry& a, Entry& b) { b = a; });
        return true;
      });
  EXPECT_EQ(status, Status::Ok);
  EXPECT_EQ(contents(*child, all), truth);

  // munmap of all of the region, whose tables go; what is beside stays.
  pt::Run run;
  const auto cursor = table->cursor(kRegion, CursorMode::Zap);
  while (cursor->next(run))
    run.for_each([](uint32_t, Entry& e) { e = kNone; });
  std::erase_if(truth, [](const auto& one) { return kRegion.contains(VirtAddr(one.first)); });
  const uint64_t before = table->table_bytes();
  Gather gather;
  table->trim(kRegion, kBelow + (1 << 27), kAbove, gather);
  EXPECT_FALSE(gather.tables().empty());
  EXPECT_TRUE(kRegion.overlaps(gather.range()));
  EXPECT_LT(table->table_bytes(), before);
  gather.release_tables();
  EXPECT_EQ(contents(*table, all), truth);
}

// A leaf table has 2048 entries, of 512G together; a move needs no more than any.
TEST_F(ScaledRegionTest, LeafTablesServeAsManyHugePages) {
  for (uint64_t i = 0; i < 2048; ++i)
    map(kRegion.begin + (i << kHuge.log2()), i << 14);
  EXPECT_EQ(table->stats().tables[0], 1u);
  WalkPath path;
  EXPECT_EQ(table->walk(kRegion.begin + (uint64_t{5} << 28) + 123, path).entry,
            truth.at(kBase + (uint64_t{5} << 28)));
  EXPECT_EQ(path.count(), 3u);
  uint64_t done = 0;
  const VirtAddr to = kRegion.begin + (uint64_t{4096} << kHuge.log2());
  EXPECT_EQ(table->move_range(kRegion.begin, to, uint64_t{2048} << kHuge.log2(), done), Status::Ok);
  EXPECT_EQ(done, uint64_t{2048} << kHuge.log2());
  EXPECT_EQ(table->peek(to + kHuge.bytes()).entry, truth.at(kBase + kHuge.bytes()));
  EXPECT_EQ(table->peek(kRegion.begin).entry, kNone);
}

TEST_F(ScaledRegionTest, HasPagesOfOneSize) {
  EXPECT_EQ(table->ensure(kRegion.begin, kPage).status, Status::NotSupported);
  EXPECT_EQ(table->ensure(kBelow, kHuge).status, Status::BadSize);
  uint64_t done = 0;
  EXPECT_EQ(table->move_range(kBelow, kRegion.begin, kHuge.bytes(), done), Status::NotSupported);
  Gather gather;
  EXPECT_EQ(table->promote(kRegion.begin, PageShift(30), gather), Status::NotSupported);
  EXPECT_TRUE(factory->can_map(kRegion.end - 1));
}

}  // namespace scaled_region_test
}  // namespace mmusim::pt
