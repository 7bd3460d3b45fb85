// Files that change under their mappings: truncation, holes, write-back. All values are of Linux
// 6.18 on ext4 (folios of 1 MiB, read-ahead of 8 MiB), read from /proc/self/pagemap.
#include "kernel/disk_file.h"

namespace mmusim::kernel::testing {
namespace truncate_test {

class Truncate : public DiskFileTest {
 protected:
  Truncate() : m(settings(), GetParam()) { make(m, 1024); }
  // A page of each of the four folios.
  void touch_all(bool dirty) {
    for (uint64_t page = 0; page < 1024; page += 256)
      dirty ? write(page) : read(page);
  }
  void truncate(uint64_t pages) { ASSERT_EQ(m.sys().ftruncate(kP1, file_, pages * kPage), 0); }
  void punch(uint64_t first, uint64_t end) {
    ASSERT_EQ(m.sys().fallocate(kP1, file_, kFallocPunchHole | kFallocKeepSize, first * kPage,
                                (end - first) * kPage),
              0);
  }
  // Reads or writes it, which takes one fault or none.
  void expect_fault(uint64_t page, bool writes, uint64_t minor_faults, uint64_t major_faults,
                    const Spans& after) {
    const uint64_t before = minor();
    const uint64_t before_major = major();
    writes ? write(page) : read(page);
    EXPECT_EQ(minor() - before, minor_faults) << page;
    EXPECT_EQ(major() - before_major, major_faults) << page;
    EXPECT_EQ(mapped(), after) << page;
    m.expect_no_stale_translation();
    m.expect_accounts_agree();
  }
  Machine m;
};
INSTANTIATE_TEST_SUITE_P(Backends, Truncate, ::testing::ValuesIn(backend_names()));

// A clean folio is divided at the new end, all of it unmapped; what grows again is read again.
TEST_P(Truncate, CleanFoliosAreDivided) {
  touch_all(false);
  EXPECT_EQ(mapped(), (Spans{{0, 784}}));
  truncate(300);
  EXPECT_EQ(mapped(), (Spans{{0, 256}}));
  expect_fault(256, false, 1, 0, {{0, 288}});
  expect_fault(299, false, 1, 0, {{0, 300}});
  expect_fault(280, true, 1, 0, {{0, 300}});
  EXPECT_EQ(m.load(kP1, kBase + 300 * kPage), Result::Refused);
  EXPECT_EQ(m.store(kP1, kBase + 700 * kPage), Result::Refused);
  truncate(700);
  expect_fault(301, false, 0, 1, {{0, 304}});
  expect_fault(330, false, 1, 0, {{0, 304}, {320, 336}});
  expect_fault(600, false, 1, 0, {{0, 304}, {320, 336}, {592, 608}});
  expect_fault(650, true, 1, 0, {{0, 304}, {320, 336}, {592, 608}, {650, 651}});
}

// A dirty one stays as it is, across the end: its pages are seen through windows, and are in memory
// when the file grows again.
TEST_P(Truncate, DirtyFoliosStay) {
  touch_all(true);
  EXPECT_EQ(mapped(), (Spans{{0, 1024}}));
  truncate(300);
  EXPECT_EQ(mapped(), (Spans{{0, 256}}));
  expect_fault(256, false, 1, 0, {{0, 272}});
  expect_fault(299, false, 1, 0, {{0, 272}, {288, 300}});
  expect_fault(280, true, 1, 0, {{0, 272}, {280, 281}, {288, 300}});
  truncate(700);
  expect_fault(301, false, 1, 0, {{0, 512}});
  expect_fault(600, false, 0, 1, {{0, 512}, {592, 608}});
}

TEST_P(Truncate, HolesInCleanFolios) {
  touch_all(false);
  punch(300, 400);
  EXPECT_EQ(mapped(), (Spans{{0, 256}, {512, 784}}));
  expect_fault(256, false, 1, 0, {{0, 288}, {512, 784}});
  expect_fault(511, false, 1, 0, {{0, 288}, {448, 784}});
  expect_fault(420, false, 1, 0, {{0, 288}, {416, 784}});
  expect_fault(350, false, 0, 1, {{0, 288}, {336, 352}, {416, 784}});
  expect_fault(302, false, 1, 0, {{0, 304}, {336, 352}, {416, 784}});
  expect_fault(390, true, 1, 0, {{0, 304}, {336, 352}, {390, 391}, {416, 784}});
  punch(300, 500);
  EXPECT_EQ(mapped(), (Spans{{0, 300}, {512, 784}}));
  expect_fault(490, true, 0, 1, {{0, 300}, {490, 491}, {512, 784}});
}

TEST_P(Truncate, HolesInDirtyFolios) {
  touch_all(true);
  punch(300, 400);
  EXPECT_EQ(mapped(), (Spans{{0, 256}, {512, 1024}}));
  expect_fault(256, false, 1, 0, {{0, 1024}});
  // Written back, it is divided after all.
  ASSERT_EQ(m.sys().msync(kP1, VirtAddr(kBase), 1024 * kPage, kMsSync), 0);
  punch(300, 400);
  expect_fault(256, false, 1, 0, {{0, 288}, {512, 1024}});
}

// Truncation takes private copies along, a hole does not; both reach every process.
TEST_P(Truncate, PrivateCopies) {
  unmap();
  map(1024, kMapPrivate);
  for (uint64_t page = 290; page < 310; ++page)
    write(page);
  ASSERT_EQ(m.sys().fork(kP1, kP2), 2);
  punch(300, 304);
  EXPECT_EQ(mapped(), (Spans{{290, 310}}));
  truncate(305);
  EXPECT_EQ(mapped(), (Spans{{290, 305}}));
  EXPECT_EQ(m.mm(2).rss(PageKind::Anonymous), 15u);
  EXPECT_EQ(m.load(kP2, kBase + 305 * kPage), Result::Refused);
  m.expect_no_stale_translation();
  m.expect_accounts_agree();
}

// madvise(REMOVE) is a hole, where memory is shared, not locked, and of a file or hidden one.
TEST_P(Truncate, MadviseRemove) {
  const uint64_t at = kBase + kG;
  ASSERT_EQ(m.sys().mmap(kP1, VirtAddr(at), 4 * kPage, kRw, kMapShared | kMapAnonymous | kMapFixed),
            static_cast<int64_t>(at));
  for (uint64_t i = 0; i < 4; ++i)
    ASSERT_EQ(m.store(kP1, at + i * kPage), Result::Ok);
  EXPECT_EQ(m.sys().madvise(kP1, VirtAddr(at + kPage), 2 * kPage, kAdviceRemove), 0);
  EXPECT_EQ(m.mm(1).rss(PageKind::Shmem), 2u);
  EXPECT_EQ(m.counters().holes, 1u);
  EXPECT_EQ(m.load(kP1, at + kPage), Result::Ok);
  EXPECT_EQ(m.mm(1).rss(PageKind::Shmem), 3u);
  ASSERT_EQ(m.sys().mlock(kP1, VirtAddr(at), kPage), 0);
  EXPECT_EQ(m.sys().madvise(kP1, VirtAddr(at), kPage, kAdviceRemove), -kEINVAL);
  unmap();
  map(1024, kMapPrivate);
  EXPECT_EQ(m.sys().madvise(kP1, VirtAddr(kBase), kPage, kAdviceRemove), -kEACCES);
  const uint64_t anonymous = kBase + 2 * kG;
  ASSERT_EQ(
      m.sys().mmap(kP1, VirtAddr(anonymous), kPage, kRw, kMapPrivate | kMapAnonymous | kMapFixed),
      static_cast<int64_t>(anonymous));
  EXPECT_EQ(m.sys().madvise(kP1, VirtAddr(anonymous), kPage, kAdviceRemove), -kEINVAL);
}

// What msync wrote is write-protected in every process that shares it: one fault more for each
// page written again, none for what was not.
TEST_P(Truncate, MsyncWriteProtects) {
  write(0);
  ASSERT_EQ(m.sys().fork(kP1, kP2), 2);
  ASSERT_EQ(m.store(kP2, kBase), Result::Ok);
  const uint64_t before = minor();
  ASSERT_EQ(m.sys().msync(kP1, VirtAddr(kBase), kPage, kMsAsync), 0);
  write(1);
  EXPECT_EQ(minor(), before);
  ASSERT_EQ(m.sys().msync(kP1, VirtAddr(kBase), kPage, kMsSync), 0);
  EXPECT_EQ(m.counters().written_back, 256u);
  m.expect_no_stale_translation();
  write(0);
  write(1);
  write(0);
  EXPECT_EQ(minor() - before, 2u);
  const uint64_t child = m.process(2).faults.minor;
  ASSERT_EQ(m.store(kP2, kBase), Result::Ok);
  EXPECT_EQ(m.process(2).faults.minor - child, 1u);
  EXPECT_EQ(m.sys().msync(kP1, VirtAddr(kBase + 1), kPage, kMsSync), -kEINVAL);
  EXPECT_EQ(m.sys().msync(kP1, VirtAddr(kBase), kPage, kMsSync | kMsAsync), -kEINVAL);
  EXPECT_EQ(m.sys().msync(kP1, VirtAddr(kBase + 1023 * kPage), 2 * kPage, kMsSync), -kENOMEM);
}

// PAGEOUT drops what is clean: after msync also what was written before.
TEST_P(Truncate, PageOutAfterMsync) {
  write(0);
  ASSERT_EQ(m.sys().madvise(kP1, VirtAddr(kBase), 256 * kPage, kAdvicePageOut), 0);
  EXPECT_EQ(mapped(), Spans{});
  EXPECT_TRUE(m.kernel->system().core.cache.file(file_).in_memory(0));
  write(0);
  ASSERT_EQ(m.sys().msync(kP1, VirtAddr(kBase), kPage, kMsSync), 0);
  ASSERT_EQ(m.sys().madvise(kP1, VirtAddr(kBase), 256 * kPage, kAdvicePageOut), 0);
  EXPECT_EQ(mapped(), Spans{});
  EXPECT_FALSE(m.kernel->system().core.cache.file(file_).in_memory(0));
  const uint64_t before = major();
  read(0);
  EXPECT_EQ(major() - before, 1u);
}

// From a recording: by name, or by the descriptor it was mapped with; what nobody maps is nothing.
TEST_P(Truncate, Recorded) {
  touch_all(false);
  const auto apply = [&](const trace::Event& event) { m.kernel->apply(CpuId(0), kP1, event); };
  apply(trace::TruncateEvent{-1, 300 * kPage, 0, "/f"});
  EXPECT_EQ(mapped(), (Spans{{0, 256}}));
  apply(trace::TruncateEvent{-1, 100 * kPage, -13, "/f"});
  apply(trace::TruncateEvent{-1, 100 * kPage, 0, "/unknown"});
  EXPECT_EQ(mapped(), (Spans{{0, 256}}));
  apply(trace::FallocateEvent{-1, 3, 0, 10 * kPage, 0, "/f"});
  EXPECT_EQ(mapped(), Spans{});
  apply(trace::FallocateEvent{-1, 8, 0, 10 * kPage, 0, "/f"});  // FALLOC_FL_COLLAPSE_RANGE
  EXPECT_EQ(m.counters().ignored[Ignored::Unsupported], 1u);
  trace::MmapEvent unnamed;
  unnamed.length = 8 * kPage;
  unnamed.prot = 3;
  unnamed.flags = kMapShared;
  unnamed.fd = 5;
  unnamed.result = static_cast<int64_t>(kBase + kG);
  apply(unnamed);
  ASSERT_EQ(m.load(kP1, kBase + kG), Result::Ok);
  EXPECT_EQ(m.mm(1).rss(PageKind::File), 8u);
  apply(trace::TruncateEvent{5, 3 * kPage, 0, ""});
  EXPECT_EQ(m.mm(1).rss(PageKind::File), 0u);  // one folio, which was divided
  ASSERT_EQ(m.load(kP1, kBase + kG), Result::Ok);
  EXPECT_EQ(m.mm(1).rss(PageKind::File), 3u);
  apply(trace::OtherCallEvent{"userfaultfd", 7});
  EXPECT_EQ(m.counters().left_out, 1u);
  EXPECT_EQ(m.counters().calls[Call::Truncate], 4u);
  m.expect_accounts_agree();
}

// A recording does not tell who writes a file: what is mapped behind its end was written since.
TEST(RecordedTruncation, WhatIsMappedLaterWasWritten) {
  Machine m("[kernel]\nimply = false\n");
  const auto map = [&](uint64_t at, uint64_t pages) {
    trace::MmapEvent event;
    event.length = pages * kPage;
    event.prot = 3;
    event.flags = kMapShared;
    event.fd = 5;
    event.file = "/data";
    event.result = static_cast<int64_t>(at);
    m.kernel->apply(CpuId(0), kP1, event);
  };
  map(kBase, 16);
  m.kernel->apply(CpuId(0), kP1, trace::TruncateEvent{5, 0, 0, "/data"});
  EXPECT_EQ(m.load(kP1, kBase), Result::Refused);
  map(kBase + kG, 8);
  EXPECT_EQ(m.load(kP1, kBase + kG), Result::Ok);
  EXPECT_EQ(m.process(1).faults.major, 0u);
  EXPECT_EQ(m.mm(1).rss(PageKind::File), 8u);
  EXPECT_EQ(m.load(kP1, kBase + 8 * kPage), Result::Refused);
}

TEST_P(Truncate, RecordedLocksAndAdvice) {
  const auto apply = [&](const trace::Event& event) { m.kernel->apply(CpuId(0), kP1, event); };
  using trace::LockEvent;
  apply(LockEvent{LockEvent::Lock, VirtAddr(kBase + 1), 1, 0, 0});
  EXPECT_EQ(mapped(), (Spans{{0, 1}}));
  EXPECT_TRUE(m.mm(1).vmas.find(VirtAddr(kBase))->has(kVmLocked));
  apply(LockEvent{LockEvent::UnlockAll, VirtAddr(0), 0, 0, 0});
  EXPECT_EQ(m.mm(1).vmas.size(), 1u);
  apply(LockEvent{LockEvent::LockAll, VirtAddr(0), 0, kMclFuture | kMclOnFault, 0});
  trace::MmapEvent event;
  event.length = kPage;
  event.prot = 3;
  event.flags = kMapPrivate | kMapAnonymous;
  event.result = static_cast<int64_t>(kBase + kG);
  apply(event);
  EXPECT_TRUE(m.mm(1).vmas.find(VirtAddr(kBase + kG))->has(kVmLockOnFault));
  apply(trace::ThpEvent{1, 0, 0});
  EXPECT_EQ(m.mm(1).thp_disabled, AddressSpace::ThpDisabled::All);
  m.sys().fork(kP1, kP2);
  EXPECT_EQ(m.mm(2).thp_disabled, AddressSpace::ThpDisabled::All);
  // Advice by another process.
  EXPECT_EQ(m.sys().process_madvise(kP1, kP2.pid, VirtAddr(kBase), kPage, kAdviceDontNeed),
            -kEINVAL);
  EXPECT_EQ(m.sys().process_madvise(kP1, kP2.pid, VirtAddr(kBase), kPage, kAdviceWillNeed),
            static_cast<int64_t>(kPage));
  EXPECT_EQ(m.sys().process_madvise(kP1, Pid(77), VirtAddr(kBase), kPage, kAdviceCold), -kESRCH);
  apply(trace::ProcessMadviseEvent{kP2.pid, VirtAddr(kBase), kPage, kAdviceCold, 4096});
  EXPECT_EQ(m.counters().calls[Call::ProcessMadvise], 4u);
}

// prctl(PR_SET_THP_DISABLE): none, or only where advised.
TEST(ThpDisabled, FaultsMapBasePages) {
  Machine m("[kernel]\nimply = false\nthp = always\n");
  const auto huge_faults = [&](uint64_t at) {
    const uint64_t before = m.counters().huge_faults;
    static_cast<void>(m.store(kP1, at));
    return m.counters().huge_faults - before;
  };
  ASSERT_EQ(
      m.sys().mmap(kP1, VirtAddr(kBase), 8 * k2M, kRw, kMapPrivate | kMapAnonymous | kMapFixed),
      static_cast<int64_t>(kBase));
  EXPECT_EQ(huge_faults(kBase), 1u);
  ASSERT_EQ(m.sys().disable_thp(kP1, 1, 0), 0);
  EXPECT_EQ(huge_faults(kBase + k2M), 0u);
  EXPECT_EQ(m.sys().madvise(kP1, VirtAddr(kBase + k2M), k2M, kAdviceCollapse), -kEINVAL);
  ASSERT_EQ(m.sys().madvise(kP1, VirtAddr(kBase + 2 * k2M), k2M, kAdviceHugePage), 0);
  ASSERT_EQ(m.sys().disable_thp(kP1, 1, kThpDisableExceptAdvised), 0);
  EXPECT_EQ(huge_faults(kBase + 2 * k2M), 1u);
  EXPECT_EQ(huge_faults(kBase + 3 * k2M), 0u);
  ASSERT_EQ(m.sys().disable_thp(kP1, 0, 0), 0);
  EXPECT_EQ(huge_faults(kBase + 4 * k2M), 1u);
  EXPECT_EQ(m.sys().disable_thp(kP1, 1, 4), -kEINVAL);
}

}  // namespace truncate_test
}  // namespace mmusim::kernel::testing
