// Tables several address spaces use: whose memory they are, who is told, and what a change of one
// means for the others. x86-64: a leaf table is 4 KiB and serves 2 MiB, one above it 1 GiB.
#include <algorithm>
#include <gtest/gtest.h>
#include <memory>

#include "pt/conformance/machine.h"
#include "pt/mlpt/mlpt.h"

namespace mmusim::pt {
namespace mlpt_share_test {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kSpan = uint64_t{2} << 20;
constexpr uint64_t kBase = uint64_t{1} << 40;
constexpr uint64_t kThere = kBase + 7 * kSpan;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kFar = kBase + 5 * kGiB;
constexpr Rights kAll{Rights::kRead | Rights::kWrite | Rights::kExec | Rights::kUser};

class MlptShare : public testing::Test {
 protected:
  MlptShare() : a_(make(1)), b_(make(2)) {}
  std::unique_ptr<PageTable> make(uint64_t mm) { return machine_.factory->create(MmId(mm)); }
  Status share(PageTable& to, uint64_t at, unsigned log2 = 21, Rights mask = kAll) {
    return to.share(VirtAddr(at), *a_, VirtAddr(kBase), PageShift(log2), mask);
  }
  [[nodiscard]] Entry leaf(uint64_t pfn, unsigned log2 = 12) const {
    return machine_.format.make_leaf(
        {.pfn = Pfn(pfn), .size = PageShift(log2), .rights = Rights(Rights::kRead)});
  }
  Status map(PageTable& table, uint64_t va, uint64_t pfn, unsigned log2 = 12) {
    const Slot slot = table.ensure(VirtAddr(va), PageShift(log2));
    if (slot.status != Status::Ok) return slot.status;
    return table.install(slot.handle, slot.entry, leaf(pfn, log2));
  }
  static Entry at(const PageTable& table, uint64_t va) { return table.peek(VirtAddr(va)).entry; }

  conformance::Machine machine_{mlpt::backend(), conformance::layout_named("x86_64")};
  std::unique_ptr<PageTable> a_;
  std::unique_ptr<PageTable> b_;
};

TEST_F(MlptShare, OneTableForAllUsers) {
  ASSERT_EQ(map(*a_, kBase + 3 * kPage, 3), Status::Ok);
  EXPECT_EQ(a_->table_bytes(), 3 * kPage);
  ASSERT_EQ(share(*b_, kThere), Status::Ok);
  // The leaf table is nobody's now; the two tables above it are each one's own.
  EXPECT_EQ(a_->table_bytes(), 2 * kPage);
  EXPECT_EQ(b_->table_bytes(), 2 * kPage);
  EXPECT_EQ(machine_.factory->common_bytes(), kPage);
  EXPECT_EQ(at(*b_, kThere + 3 * kPage), leaf(3));
  ASSERT_EQ(map(*b_, kThere + kPage, 9), Status::Ok);
  EXPECT_EQ(at(*a_, kBase + kPage), leaf(9));
  EXPECT_TRUE(a_->peek(VirtAddr(kBase)).shared);
  auto users = b_->sharers(VirtAddr(kThere + 5 * kPage));
  std::sort(users.begin(), users.end(), [](const auto& x, const auto& y) { return x.mm < y.mm; });
  EXPECT_EQ(users, (std::vector<Sharer>{{MmId(1), VirtAddr(kBase)}, {MmId(2), VirtAddr(kThere)}}));

  // A third at another address; the first goes; who is left alone has the table to itself.
  const auto c = make(3);
  ASSERT_EQ(c->share(VirtAddr(0), *b_, VirtAddr(kThere), PageShift(21), kAll), Status::Ok);
  a_.reset();
  EXPECT_EQ(machine_.factory->common_bytes(), kPage);
  b_.reset();
  EXPECT_EQ(machine_.factory->common_bytes(), 0u);
  EXPECT_EQ(c->table_bytes(), 3 * kPage);
  EXPECT_FALSE(c->peek(VirtAddr(0)).shared);
  EXPECT_EQ(at(*c, 3 * kPage), leaf(3));
}

TEST_F(MlptShare, RefusesWhatItCannotShare) {
  ASSERT_EQ(map(*a_, kBase, 512, 21), Status::Ok);
  EXPECT_EQ(share(*b_, kThere), Status::Overlap);  // there is no table to share
  ASSERT_EQ(a_->split(a_->peek(VirtAddr(kBase)).handle, PageShift(12)), Status::Ok);
  EXPECT_EQ(share(*b_, kThere, 25), Status::BadSize);
  EXPECT_EQ(share(*b_, kThere, 30), Status::BadAlign);
  EXPECT_EQ(share(*b_, kThere, 16), Status::BadSize);
  EXPECT_EQ(share(*b_, kThere + kPage), Status::BadAlign);
  EXPECT_EQ(share(*b_, kThere, 21, Rights(Rights::kRead)), Status::NotSupported);
  ASSERT_EQ(map(*b_, kThere + kPage, 1), Status::Ok);
  EXPECT_EQ(share(*b_, kThere), Status::Occupied);
  EXPECT_EQ(share(*b_, kThere + kSpan), Status::Ok);
  Gather gather;
  EXPECT_EQ(a_->promote(VirtAddr(kBase), PageShift(21), gather), Status::NotUniform);
}

TEST_F(MlptShare, SaysWhatItCanShare) {
  EXPECT_EQ(a_->capabilities().share_sizes,
            (std::vector<PageShift>{PageShift(21), PageShift(30), PageShift(39)}));
  // The root of PAE has its four entries in registers.
  conformance::Machine pae{mlpt::backend(), conformance::layout_named("pae")};
  EXPECT_EQ(pae.factory->create(MmId(1))->capabilities().share_sizes,
            std::vector<PageShift>{PageShift(21)});
}

// A table of tables: what hangs below belongs to all, also what comes later.
TEST_F(MlptShare, AWholeGiB) {
  ASSERT_EQ(map(*a_, kBase + 3 * kPage, 3), Status::Ok);
  ASSERT_EQ(map(*a_, kBase + 9 * kSpan, 9), Status::Ok);
  EXPECT_EQ(a_->table_bytes(), 4 * kPage);
  ASSERT_EQ(share(*b_, kFar, 30), Status::Ok);
  EXPECT_EQ(a_->table_bytes(), kPage);
  EXPECT_EQ(b_->table_bytes(), kPage);
  EXPECT_EQ(machine_.factory->common_bytes(), 3 * kPage);
  ASSERT_EQ(map(*b_, kFar + 20 * kSpan, 20), Status::Ok);
  EXPECT_EQ(machine_.factory->common_bytes(), 4 * kPage);
  EXPECT_EQ(at(*a_, kBase + 20 * kSpan), leaf(20));
  const Lookup found = b_->peek(VirtAddr(kFar + 9 * kSpan));
  EXPECT_TRUE(found.shared);
  EXPECT_EQ(found.tree_base, VirtAddr(kFar));
  EXPECT_EQ(found.tree_size, PageShift(30));
  EXPECT_EQ(b_->sharers(VirtAddr(kFar + 100 * kSpan)).size(), 2u);
  // Every run of it says so.
  const auto cursor = b_->cursor({VirtAddr(kFar), VirtAddr(kFar + kGiB)}, CursorMode::Read);
  pt::Run run;
  unsigned runs = 0;
  for (; cursor->next(run); ++runs)
    EXPECT_TRUE(run.shared);
  EXPECT_EQ(runs, 3u);

  // A large leaf that one of them splits: its table is everybody's.
  ASSERT_EQ(map(*a_, kBase + 30 * kSpan, 512, 21), Status::Ok);
  ASSERT_EQ(b_->split(b_->peek(VirtAddr(kFar + 30 * kSpan)).handle, PageShift(12)), Status::Ok);
  EXPECT_EQ(machine_.factory->common_bytes(), 5 * kPage);
  EXPECT_EQ(at(*a_, kBase + 30 * kSpan + kPage), leaf(513));
  Gather gather;
  EXPECT_EQ(a_->promote(VirtAddr(kBase + 30 * kSpan), PageShift(21), gather), Status::NotUniform);
  // Nobody trims what others have, too, and nothing shared hangs in something shared.
  b_->trim({VirtAddr(kFar), VirtAddr(kFar + kGiB)}, VirtAddr(0), VirtAddr(0), gather);
  EXPECT_FALSE(gather.needs_flush());
  const auto c = make(3);
  EXPECT_EQ(c->share(VirtAddr(0), *b_, VirtAddr(kFar), PageShift(21), kAll), Status::NotSupported);
  ASSERT_EQ(map(*c, kGiB, 7), Status::Ok);
  EXPECT_EQ(b_->share(VirtAddr(kFar + 40 * kSpan), *c, VirtAddr(kGiB), PageShift(21), kAll),
            Status::NotSupported);

  b_.reset();
  EXPECT_EQ(machine_.factory->common_bytes(), 0u);
  EXPECT_EQ(a_->table_bytes(), 6 * kPage);
  EXPECT_FALSE(a_->peek(VirtAddr(kBase)).shared);
}

TEST_F(MlptShare, WhatIsSharedBelowIsNotSharedAbove) {
  ASSERT_EQ(map(*a_, kBase, 3), Status::Ok);
  ASSERT_EQ(share(*b_, kThere), Status::Ok);
  const auto c = make(3);
  EXPECT_EQ(share(*c, kFar, 30), Status::NotSupported);
  EXPECT_EQ(machine_.factory->common_bytes(), kPage);
}

TEST_F(MlptShare, LeavingAndUnsharingAGiB) {
  ASSERT_EQ(map(*a_, kBase, 3), Status::Ok);
  ASSERT_EQ(map(*a_, kBase + 9 * kSpan, 9), Status::Ok);
  ASSERT_EQ(share(*b_, kFar, 30), Status::Ok);
  const auto c = make(3);
  ASSERT_EQ(share(*c, kFar, 30), Status::Ok);
  Gather gather;
  ASSERT_EQ(b_->leave(VirtAddr(kFar + 7 * kSpan), gather), Status::Ok);
  EXPECT_EQ(gather.range(), (VirtRange{VirtAddr(kFar), VirtAddr(kFar + kGiB)}));
  EXPECT_TRUE(gather.freed_tables() && gather.tables().empty());
  EXPECT_EQ(at(*b_, kFar), kNone);
  // A copy of all of it: two leaf tables and the one above, beside the one it had.
  unsigned runs = 0;
  const auto copy = [&](size_t, pt::Run& from, pt::Run& to) {
    ++runs;
    EXPECT_TRUE(from.shared);
    for (uint32_t i = 0; i < from.count; ++i)
      to.set(i, from.get(i));
    return true;
  };
  ASSERT_EQ(c->unshare(VirtAddr(kFar + 9 * kSpan), copy), Status::Ok);
  EXPECT_EQ(runs, 2u);
  EXPECT_EQ(c->table_bytes(), 4 * kPage);
  EXPECT_EQ(a_->table_bytes(), 4 * kPage);
  EXPECT_EQ(machine_.factory->common_bytes(), 0u);
  ASSERT_EQ(map(*c, kFar + kPage, 4), Status::Ok);
  EXPECT_EQ(at(*c, kFar + 9 * kSpan), leaf(9));
  EXPECT_EQ(at(*a_, kBase + kPage), kNone);
}

TEST_F(MlptShare, WhoLeavesMustForgetTheTableAndNothingIsFreed) {
  ASSERT_EQ(map(*a_, kBase, 3), Status::Ok);
  ASSERT_EQ(share(*b_, kThere), Status::Ok);
  Gather gather;
  ASSERT_EQ(b_->leave(VirtAddr(kThere + 9 * kPage), gather), Status::Ok);
  EXPECT_EQ(gather.range(), (VirtRange{VirtAddr(kThere), VirtAddr(kThere + kSpan)}));
  EXPECT_TRUE(gather.freed_tables());  // for walk caches
  EXPECT_TRUE(gather.tables().empty());
  EXPECT_EQ(at(*b_, kThere), kNone);
  EXPECT_EQ(at(*a_, kBase), leaf(3));
  EXPECT_EQ(a_->table_bytes(), 3 * kPage);
  EXPECT_EQ(b_->leave(VirtAddr(kThere), gather), Status::NotSupported);
}

TEST_F(MlptShare, TrimLeavesAnEmptyOne) {
  ASSERT_EQ(map(*a_, kBase, 3), Status::Ok);
  ASSERT_EQ(share(*b_, kThere), Status::Ok);
  const VirtRange everything{VirtAddr(0), VirtAddr(uint64_t{1} << 48)};
  Gather first;
  b_->trim(everything, VirtAddr(0), VirtAddr(0), first);
  EXPECT_FALSE(first.needs_flush());  // it holds a leaf
  Entry old = kNone;
  ASSERT_EQ(a_->clear(a_->peek(VirtAddr(kBase)).handle, old), Status::Ok);
  Gather second;
  b_->trim(everything, VirtAddr(0), VirtAddr(0), second);
  EXPECT_EQ(second.tables().size(), 2u);  // those above it
  second.release_tables();
  EXPECT_EQ(b_->table_bytes(), 0u);
  EXPECT_FALSE(a_->peek(VirtAddr(kBase)).shared);
  EXPECT_EQ(a_->table_bytes(), 3 * kPage);
}

}  // namespace mlpt_share_test
}  // namespace mmusim::pt
