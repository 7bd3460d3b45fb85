// Which words of a multi-level table each operation touches, counted by hand, and that its words
// are bit-exact where a walker would look.
#include <array>
#include <gtest/gtest.h>

#include "pt/conformance/machine.h"

namespace mmusim::pt {
namespace mlpt_references_test {

using conformance::copy_range;
using conformance::layout_named;
using conformance::Machine;

constexpr uint64_t kPage = 4096;
constexpr uint64_t k2M = uint64_t{2} << 20;
constexpr uint64_t kBase = 0x100000000000;

class References : public testing::Test {
 protected:
  References() : machine_(backends().front(), layout_named("x86_64")) {
    table_ = machine_.factory->create(MmId(1));
  }
  using Counts = std::array<uint64_t, 4>;  // by level, leaf level first

  // What `work` reads and writes.
  template <class Work>
  void count(const Work& work, Counts& reads, Counts& writes,
             mem::Origin origin = mem::Origin::Kernel) {
    for (unsigned l = 0; l < 4; ++l) {
      reads[l] = machine_.sink.count(origin, l, false);
      writes[l] = machine_.sink.count(origin, l, true);
    }
    work();
    for (unsigned l = 0; l < 4; ++l) {
      reads[l] = machine_.sink.count(origin, l, false) - reads[l];
      writes[l] = machine_.sink.count(origin, l, true) - writes[l];
    }
  }
  template <class Work>
  void expect(const Work& work, const Counts& reads, const Counts& writes,
              mem::Origin origin = mem::Origin::Kernel) {
    Counts r{};
    Counts w{};
    count(work, r, w, origin);
    EXPECT_EQ(r, reads);
    EXPECT_EQ(w, writes);
  }
  [[nodiscard]] Entry leaf(uint64_t pfn, unsigned size = 12) const {
    LeafFields fields;
    fields.pfn = Pfn(pfn);
    fields.size = PageShift(size);
    fields.rights = Rights(Rights::kRead | Rights::kWrite);
    return machine_.format.make_leaf(fields);
  }
  void map(uint64_t va, Entry e, unsigned size = 12) {
    const Slot slot = table_->ensure(VirtAddr(va), PageShift(size));
    ASSERT_EQ(slot.status, Status::Ok);
    ASSERT_EQ(table_->install(slot.handle, slot.entry, e), Status::Ok);
  }

  Machine machine_;
  std::unique_ptr<PageTable> table_;
};

TEST_F(References, Find) {
  const VirtAddr va(kBase);
  expect([&] { (void)table_->find(va); }, {0, 0, 0, 1}, {});  // void at the root
  map(kBase, leaf(7));
  expect([&] { EXPECT_EQ(table_->find(va).entry, leaf(7)); }, {1, 1, 1, 1}, {});
  expect([&] { (void)table_->find(va + kPage); }, {1, 1, 1, 1}, {});
  expect([&] { (void)table_->find(va + k2M); }, {0, 1, 1, 1}, {});
  expect([&] { (void)table_->peek(va); }, {}, {});
  expect([&] { (void)table_->find(va, mem::Origin::Handler); }, {}, {});
  expect([&] { (void)table_->find(va, mem::Origin::Handler); }, {1, 1, 1, 1}, {},
         mem::Origin::Handler);
}

TEST_F(References, VoidsAsLargeAsKnown) {
  EXPECT_EQ(table_->find(VirtAddr(kBase + 5)).empty,
            (VirtRange{VirtAddr(kBase), VirtAddr(kBase + (uint64_t{1} << 39))}));
  map(kBase, leaf(7));
  const auto empty = [&](uint64_t va) { return table_->find(VirtAddr(va)).empty; };
  EXPECT_EQ(empty(kBase + kPage),
            (VirtRange{VirtAddr(kBase + kPage), VirtAddr(kBase + 2 * kPage)}));
  EXPECT_EQ(empty(kBase + k2M), (VirtRange{VirtAddr(kBase + k2M), VirtAddr(kBase + 2 * k2M)}));
  EXPECT_EQ(empty(kBase + (uint64_t{5} << 30)), (VirtRange{VirtAddr(kBase + (uint64_t{5} << 30)),
                                                           VirtAddr(kBase + (uint64_t{6} << 30))}));
}

TEST_F(References, EnsureInstallClear) {
  Slot slot;
  // Each level is read and found none; a new table is linked in; its first word is read.
  expect([&] { slot = table_->ensure(VirtAddr(kBase), PageShift(12)); }, {1, 1, 1, 1},
         {0, 1, 1, 1});
  expect([&] { EXPECT_EQ(table_->install(slot.handle, kNone, leaf(3)), Status::Ok); }, {1, 0, 0, 0},
         {1, 0, 0, 0});
  expect([&] { EXPECT_EQ(table_->install(slot.handle, kNone, leaf(3)), Status::Changed); },
         {1, 0, 0, 0}, {});
  expect([&] { (void)table_->ensure(VirtAddr(kBase), PageShift(12)); }, {1, 1, 1, 1}, {});
  expect([&] { (void)table_->ensure(VirtAddr(kBase + k2M), PageShift(21)); }, {0, 1, 1, 1}, {});
  Entry old = kNone;
  expect([&] { EXPECT_EQ(table_->clear(slot.handle, old), Status::Ok); }, {1, 0, 0, 0},
         {1, 0, 0, 0});
}

TEST_F(References, SplitWritesTheNewTable) {
  map(kBase, leaf(512, 21), 21);
  const Handle handle = table_->find(VirtAddr(kBase)).handle;
  expect([&] { EXPECT_EQ(table_->split(handle, PageShift(12)), Status::Ok); }, {}, {512, 1, 0, 0});
  EXPECT_EQ(table_->find(VirtAddr(kBase + 511 * kPage)).entry, leaf(1023));
}

// Over two full leaf tables a cursor reads three entries on the way down and one across; the leaf
// words are the caller's to report.
TEST_F(References, CursorReadsEachUpperEntryOnce) {
  for (uint64_t i = 0; i < 1024; ++i)
    map(kBase + i * kPage, leaf(1 + i));
  uint64_t runs = 0;
  expect(
      [&] {
        const auto cursor = table_->cursor({VirtAddr(kBase), VirtAddr(kBase + 2 * k2M)});
        pt::Run run;
        while (cursor->next(run)) {
          EXPECT_EQ(run.count, 512u);
          EXPECT_EQ(run.get(0), leaf(1 + runs * 512));
          ++runs;
        }
      },
      {0, 2, 1, 1}, {});
  EXPECT_EQ(runs, 2u);
  // A void is passed over in one step of its size: 510 entries of the 1 GiB remain, none of them.
  expect(
      [&] {
        const auto cursor =
            table_->cursor({VirtAddr(kBase + 2 * k2M), VirtAddr(kBase + (uint64_t{4} << 30))});
        pt::Run run;
        EXPECT_FALSE(cursor->next(run));
      },
      {0, 510, 4, 1}, {});
}

TEST_F(References, CursorRunsOfLargeLeaves) {
  for (const uint64_t i : {0u, 1u, 2u, 5u})
    map(kBase + i * k2M, leaf((i + 1) * 512, 21), 21);
  map(kBase + 3 * k2M, leaf(5));
  const auto cursor = table_->cursor({VirtAddr(kBase + kPage), VirtAddr(kBase + 6 * k2M)});
  pt::Run run;
  ASSERT_TRUE(cursor->next(run));
  EXPECT_EQ(run.start, VirtAddr(kBase));
  EXPECT_EQ(run.size, PageShift(21));
  EXPECT_EQ(run.count, 3u);
  EXPECT_EQ(run.get(2), leaf(3 * 512, 21));
  ASSERT_TRUE(cursor->next(run));
  EXPECT_EQ(run.start, VirtAddr(kBase + 3 * k2M));
  EXPECT_EQ(run.size, PageShift(12));
  EXPECT_EQ(run.count, 512u);
  ASSERT_TRUE(cursor->next(run));
  EXPECT_EQ(run.start, VirtAddr(kBase + 5 * k2M));
  EXPECT_EQ(run.count, 1u);
  EXPECT_FALSE(cursor->next(run));
}

TEST_F(References, CopyOfOneTable) {
  for (uint64_t i = 0; i < 10; ++i)
    map(kBase + i * kPage, leaf(1 + i));
  const auto child = machine_.factory->create(MmId(2));
  // The parent's upper entries and the child's, which is none each time and then written.
  expect(
      [&] {
        EXPECT_EQ(copy_range(*table_, *child, {VirtAddr(kBase), VirtAddr(kBase + 10 * kPage)},
                             [&](pt::Run& from, pt::Run& to) {
                               from.report(machine_.sink, mem::Origin::Kernel, 10, 10);
                               to.report(machine_.sink, mem::Origin::Kernel, 0, 10);
                               return true;
                             }),
                  Status::Ok);
      },
      {10, 2, 2, 2}, {20, 1, 1, 1});
}

TEST_F(References, TrimReadsUpperEntriesAndClearsPointers) {
  map(kBase, leaf(1));
  Entry old = kNone;
  ASSERT_EQ(table_->clear(table_->find(VirtAddr(kBase)).handle, old), Status::Ok);
  Gather gather;
  expect(
      [&] {
        table_->trim({VirtAddr(kBase), VirtAddr(kBase + kPage)}, VirtAddr(0), VirtAddr(0), gather);
      },
      {0, 1, 1, 1}, {0, 1, 1, 1});
  EXPECT_EQ(gather.tables().size(), 3u);
  gather.release_tables();
}

// A walker that knows only the root, the format and physical memory finds the same leaf.
TEST_F(References, WordsAreWhereAWalkerLooks) {
  const uint64_t va = kBase + 0x8123456000;
  map(va, leaf(0xabcde));
  PhysAddr at = table_->root().address;
  for (const unsigned shift : {39u, 30u, 21u}) {
    const uint64_t* word = machine_.memory.find_words(at + (va >> shift & 511) * 8);
    ASSERT_NE(word, nullptr);
    EXPECT_TRUE(machine_.format.is_present(*word));
    EXPECT_FALSE(machine_.format.is_leaf(*word, PageShift(shift)));
    at = machine_.format.table_address(*word);
    EXPECT_EQ(machine_.memory.frame(machine_.memory.frame_of(at)).owner, 1u);
  }
  const uint64_t* word = machine_.memory.find_words(at + (va >> 12 & 511) * 8);
  ASSERT_NE(word, nullptr);
  EXPECT_EQ(*word, leaf(0xabcde));
  EXPECT_EQ(table_->find(VirtAddr(va)).handle.base, VirtAddr(va));
}

// i386: two levels of 1024 entries of 4 bytes, so that a table is a page.
TEST(NarrowEntries, ATableOf1024IsAPage) {
  Machine machine(backends().front(), layout_named("i386"));
  const auto table = machine.factory->create(MmId(1));
  const Rights rights(Rights::kRead);
  for (const uint64_t page : {uint64_t{0}, uint64_t{1}, uint64_t{5}}) {
    const Slot slot = table->ensure(VirtAddr(page * kPage), PageShift(12));
    ASSERT_EQ(slot.status, Status::Ok);
    const Entry e = machine.format.make_leaf(
        {.pfn = Pfn(0x3fff0 + page), .size = PageShift(12), .rights = rights});
    ASSERT_EQ(table->install(slot.handle, kNone, e), Status::Ok);
  }
  EXPECT_EQ(table->stats().root_bytes, kPage);
  EXPECT_EQ(table->table_bytes(), kPage);

  WalkPath path;
  const Lookup found = table->walk(VirtAddr(5 * kPage), path);
  ASSERT_EQ(path.count(), 2u);
  const WalkStep leaf = path.steps()[1];
  EXPECT_EQ(path.steps()[0].address, table->root().address);
  EXPECT_EQ(leaf.bytes, 4u);
  EXPECT_EQ(leaf.address.value() & 0xfff, 5u * 4);
  EXPECT_EQ(machine.format.parse_leaf(found.entry, PageShift(12)).pfn, Pfn(0x3fff5));
  // Pages 0 and 1 share eight bytes: page 1 is in their upper half.
  const uint64_t* words = machine.memory.find_words(leaf.address - 5 * 4);
  ASSERT_NE(words, nullptr);
  EXPECT_EQ(words[0] >> 32, table->peek(VirtAddr(kPage)).entry);
  EXPECT_EQ(words[0] & 0xffff'ffff, table->peek(VirtAddr(0)).entry);
  Entry old = kNone;
  ASSERT_EQ(table->clear(table->peek(VirtAddr(0)).handle, old), Status::Ok);
  EXPECT_EQ(words[0], table->peek(VirtAddr(kPage)).entry << 32);
}

}  // namespace mlpt_references_test
}  // namespace mmusim::pt
