// What only the guarded page table promises: which entries are touched, how large voids are, what
// form it takes, and that lookups overtaken by a change start again.
#include <array>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>
#include <vector>

#include "base/random.h"
#include "pt/gpt/walk.h"
#include "tests/unit/pt/gpt_world.h"

namespace mmusim::pt {
namespace gpt_test {

class GptTest : public GptWorld {
 protected:
  explicit GptTest(const char* settings = "") : GptWorld(settings), table_(make(1)) {}

  using Counts = std::array<uint64_t, 8>;  // by level
  template <class Work>
  void expect(const Work& work, const Counts& reads, const Counts& writes) {
    Counts r{};
    Counts w{};
    for (unsigned l = 0; l < 8; ++l) {
      r[l] = machine_.sink.count(mem::Origin::Kernel, l, false);
      w[l] = machine_.sink.count(mem::Origin::Kernel, l, true);
    }
    work();
    for (unsigned l = 0; l < 8; ++l) {
      EXPECT_EQ(machine_.sink.count(mem::Origin::Kernel, l, false) - r[l], reads[l]) << l;
      EXPECT_EQ(machine_.sink.count(mem::Origin::Kernel, l, true) - w[l], writes[l]) << l;
    }
  }

  std::unique_ptr<PageTable> table_;
};

class GptWithoutTop : public GptTest {
 protected:
  GptWithoutTop() : GptTest("[pt.gpt]\ntop = 0\n") {}
};

TEST_F(GptWithoutTop, TouchedWords) {
  const VirtAddr va(kBase);
  // Empty: the root says so, of all 64 bits: 52 bits of pages, (52 + 8) / 9 = 6 levels. The first
  // page is the root's own leaf.
  expect([&] { (void)table_->find(va); }, {0, 0, 0, 0, 0, 0, 1}, {});
  expect([&] { (void)table_->ensure(va, machine_.page); }, {0, 0, 0, 0, 0, 0, 1}, {1});
  EXPECT_EQ(map(*table_, kBase, leaf(1)), Status::Ok);
  expect([&] { (void)table_->find(va); }, {1}, {});
  EXPECT_EQ(table_->table_bytes(), 0u);

  // One far away, which differs in bit 30: the root is read, both leaves are written into a line of
  // two, the new one first (each is written there once more then), and the root leads to it.
  expect([&] { (void)table_->ensure(va + (uint64_t{1} << 30), machine_.page); }, {1},
         {4, 0, 0, 0, 0, 0, 1});
  EXPECT_EQ(table_->table_bytes(), 32u);
  // Found in the first or the second of the line, in one load; the root is at hand.
  expect([&] { (void)table_->find(va + (uint64_t{1} << 30)); }, {1}, {});
  expect([&] { (void)table_->find(va); }, {1}, {});
  // A page's entry is of level 0 wherever it stands, also through its handle.
  const Handle handle = table_->peek(va).handle;
  Entry old = kNone;
  expect([&] { EXPECT_EQ(table_->clear(handle, old), Status::Ok); }, {1}, {1});
  expect([&] { EXPECT_EQ(table_->install(handle, kNone, old), Status::Ok); }, {1}, {1});
  // In neither: what the line is for parts at bit 30, below a slot of 2^29: (17 + 8) / 9 = 2.
  expect([&] { (void)table_->find(va + kPage); }, {0, 0, 1}, {});
  // A prefix that differs ends it at the root, which is no load.
  expect([&] { (void)table_->find(va + (uint64_t{1} << 40)); }, {}, {});

  // The page beside the first: one read of the line; an array of eight pages, of which two are a
  // quarter, gets what the leaf said; the leaf's place says array, which comes first in the line.
  expect([&] { (void)table_->ensure(va + kPage, machine_.page); }, {0, 0, 1}, {2, 0, 2});
  EXPECT_EQ(table_->table_bytes(), 32u + 64u);
  expect([&] { EXPECT_EQ(table_->find(va).entry, leaf(1)); }, {1, 0, 1}, {});
  expect([&] { (void)table_->peek(va); }, {}, {});
  // A third page has its slot: the line and the slot are read, and the array counts it.
  expect([&] { (void)table_->ensure(va + 2 * kPage, machine_.page); }, {1, 0, 1}, {0, 0, 1});
}

TEST_F(GptTest, Voids) {
  // All of the 48 bits.
  EXPECT_EQ(table_->peek(VirtAddr(kBase)).empty,
            (VirtRange{VirtAddr(0), VirtAddr(uint64_t{1} << 48)}));
  ASSERT_EQ(map(*table_, kBase, leaf(1)), Status::Ok);
  // The root's guard is bits 63..12; the void around an address is the half that goes the other way
  // where they first differ.
  for (unsigned bit = 12; bit < 48; ++bit) {
    const uint64_t other = kBase ^ uint64_t { 1 } << bit;
    const uint64_t begin = other >> bit << bit;
    EXPECT_EQ(table_->peek(VirtAddr(other | 0x123)).empty,
              (VirtRange{VirtAddr(begin), VirtAddr(begin + (uint64_t{1} << bit))}))
        << bit;
  }
}

TEST_F(GptTest, PagesSideBySideAreAnArray) {
  // 512 pages in order: one array of a word each, which is the only load.
  for (uint64_t i = 0; i < 512; ++i)
    ASSERT_EQ(map(*table_, kBase + i * kPage, leaf(i)), Status::Ok);
  EXPECT_EQ(table_->table_bytes(), 4096u);
  EXPECT_EQ(words(*table_, kBase + 5 * kPage), 1u);
  const Stats full = table_->stats();
  EXPECT_EQ(full.leaves, 512u);
  // Made for 8, 32 and 128 pages before: 2, 8, 32 and 128 words were copied, and one leaf's.
  EXPECT_EQ(full.entries_rewritten, 8u + 32u + 128u);
  // It stays while it has a leaf.
  Gather gather;
  for (uint64_t i = 1; i < 512; ++i)
    clear(*table_, kBase + i * kPage);
  table_->trim(machine_.everything(), VirtAddr(0), VirtAddr(0), gather);
  EXPECT_EQ(table_->table_bytes(), 4096u);
  clear(*table_, kBase);
  table_->trim(machine_.everything(), VirtAddr(0), VirtAddr(0), gather);
  EXPECT_TRUE(gather.freed_tables());
  gather.release_tables();
  EXPECT_EQ(table_->table_bytes(), 0u);
}

// Pages apart from each other become one array where two in a hundred of its slots are used.
TEST_F(GptWithoutTop, PagesApartAreAnArray) {
  ASSERT_EQ(map(*table_, kBase, leaf(1)), Status::Ok);
  ASSERT_EQ(map(*table_, kBase + 60 * kPage, leaf(2)), Status::Ok);
  EXPECT_EQ(table_->table_bytes(), 64 * sizeof(Entry));
  EXPECT_EQ(words(*table_, kBase), 1u);
  // 3 of 128; but 4 of 256 would be too few: the fourth stays by itself, in a line with the array.
  ASSERT_EQ(map(*table_, kBase + 100 * kPage, leaf(3)), Status::Ok);
  EXPECT_EQ(table_->table_bytes(), 128 * sizeof(Entry));
  ASSERT_EQ(map(*table_, kBase + 200 * kPage, leaf(4)), Status::Ok);
  EXPECT_EQ(table_->table_bytes(), 128 * sizeof(Entry) + 32);
  // Two more beside it: 6 of 256.
  ASSERT_EQ(map(*table_, kBase + 201 * kPage, leaf(5)), Status::Ok);
  ASSERT_EQ(map(*table_, kBase + 202 * kPage, leaf(6)), Status::Ok);
  EXPECT_EQ(at(*table_, kBase + 100 * kPage), leaf(3));
  EXPECT_EQ(at(*table_, kBase + 200 * kPage), leaf(4));
  EXPECT_EQ(table_->stats().leaves, 6u);
}

// A page in the other half of what a table of twice the slots would serve waits in a line with the
// table until enough of those would be used.
TEST_F(GptTest, ATableTakesInWhatIsBesideIt) {
  const auto block = [](uint64_t i) { return kBase + (i << 21); };
  for (uint64_t i = 0; i <= 4; ++i)
    ASSERT_EQ(map(*table_, block(i), leaf(i)), Status::Ok);
  EXPECT_EQ(table_->table_bytes(), 8u * 16);
  EXPECT_EQ(words(*table_, block(4)), 1u);
  ASSERT_EQ(map(*table_, block(8), leaf(8)), Status::Ok);
  ASSERT_EQ(map(*table_, block(9), leaf(9)), Status::Ok);
  EXPECT_EQ(words(*table_, block(4)), 2u);
  // 6 and 2 are half of 16.
  ASSERT_EQ(map(*table_, block(5), leaf(5)), Status::Ok);
  EXPECT_EQ(table_->table_bytes(), 16u * 16);
  for (const uint64_t i : {0U, 1U, 2U, 3U, 4U, 5U, 8U, 9U}) {
    EXPECT_EQ(at(*table_, block(i)), leaf(i)) << i;
    EXPECT_EQ(words(*table_, block(i)), 1u) << i;
  }
  EXPECT_EQ(at(*table_, block(6)), kNone);
  EXPECT_EQ(at(*table_, block(10)), kNone);
}

// The table stands first in a line, whatever was made last; what serves as much or less comes in
// the order of making.
TEST_F(GptWithoutTop, WhatServesMostComesFirst) {
  for (uint64_t i = 0; i < 8; ++i)
    ASSERT_EQ(map(*table_, kBase + (i << 21), leaf(i)), Status::Ok);
  ASSERT_EQ(map(*table_, kBase ^ uint64_t{1} << 40, leaf(8)), Status::Ok);
  ASSERT_EQ(map(*table_, kBase ^ uint64_t{1} << 41, leaf(9)), Status::Ok);
  const auto entries_read = [&](uint64_t va) {
    WalkPath path;
    static_cast<void>(table_->walk(VirtAddr(va), path));
    return path.steps()[0].bytes / 16;
  };
  EXPECT_EQ(entries_read(kBase), 1);
  EXPECT_EQ(entries_read(kBase ^ uint64_t{1} << 41), 2);
  EXPECT_EQ(entries_read(kBase ^ uint64_t{1} << 40), 3);
}

// Four places of two pages each, and a top of the two bits that part them: bits 32 and 33 of what
// is added to kBase. Without one, a line of four.
TEST_F(GptTest, ATopPartsWhatIsFarApart) {
  constexpr std::array<uint64_t, 4> kPlaces = {0, uint64_t{1} << 32, uint64_t{5} << 33,
                                               uint64_t{7} << 32};
  for (const uint64_t place : kPlaces)
    for (const uint64_t page : {uint64_t{0}, kPage})
      ASSERT_EQ(map(*table_, kBase + place + page, leaf(place >> 32)), Status::Ok);
  const uint64_t arrays = 4 * 8 * sizeof(Entry);
  EXPECT_EQ(table_->table_bytes(), arrays + 4 * 16 + 4 * 16);
  for (const uint64_t place : kPlaces) {
    // One slot, and the word of the array.
    WalkPath path;
    EXPECT_EQ(table_->walk(VirtAddr(kBase + place), path).entry, leaf(place >> 32));
    EXPECT_EQ(path.count(), 2u) << place;
    EXPECT_EQ(path.steps()[0].bytes, 16u);
    // Beside them there is nothing, as far as others come to the slot.
    const Lookup none = table_->peek(VirtAddr(kBase + place + (uint64_t{1} << 20)));
    EXPECT_EQ(none.entry, kNone);
    EXPECT_EQ(none.empty.bytes(), uint64_t{1} << 20);
    EXPECT_EQ(words(*table_, kBase + place + (uint64_t{1} << 20)), 1u);
  }
  // A slot of four leads to nothing where the bits are those of a place, and the rest is not.
  EXPECT_EQ(at(*table_, kBase + (uint64_t{1} << 40)), kNone);
  EXPECT_EQ(words(*table_, kBase + (uint64_t{1} << 40)), 1u);
  // It goes with what it parts.
  for (const uint64_t place : kPlaces)
    for (const uint64_t page : {uint64_t{0}, kPage})
      clear(*table_, kBase + place + page);
  Gather gather;
  table_->trim(machine_.everything(), VirtAddr(0), VirtAddr(0), gather);
  gather.release_tables();
  EXPECT_EQ(table_->table_bytes(), 0u);
}

// In whatever order they come: small arrays in a table, until it is dense enough for one array.
TEST_F(GptTest, DenseInAnyOrder) {
  for (const uint64_t count : {512u, 2048u}) {
    const auto table = make(10 + count);
    for (uint64_t i = 0; i < count; ++i)
      ASSERT_EQ(map(*table, kBase + (i * 277 % count) * kPage, leaf(i)), Status::Ok);
    EXPECT_EQ(table->stats().leaves, count);
    EXPECT_EQ(table->table_bytes(), count * 8) << count;
    EXPECT_EQ(words(*table, kBase), 1u);
  }
}

// Four entries share a line; the fifth makes a table of eight slots, of which five are used.
TEST_F(GptWithoutTop, LinesBecomeTables) {
  const auto address = [](uint64_t i) { return kBase + (i << 37); };
  for (const uint64_t i : {0u, 2u, 4u, 6u})
    ASSERT_EQ(map(*table_, address(i), leaf(i)), Status::Ok);
  EXPECT_EQ(table_->table_bytes(), 64u);
  EXPECT_EQ(words(*table_, address(2)), 1u);
  ASSERT_EQ(map(*table_, address(7), leaf(7)), Status::Ok);
  EXPECT_EQ(table_->table_bytes(), 128u);
  EXPECT_EQ(words(*table_, address(2)), 1u);
  // Where they do not part well, the two that have most in common get a line of their own.
  const auto table = make(2);
  constexpr std::array<uint64_t, 5> kBits = {26, 24, 22, 20, 18};
  for (const uint64_t bit : kBits)
    ASSERT_EQ(map(*table, kBase | uint64_t{1} << bit, leaf(bit)), Status::Ok);
  EXPECT_EQ(table->table_bytes(), 64u + 32u);
  for (const uint64_t bit : kBits)
    EXPECT_EQ(at(*table, kBase | uint64_t{1} << bit), leaf(bit));
}

class GptOfNarrowTables : public GptTest {
 protected:
  GptOfNarrowTables() : GptTest("[pt.gpt]\ntop = 0\nwidest = 9\n") {}
};

// Leaves of 8 KiB in two tables of 512 slots, and a line that leads to each with an entry for its
// half: as far apart as two levels of a radix tree.
TEST_F(GptOfNarrowTables, ALineIsAboveTheTablesOfItsHalves) {
  for (uint64_t i = 0; i < 1024; ++i)
    ASSERT_EQ(map(*table_, kBase + i * 2 * kPage, leaf(2 * i, 13), 13), Status::Ok);
  EXPECT_EQ(table_->table_bytes(), 2 * 512 * 16 + 32u);
  WalkPath path;
  EXPECT_EQ(table_->walk(VirtAddr(kBase), path).entry, leaf(0, 13));
  ASSERT_EQ(path.count(), 2u);
  EXPECT_EQ(path.steps()[0].level, 2);
  EXPECT_EQ(path.steps()[1].level, 1);
}

class GptWithoutLines : public GptWorld {
 protected:
  GptWithoutLines() : GptWorld("[pt.gpt]\nlines = false\n") {}
};

TEST_F(GptWithoutLines, WidthsFollowWhatTablesHold) {
  const auto table = make(1);
  // 512 pages in order fill one table of 512 slots, to which the root leads.
  for (uint64_t i = 0; i < 512; ++i)
    ASSERT_EQ(map(*table, kBase + i * kPage, leaf(i)), Status::Ok);
  EXPECT_EQ(table->table_bytes(), 8192u);
  EXPECT_EQ(words(*table, kBase + 5 * kPage), 1u);
  const Stats full = table->stats();
  EXPECT_EQ(full.leaves, 512u);
  EXPECT_EQ(full.tables.at(9), 1u);
  EXPECT_GT(full.restructures, 0u);

  // With all but one in sixteen gone it is a table of 128.
  for (uint64_t i = 0; i < 512; ++i)
    if (i % 16 != 0) clear(*table, kBase + i * kPage);
  EXPECT_EQ(table->table_bytes(), 8192u);  // until it is trimmed
  Gather gather;
  table->trim(machine_.everything(), VirtAddr(0), VirtAddr(0), gather);
  EXPECT_TRUE(gather.freed_tables());
  gather.release_tables();
  EXPECT_EQ(table->stats().leaves, 32u);
  // Less than a quarter used: halved to 128 slots, of which a quarter is used.
  EXPECT_EQ(table->table_bytes(), 128u * 16);
  for (uint64_t i = 0; i < 512; i += 16)
    EXPECT_EQ(at(*table, kBase + i * kPage), leaf(i));
}

TEST_F(GptTest, LeavesOfEverySizeAreReplicated) {
  // A leaf of 4 pages in a table of 8 slots.
  for (const uint64_t i : {0u, 1u, 2u, 3u})
    ASSERT_EQ(map(*table_, kBase + i * kPage, leaf(i)), Status::Ok);
  ASSERT_EQ(map(*table_, kBase + 4 * kPage, leaf(64, 14), 14), Status::Ok);
  EXPECT_EQ(table_->stats().leaves, 5u);
  const Lookup found = table_->peek(VirtAddr(kBase + 6 * kPage + 5));
  EXPECT_EQ(found.entry, leaf(64, 14));
  EXPECT_EQ(found.base, VirtAddr(kBase + 4 * kPage));
  EXPECT_EQ(found.size, PageShift(14));
  // Split in place to leaves of two pages, and those to pages.
  ASSERT_EQ(table_->split(found.handle, PageShift(13)), Status::Ok);
  EXPECT_EQ(at(*table_, kBase + 7 * kPage), leaf(66, 13));
  ASSERT_EQ(table_->split(table_->peek(VirtAddr(kBase + 7 * kPage)).handle, PageShift(12)),
            Status::Ok);
  EXPECT_EQ(at(*table_, kBase + 7 * kPage), leaf(67));
  EXPECT_EQ(table_->stats().leaves, 7u);
}

TEST_F(GptTest, Promote) {
  for (uint64_t i = 0; i < 16; ++i)
    ASSERT_EQ(map(*table_, kBase + i * kPage, leaf(64 + i, 12, i == 9)), Status::Ok);
  Gather gather;
  EXPECT_EQ(table_->promote(VirtAddr(kBase), PageShift(12), gather), Status::BadSize);
  // Two pages, then eight, two of which are one leaf already; then all.
  EXPECT_EQ(table_->promote(VirtAddr(kBase + 3 * kPage), PageShift(13), gather), Status::Ok);
  EXPECT_EQ(at(*table_, kBase + 3 * kPage), leaf(66, 13));
  EXPECT_EQ(table_->promote(VirtAddr(kBase + kPage), PageShift(15), gather), Status::Ok);
  EXPECT_EQ(at(*table_, kBase + 7 * kPage), leaf(64, 15));
  EXPECT_EQ(at(*table_, kBase + 8 * kPage), leaf(72));
  EXPECT_EQ(table_->promote(VirtAddr(kBase), PageShift(16), gather), Status::Ok);
  EXPECT_EQ(at(*table_, kBase + 15 * kPage), leaf(64, 16, true));  // dirty, as one of its parts was
  EXPECT_TRUE(gather.freed_tables());
  EXPECT_EQ(gather.range(), (VirtRange{VirtAddr(kBase), VirtAddr(kBase + 16 * kPage)}));
  EXPECT_EQ(gather.smallest(), PageShift(12));
  gather.release_tables();
  EXPECT_EQ(table_->table_bytes(), 0u);  // one leaf: the root's own
  // Not what is not there, nor what is too large already.
  EXPECT_EQ(table_->promote(VirtAddr(kBase), PageShift(17), gather), Status::NotUniform);
  EXPECT_EQ(table_->promote(VirtAddr(kBase), PageShift(14), gather), Status::NotUniform);
}

TEST_F(GptTest, PromoteNeedsUniformParts) {
  const auto fails = [&](uint64_t page, Entry e) {
    const auto table = make(7);
    for (uint64_t i = 0; i < 8; ++i)
      EXPECT_EQ(map(*table, kBase + i * kPage, i == page ? e : leaf(64 + i)), Status::Ok);
    Gather gather;
    return table->promote(VirtAddr(kBase), PageShift(15), gather) == Status::NotUniform &&
           !gather.needs_flush() && at(*table, kBase) == (page == 0 ? e : leaf(64));
  };
  EXPECT_TRUE(fails(3, leaf(99)));                                   // another frame
  EXPECT_TRUE(fails(3, machine_.format.write_protected(leaf(67))));  // other rights
  EXPECT_TRUE(fails(3, TestFormat::Kept::kMask));                    // not present
  EXPECT_FALSE(fails(3, leaf(67)));
  // A hole; frames in order, but not aligned.
  const auto table = make(7);
  Gather gather;
  for (const uint64_t i : {0u, 1u, 2u, 3u, 4u, 6u, 7u})
    EXPECT_EQ(map(*table, kBase + i * kPage, leaf(64 + i)), Status::Ok);
  EXPECT_EQ(table->promote(VirtAddr(kBase), PageShift(15), gather), Status::NotUniform);
  for (uint64_t i = 0; i < 8; ++i)
    EXPECT_EQ(map(*table, kBase + i * kPage, leaf(65 + i)), Status::Ok);
  EXPECT_EQ(table->promote(VirtAddr(kBase), PageShift(15), gather), Status::NotUniform);
}

TEST_F(GptTest, BuildCursorMakesEverySlot) {
  ASSERT_EQ(map(*table_, kBase + 100 * kPage, leaf(1)), Status::Ok);
  const VirtRange range{VirtAddr(kBase + 3 * kPage), VirtAddr(kBase + 1500 * kPage)};
  const auto cursor = table_->cursor(range, CursorMode::Build);
  pt::Run run;
  uint64_t next = range.begin.value();
  while (cursor->next(run)) {
    EXPECT_EQ(run.start.value(), next);
    next += run.count * kPage;
    for (uint32_t i = 0; i < run.count; ++i)
      EXPECT_EQ(run.get(i), run.address(i).value() == kBase + 100 * kPage ? leaf(1) : kNone);
  }
  EXPECT_EQ(cursor->status(), Status::Ok);
  EXPECT_EQ(next, range.end.value());
  EXPECT_TRUE(table_->peek(VirtAddr(kBase + 1000 * kPage)).has_slot);
  machine_.allocator.fail_after(2);
  const auto other = table_->cursor({VirtAddr(0), VirtAddr(kBase)}, CursorMode::Build);
  while (other->next(run)) {
  }
  machine_.allocator.fail_after(1);
  EXPECT_EQ(other->status(), Status::NoMemory);
}

class GptEager : public GptWorld {
 protected:
  GptEager() : GptWorld("[pt.gpt]\ncollapse = eager\nlines = false\n") {}
};

TEST_F(GptEager, ClearedSlotsGoAtOnce) {
  const auto table = make(1);
  for (uint64_t i = 0; i < 300; ++i)
    ASSERT_EQ(map(*table, kBase + i * kPage, leaf(i)), Status::Ok);
  for (uint64_t i = 0; i < 100; ++i)
    clear(*table, kBase + i * kPage);
  EXPECT_FALSE(table->peek(VirtAddr(kBase)).has_slot);
  // Behind a Zap cursor, while it goes on.
  const auto cursor =
      table->cursor({VirtAddr(kBase), VirtAddr(kBase + 299 * kPage)}, CursorMode::Zap);
  pt::Run run;
  uint64_t met = 0;
  while (cursor->next(run))
    for (uint32_t i = 0; i < run.count; ++i) {
      met += run.get(i) == leaf((run.address(i) - VirtAddr(kBase)) / kPage) ? 1 : 0;
      run.set(i, kNone);
    }
  EXPECT_EQ(met, 199u);
  EXPECT_EQ(table->table_bytes(), 0u);  // one page left, in the root
  EXPECT_EQ(at(*table, kBase + 299 * kPage), leaf(299));
}

// --- Lookups overtaken by changes

TEST_F(GptWithoutLines, WalkStartsAgainWhenItsTableIsReplaced) {
  const auto table = make(1);
  for (uint64_t i = 0; i < 2; ++i)
    ASSERT_EQ(map(*table, kBase + i * kPage, leaf(i)), Status::Ok);
  const uint64_t before = machine_.allocator.bytes_in_use();
  {
    gpt::SteppingWalk walk(guarded(*table), VirtAddr(kBase + kPage));
    ASSERT_TRUE(walk.step());  // the root: on to the table of two
    // Two more pages: a table of four replaces it.
    for (uint64_t i = 2; i < 4; ++i)
      ASSERT_EQ(map(*table, kBase + i * kPage, leaf(i)), Status::Ok);
    EXPECT_GT(machine_.allocator.bytes_in_use(), before + 32);  // the old one is still there
    while (walk.step()) {
    }
    EXPECT_EQ(walk.result().entry, leaf(1));
    EXPECT_EQ(walk.restarts(), 1u);
  }
  EXPECT_EQ(machine_.allocator.bytes_in_use(), 16u + 64u);
  gpt::SteppingWalk undisturbed(guarded(*table), VirtAddr(kBase));
  EXPECT_TRUE(undisturbed.step());
  EXPECT_FALSE(undisturbed.step());
  EXPECT_EQ(undisturbed.restarts(), 0u);
}

// An array cannot say that it has moved; that there is no page in it makes the walk look again.
TEST_F(GptTest, WalkStartsAgainWhenItsArrayIsReplaced) {
  for (uint64_t i = 0; i < 8; ++i)
    ASSERT_EQ(map(*table_, kBase + i * kPage, leaf(i)), Status::Ok);
  gpt::SteppingWalk walk(guarded(*table_), VirtAddr(kBase + kPage));
  ASSERT_TRUE(walk.step());  // the root: on to the array of eight
  ASSERT_EQ(map(*table_, kBase + 8 * kPage, leaf(8)), Status::Ok);
  while (walk.step()) {
  }
  EXPECT_EQ(walk.result().entry, leaf(1));
  EXPECT_EQ(walk.restarts(), 1u);
  // None is none.
  gpt::SteppingWalk none(guarded(*table_), VirtAddr(kBase + 30 * kPage));
  while (none.step()) {
  }
  EXPECT_EQ(none.result().entry, kNone);
  EXPECT_EQ(none.restarts(), 0u);
}

class GptGrain : public GptWorld {
 protected:
  GptGrain() : GptWorld("pt.gpt.grain = 3\n") {}
  Slot ensure_in(PageTable& table, uint64_t first, uint64_t pages, uint64_t page) {
    const VirtAddr begin(kBase + first * kPage);
    return table.ensure_in({begin, begin + pages * kPage}, VirtAddr(kBase + page * kPage),
                           machine_.page);
  }
};

// The first page of a block of eight that one area has makes an array of eight.
TEST_F(GptGrain, MakesArraysAtOnce) {
  const auto table = make(1);
  const Slot slot = ensure_in(*table, 8, 8, 11);
  ASSERT_EQ(slot.status, Status::Ok);
  EXPECT_EQ(slot.handle.base, VirtAddr(kBase + 11 * kPage));
  EXPECT_EQ(table->install(slot.handle, kNone, leaf(7)), Status::Ok);
  EXPECT_EQ(table->table_bytes(), 8 * sizeof(Entry));
  EXPECT_EQ(at(*table, kBase + 11 * kPage), leaf(7));
  EXPECT_TRUE(table->peek(VirtAddr(kBase + 8 * kPage)).has_slot);
  // Again, and another of it.
  EXPECT_EQ(ensure_in(*table, 8, 8, 11).entry, leaf(7));
  ASSERT_EQ(ensure_in(*table, 8, 8, 12).status, Status::Ok);
  EXPECT_EQ(table->table_bytes(), 8 * sizeof(Entry));
}

TEST_F(GptGrain, ButNotOfWhatTheAreaHasNot) {
  // A block that begins before the area, or ends behind it; an area that ends at the last address.
  for (const auto& [first, pages] : {std::pair<uint64_t, uint64_t>{9, 8}, {8, 7}}) {
    const auto table = make(1);
    ASSERT_EQ(ensure_in(*table, first, pages, 11).status, Status::Ok);
    EXPECT_EQ(table->table_bytes(), 0u);
  }
  // Where something is already: page 15 has its own entry, and becomes an array with the next.
  const auto table = make(2);
  ASSERT_EQ(map(*table, kBase + 15 * kPage, leaf(1)), Status::Ok);
  ASSERT_EQ(ensure_in(*table, 0, 64, 11).status, Status::Ok);
  EXPECT_EQ(at(*table, kBase + 15 * kPage), leaf(1));
  // Without memory for eight, one.
  const auto poor = make(3);
  machine_.allocator.fail_after(1);
  ASSERT_EQ(ensure_in(*poor, 0, 64, 11).status, Status::Ok);
  EXPECT_EQ(poor->table_bytes(), 0u);
}

// Walks in the middle of random changes find every page that stays as it is.
TEST_F(GptTest, WalksFindWhatStays) {
  Random random(5);
  uint64_t restarts = 0;
  for (unsigned round = 0; round < 1000; ++round) {
    const auto table = make(2 + round);
    const unsigned bits = 4 + static_cast<unsigned>(random.below(14));
    std::map<uint64_t, bool> pages;  // page -> stays
    for (int i = 0; i < 40; ++i) {
      const uint64_t page = random.below(uint64_t{1} << bits);
      if (pages.emplace(page, i % 2 == 0).second) {
        ASSERT_EQ(map(*table, kBase + page * kPage, leaf(page)), Status::Ok);
      }
    }
    for (const auto& [page, stays] : pages) {
      if (!stays) continue;
      // Released when the walk has ended, which in a kernel its flush sees to.
      std::vector<Gather> waiting;
      gpt::SteppingWalk walk(guarded(*table), VirtAddr(kBase + page * kPage));
      unsigned steps = 0;
      do {
        ASSERT_LT(++steps, 1000u) << "round " << round;
        const uint64_t other = random.below(uint64_t{1} << bits);
        const auto there = pages.find(other);
        if (there != pages.end() && there->second) continue;
        if (steps > 200 || random.below(2) == 0) continue;  // changes end some time
        if (table->peek(VirtAddr(kBase + other * kPage)).entry == kNone) {
          ASSERT_EQ(map(*table, kBase + other * kPage, leaf(other)), Status::Ok);
        } else {
          clear(*table, kBase + other * kPage);
          Gather gather;
          table->trim({VirtAddr(kBase + other * kPage), VirtAddr(kBase + (other + 1) * kPage)},
                      VirtAddr(0), VirtAddr(0), gather);
          waiting.push_back(gather);
        }
      } while (walk.step());
      ASSERT_EQ(walk.result().entry, leaf(page)) << "round " << round;
      restarts += walk.restarts();
      for (Gather& gather : waiting)
        gather.release_tables();
    }
  }
  EXPECT_GT(restarts, 100u) << "too tame to test anything";
}

// In which order the leaves come.
struct Order {
  const char* name;
  uint64_t (*place)(uint64_t i, uint64_t leaves);
};

void map_dense_superpages(bool lines, const Order& order) {
  conformance::Machine m(gpt::backend(), conformance::layout_named("superpages"),
                         lines ? "" : "[pt.gpt]\nlines = false\n");
  constexpr PageShift kSuperpage(20);
  constexpr uint64_t kLeaves = (uint64_t{64} << 30) >> 20;
  const VirtAddr begin(uint64_t{1} << 36);
  const auto table = m.factory->create(MmId(1));
  for (uint64_t i = 0; i < kLeaves; ++i) {
    const uint64_t place = order.place(i, kLeaves);
    const pt::Slot slot = table->ensure(begin + (place << 20), kSuperpage);
    ASSERT_EQ(slot.status, Status::Ok);
    const Entry leaf = m.format.make_leaf(
        {.pfn = Pfn((place + 1) << 6), .size = kSuperpage, .rights = Rights(Rights::kRead)});
    ASSERT_EQ(table->install(slot.handle, kNone, leaf), Status::Ok);
  }
  EXPECT_EQ(table->stats().leaves, kLeaves);
  EXPECT_LT(table->table_bytes(), uint64_t{2} << 20);
  Random random(1);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t at = random.below(kLeaves << 20);
    WalkPath path;
    const Lookup found = table->walk(begin + at, path);
    EXPECT_EQ(found.base, begin + (at >> 20 << 20));
    EXPECT_EQ(path.count(), 2u);
  }
  // A fork copies entry by entry: 64 times fewer than of base pages.
  const uint64_t before = m.sink.total(mem::Origin::Kernel);
  const auto child = m.factory->create(MmId(2));
  const VirtRange range{begin, begin + (kLeaves << 20)};
  uint64_t copied = 0;
  const auto copy = [&](pt::Run& from, pt::Run& to) {
    pt::Run::for_each_pair(from, to, [&](uint32_t, Entry& mine, Entry& twin) {
      twin = mine;
      ++copied;
    });
    return true;
  };
  ASSERT_EQ(conformance::copy_range(*table, *child, range, copy), Status::Ok);
  EXPECT_EQ(copied, kLeaves);
  EXPECT_LT(m.sink.total(mem::Origin::Kernel) - before, 4 * kLeaves);
}

// 64 GiB in leaves of 1M, on a machine with pages of 16K: entries of 16 bytes, and the root at
// hand. They fill tables of 512 and 128 slots, so that two words are read.
TEST(GptSuperpages, MapADenseSpaceInLittle) {
  constexpr Order kOrders[] = {
      {"in order", [](uint64_t i, uint64_t) { return i; }},
      {"from the end", [](uint64_t i, uint64_t leaves) { return leaves - 1 - i; }},
      {"anywhere", [](uint64_t i, uint64_t leaves) { return i * 7919 % leaves; }},
  };
  for (const bool lines : {false, true})
    for (const Order& order : kOrders) {
      SCOPED_TRACE(fmt::format("{}, lines: {}", order.name, lines));
      map_dense_superpages(lines, order);
    }
}

// Beside tables that are as wide as can be, and smaller pages, in lines: those of the next table
// find together, also where they come out of base pages.
TEST(GptSuperpages, FindTogetherInLines) {
  conformance::Machine m(gpt::backend(), conformance::layout_named("superpages"), "");
  constexpr PageShift kSuperpage(15);
  for (const bool promoted : {false, true}) {
    SCOPED_TRACE(promoted);
    const auto table = m.factory->create(MmId(1));
    const auto map = [&](VirtAddr va, PageShift size, uint64_t pfn) {
      const pt::Slot slot = table->ensure(va, size);
      ASSERT_EQ(slot.status, Status::Ok);
      ASSERT_EQ(table->install(slot.handle, slot.entry,
                               m.format.make_leaf({.pfn = Pfn(pfn), .size = size, .rights = kAll})),
                Status::Ok);
    };
    map(VirtAddr(uint64_t{1} << 40), PageShift(14), 1);
    constexpr uint64_t kLeaves = 3 * 512;
    const VirtAddr begin(uint64_t{1} << 36);
    for (uint64_t i = 0; i < kLeaves; ++i) {
      const VirtAddr at = begin + (i << 15);
      if (!promoted) {
        map(at, kSuperpage, 2 * (i + 1));
        continue;
      }
      for (uint64_t page = 0; page < 2; ++page)
        map(at + (page << 14), PageShift(14), 2 * (i + 1) + page);
      Gather gather;
      ASSERT_EQ(table->promote(at, kSuperpage, gather), Status::Ok);
      gather.release_tables();
    }
    uint64_t tables = 0;
    table->visit_tables([&](const TableNode& node) {
      if (node.leaves == 512 && node.indexed) ++tables;
    });
    EXPECT_EQ(tables, 3u);
    for (uint64_t i = 0; i < kLeaves; ++i)
      EXPECT_EQ(table->peek(begin + (i << 15)).size, kSuperpage);
  }
}

}  // namespace gpt_test
}  // namespace mmusim::pt
