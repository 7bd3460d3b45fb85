// Shared page tables: what joining saves, who sees what, and what makes a process leave. Counts by
// hand: leaf tables of 512 pages, so 4 MiB are two blocks of 1024 pages together; what is above
// them takes two tables of 4 KiB (the levels of 1 GiB and 512 GiB entries).
#include "base/error.h"
#include "kernel/machine.h"
#include "kernel/reclaim.h"

namespace mmusim::kernel::testing {
namespace share_test {

using namespace abi;

constexpr uint64_t kBase = 0x100000000000;
constexpr uint64_t kBlock = uint64_t{2} << 20;
constexpr uint64_t kPages = 1024;
constexpr trace::ThreadId kP1 = thread_of(1), kP2 = thread_of(2), kP3 = thread_of(3);
constexpr uint32_t kRw = kProtRead | kProtWrite;
constexpr uint32_t kShared = kMapShared | kMapFixed, kPrivate = kMapPrivate | kMapFixed;

class ShareTest : public ::testing::TestWithParam<const char*> {
 protected:
  void TearDown() override { m.expect_nothing_leaks(); }
  void map(trace::ThreadId who, uint64_t at, uint32_t prot = kRw, uint32_t flags = kShared,
           uint64_t offset = 0) {
    ASSERT_EQ(m.sys().mmap(who, VirtAddr(at), kPages * kPage, prot, flags, file, offset),
              static_cast<int64_t>(at));
  }
  void each_page(uint64_t at, AccessKind kind, trace::ThreadId who) {
    for (uint64_t i = 0; i < kPages; ++i)
      ASSERT_EQ(m.access(who, VirtAddr(at + i * kPage), kind), Result::Ok) << i;
  }
  uint64_t faults(uint32_t pid) { return m.process(pid).faults.minor; }
  uint64_t rss(uint32_t pid) { return m.mm(pid).rss(PageKind::Shmem); }
  Pfn frame_at(uint32_t pid, uint64_t va) {
    return m.format.pfn_of(m.mm(pid).table->peek(VirtAddr(va)).entry);
  }

  Machine m{"[kernel]\nimply = false\nshared_tables = 2M\n", GetParam()};
  FileId file = m.sys().open("/dev/shm/f", 2 * kPages * kPage, FileKind::Shmem);
};

TEST_P(ShareTest, WhatOneFaultsInAllHave) {
  map(kP1, kBase);
  each_page(kBase, AccessKind::Store, kP1);
  EXPECT_EQ(faults(1), kPages);
  // Elsewhere, aligned alike: a fault per block.
  map(kP2, kBase + 5 * kBlock);
  each_page(kBase + 5 * kBlock, AccessKind::Store, kP2);
  EXPECT_EQ(faults(2), 2u);
  EXPECT_EQ(m.counters().tables_joined, 2u);
  EXPECT_EQ(m.counters().cause[FaultCause::Joined], 2u);
  EXPECT_EQ(m.counters().cause[FaultCause::Spurious], 0u);
  EXPECT_EQ(rss(1), kPages);
  EXPECT_EQ(rss(2), kPages);
  EXPECT_EQ(frame_at(2, kBase + 5 * kBlock + 7 * kPage), frame_at(1, kBase + 7 * kPage));
  // Not aligned alike: 1024 faults of its own.
  map(kP3, kBase + kPage);
  each_page(kBase + kPage, AccessKind::Store, kP3);
  EXPECT_EQ(faults(3), kPages);
  EXPECT_EQ(m.counters().tables_joined, 2u);
  if (std::string(GetParam()) == "mlpt") {
    EXPECT_EQ(m.mm(1).page_table_bytes(), 2 * kPage);
    EXPECT_EQ(m.mm(2).page_table_bytes(), 2 * kPage);
    EXPECT_EQ(m.mm(3).page_table_bytes(), 5 * kPage);
  }
  m.expect_accounts_agree();
}

// What a process has beside the block, in a table that may reach into it (gpt: an array of 32 MiB),
// is not in the way.
TEST_P(ShareTest, BesideManyOtherPages) {
  map(kP1, kBase);
  each_page(kBase, AccessKind::Store, kP1);
  for (uint64_t i = 6; i < 16; i += 2) {
    map(kP2, kBase + i * kBlock, kRw, kPrivate);
    each_page(kBase + i * kBlock, AccessKind::Store, kP2);
  }
  const uint64_t before = faults(2);
  map(kP2, kBase);
  each_page(kBase, AccessKind::Load, kP2);
  EXPECT_EQ(faults(2) - before, 2u);
  EXPECT_EQ(m.counters().tables_joined, 2u);
  m.expect_accounts_agree();
}

TEST_P(ShareTest, APageFaultedInLaterIsThereForAll) {
  map(kP1, kBase);
  m.store(kP1, kBase);
  map(kP2, kBase);
  m.load(kP2, kBase);  // joins
  m.store(kP2, kBase + 9 * kPage);
  EXPECT_EQ(rss(1), 2u);
  const uint64_t before = faults(1);
  EXPECT_EQ(m.load(kP1, kBase + 9 * kPage), Result::Ok);
  EXPECT_EQ(faults(1), before);
  m.expect_accounts_agree();
}

TEST_P(ShareTest, WhoUnmapsOrProtectsAPartLeavesTheBlock) {
  for (const trace::ThreadId who : {kP1, kP2, kP3}) {
    map(who, kBase);
    each_page(kBase, AccessKind::Store, who);
  }
  EXPECT_EQ(m.counters().tables_joined, 4u);
  EXPECT_EQ(m.sys().munmap(kP2, VirtAddr(kBase + 3 * kPage), kPage), 0);
  EXPECT_EQ(m.counters().tables_left, 1u);
  EXPECT_EQ(rss(2), kPages / 2);
  EXPECT_EQ(m.load(kP2, kBase + 3 * kPage), Result::Refused);
  EXPECT_EQ(m.load(kP2, kBase + 4 * kPage), Result::Ok);  // faulted in again
  EXPECT_EQ(m.sys().mprotect(kP3, VirtAddr(kBase + kBlock), kPage, kProtRead), 0);
  EXPECT_EQ(m.counters().tables_left, 2u);
  EXPECT_EQ(m.store(kP3, kBase + kBlock), Result::Refused);
  // The first has lost nothing, and no right.
  const uint64_t before = faults(1);
  each_page(kBase, AccessKind::Store, kP1);
  EXPECT_EQ(faults(1), before);
  m.expect_no_stale_translation();
  m.expect_accounts_agree();
  // The whole area goes: nothing is left of it here, and the others go on.
  EXPECT_EQ(m.sys().munmap(kP1, VirtAddr(kBase), kPages * kPage), 0);
  EXPECT_EQ(rss(1), 0u);
  EXPECT_EQ(m.mm(1).page_table_bytes(), 0u);
  EXPECT_EQ(m.store(kP3, kBase + 77 * kPage), Result::Ok);
  m.expect_accounts_agree();
}

TEST_P(ShareTest, APrivateWriteLeavesFirst) {
  map(kP1, kBase, kRw, kPrivate);
  m.load(kP1, kBase);
  map(kP2, kBase, kRw, kPrivate);
  m.load(kP2, kBase);
  EXPECT_EQ(m.counters().tables_joined, 1u);
  const Pfn shown = frame_at(1, kBase);
  EXPECT_EQ(frame_at(2, kBase), shown);
  EXPECT_EQ(m.store(kP2, kBase), Result::Ok);
  EXPECT_EQ(m.counters().tables_left, 1u);
  EXPECT_EQ(frame_at(1, kBase), shown);
  EXPECT_NE(frame_at(2, kBase), shown);
  // Neither an area with private pages nor one of other rights is joined.
  map(kP3, kBase, kProtRead, kPrivate);
  m.load(kP3, kBase);
  EXPECT_EQ(m.counters().tables_joined, 1u);
  m.expect_accounts_agree();
}

// The objections of 2006 to a count kept per table: unmapping from the page's side finds the first
// sharer only. Here one slot is one mapping, and what is done to it all sharers are told.
TEST_P(ShareTest, ReclaimReachesAllSharers) {
  Machine few("[kernel]\nimply = false\nshared_tables = 2M\nswap_pages = 4096\n", GetParam());
  const FileId shm = few.sys().open("/dev/shm/f", kPages * kPage, FileKind::Shmem);
  for (const trace::ThreadId who : {kP1, kP2, kP3}) {
    few.sys().mmap(who, VirtAddr(kBase), kPages * kPage, kRw, kShared, shm, 0);
    ASSERT_EQ(few.store(who, kBase), Result::Ok);
  }
  const Pfn pfn = few.format.pfn_of(few.mm(1).table->peek(VirtAddr(kBase)).entry);
  EXPECT_EQ(few.frames->frame(pfn).mappings, 1u);
  // Advice of one is not for what others have, too; who needs memory takes it from all.
  ASSERT_EQ(few.sys().madvise(kP2, VirtAddr(kBase), kPage, kAdvicePageOut), 0);
  EXPECT_EQ(few.counters().swap_writes, 0u);
  Reclaimer reclaimer(const_cast<Core&>(few.kernel->system().core));
  EXPECT_TRUE(reclaimer.evict(pfn, true));
  reclaimer.finish();
  EXPECT_EQ(few.counters().swap_writes, 1u);
  for (const uint32_t pid : {1u, 2u, 3u}) {
    EXPECT_EQ(few.mm(pid).table->peek(VirtAddr(kBase)).entry, pt::kNone);
    EXPECT_EQ(few.mm(pid).rss(PageKind::Shmem), 0u);
  }
  few.expect_no_stale_translation();
  few.expect_accounts_agree();
  // One reads it back for all.
  ASSERT_EQ(few.load(kP3, kBase), Result::Ok);
  EXPECT_EQ(few.counters().swap_reads, 1u);
  // ... and what is in memory around it, as any read does.
  EXPECT_EQ(few.mm(1).rss(PageKind::Shmem), 16u);
  few.expect_nothing_leaks();
}

// Who made the table may be the first to go; the last one takes everything along.
TEST_P(ShareTest, TheFirstMayGoFirst) {
  map(kP1, kBase);
  each_page(kBase, AccessKind::Store, kP1);
  map(kP2, kBase);
  each_page(kBase, AccessKind::Load, kP2);
  m.sys().exit(kP1, 0);
  const uint64_t before = faults(2);
  each_page(kBase, AccessKind::Store, kP2);
  EXPECT_EQ(faults(2), before);
  // A third joins the one that is left.
  map(kP3, kBase);
  each_page(kBase, AccessKind::Store, kP3);
  EXPECT_EQ(faults(3), 2u);
  m.expect_accounts_agree();
}

// Blocks of a whole GiB: one fault brings all that others have of it (pmd level).
TEST_P(ShareTest, AGiBAtATime) {
  constexpr uint64_t kGiB = uint64_t{1} << 30;
  Machine large("[kernel]\nimply = false\nshared_tables = 1G\n", GetParam());
  const FileId shm = large.sys().open("/dev/shm/f", 2 * kGiB, FileKind::Shmem);
  const auto map_at = [&](trace::ThreadId who, uint64_t at) {
    ASSERT_EQ(large.sys().mmap(who, VirtAddr(at), 2 * kGiB, kRw, kShared, shm, 0),
              static_cast<int64_t>(at));
  };
  map_at(kP1, kBase);
  for (uint64_t i = 0; i < 1024; ++i)
    ASSERT_EQ(large.store(kP1, kBase + i * kBlock), Result::Ok);
  map_at(kP2, kBase + 3 * kGiB);
  for (uint64_t i = 0; i < 1024; ++i)
    ASSERT_EQ(large.store(kP2, kBase + 3 * kGiB + i * kBlock), Result::Ok);
  EXPECT_EQ(large.process(2).faults.minor, 2u);
  EXPECT_EQ(large.counters().cause[FaultCause::Joined], 2u);
  EXPECT_EQ(large.mm(2).rss(PageKind::Shmem), 1024u);
  if (GetParam() == std::string("mlpt")) {
    EXPECT_EQ(large.mm(2).page_table_bytes(), kPage);
  }
  // Half a block further nothing can be joined.
  map_at(kP3, kBase + kGiB / 2);
  ASSERT_EQ(large.store(kP3, kBase + kGiB / 2), Result::Ok);
  EXPECT_EQ(large.counters().tables_joined, 2u);
  large.expect_accounts_agree();
  // One page less: the first GiB is left, the second is not.
  EXPECT_EQ(large.sys().munmap(kP2, VirtAddr(kBase + 3 * kGiB), kPage), 0);
  EXPECT_EQ(large.counters().tables_left, 1u);
  EXPECT_EQ(large.mm(2).rss(PageKind::Shmem), 512u);
  large.expect_no_stale_translation();
  large.expect_accounts_agree();
  large.expect_nothing_leaks();
}

INSTANTIATE_TEST_SUITE_P(Backends, ShareTest, ::testing::Values("mlpt", "gpt"),
                         [](const auto& backend) { return std::string(backend.param); });

// What joins and leaves costs what is mapped, not how long areas are: 2^33 blocks here.
TEST(SharedTables, ALongAreaIsLeftAtOnce) {
  Machine small("[kernel]\nimply = false\nshared_tables = 8K\n", "gpt");
  constexpr uint64_t kLong = uint64_t{1} << 46;
  const FileId shm = small.sys().open("/dev/shm/f", kLong, FileKind::Shmem);
  for (const trace::ThreadId who : {kP1, kP2, kP3}) {
    small.sys().mmap(who, VirtAddr(kLong / 2), kLong, kRw, kShared, shm, 0);
    ASSERT_EQ(small.store(who, kLong / 2), Result::Ok);
    ASSERT_EQ(small.store(who, kLong / 2 + kLong - kPage), Result::Ok);
  }
  EXPECT_EQ(small.counters().tables_joined, 4u);
  EXPECT_EQ(small.sys().mprotect(kP1, VirtAddr(kLong / 2), kLong, kProtRead), 0);
  EXPECT_EQ(small.counters().tables_left, 2u);
  EXPECT_EQ(small.sys().munmap(kP2, VirtAddr(kLong / 2), kLong), 0);
  EXPECT_EQ(small.counters().tables_left, 4u);
  small.sys().exit(kP3, 0);
  EXPECT_EQ(small.counters().tables_left, 4u);  // nobody was left to share with
  small.expect_no_stale_translation();
  small.expect_nothing_leaks();
}

TEST(SharedTablesKey, MustBeAPowerOfTwoAboveAPage) {
  EXPECT_THROW(Machine("[kernel]\nshared_tables = 3M\n"), UsageError);
  EXPECT_THROW(Machine("[kernel]\nshared_tables = 4K\n"), UsageError);
}

TEST(SharedTablesKey, MustBeWhatTheTableCanShare) {
  for (const char* backend : {"hashed", "clustered"})
    EXPECT_THROW(Machine("[kernel]\nshared_tables = 2M\n", backend).load(kP1, kBase), UsageError)
        << backend;
  // What a leaf table covers is less; what a table of the next level covers is taken.
  Machine large("[kernel]\nshared_tables = 4M\n", "mlpt");
  large.load(kP1, kBase);
  EXPECT_EQ(large.kernel->system().core.settings.shared_table_bytes, uint64_t{1} << 30);
  // Nothing covers more than 2^48.
  EXPECT_THROW(Machine("[kernel]\nshared_tables = 512T\n", "mlpt").load(kP1, kBase), UsageError);
}

}  // namespace share_test
}  // namespace mmusim::kernel::testing
