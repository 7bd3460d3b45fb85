// Swap and reclaim, with counts worked out by hand.
#include <algorithm>
#include <optional>
#include <vector>

#include "base/random.h"
#include "kernel/machine.h"

namespace mmusim::kernel::testing {
namespace swap_test {

using namespace abi;

constexpr uint64_t kHere = 0x10000000;
constexpr uint32_t kReadWrite = kProtRead | kProtWrite;
constexpr trace::ThreadId kParent{Pid(1), Tid(1)};
constexpr trace::ThreadId kChild{Pid(2), Tid(2)};

std::string settings(uint64_t swap_pages) {
  return "[mem]\nbytes = 1M\n[kernel]\nimply = false\nswap_pages = " + std::to_string(swap_pages) +
         "\n";
}

class SwapTest : public ::testing::Test {
 protected:
  explicit SwapTest(uint64_t swap_pages = 200) : m(settings(swap_pages)) {
    m.kernel->run(CpuId(0), kParent);
  }
  void TearDown() override {
    m.expect_accounts_agree();
    m.expect_no_stale_translation();
    for (const Pfn pfn : taken_)
      m.frames->free(pfn, 0);
    m.expect_nothing_leaks();
  }

  void map(uint64_t pages, uint32_t flags = kMapPrivate | kMapAnonymous, FileId file = FileId(0)) {
    ASSERT_EQ(m.sys().mmap(kParent, VirtAddr(kHere), pages * kPage, kReadWrite, flags | kMapFixed,
                           file, 0),
              static_cast<int64_t>(kHere));
  }
  static uint64_t page(uint64_t n) { return kHere + n * kPage; }
  void store_pages(uint64_t from, uint64_t to) {
    for (uint64_t n = from; n < to; ++n)
      ASSERT_EQ(m.store(kParent, page(n)), Result::Ok) << n;
  }
  int64_t advise(uint64_t n, uint64_t pages, uint32_t advice) {
    return m.sys().madvise(kParent, VirtAddr(page(n)), pages * kPage, advice);
  }
  void leave_free(uint64_t frames) {
    while (m.frames->free_frames() > frames)
      taken_.push_back(*m.frames->allocate(0, mem::FrameUse::Reserved, 0));
  }
  [[nodiscard]] bool is_in_memory(uint64_t n) {
    return m.format.is_present(m.mm(1).table->peek(VirtAddr(page(n))).entry);
  }
  [[nodiscard]] Pfn frame_of(uint32_t pid, uint64_t n) {
    return m.format.pfn_of(m.mm(pid).table->peek(VirtAddr(page(n))).entry);
  }
  [[nodiscard]] uint64_t slots_in_use() const { return m.kernel->system().core.swap->in_use(); }

  Machine m;

 private:
  std::vector<Pfn> taken_;
};

// Four pages fill memory. The fifth finds none free: the first time around all four were used and
// lose their accessed bits, the second time all go (a batch would take up to 32): 8 looked at.
TEST_F(SwapTest, TheFifthPageOfFour) {
  map(8);
  store_pages(0, 1);  // with the tables
  leave_free(3);
  store_pages(1, 5);
  EXPECT_EQ(m.counters().reclaim_runs, 1u);
  EXPECT_EQ(m.counters().reclaim_scanned, 8u);
  EXPECT_EQ(m.counters().swap_writes, 4u);
  EXPECT_EQ(m.counters().minor, 5u);
  EXPECT_EQ(m.counters().major, 0u);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 1u);
  EXPECT_EQ(m.mm(1).swapped, 4u);
  EXPECT_EQ(m.frames->free_frames(), 3u);
  // One comes back, to a process that alone has it: writable at once.
  EXPECT_EQ(m.load(kParent, page(0)), Result::Ok);
  EXPECT_EQ(m.store(kParent, page(0)), Result::Ok);
  EXPECT_EQ(m.counters().major, 1u);
  EXPECT_EQ(m.counters().minor, 5u);
  EXPECT_EQ(m.counters().swap_reads, 1u);
  EXPECT_EQ(m.process(1).faults.major, 1u);
  EXPECT_EQ(m.mm(1).swapped, 3u);
  EXPECT_EQ(slots_in_use(), 3u);
  ASSERT_EQ(m.sys().munmap(kParent, VirtAddr(page(1)), 2 * kPage), 0);
  EXPECT_EQ(slots_in_use(), 1u);
}

// 41 pages fill memory; the 42nd (41) looks at all 41, which were used, and then takes the 32
// oldest, 0 to 31. Of 41 to 72, advised cold, 41 is used again. The next time 41 is passed over, 42
// to 72 go, which are 31, and then 32, the oldest of the others: 33 looked at.
TEST_F(SwapTest, ColdPagesGoFirstAndUsedOnesHaveASecondChance) {
  map(100);
  store_pages(0, 1);
  leave_free(40);
  store_pages(1, 42);
  EXPECT_EQ(m.counters().reclaim_scanned, 41u + 32u);
  EXPECT_FALSE(is_in_memory(31));
  EXPECT_TRUE(is_in_memory(32));
  store_pages(42, 73);
  EXPECT_EQ(m.frames->free_frames(), 0u);
  EXPECT_EQ(m.counters().reclaim_runs, 1u);
  ASSERT_EQ(advise(41, 32, kAdviceCold), 0);
  ASSERT_EQ(m.load(kParent, page(41)), Result::Ok);
  store_pages(73, 74);
  EXPECT_EQ(m.counters().reclaim_runs, 2u);
  EXPECT_EQ(m.counters().reclaim_scanned, 73u + 33u);
  EXPECT_TRUE(is_in_memory(41));
  EXPECT_FALSE(is_in_memory(42));
  EXPECT_FALSE(is_in_memory(72));
  EXPECT_FALSE(is_in_memory(32));
  EXPECT_TRUE(is_in_memory(33));
}

TEST_F(SwapTest, ForkSharesASlotAndWhatIsReadFromIt) {
  map(1);
  store_pages(0, 1);
  ASSERT_EQ(advise(0, 1, kAdvicePageOut), 0);
  ASSERT_EQ(m.sys().clone(kParent, kChild, 0), 2);
  EXPECT_EQ(slots_in_use(), 1u);
  EXPECT_EQ(m.mm(2).swapped, 1u);
  ASSERT_EQ(m.load(kParent, kHere), Result::Ok);
  EXPECT_EQ(m.counters().major, 1u);
  ASSERT_EQ(m.load(kChild, kHere), Result::Ok);
  EXPECT_EQ(m.counters().major, 1u);  // the page was there
  EXPECT_EQ(m.counters().swap_hits, 1u);
  EXPECT_EQ(frame_of(1, 0), frame_of(2, 0));
  EXPECT_EQ(slots_in_use(), 0u);
  ASSERT_EQ(m.store(kChild, kHere), Result::Ok);
  EXPECT_EQ(m.counters().cause[FaultCause::CowCopy], 1u);
}

// The child's page is what was paged out, whatever the parent writes to its own.
TEST_F(SwapTest, AWriteToAPageWhoseSlotOthersHoldIsACopy) {
  map(1);
  store_pages(0, 1);
  ASSERT_EQ(advise(0, 1, kAdvicePageOut), 0);
  ASSERT_EQ(m.sys().clone(kParent, kChild, 0), 2);
  ASSERT_EQ(m.load(kParent, kHere), Result::Ok);
  const Pfn first = frame_of(1, 0);
  ASSERT_EQ(m.store(kParent, kHere), Result::Ok);
  EXPECT_EQ(m.counters().cause[FaultCause::CowCopy], 1u);
  EXPECT_NE(frame_of(1, 0), first);
  EXPECT_EQ(slots_in_use(), 1u);
  ASSERT_EQ(m.load(kChild, kHere), Result::Ok);
  EXPECT_EQ(m.counters().major, 2u);
  EXPECT_EQ(slots_in_use(), 0u);
}

// One of four pages was written. A page of a file that was reclaimed has to be read again; reading
// around it maps only what is in memory.
TEST_F(SwapTest, PagesOfFilesAreDroppedAndReadAgain) {
  const FileId file = m.sys().open("/file", 4 * kPage);
  map(4, kMapShared, file);
  ASSERT_EQ(m.load(kParent, page(0)), Result::Ok);  // maps all four
  ASSERT_EQ(m.store(kParent, page(1)), Result::Ok);
  ASSERT_EQ(advise(0, 4, kAdvicePageOut), 0);
  EXPECT_EQ(m.counters().files_dropped, 4u);
  EXPECT_EQ(m.counters().files_written, 1u);
  EXPECT_EQ(m.counters().swap_writes, 0u);
  EXPECT_EQ(m.mm(1).rss(PageKind::File), 0u);
  ASSERT_EQ(m.load(kParent, page(2)), Result::Ok);
  EXPECT_EQ(m.counters().major, 1u);
  EXPECT_EQ(m.counters().files_reread, 1u);
  EXPECT_EQ(m.mm(1).rss(PageKind::File), 1u);
}

// Shared memory has its slot with the file: no entry names it, and VmSwap counts none.
TEST_F(SwapTest, SharedMemoryGoesToSwap) {
  map(2, kMapShared | kMapAnonymous);
  store_pages(0, 2);
  ASSERT_EQ(advise(0, 2, kAdvicePageOut), 0);
  EXPECT_EQ(slots_in_use(), 2u);
  EXPECT_EQ(m.mm(1).swapped, 0u);
  EXPECT_EQ(m.mm(1).rss(PageKind::Shmem), 0u);
  ASSERT_EQ(m.load(kParent, page(1)), Result::Ok);
  EXPECT_EQ(m.counters().major, 1u);
  EXPECT_EQ(m.mm(1).rss(PageKind::Shmem), 1u);
  EXPECT_EQ(slots_in_use(), 1u);
}

// Page 0 is given up and not written again: gone without a write, zeros next. Page 1 is written
// again: kept the first time it is tried, and then written as any other.
TEST_F(SwapTest, GivenUpPages) {
  map(2);
  store_pages(0, 2);
  ASSERT_EQ(advise(0, 2, kAdviceFree), 0);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 2u);
  store_pages(1, 2);
  EXPECT_EQ(m.counters().minor, 2u);  // the write needed no fault
  ASSERT_EQ(advise(0, 2, kAdvicePageOut), 0);
  EXPECT_EQ(m.counters().lazily_freed, 1u);
  EXPECT_EQ(m.counters().swap_writes, 0u);
  EXPECT_TRUE(is_in_memory(1));
  ASSERT_EQ(m.load(kParent, page(0)), Result::Ok);
  EXPECT_EQ(m.counters().cause[FaultCause::AnonymousZero], 1u);
  ASSERT_EQ(advise(1, 1, kAdvicePageOut), 0);
  EXPECT_EQ(m.counters().swap_writes, 1u);
  ASSERT_EQ(advise(1, 1, kAdviceFree), 0);  // in swap space: gone at once
  EXPECT_EQ(slots_in_use(), 0u);
}

// Five frames, of which two are locked: whatever else is written, they stay.
TEST_F(SwapTest, LockedPagesStay) {
  map(20);
  ASSERT_EQ(m.sys().mlock(kParent, VirtAddr(kHere), 2 * kPage), 0);
  leave_free(3);
  store_pages(2, 20);
  EXPECT_TRUE(is_in_memory(0));
  EXPECT_TRUE(is_in_memory(1));
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous) + m.mm(1).swapped, 20u);
  EXPECT_LE(m.mm(1).rss(PageKind::Anonymous), 5u);
}

class FullSwapTest : public SwapTest {
 protected:
  FullSwapTest() : SwapTest(2) {}
};

// Four frames and two slots hold six pages. The seventh has no place, until some go.
TEST_F(FullSwapTest, OutOfFramesAndSwap) {
  map(8);
  store_pages(0, 1);
  leave_free(3);
  store_pages(1, 6);
  EXPECT_EQ(slots_in_use(), 2u);
  EXPECT_EQ(m.store(kParent, page(6)), Result::NoMemory);
  EXPECT_EQ(m.counters().no_memory, 1u);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 4u);
  ASSERT_EQ(m.sys().munmap(kParent, VirtAddr(kHere), 2 * kPage), 0);
  store_pages(6, 8);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous) + m.mm(1).swapped, 6u);
}

// Blocks of 64K in swap space.
struct BlockWay {
  const char* page_table;
  const char* style;
};
class SwappedBlocks : public ::testing::TestWithParam<BlockWay> {
 protected:
  Machine& start(uint64_t swap_pages, const std::string& more = "") {
    m_.emplace(settings(swap_pages) +
                   "thp.sizes = 64K:always\nsuperpage.style = " + GetParam().style + "\n" + more,
               GetParam().page_table);
    m_->kernel->run(CpuId(0), kParent);
    EXPECT_EQ(m_->sys().mmap(kParent, VirtAddr(kHere), 32 * kPage, kReadWrite,
                             kMapPrivate | kMapAnonymous | kMapFixed, FileId(0), 0),
              static_cast<int64_t>(kHere));
    EXPECT_EQ(m_->store(kParent, kHere + 3 * kPage), Result::Ok);
    EXPECT_EQ(m_->mm(1).rss(PageKind::Anonymous), 16u);
    return *m_;
  }
  int64_t page_out(uint64_t pages) {
    return m_->sys().madvise(kParent, VirtAddr(kHere), pages * kPage, kAdvicePageOut);
  }
  SlotId slot_at(uint64_t page) {
    return m_->kernel->system().core.swap->slot_of(
        m_->mm(1).table->peek(VirtAddr(kHere + page * kPage)).entry);
  }
  [[nodiscard]] Counters::BySize counted() const { return m_->counters().sizes.at(PageShift(16)); }
  void finish() {
    m_->expect_accounts_agree();
    m_->expect_no_stale_translation();
    m_->expect_nothing_leaks();
  }

 private:
  std::optional<Machine> m_;
};

TEST_P(SwappedBlocks, GoWholeAndComeBackByPages) {
  Machine& m = start(200);
  EXPECT_EQ(page_out(16), 0);
  EXPECT_EQ(counted().swapped_whole, 1u);
  EXPECT_EQ(m.counters().swap_writes, 16u);
  EXPECT_EQ(m.counters().folio_splits, 0u);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 0u);
  EXPECT_EQ(m.mm(1).swapped, 16u);
  EXPECT_EQ(slot_at(0), SlotId(16));
  EXPECT_EQ(slot_at(15), SlotId(31));
  EXPECT_EQ(m.load(kParent, kHere + 5 * kPage), Result::Ok);
  EXPECT_EQ(m.counters().major, 1u);
  EXPECT_EQ(m.mm(1).swapped, 15u);
  // 32 to 47, since 21 alone is free below; a child's page keeps the next block.
  EXPECT_EQ(m.store(kParent, kHere + 16 * kPage), Result::Ok);
  m.sys().clone(kParent, kChild, 0);
  EXPECT_EQ(m.sys().madvise(kParent, VirtAddr(kHere + 16 * kPage), 16 * kPage, kAdvicePageOut), 0);
  EXPECT_EQ(counted().swapped_whole, 1u);
  m.sys().exit(kChild, 0, true);
  EXPECT_EQ(m.sys().madvise(kParent, VirtAddr(kHere + 16 * kPage), 16 * kPage, kAdvicePageOut), 0);
  EXPECT_EQ(counted().swapped_whole, 2u);
  EXPECT_EQ(slot_at(16), SlotId(32));
  finish();
}

// A fault brings all of one back, if all of it is away, and nobody else has slots of it.
TEST_P(SwappedBlocks, ComeBackWholeIfAsked) {
  Machine& m = start(200, "superpage.swap = both\n");
  EXPECT_EQ(page_out(16), 0);
  EXPECT_EQ(m.store(kParent, kHere + 5 * kPage), Result::Ok);
  EXPECT_EQ(counted().swapped_back, 1u);
  EXPECT_EQ(m.counters().major, 1u);
  EXPECT_EQ(m.counters().swap_reads, 16u);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 16u);
  EXPECT_EQ(m.mm(1).swapped, 0u);
  EXPECT_EQ(m.kernel->system().core.swap->in_use(), 0u);
  const bool is_superpage = GetParam().style != std::string("base");
  EXPECT_EQ(counted().mapped, is_superpage ? 16 * kPage : 0);
  const pt::Lookup found = m.mm(1).table->peek(VirtAddr(kHere + 9 * kPage));
  EXPECT_EQ(found.size, PageShift(GetParam().style == std::string("leaf") ? 16 : 12));
  // It goes as a whole again, and with a page of it unmapped comes back by pages.
  EXPECT_EQ(page_out(16), 0);
  EXPECT_EQ(counted().swapped_whole, 2u);
  EXPECT_EQ(m.sys().munmap(kParent, VirtAddr(kHere + 15 * kPage), kPage), 0);
  EXPECT_EQ(m.load(kParent, kHere + 5 * kPage), Result::Ok);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 1u);
  EXPECT_EQ(m.mm(1).swapped, 14u);
  // Nor where a child has the slots too: it and its parent share what each reads.
  EXPECT_EQ(m.store(kParent, kHere + 16 * kPage), Result::Ok);
  EXPECT_EQ(m.sys().madvise(kParent, VirtAddr(kHere + 16 * kPage), 16 * kPage, kAdvicePageOut), 0);
  m.sys().clone(kParent, kChild, 0);
  EXPECT_EQ(m.store(kParent, kHere + 20 * kPage), Result::Ok);
  EXPECT_EQ(counted().swapped_back, 1u);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 2u);
  m.sys().exit(kChild, 0, true);
  finish();
}

TEST_P(SwappedBlocks, AreDividedWhereNoSlotsLieSideBySide) {
  Machine& m = start(30);  // of which none from 16 to 31 but the last is there
  EXPECT_EQ(page_out(16), 0);
  EXPECT_EQ(counted().swapped_whole, 0u);
  EXPECT_EQ(counted().swap_fallbacks, 1u);
  EXPECT_EQ(m.counters().folio_splits, 1u);
  EXPECT_EQ(m.counters().huge_unused, 15u);  // nobody had written to them
  EXPECT_EQ(m.counters().swap_writes, 1u);
  EXPECT_EQ(m.mm(1).swapped, 1u);
  finish();
}

TEST_P(SwappedBlocks, AreDividedIfAsked) {
  Machine& m = start(200, "superpage.swap = split\n");
  EXPECT_EQ(page_out(16), 0);
  EXPECT_EQ(counted().swapped_whole, 0u);
  EXPECT_EQ(m.mm(1).swapped, 16u);
  EXPECT_EQ(slot_at(0), SlotId(1));
  finish();
}

// A page of one used gives all of it another turn.
TEST_P(SwappedBlocks, AreReclaimedWhole) {
  Machine& m = start(200);
  uint64_t used = 16;
  std::vector<Pfn> taken;
  while (m.frames->free_frames() > 4)
    taken.push_back(*m.frames->allocate(0, mem::FrameUse::Reserved, 0));
  while (m.counters().reclaim_runs == 0 && used < 32)
    EXPECT_EQ(m.store(kParent, kHere + used++ * kPage), Result::Ok);
  EXPECT_EQ(m.counters().reclaim_runs, 1u);
  EXPECT_EQ(counted().swapped_whole, 1u);
  EXPECT_EQ(slot_at(0), SlotId(16));
  EXPECT_EQ(slot_at(15), SlotId(31));
  for (const Pfn pfn : taken)
    m.frames->free(pfn, 0);
  finish();
}

INSTANTIATE_TEST_SUITE_P(PageTables, SwappedBlocks,
                         ::testing::Values(BlockWay{"mlpt", "base"}, BlockWay{"mlpt", "hint"},
                                           BlockWay{"gpt", "leaf"}, BlockWay{"hashed", "leaf"},
                                           BlockWay{"clustered", "leaf"}),
                         [](const auto& way) {
                           return std::string(way.param.page_table) + "_" + way.param.style;
                         });

// Slots side by side, against a search of all.
TEST(Swap, TheLowestSlotsSideBySide) {
  const ToyFormat format;
  constexpr uint64_t kSlots = 70;
  SwapSpace swap(format, kSlots);
  std::vector<bool> used(kSlots + 1);
  used[0] = true;
  std::vector<uint64_t> held;
  Random random(7);
  for (int i = 0; i < 3000; ++i) {
    if (!held.empty() && random.below(2) == 0) {
      const size_t which = random.below(held.size());
      swap.drop(SlotId(held[which]));
      used[held[which]] = false;
      held.erase(held.begin() + static_cast<int64_t>(which));
      continue;
    }
    const auto order = static_cast<unsigned>(random.below(5));
    const uint64_t count = uint64_t{1} << order;
    uint64_t wanted = 0;
    for (uint64_t first = 0; wanted == 0 && first + count <= kSlots + 1; first += count)
      if (std::none_of(used.begin() + static_cast<int64_t>(first),
                       used.begin() + static_cast<int64_t>(first + count),
                       [](bool slot) { return slot; }))
        wanted = first;
    const auto got = swap.allocate(order);
    ASSERT_EQ(got ? got->value() : 0, wanted) << i;
    for (uint64_t slot = wanted; got && slot < wanted + count; ++slot) {
      swap.add(SlotId(slot));
      used[slot] = true;
      held.push_back(slot);
    }
    ASSERT_EQ(swap.in_use(), held.size());
  }
}

// Only what the program has said it can do without goes.
TEST(Swap, WithoutItWhatWasWrittenStays) {
  Machine m("[kernel]\nimply = false\n");
  m.kernel->run(CpuId(0), kParent);
  m.sys().mmap(kParent, VirtAddr(kHere), kPage, kReadWrite, kMapPrivate | kMapAnonymous | kMapFixed,
               FileId(0), 0);
  ASSERT_EQ(m.store(kParent, kHere), Result::Ok);
  for (const uint32_t advice : {kAdviceCold, kAdvicePageOut, kAdviceFree}) {
    EXPECT_EQ(m.sys().madvise(kParent, VirtAddr(kHere), kPage, advice), 0);
    EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 1u);
  }
  EXPECT_EQ(m.sys().madvise(kParent, VirtAddr(kHere), kPage, kAdvicePageOut), 0);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 0u);
  m.expect_nothing_leaks();
}

}  // namespace swap_test
}  // namespace mmusim::kernel::testing
