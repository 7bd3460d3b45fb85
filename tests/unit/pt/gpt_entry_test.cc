// The bits of a guarded page table's entry, worked out by hand from the format in its header.
#include <algorithm>
#include <gtest/gtest.h>
#include <optional>

#include "base/random.h"
#include "pt/gpt/entry.h"

namespace mmusim::pt::gpt {
namespace gpt_entry_test {

TEST(GuardedEntry, Bits) {
  // Prefix 0xabc of twelve bits, one to the right; kind 1 << 6; 63 - 12 = 51 = 0x33.
  const GuardedEntry leaf = GuardedEntry::leaf(uint64_t{0xabc} << 52, 12, 0x1234);
  EXPECT_EQ(leaf.head, 0xd5e0000000000073u);
  EXPECT_EQ(leaf.body, 0x1234u);
  // Bits of the address beyond the prefix do not get into the entry: 7 bits, 63 - 7 = 0x38.
  EXPECT_EQ(GuardedEntry::leaf(~uint64_t{0}, 7, 0).head, 0xff00000000000078u);
  // All bits of the number of a page of 4K, the last at bit 11: 63 - 52 = 0xb.
  EXPECT_EQ(GuardedEntry::leaf(0x1000, 52, 0).head, 0x800000000000084bu);

  // Prefix 101 and 512 slots: 63 - 3 = 60 bits behind the prefix, 51 behind the index.
  GuardedEntry table = GuardedEntry::internal(uint64_t{5} << 61, 3, 9, PhysAddr(0x12340));
  EXPECT_EQ(table.head, 0x5000000000000000u | 51 << 6 | 60);
  EXPECT_EQ(table.body, 0x12340u);
  // 5 << 43; 9 of 0x123 at bit 56, 3 at bit 0.
  table.count(5, 0x123);
  EXPECT_EQ(table.body, 0x0900280000012343u);
  table.count(4096, 2048);
  EXPECT_EQ(table.valid(), 4096u);
  EXPECT_EQ(table.full(), 2048u);
  EXPECT_EQ(table.address(), PhysAddr(0x12340));
  EXPECT_EQ(table.slots(), 512u);
  EXPECT_FALSE(table.is_line());

  // A line at no prefix: no index, all 63 bits are behind. Room for four.
  const GuardedEntry line = GuardedEntry::line(0, 0, PhysAddr(0x40), 3, 2);
  EXPECT_EQ(line.head, 63u << 6 | 63);
  EXPECT_EQ(line.body, 0x8000180000000042u);
  EXPECT_TRUE(line.is_line());
  EXPECT_EQ(line.slots(), 3u);
  EXPECT_EQ(line.room(), 4u);
  EXPECT_EQ(line.length(), 0u);

  // An array of 2^3 pages: 49 bits of prefix, kind 2 << 6, 63 - 49 = 14.
  const GuardedEntry array = GuardedEntry::array(0x10000, 49, PhysAddr(0x7c0));
  EXPECT_EQ(array.head, 0x800000000000808eu);
  EXPECT_EQ(array.body, 0x7c0u);

  // Read and user; kind 4 << 6, 63 - 8 = 0x37.
  const GuardedEntry shared =
      GuardedEntry::shared(0, 8, PhysAddr(0x40), Rights(Rights::kRead | Rights::kUser));
  EXPECT_EQ(shared.head, 0x8000000000000137u);
  EXPECT_EQ(shared.body, 0x49u);

  EXPECT_EQ(GuardedEntry::moved().head, 0x800000000000003fu);
  EXPECT_TRUE(GuardedEntry::moved().is_moved());
  EXPECT_TRUE(GuardedEntry::moved().is(Kind::Invalid));
  EXPECT_FALSE(GuardedEntry().is_moved());
}

TEST(GuardedEntry, Prefixes) {
  const uint64_t key = 0xdeadbeefcafe0000;
  const GuardedEntry e = GuardedEntry::leaf(key, 40, 1);
  EXPECT_TRUE(e.matches(key));
  EXPECT_TRUE(e.matches(key ^ 0xffffff));    // the last 24 bits do not count
  EXPECT_FALSE(e.matches(key ^ 0x1000000));  // the 40th does
  EXPECT_EQ(e.common_with(key ^ 0x1000000), 39u);
  EXPECT_EQ(e.common_with(~key), 0u);
  EXPECT_EQ(e.common_with(key), 40u);
  // Of another block, and back.
  EXPECT_EQ(e.moved_by(0xff0000000000000), GuardedEntry::leaf(key ^ 0xff0000000000000, 40, 1));
  EXPECT_EQ(e.with_prefix(key, 30), GuardedEntry::leaf(key, 30, 1));
}

// What the loop of a miss handler does with an entry: the next entry's number, or nothing.
std::optional<uint64_t> handler_step(const GuardedEntry& e, uint64_t va) {
  const uint64_t d = (va >> 1 | 1) ^ e.head;
  if (d >> (e.head & 63) != 0) return std::nullopt;
  return d >> (e.head >> 6 & 63);
}
// Whether one of a line, or the last, agrees.
bool handler_finds(const GuardedEntry& e, uint64_t va) {
  const uint64_t d = (va >> 1 | 1) ^ e.head;
  return d << 1 >> 1 >> (e.head & 63) == 0;
}

TEST(GuardedEntry, ALoopNeedsNoOtherTest) {
  Random random(1);
  for (int i = 0; i < 100000; ++i) {
    const uint64_t key = random.next();
    const auto width = static_cast<unsigned>(random.below(kMostWidth + 1));
    const auto length = static_cast<unsigned>(random.below(kMostPrefix + 1 - std::max(width, 1U)));
    const GuardedEntry table = GuardedEntry::internal(key, length, width, PhysAddr(0x40));
    ASSERT_EQ(table.length(), length);
    ASSERT_EQ(table.width(), width);
    ASSERT_EQ(table.prefix(), leading(key, length));
    // An address that agrees in so many bits and no more, or in all.
    const auto agrees = static_cast<unsigned>(random.below(65));
    const uint64_t other = random.next();
    const uint64_t va =
        agrees == 64
            ? leading(key, length) | (length == 0 ? other : other >> length)
            : leading(key, agrees) | (~key & uint64_t{1} << (63 - agrees)) |
                  (other << agrees >> agrees >> 1 << 1 & ((uint64_t{1} << (63 - agrees)) - 1));
    const auto index = handler_step(table, va);
    ASSERT_EQ(index.has_value(), table.matches(va)) << i;
    if (index) {
      ASSERT_EQ(*index, bits_of(va, length, width)) << i;
    }
    ASSERT_EQ(handler_finds(table, va), table.matches(va)) << i;
    const GuardedEntry line = GuardedEntry::line(key, length, PhysAddr(0x40), 2, 1);
    ASSERT_EQ(handler_step(line, va), line.matches(va) ? std::optional<uint64_t>(0) : std::nullopt)
        << i;
    // The others end the loop, whatever the address, and agree as they say.
    for (const GuardedEntry& e :
         {GuardedEntry::leaf(key, length, 1), GuardedEntry::array(key, length, PhysAddr(0x40)),
          GuardedEntry::shared(key, length, PhysAddr(0x40), Rights::all())}) {
      ASSERT_FALSE(handler_step(e, va));
      ASSERT_FALSE(handler_step(e, key));
      ASSERT_EQ(handler_finds(e, va), e.matches(va)) << i;
    }
    ASSERT_FALSE(handler_step(GuardedEntry::moved(), key));
    ASSERT_TRUE(handler_finds(GuardedEntry::moved(), key));
    for (const uint64_t address : {key, key & 1}) {
      ASSERT_FALSE(handler_step({}, address));
      ASSERT_FALSE(handler_finds({}, address));
    }
  }
}

}  // namespace gpt_entry_test
}  // namespace mmusim::pt::gpt
