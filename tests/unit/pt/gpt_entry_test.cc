// The bits of a guarded page table's entry, worked out by hand from the format in its header.
#include <gtest/gtest.h>

#include "base/random.h"
#include "pt/gpt/entry.h"

namespace mmusim::pt::gpt {
namespace gpt_entry_test {

TEST(GuardedEntry, Bits) {
  // Twelve bits of guard, 0xabc; kind 2; 12 << 2 = 0x30.
  const GuardedEntry leaf = GuardedEntry::leaf(uint64_t{0xabc} << 52, 12, 0, 0x1234);
  EXPECT_EQ(leaf.head, 0xabc0000000000032u);
  EXPECT_EQ(leaf.body, 0x1234u);
  // 2^3 replicas: 3 << 8.
  EXPECT_EQ(GuardedEntry::leaf(0, 0, 3, 5).head, 0x302u);
  // Bits of the key beyond the guard do not get into the entry.
  EXPECT_EQ(GuardedEntry::leaf(~uint64_t{0}, 1, 0, 0).head, 0x8000000000000006u);

  // Guard 101, 512 slots (9 - 1 = 8 << 8), kind 1, 3 << 2; 0x12340 >> 5 = 0x91a at bit 26.
  GuardedEntry table = GuardedEntry::internal(uint64_t{5} << 61, 3, 9, PhysAddr(0x12340));
  EXPECT_EQ(table.head, 0xa00000000000080du);
  EXPECT_EQ(table.body, 0x2468000000u);
  table.count(5, 3);
  EXPECT_EQ(table.body, 0x2468006005u);
  table.count(4096, 4096);  // of 2^12 slots
  EXPECT_EQ(table.valid(), 4096u);
  EXPECT_EQ(table.full(), 4096u);
  EXPECT_EQ(table.address(), PhysAddr(0x12340));
  EXPECT_EQ(table.slots(), 512u);

  // Read and user.
  const GuardedEntry shared =
      GuardedEntry::shared(0, 0, PhysAddr(0x40), Rights(Rights::kRead | Rights::kUser));
  EXPECT_EQ(shared.head, 0x3u);
  EXPECT_EQ(shared.body, 0x8000009u);

  EXPECT_EQ(GuardedEntry::moved().head, 0xfcu);
  EXPECT_TRUE(GuardedEntry::moved().is_moved());
  EXPECT_FALSE(GuardedEntry().is_moved());
}

TEST(GuardedEntry, Guards) {
  const uint64_t key = 0xdeadbeefcafe0000;
  const GuardedEntry e = GuardedEntry::leaf(key, 40, 0, 1);
  EXPECT_TRUE(e.matches(key));
  EXPECT_TRUE(e.matches(key ^ 0xffffff));    // the last 24 bits do not count
  EXPECT_FALSE(e.matches(key ^ 0x1000000));  // the 40th does
  EXPECT_EQ(e.common_with(key ^ 0x1000000), 39u);
  EXPECT_EQ(e.common_with(~key), 0u);
  EXPECT_EQ(e.common_with(key), 40u);
  // No guard matches anything, though the word has other bits.
  EXPECT_TRUE(GuardedEntry::leaf(0, 0, 3, 1).matches(~uint64_t{0}));
  // Taking bits away and putting them back.
  for (unsigned n = 0; n <= 40; ++n)
    EXPECT_EQ(e.behind_bits(n).after_bits(key, n), e) << n;
}

TEST(GuardedEntry, KeysComeBack) {
  Random random(1);
  for (int i = 0; i < 10000; ++i) {
    const uint64_t key = random.next();
    const auto length = static_cast<unsigned>(random.below(kMostGuardBits + 1));
    const auto n = static_cast<unsigned>(random.below(length + 1));
    const GuardedEntry e = GuardedEntry::leaf(key, length, 0, random.next());
    ASSERT_EQ(e.guard_length(), length);
    ASSERT_EQ(e.guard(), leading(key, length));
    ASSERT_EQ(e.behind_bits(n).guard(), leading(behind(key, n), length - n));
    ASSERT_EQ(key_of(number_of(key, n), n), leading(key, n));
  }
}

}  // namespace gpt_entry_test
}  // namespace mmusim::pt::gpt
