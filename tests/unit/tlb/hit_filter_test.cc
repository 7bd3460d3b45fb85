#include "tlb/hit_filter.h"

#include <gtest/gtest.h>
#include <map>
#include <vector>

#include "base/random.h"

namespace mmusim::tlb {
namespace hit_filter_test {

TEST(HitFilter, WritesTheTimeOfUseThroughTheSlot) {
  HitFilter filter(2);
  uint64_t stamps[2] = {0, 0};
  EXPECT_FALSE(filter.view().hits(5, false, 1));
  filter.install(5, 1, &stamps[1], true, false);
  EXPECT_TRUE(filter.view().hits(5, false, 17));
  EXPECT_EQ(stamps[1], 17u);
  EXPECT_FALSE(filter.view().hits(5, true, 18));
  EXPECT_EQ(stamps[1], 17u);
  filter.install(5, 1, &stamps[1], true, true);
  EXPECT_TRUE(filter.view().hits(5, true, 19));
  EXPECT_EQ(stamps[1], 19u);
  EXPECT_EQ(stamps[0], 0u);
}

TEST(HitFilter, TellsWhatItKnowsWithoutAUse) {
  HitFilter filter(1);
  uint64_t stamp = 7;
  EXPECT_FALSE(filter.view().knows(5));
  filter.install(5, 0, &stamp, true, false);
  EXPECT_TRUE(filter.view().knows(5));
  EXPECT_FALSE(filter.view().knows(5 + HitFilter::kSlots));
  EXPECT_EQ(stamp, 7u);
  filter.drop(0);
  EXPECT_FALSE(filter.view().knows(5));
}

TEST(HitFilter, AnEmptySlotMatchesNoKey) {
  HitFilter filter(1);
  for (uint64_t low = 0; low < HitFilter::kSlots; ++low)
    for (const uint64_t high : {uint64_t{0}, ~uint64_t{0}, uint64_t{1} << 63, uint64_t{0xfff} << 52,
                                uint64_t{1} << HitFilter::kLog2Slots}) {
      const uint64_t key = (high & ~(HitFilter::kSlots - 1)) | low;
      ASSERT_FALSE(filter.view().hits(key, false, 1));
      ASSERT_FALSE(filter.view().hits(key, true, 1));
    }
}

TEST(HitFilter, DropForgetsEveryKeyOfTheEntryAndNoOther) {
  HitFilter filter(3);
  uint64_t stamps[3] = {};
  for (uint64_t key = 0; key < 600; ++key)
    filter.install(key, static_cast<uint32_t>(key % 3), &stamps[key % 3], true, true);
  filter.drop(1);
  for (uint64_t key = 0; key < 600; ++key)
    EXPECT_EQ(filter.view().hits(key, false, 9), key % 3 != 1) << key;
  filter.drop(1);
  filter.drop(0);
  filter.drop(2);
  for (uint64_t key = 0; key < 600; ++key)
    EXPECT_FALSE(filter.view().hits(key, false, 9));
}

// Against a map of what each slot was last told, under everything at once.
TEST(HitFilter, AgreesWithAMapOfSlots) {
  constexpr uint32_t kEntries = 24;
  Random random(20240607);
  HitFilter filter(kEntries);
  std::vector<uint64_t> stamps(kEntries, 0);
  struct Told {
    uint64_t key;
    uint32_t entry;
    bool read, write;
  };
  std::map<uint64_t, Told> slots;
  for (unsigned step = 0; step < 200'000; ++step) {
    const uint64_t key = random.below(40) | random.below(4) << HitFilter::kLog2Slots;
    const auto found = slots.find(key % HitFilter::kSlots);
    const bool known = found != slots.end() && found->second.key == key;
    switch (random.below(8)) {
      case 0: {
        const auto entry = static_cast<uint32_t>(random.below(kEntries));
        const bool read = random.below(4) != 0;
        const bool write = random.below(2) != 0;
        filter.install(key, entry, &stamps[entry], read, write);
        slots[key % HitFilter::kSlots] = {key, entry, read, write};
        break;
      }
      case 1: {
        const auto entry = static_cast<uint32_t>(random.below(kEntries));
        filter.drop(entry);
        std::erase_if(slots, [&](const auto& slot) { return slot.second.entry == entry; });
        break;
      }
      default: {
        const bool write = random.below(2) != 0;
        const bool expected = known && (write ? found->second.write : found->second.read);
        ASSERT_EQ(filter.view().hits(key, write, step + 1), expected) << "step " << step;
        if (expected) {
          ASSERT_EQ(stamps[found->second.entry], step + 1);
        }
      }
    }
  }
}

}  // namespace hit_filter_test
}  // namespace mmusim::tlb
