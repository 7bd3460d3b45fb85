// Runs: what a backend with 16-byte entries or replicated leaves needs of them too.
#include <array>
#include <gtest/gtest.h>

#include "pt/page_table.h"

namespace mmusim::pt {
namespace run_test {

// A guarded table's way: 16-byte entries, the leaf word second, each leaf in four slots.
struct Replicated {
  Replicated() {
    run.start = VirtAddr(0x400000);
    run.size = PageShift(14);
    run.count = 8;
    run.place(
        {.words = words.data() + 1, .address = PhysAddr(0x9008), .stride = 16, .replicas = 4});
  }
  std::array<uint64_t, 64> words{};
  pt::Run run;
};

TEST(Run, WritesEveryReplica) {
  Replicated table;
  table.run.set(3, 77);
  for (size_t i = 0; i < table.words.size(); ++i)
    EXPECT_EQ(table.words[i], i == 25 || i == 27 || i == 29 || i == 31 ? 77u : 0u) << i;
  EXPECT_EQ(table.run.get(3), 77u);
  EXPECT_EQ(table.run.get(2), 0u);
  EXPECT_EQ(table.run.address(3), VirtAddr(0x40c000));
}

TEST(Run, PartIsTheSameSlots) {
  Replicated table;
  for (uint32_t i = 0; i < 8; ++i)
    table.run.set(i, 100 + i);
  pt::Run part = table.run.part(5, 2);
  EXPECT_EQ(part.start, VirtAddr(0x414000));
  EXPECT_EQ(part.count, 2u);
  EXPECT_EQ(part.get(0), 105u);
  EXPECT_EQ(part.get(1), 106u);
  part.set(1, 1);
  EXPECT_EQ(table.run.get(6), 1u);
  EXPECT_EQ(table.run.get(7), 107u);
  EXPECT_EQ(table.run.part(2, 6).part(3, 1).get(0), 105u);
}

TEST(Run, LoopsSeeWhatGetAndSetSee) {
  Replicated table;
  for (uint32_t i = 0; i < 8; ++i)
    table.run.set(i, 100 + i);
  uint64_t sum = 0;
  table.run.for_each([&](uint32_t i, Entry& e) {
    sum += e;
    if (i == 5) e = 7;
  });
  EXPECT_EQ(sum, 828u);
  EXPECT_EQ(table.run.get(5), 7u);
  EXPECT_EQ(table.words[41], 7u);
  EXPECT_EQ(table.words[47], 7u);  // all four replicas
  // Beside a plain run, either way round; what is not changed is not written.
  std::array<uint64_t, 8> words{1, 2, 3, 4, 5, 6, 7, 8};
  pt::Run plain;
  plain.count = 8;
  plain.place({.words = words.data(), .address = PhysAddr(0x20000)});
  pt::Run::for_each_pair(table.run, plain, [](uint32_t i, Entry& a, Entry& b) {
    if (i == 2) b = a;
    if (i == 3) a = b;
  });
  EXPECT_EQ(words, (std::array<uint64_t, 8>{1, 2, 102, 4, 5, 6, 7, 8}));
  EXPECT_EQ(table.run.get(3), 4u);
  EXPECT_EQ(table.run.get(4), 104u);
  pt::Run::for_each_pair(plain, plain, [](uint32_t, Entry& a, Entry&) { a += 1; });
  EXPECT_EQ(words[7], 9u);
}

// i386: the upper half of an entry is not there, and neighbours stay as they are.
TEST(Run, NarrowEntries) {
  std::array<uint32_t, 4> words{1, 2, 3, 4};
  pt::Run run;
  run.count = 4;
  run.place({.words = words.data(), .address = PhysAddr(0x1000), .stride = 4, .entry_bytes = 4});
  EXPECT_EQ(run.get(2), 3u);
  run.set(2, 0xfffffff7);
  EXPECT_EQ(words, (std::array<uint32_t, 4>{1, 2, 0xfffffff7, 4}));
  EXPECT_EQ(run.get(2), 0xfffffff7u);
  EXPECT_EQ(run.part(1, 2).get(1), 0xfffffff7u);
}

TEST(Run, ReportsReadsOnceAndWritesPerReplica) {
  Replicated table;
  mem::ReferenceSink sink;
  table.run.report(sink, mem::Origin::Kernel, 8, 3);
  EXPECT_EQ(sink.count(mem::Origin::Kernel, 0, false), 8u);
  EXPECT_EQ(sink.count(mem::Origin::Kernel, 0, true), 12u);
  table.run.report(sink, mem::Origin::Walker, 0, 0);
  EXPECT_EQ(sink.total(mem::Origin::Walker), 0u);
}

// Where the words are is seen through a cache of 32-byte lines that holds everything.
TEST(Run, ReportsWhereTheWordsAre) {
  config::Schema schema;
  mem::ReferenceSink::declare(schema);
  config::Config config(schema);
  config.set("cache.enabled", "true", "test");
  config.set("cache.line", "32", "test");
  config.set("cost.memory", "1", "test");
  for (const char* key : {"cost.l1", "cost.l2", "cost.l3"})
    config.set(key, "0", "test");
  mem::ReferenceSink sink(config);
  Replicated table;
  // Eight leaves of 64 bytes: one read each, in eight lines.
  table.run.report(sink, mem::Origin::Kernel, 8, 0);
  EXPECT_EQ(sink.cycles(mem::Origin::Kernel), 8u);
  // Their replicas fill sixteen lines, eight of them new.
  table.run.report(sink, mem::Origin::Kernel, 0, 8);
  EXPECT_EQ(sink.cycles(mem::Origin::Kernel), 16u);
  // The part's reads are of lines known.
  table.run.part(4, 4).report(sink, mem::Origin::Kernel, 4, 4);
  EXPECT_EQ(sink.cycles(mem::Origin::Kernel), 16u);
  // A plain table: 8 bytes apart.
  pt::Run plain;
  plain.count = 16;
  std::array<uint64_t, 16> words{};
  plain.place({.words = words.data(), .address = PhysAddr(0x20000)});
  plain.report(sink, mem::Origin::Walker, 16, 0);
  EXPECT_EQ(sink.cycles(mem::Origin::Walker), 4u);
}

}  // namespace run_test
}  // namespace mmusim::pt
