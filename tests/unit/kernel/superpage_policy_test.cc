// Superpages by policy (kernel.superpage.policy): what is set aside, promoted, copied and split,
// step by step as worked out by hand, with groups that hint and with leaves; and reservations by
// themselves.
#include "kernel/reservations.h"
#include "kernel/script.h"

namespace mmusim::kernel::testing {
namespace superpage_policy_test {

constexpr uint64_t k16K = 16 * kK, k64K = 64 * kK;

std::string policy(const std::string& name, const std::string& more = "") {
  return "[kernel]\nthp.sizes = 16K:always,64K:always\nsuperpage.policy = " + name + "\n" + more;
}

struct Way {
  const char* page_table;
  const char* style;
};
class Policies : public ::testing::TestWithParam<Way> {
 protected:
  // A program under these settings.
  Script& start(const std::string& settings) {
    script_.emplace(settings + "superpage.style = " + GetParam().style + "\n",
                    GetParam().page_table);
    return *script_;
  }
  [[nodiscard]] const Counters& counters() const { return script_->m.counters(); }
  Counters::BySize of(uint64_t bytes) const {
    const auto found = counters().sizes.find(PageShift(log2_floor(bytes)));
    return found == counters().sizes.end() ? Counters::BySize{} : found->second;
  }
  Pfn frame_at(uint64_t va) {
    const pt::Lookup found = script_->m.mm(1).table->peek(VirtAddr(va));
    return script_->m.format.parse_leaf(found.entry, found.size).pfn +
           (VirtAddr(va) - found.base) / kPage;
  }

 private:
  std::optional<Script> script_;
};

TEST_P(Policies, ReservedFramesBecomeSuperpagesAsTheyFill) {
  Script& s = start(policy("reserve"));
  s.map(kBase, k64K);
  s.step("the first page sets 16 frames aside", [&] { s.write(kBase + 5 * kPage, 1); },
         {.faults = 1, .anon = 4, .tables = 12});
  EXPECT_EQ(counters().reservations, 1u);
  EXPECT_EQ(counters().reserved_pages, 15u);
  const Pfn first = frame_at(kBase + 5 * kPage) - 5;
  EXPECT_EQ(first.value() % 16, 0u);
  s.step("three more fill 16K",
         [&] {
           s.write(kBase + 4 * kPage, 1);
           s.write(kBase + 6 * kPage, 2);
         },
         {.faults = 3, .anon = 12});
  EXPECT_EQ(of(k16K).promoted, 1u);
  EXPECT_EQ(of(k16K).mapped, k16K);
  s.step("a read is of zeros, and fills nothing", [&] { s.read(kBase, 1); }, {.faults = 1});
  s.step("all but one",
         [&] {
           s.write(kBase, 4);
           s.write(kBase + 8 * kPage, 7);
         },
         {.faults = 11, .anon = 44});
  EXPECT_EQ(of(k16K).promoted, 3u);
  s.step("and the last makes one of all", [&] { s.write(kBase + 15 * kPage, 1); },
         {.faults = 1, .anon = 4});
  EXPECT_EQ(of(k16K).promoted, 3u);
  EXPECT_EQ(of(k16K).mapped, 0u);
  EXPECT_EQ(of(k64K).promoted, 1u);
  EXPECT_EQ(of(k64K).mapped, k64K);
  EXPECT_EQ(counters().reservations_full, 1u);
  EXPECT_EQ(counters().reserved_pages, 0u);
  for (uint64_t i = 0; i < 16; ++i)
    EXPECT_EQ(frame_at(kBase + i * kPage), first + i);
  s.step("a part unmapped", [&] { s.unmap(kBase + kPage, kPage); }, {.anon = -4, .areas = 1});
  EXPECT_EQ(of(k64K).splits[SplitCause::Unmap], 1u);
  s.end();
}

TEST_P(Policies, ReservationsFitAreasAndEndWithThem) {
  Script& s = start(policy("reserve"));
  s.map(kBase + k16K, 3 * k16K + kPage);  // no 64K lie in it
  s.step("16K each, and one page", [&] { s.write(kBase + k16K, 13); },
         {.faults = 13, .anon = 52, .tables = 12});
  EXPECT_EQ(counters().reservations, 3u);
  EXPECT_EQ(of(k16K).promoted, 3u);
  s.map(kBase + 4 * k64K, 2 * k64K);
  s.write(kBase + 4 * k64K, 1);
  s.write(kBase + 5 * k64K, 1);
  EXPECT_EQ(counters().reserved_pages, 30u);
  s.step("a page unmapped that is not in use", [&] { s.unmap(kBase + 4 * k64K + kPage, kPage); },
         {.areas = 1});
  EXPECT_EQ(counters().reservations_left, 0u);
  s.step("and the one that is: the reservation ends", [&] { s.unmap(kBase + 4 * k64K, kPage); },
         {.anon = -4, .areas = -1});
  EXPECT_EQ(counters().reservations_left, 1u);
  EXPECT_EQ(counters().reserved_pages, 15u);
  s.m.sys().exit(kP1, 0);
  EXPECT_EQ(counters().reservations_left, 5u);
  EXPECT_EQ(counters().reserved_pages, 0u);
  s.end();
}

// FreeBSD: frames stay with their reservation, and what is populated again is promoted again.
TEST_P(Policies, WhatIsWholeAgainIsPromotedAgain) {
  Script& s = start(policy("reserve"));
  s.map(kBase, k64K);
  s.write(kBase, 16);
  const Pfn first = frame_at(kBase);
  EXPECT_EQ(of(k64K).promoted, 1u);
  s.step("two pages given up", [&] { s.advise(kBase + 5 * kPage, 2 * kPage, kAdviceDontNeed); },
         {.anon = -8});
  EXPECT_EQ(of(k64K).splits[SplitCause::Unmap], 1u);
  EXPECT_EQ(counters().reservations_returned, 2u);
  EXPECT_EQ(counters().reserved_pages, 2u);
  s.step("one is back where it was", [&] { s.write(kBase + 6 * kPage, 1); },
         {.faults = 1, .anon = 4});
  EXPECT_EQ(frame_at(kBase + 6 * kPage), first + 6);
  EXPECT_EQ(of(k64K).promoted, 1u);
  s.step("and the other: all is whole", [&] { s.write(kBase + 5 * kPage, 1); },
         {.faults = 1, .anon = 4});
  EXPECT_EQ(of(k64K).promoted, 2u);
  EXPECT_EQ(of(k64K).mapped, k64K);
  EXPECT_EQ(counters().reservations_full, 2u);
  EXPECT_EQ(counters().reserved_pages, 0u);

  s.step("a part unmapped, and mapped again",
         [&] {
           s.unmap(kBase + k16K, k16K);
           s.map(kBase + k16K, k16K);
         },
         {.anon = -16});
  EXPECT_EQ(counters().reserved_pages, 4u);
  s.step("is touched", [&] { s.write(kBase + k16K, 4); }, {.faults = 4, .anon = 16});
  EXPECT_EQ(frame_at(kBase + k16K), first + 4);
  EXPECT_EQ(of(k64K).promoted, 3u);
  EXPECT_EQ(of(k64K).mapped, k64K);
  s.end();
}

// Rights that differ split it; with the same again it is one, without a fault.
TEST_P(Policies, RightsThatAreAlikeAgainPromoteAgain) {
  Script& s = start(policy("reserve"));
  s.map(kBase, 2 * k64K);
  s.write(kBase, 32);
  EXPECT_EQ(of(k64K).mapped, 2 * k64K);
  s.step("a page read-only",
         [&] { s.m.sys().mprotect(kP1, VirtAddr(kBase) + 3 * kPage, kPage, kProtRead); },
         {.areas = 2});
  EXPECT_EQ(of(k64K).mapped, k64K);
  EXPECT_EQ(of(k64K).splits[SplitCause::Protect], 1u);
  s.step("and writable again",
         [&] { s.m.sys().mprotect(kP1, VirtAddr(kBase) + 3 * kPage, kPage, kRw); }, {.areas = -2});
  EXPECT_EQ(of(k64K).promoted, 3u);
  EXPECT_EQ(of(k64K).mapped, 2 * k64K);
  s.step("all read-only: nothing is split, nothing promoted",
         [&] { s.m.sys().mprotect(kP1, VirtAddr(kBase), 2 * k64K, kProtRead); }, {});
  EXPECT_EQ(of(k64K).promoted, 3u);
  EXPECT_EQ(of(k64K).unfit, 0u);
  s.end();
}

// A write to pages that a child holds too: they are copied into a new block, and superpages again.
TEST_P(Policies, CopiesOnWriteAreReservedAnew) {
  Script& s = start(policy("reserve"));
  s.map(kBase, k64K);
  s.write(kBase, 8);  // two of 16K
  s.m.sys().fork(kP1, kP2);
  s.step("one write splits 16K, and ends the reservation", [&] { s.write(kBase, 1); },
         {.faults = 1});
  EXPECT_EQ(of(k16K).splits[SplitCause::Copy], 1u);
  EXPECT_EQ(counters().reservations_replaced, 1u);
  EXPECT_EQ(counters().reservations, 2u);
  EXPECT_EQ(counters().reserved_pages, 15u);
  s.step("the rest of the copies", [&] { s.write(kBase + kPage, 7); }, {.faults = 7});
  EXPECT_EQ(of(k16K).promoted, 4u);
  s.step("and the rest of the block", [&] { s.write(kBase + 8 * kPage, 8); },
         {.faults = 8, .anon = 32});
  EXPECT_EQ(of(k64K).promoted, 1u);
  s.m.sys().exit(kP2, 0);
  s.end();
}

// Eight of 16 pages of one block, of 16 frames that are all there are: the other block's frames.
TEST_P(Policies, ReservationsGiveBackWhatOthersNeed) {
  Script& s = start("[mem]\nbytes = 1M\n" + policy("reserve"));
  s.map(kBase, 2 * k64K);
  s.write(kBase, 1);
  s.write(kBase + k64K, 1);
  EXPECT_EQ(counters().reserved_pages, 30u);
  std::vector<Pfn> taken;
  while (const auto pfn = s.m.frames->allocate(0, mem::FrameUse::Reserved, 0))
    taken.push_back(*pfn);
  s.map(kBase + 4 * kM, kPage);
  s.write(kBase + 4 * kM, 1);  // the older one's
  EXPECT_EQ(counters().reservations_broken, 1u);
  EXPECT_EQ(counters().reserved_pages, 15u);
  s.write(kBase + k64K + kPage, 15);  // the other is whole
  EXPECT_EQ(of(k64K).promoted, 1u);
  for (const Pfn pfn : taken)
    s.m.frames->free(pfn, 0);
  s.end();
}

TEST_P(Policies, ScansCopyWhatIsThereForTheMostPart) {
  Script& s =
      start(policy("promote", "superpage.scan_interval = 1000\nsuperpage.populated = 75\n"));
  s.map(kBase, 2 * k64K);
  s.write(kBase, 7);
  s.write(kBase + 9 * kPage, 5);         // 12 of 16
  s.write(kBase + k64K, 3);              // 3 of 4
  s.write(kBase + k64K + 4 * kPage, 2);  // 2 of 4
  s.step("too early", [&] { s.m.kernel->ran(CpuId(0), 999); }, {});
  EXPECT_EQ(of(k64K).promoted, 0u);
  s.step("the holes become pages", [&] { s.m.kernel->ran(CpuId(0), 1); }, {.anon = 20});
  EXPECT_EQ(of(k64K).promoted, 1u);
  EXPECT_EQ(of(k64K).copied, 1u);
  EXPECT_EQ(of(k64K).unfit, 1u);
  EXPECT_EQ(of(k16K).promoted, 1u);
  EXPECT_EQ(of(k16K).unfit, 1u);
  EXPECT_EQ(counters().promotion_copies, 15u);
  EXPECT_EQ(of(k64K).mapped, k64K);
  EXPECT_EQ(of(k16K).mapped, k16K);
  s.step("nothing new", [&] { s.m.kernel->ran(CpuId(0), 5000); }, {});
  s.step("the rest of the second block", [&] { s.write(kBase + k64K, 16); },
         {.faults = 10, .anon = 40});
  s.step("is copied, what was 16K too", [&] { s.m.kernel->ran(CpuId(0), 1000); }, {});
  EXPECT_EQ(of(k64K).promoted, 2u);
  EXPECT_EQ(of(k16K).splits[SplitCause::Promotion], 1u);
  EXPECT_EQ(counters().promotion_copies, 31u);
  // Of pages others hold nothing is made, and again when they are gone.
  s.m.sys().fork(kP1, kP2);
  s.step("a copied page", [&] { s.write(kBase, 1); }, {.faults = 1});
  s.step("no scan", [&] { s.m.kernel->ran(CpuId(0), 1000); }, {});
  s.m.sys().exit(kP2, 0);
  s.end();
}

TEST_P(Policies, ScansGoOnWhereTheyStopped) {
  Script& s =
      start(policy("promote", "superpage.scan_interval = 1000\nsuperpage.scan_pages = 16\n"));
  s.map(kBase, 4 * k64K);
  s.write(kBase, 64);
  for (uint64_t scans = 1; scans <= 4; ++scans) {
    s.m.kernel->ran(CpuId(0), 1000);
    EXPECT_EQ(of(k64K).promoted, scans);
  }
  s.end();
}

TEST_P(Policies, MissesAreChargedUntilTheyPayForACopy) {
  Script& s = start(policy("online", "superpage.misses = 2\nsuperpage.populated = 75\n"));
  s.map(kBase, k64K);
  s.write(kBase, 3);
  const auto miss = [&](uint64_t times) {
    for (; times > 0; --times)
      s.m.kernel->missed(CpuId(0), VirtAddr(kBase));
  };
  s.step("7 misses", [&] { miss(7); }, {});
  s.step("the eighth: 2 for each of 4 pages", [&] { miss(1); }, {.anon = 4});
  EXPECT_EQ(of(k16K).promoted, 1u);
  EXPECT_EQ(of(k16K).copied, 1u);
  EXPECT_EQ(counters().charged_misses, 16u);  // to 16K, and to 64K
  s.step("24 more are 32 for 64K, of which 4 of 16 are there", [&] { miss(24); }, {});
  EXPECT_EQ(of(k64K).unfit, 1u);
  s.write(kBase + 4 * kPage, 8);
  s.step("as many again", [&] { miss(32); }, {.anon = 16});
  EXPECT_EQ(of(k64K).promoted, 1u);
  EXPECT_EQ(counters().charged_misses, 72u);
  s.step("nothing is larger", [&] { miss(100); }, {});
  EXPECT_EQ(counters().charged_misses, 72u);
  s.end();
}

TEST_P(Policies, CopiedWholeByAWrite) {
  Script& s = start("[kernel]\nthp.sizes = 64K:always\nsuperpage.cow = whole\n");
  s.map(kBase, 3 * k64K);
  s.write(kBase, 32);  // two blocks
  const Pfn shared = frame_at(kBase);
  s.m.sys().fork(kP1, kP2);
  s.step("one page of the first", [&] { s.write(kBase + 3 * kPage, 1); }, {.faults = 1});
  s.step("the rest is copied", [&] { s.write(kBase, 16); }, {});
  EXPECT_NE(frame_at(kBase), shared);
  EXPECT_EQ(of(k64K).cow, 1u);
  EXPECT_EQ(of(k64K).mapped, 4 * k64K);
  s.step(
      "the child is the last user of its block", [&] { s.write(kBase, 16, kP2); }, {.faults = 1},
      2);
  s.step(
      "and copies the other", [&] { s.write(kBase + k64K, 16, kP2); }, {.faults = 1}, 2);
  EXPECT_EQ(of(k64K).cow, 2u);
  EXPECT_EQ(s.m.counters().huge_splits, 0u);
  // Without memory in one piece for another copy: a page of it.
  s.write(kBase + 2 * k64K, 1);
  s.m.sys().fork(kP1, thread_of(3));
  std::vector<Pfn> taken;
  while (const auto block = s.m.frames->allocate(4, mem::FrameUse::Reserved, 0))
    taken.push_back(*block);
  s.step("no block is free", [&] { s.write(kBase + 2 * k64K, 1); }, {.faults = 1});
  EXPECT_EQ(of(k64K).splits[SplitCause::Copy], 1u);
  for (const Pfn block : taken)
    s.m.frames->free(block, 4);
  s.end();
}

// Of a stack of 64K the next 64K are reserved with the first page of them, as large as it is.
TEST_P(Policies, ReservationsReachToWhereAStackGrows) {
  Script& s = start(policy("reserve"));
  s.map(kBase + k64K, k64K, kRw, kMapPrivate | kMapAnonymous | kMapGrowsDown);
  s.write(kBase + 2 * k64K - kPage, 1);
  EXPECT_EQ(counters().reservations, 1u);
  s.step("a page below", [&] { s.write(kBase + k64K - kPage, 1); }, {.faults = 1, .anon = 4});
  EXPECT_EQ(counters().reservations, 2u);
  EXPECT_EQ(counters().reserved_pages, 30u);
  const Pfn first = frame_at(kBase + k64K - kPage) - 15;
  for (uint64_t page = 15; page-- > 0;)
    s.write(kBase + page * kPage, 1);
  EXPECT_EQ(frame_at(kBase), first);
  EXPECT_EQ(of(k64K).promoted, 1u);
  // Another area is in the way of a third.
  s.map(kBase - k64K, k16K);
  s.m.expect_accounts_agree();
  s.unmap(kBase - k64K, 3 * k64K);
  s.end();
}

INSTANTIATE_TEST_SUITE_P(PageTables, Policies,
                         ::testing::Values(Way{"mlpt", "hint"}, Way{"gpt", "leaf"},
                                           Way{"hashed", "leaf"}, Way{"clustered", "leaf"}),
                         [](const auto& which) { return which.param.page_table; });

std::string refusal(const std::string& settings) {
  try {
    Script s(settings);
  } catch (const UsageError& e) {
    return e.what();
  }
  return "";
}

TEST(PolicyAskedFor, WithoutSizesItIsRefused) {
  const std::string none = refusal("[kernel]\nthp = never\nsuperpage.policy = reserve\n");
  EXPECT_NE(none.find("no size that superpages could have"), std::string::npos) << none;
  const std::string base = refusal(policy("online", "superpage.style = base\n"));
  EXPECT_NE(base.find("one block of 16K look to TLBs"), std::string::npos) << base;
}

// The architecture's own huge page alone.
TEST(PolicyOfHugePages, MakesThemOfBasePages) {
  Script s("[kernel]\nthp = always\nsuperpage.policy = reserve\n");
  s.map(kBase, k2M);
  s.step("base pages", [&] { s.write(kBase, 511); }, {.faults = 511, .anon = 2044, .tables = 12});
  s.step("the last: the table is kept for a split", [&] { s.write(kBase + k2M - kPage, 1); },
         {.faults = 1, .anon = 4});
  EXPECT_EQ(s.m.mm(1).huge_leaves, 1u);
  EXPECT_EQ(s.m.counters().sizes.at(kHuge).promoted, 1u);
  s.end();
}

TEST(ReservationsByAge, TheOldestWithRoomGoesFirst) {
  Reservations all;
  const MmId mm{1};
  const auto at = [](uint64_t n) { return VirtAddr(kBase + n * k16K); };
  for (uint64_t n = 0; n < 3; ++n)
    all.add(mm, Reservation(at(n), PageShift(14), Pfn(64 + 4 * n), k4K));
  EXPECT_EQ(all.around(mm, at(1) - 1)->range().begin, at(0));
  EXPECT_EQ(all.around(MmId{2}, at(1)), nullptr);
  EXPECT_FALSE(all.any_in(mm, {at(3), at(9)}));
  Reservation& oldest = *all.around(mm, at(0));
  EXPECT_EQ(oldest.take(at(0) + kPage), Pfn(65));
  EXPECT_EQ(oldest.take(at(0) + kPage), std::nullopt);
  EXPECT_TRUE(oldest.has_left(1));  // the upper two
  EXPECT_FALSE(oldest.has_left(2));
  EXPECT_FALSE(oldest.is_full(at(0), PageShift(13)));
  EXPECT_EQ(all.remove_oldest(2)->range().begin, at(1));
  all.renew(mm, oldest);
  EXPECT_EQ(all.remove_oldest(0)->range().begin, at(2));
  MmId whose;
  EXPECT_EQ(all.of_frame(Pfn(67), whose)->range().begin, at(0));
  EXPECT_EQ(whose, mm);
  EXPECT_EQ(all.of_frame(Pfn(68), whose), nullptr);
  for (const uint64_t page : {0u, 2u, 3u})
    static_cast<void>(oldest.take(at(0) + page * kPage));
  all.renew(mm, oldest);
  EXPECT_TRUE(oldest.is_full());
  EXPECT_EQ(all.remove_oldest(0), std::nullopt);  // what is full has nothing to give
  oldest.give_back(Pfn(66));
  all.renew(mm, oldest);
  EXPECT_TRUE(oldest.has_left(0));
  EXPECT_EQ(all.remove_in(mm, {at(0) + 3 * kPage, at(1)}).size(), 1u);
  EXPECT_EQ(all.remove_oldest(0), std::nullopt);
}

}  // namespace superpage_policy_test
}  // namespace mmusim::kernel::testing
