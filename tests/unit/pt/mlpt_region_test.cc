// A multi-level table over addresses in regions is the same table as one over flat addresses,
// region number and offset joined: whatever is done to both, both hold the same.
#include <gtest/gtest.h>
#include <map>
#include <memory>

#include "base/random.h"
#include "pt/conformance/machine.h"
#include "pt/mlpt/mlpt.h"

namespace mmusim::pt {
namespace mlpt_region_test {

using conformance::Machine;

constexpr unsigned kOffsetBits = 44;
constexpr PageShift kPage{14};

VirtAddr address_of(uint64_t flat) {
  return VirtAddr((flat & ((uint64_t{1} << kOffsetBits) - 1)) | flat >> kOffsetBits << 61);
}

class RegionTest : public testing::Test {
 protected:
  RegionTest()
      : flat_machine(*mlpt_backend(), {"flat", 14, "14:11:leaf,25:11,36:11"}),
        machine(*mlpt_backend(), {"regions", 14, "14:11:leaf,25:11,36:11:region3"}),
        flat(flat_machine.factory->create(MmId(1))),
        table(machine.factory->create(MmId(1))) {}
  static const Backend* mlpt_backend() { return &backends().front(); }

  void map(uint64_t at, uint64_t pfn) {
    const Entry leaf = machine.format.make_leaf(
        {.pfn = Pfn(pfn), .size = kPage, .rights = Rights(Rights::kRead | Rights::kUser)});
    for (auto& [to, va] : {std::pair(flat.get(), VirtAddr(at)), {table.get(), address_of(at)}}) {
      const Slot slot = to->ensure(va, kPage);
      ASSERT_EQ(slot.status, Status::Ok);
      ASSERT_EQ(to->install(slot.handle, slot.entry, leaf), Status::Ok);
    }
  }
  static std::map<uint64_t, Entry> contents(PageTable& of, VirtRange range) {
    std::map<uint64_t, Entry> all;
    pt::Run run;
    const auto cursor = of.cursor(range);
    while (cursor->next(run))
      run.for_each([&](uint32_t i, Entry& e) {
        if (e != kNone) all[run.address(i).value()] = e;
      });
    return all;
  }
  void expect_same(uint64_t begin, uint64_t end) {
    std::map<uint64_t, Entry> moved;
    for (const auto& [at, e] : contents(*flat, {VirtAddr(begin), VirtAddr(end)}))
      moved[address_of(at).value()] = e;
    EXPECT_EQ(contents(*table, {address_of(begin), address_of(end - 1) + 1}), moved);
    EXPECT_EQ(table->table_bytes(), flat->table_bytes());
  }

  conformance::Machine flat_machine;
  conformance::Machine machine;
  std::unique_ptr<PageTable> flat;
  std::unique_ptr<PageTable> table;
};

TEST_F(RegionTest, HoldsWhatTheFlatTableHolds) {
  Random random(20261125);  // the seed, for whoever sees this fail
  for (int round = 0; round < 400; ++round) {
    const uint64_t region = random.below(8);
    // Near the beginning or the end of a region, so that ranges meet what lies in between.
    const uint64_t page = random.below(4000);
    const uint64_t offset = random.below(2) == 0 ? page : (uint64_t{1} << 30) - 1 - page;
    map((region << kOffsetBits) + (offset << 14), 1 + random.below(1 << 20));
    if (round % 20 != 0) continue;
    const uint64_t begin = (random.below(8) << kOffsetBits) + (random.below(5000) << 14);
    const uint64_t end = begin + (uint64_t{1} << (20 + random.below(26)));
    expect_same(begin, std::min(end, uint64_t{1} << 47));
    if (HasFailure()) return;
  }
  // Emptied from within region 1 to within region 3, and trimmed.
  const VirtRange gone{VirtAddr(uint64_t{1} << kOffsetBits),
                       VirtAddr(uint64_t{7} << (kOffsetBits - 1))};
  Gather flat_gather;
  Gather gather;
  for (auto& [to, range, into] :
       {std::tuple(flat.get(), gone, &flat_gather),
        {table.get(), {address_of(gone.begin.value()), address_of(gone.end.value())}, &gather}}) {
    pt::Run run;
    const auto cursor = to->cursor(range);
    while (cursor->next(run))
      run.for_each([](uint32_t, Entry& e) { e = kNone; });
    to->trim(range, range.begin, range.end, *into);
  }
  EXPECT_EQ(gather.tables().size(), flat_gather.tables().size());
  EXPECT_GT(gather.tables().size(), 4u);
  EXPECT_EQ(gather.range().begin, address_of(flat_gather.range().begin.value()));
  gather.release_tables();
  flat_gather.release_tables();
  expect_same(0, uint64_t{1} << 47);
}

TEST_F(RegionTest, BetweenRegionsThereIsNothing) {
  const VirtAddr hole(0x2000'1000'0000'0000);
  EXPECT_EQ(table->ensure(hole, kPage).status, Status::NotSupported);
  const Lookup found = table->peek(hole);
  EXPECT_EQ(found.entry, kNone);
  EXPECT_FALSE(found.has_slot);
  EXPECT_EQ(found.empty, (VirtRange{hole, VirtAddr(0x4000'0000'0000'0000)}));
  // An address there is not taken for the one with the same lower bits.
  map(uint64_t{1} << kOffsetBits, 7);
  EXPECT_NE(table->peek(VirtAddr(0x2000'0000'0000'0000)).entry, kNone);
  EXPECT_EQ(table->peek(hole).entry, kNone);
  EXPECT_TRUE(contents(*table, {hole, hole + (1 << 20)}).empty());
  EXPECT_FALSE(machine.factory->can_map(hole));
}

TEST_F(RegionTest, ForkCopiesEveryRegion) {
  for (uint64_t region = 0; region < 8; ++region)
    map(region << kOffsetBits | region << 14, 1 + region);
  const auto child = machine.factory->create(MmId(2));
  const VirtRange all{VirtAddr(0), VirtAddr(0xe000'1000'0000'0000)};
  const Status status =
      table->copy_ranges(*child, std::span(&all, 1), [](size_t, pt::Run& from, pt::Run& to) {
        pt::Run::for_each_pair(from, to, [](uint32_t, Entry& a, Entry& b) { b = a; });
        return true;
      });
  EXPECT_EQ(status, Status::Ok);
  EXPECT_EQ(contents(*child, all), contents(*table, all));
  EXPECT_EQ(contents(*child, all).size(), 8u);
}

}  // namespace mlpt_region_test
}  // namespace mmusim::pt
