// The table against a list, the entry used last first.
#include "tlb/lru_table.h"

#include <algorithm>
#include <cstdint>
#include <gtest/gtest.h>
#include <map>
#include <utility>
#include <vector>

#include "base/random.h"

namespace mmusim::tlb {
namespace lru_table_test {

class PlainTable {
 public:
  explicit PlainTable(size_t entries) : most_(entries) {}

  int* use(uint64_t tag) {
    const auto at = find(tag);
    if (at == list_.end()) return nullptr;
    std::rotate(list_.begin(), at, at + 1);
    return &list_.front().second;
  }
  int& make(uint64_t tag) {
    if (list_.size() == most_) list_.pop_back();
    return list_.insert(list_.begin(), {tag, 0})->second;
  }
  template <class Predicate>
  void remove_if(Predicate predicate) {
    std::erase_if(list_, [&](const auto& entry) { return predicate(entry.first); });
  }
  [[nodiscard]] std::map<uint64_t, int> all() const { return {list_.begin(), list_.end()}; }

 private:
  std::vector<std::pair<uint64_t, int>>::iterator find(uint64_t tag) {
    return std::find_if(list_.begin(), list_.end(),
                        [tag](const auto& entry) { return entry.first == tag; });
  }

  size_t most_;
  std::vector<std::pair<uint64_t, int>> list_;
};

std::map<uint64_t, int> all(const LruTable<int>& table) {
  std::map<uint64_t, int> found;
  table.for_each([&](uint64_t tag, int payload) { found[tag] = payload; });
  return found;
}

TEST(LruTable, SameAsAList) {
  for (const uint32_t entries : {1u, 2u, 3u, 8u, 33u}) {
    LruTable<int> table(entries);
    PlainTable plain(entries);
    Random random(entries);
    for (int step = 0; step < 20'000; ++step) {
      const uint64_t tag = 1 + random.below(entries * 3 / 2 + 1) * 0x20001;
      const uint64_t choice = random.below(100);
      if (choice < 90) {
        const int* const known = table.use(tag);
        const int* const wanted = plain.use(tag);
        ASSERT_EQ(known == nullptr, wanted == nullptr) << entries << ", step " << step;
        if (known != nullptr)
          ASSERT_EQ(*known, *wanted);
        else
          table.make(tag) = plain.make(tag) = step;
      } else if (choice < 99) {
        table.remove(tag);
        plain.remove_if([tag](uint64_t other) { return other == tag; });
      } else {
        const auto some = [tag](uint64_t other) { return other <= tag; };
        table.remove_if(some);
        plain.remove_if(some);
      }
      ASSERT_EQ(all(table), plain.all()) << entries << ", step " << step;
    }
  }
}

// What was used last is known by its tag: not when it is gone.
TEST(LruTable, WhatIsRemovedIsNotTheNewest) {
  LruTable<int> table(4);
  table.make(1) = 1;
  table.make(3) = 3;
  table.remove(3);
  EXPECT_EQ(table.use(3), nullptr);
  ASSERT_NE(table.use(1), nullptr);
  table.remove_if([](uint64_t) { return true; });
  EXPECT_EQ(table.use(1), nullptr);
}

}  // namespace lru_table_test
}  // namespace mmusim::tlb
