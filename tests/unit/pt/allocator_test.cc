// Table memory and the gather that gives it back.
#include <gtest/gtest.h>
#include <utility>
#include <vector>

#include "pt/gather.h"
#include "pt/table_allocator.h"

namespace mmusim::pt {
namespace allocator_test {

TEST(TableAllocator, WholeFramesZeroedAndOwned) {
  mem::FrameMemory memory(uint64_t{16} << 20, PageShift(12));
  TableAllocator allocator(memory);
  const PhysAddr one = *allocator.allocate(4096, MmId(5));
  const PhysAddr four = *allocator.allocate(16384, MmId(6));
  EXPECT_EQ(four.value() % 16384, 0u);
  EXPECT_EQ(allocator.bytes_in_use(), 20480u);
  EXPECT_EQ(allocator.allocations(), 2u);
  EXPECT_EQ(memory.frame(memory.frame_of(one)).use, mem::FrameUse::Table);
  EXPECT_EQ(memory.frame(memory.frame_of(one)).owner, 5u);
  EXPECT_EQ(memory.frame(memory.frame_of(four)).order, 2u);
  EXPECT_EQ(memory.words(four)[2047], 0u);
  allocator.free(four, 16384);
  EXPECT_EQ(allocator.bytes_in_use(), 4096u);
  EXPECT_FALSE(memory.in_use(memory.frame_of(four)));
  allocator.free(one, 4096);
  EXPECT_EQ(memory.free_frames(), memory.total_frames() - 1);
}

TEST(TableAllocator, FailsWhenToldTo) {
  mem::FrameMemory memory(uint64_t{16} << 20, PageShift(12));
  TableAllocator allocator(memory);
  allocator.fail_after(2);
  EXPECT_TRUE(allocator.allocate(4096, MmId(1)));
  EXPECT_FALSE(allocator.allocate(4096, MmId(1)));
  EXPECT_TRUE(allocator.allocate(4096, MmId(1)));  // once
  allocator.fail_after(1);
  allocator.fail_after(0);
  EXPECT_TRUE(allocator.allocate(4096, MmId(1)));
  EXPECT_EQ(allocator.allocations(), 3u);
  EXPECT_EQ(allocator.bytes_in_use(), 3 * 4096u);
}

TEST(TableAllocator, FailsWhenMemoryIsExhausted) {
  mem::FrameMemory memory(uint64_t{1} << 20, PageShift(12));
  TableAllocator allocator(memory);
  uint64_t count = 0;
  while (allocator.allocate(4096, MmId(1)))
    ++count;
  EXPECT_EQ(count, 255u);
  EXPECT_EQ(allocator.bytes_in_use(), 255 * 4096u);
}

// 256 pages, one of them nobody's, and pieces of 1K, four in each.
TEST(TableAllocator, WhatIsReservedCanBeHadThoughMemoryIsExhausted) {
  mem::FrameMemory memory(uint64_t{1} << 20, PageShift(12));
  TableAllocator allocator(memory);
  const PhysAddr first = *allocator.allocate(1024, MmId(1));
  EXPECT_TRUE(allocator.reserve_pieces(1024, 5));  // three are in the same frame
  EXPECT_EQ(allocator.held_bytes(), 2 * 4096u);
  EXPECT_EQ(allocator.bytes_in_use(), 6 * 1024u);
  EXPECT_EQ(allocator.allocations(), 6u);
  for (int i = 0; i < 2; ++i)
    EXPECT_TRUE(allocator.allocate(1024, MmId(1)));  // the last two that nobody reserved
  while (memory.allocate(0, mem::FrameUse::Anonymous, 1)) {
  }
  EXPECT_FALSE(allocator.allocate(1024, MmId(1)));
  EXPECT_FALSE(allocator.reserve_pieces(1024, 1));
  allocator.unreserve_pieces(1024, 5);
  std::vector<PhysAddr> had;
  for (int i = 0; i < 5; ++i)
    had.push_back(*allocator.allocate(1024, MmId(1)));
  EXPECT_FALSE(allocator.allocate(1024, MmId(1)));
  for (const PhysAddr piece : had)
    allocator.free(piece, 1024);
  allocator.free(first, 1024);
  EXPECT_EQ(allocator.bytes_in_use(), 2 * 1024u);
  // Empty frames are kept for what is reserved, and no longer.
  EXPECT_FALSE(allocator.reserve_pieces(1024, 7));  // of two frames two pieces are in use
  EXPECT_EQ(allocator.held_bytes(), 4096u);
  EXPECT_TRUE(allocator.reserve_pieces(1024, 6));
  EXPECT_EQ(allocator.held_bytes(), 2 * 4096u);
  allocator.unreserve_pieces(1024, 6);
  EXPECT_EQ(allocator.held_bytes(), 4096u);
  EXPECT_EQ(allocator.misuse(), "");
}

// 3 pieces of 1K, and a block of a page, which nobody wrote to.
TEST(TableAllocator, WhatIsSetAsideHasContentsOnceItIsUsed) {
  mem::FrameMemory memory(uint64_t{1} << 20, PageShift(12));
  TableAllocator allocator(memory);
  EXPECT_TRUE(allocator.reserve_pieces(1024, 3));
  const PhysAddr block = *allocator.set_aside(4096, MmId(1));
  EXPECT_EQ(allocator.bytes_in_use(), 3 * 1024 + 4096u);
  EXPECT_EQ(memory.frames_in(mem::FrameUse::Table), 2u);
  for (uint64_t frame = 1; frame < 256; ++frame)
    EXPECT_EQ(memory.find_words(PhysAddr(frame * 4096)), nullptr);
  allocator.unreserve_pieces(1024, 2);
  const PhysAddr first = *allocator.allocate(1024, MmId(1));
  const PhysAddr second = *allocator.allocate(1024, MmId(1));
  EXPECT_EQ(memory.frames_in(mem::FrameUse::Table), 2u);
  *memory.words(first) = 7;
  EXPECT_EQ(*memory.words(second), 0u);
  allocator.free(first, 1024);
  allocator.free(second, 1024);
  const PhysAddr again = *allocator.allocate(1024, MmId(1));  // of the frame that was kept
  EXPECT_EQ(*memory.words(again), 0u);
  allocator.free(again, 1024);
  allocator.unreserve_pieces(1024, 1);
  allocator.free(block, 4096);
  EXPECT_EQ(memory.frames_in(mem::FrameUse::Table), 0u);
  EXPECT_EQ(allocator.misuse(), "");
}

TEST(TableAllocator, SmallPiecesShareFrames) {
  mem::FrameMemory memory(uint64_t{1} << 20, PageShift(12));
  TableAllocator allocator(memory);
  std::vector<PhysAddr> pieces;
  for (int i = 0; i < 129; ++i)
    pieces.push_back(*allocator.allocate(32, MmId(1)));
  EXPECT_EQ(pieces[0].value() % 4096, 0u);
  for (unsigned i = 0; i < 128; ++i)
    EXPECT_EQ(pieces[i] - pieces[0], 32u * i);
  EXPECT_NE(memory.frame_of(pieces[128]), memory.frame_of(pieces[0]));
  EXPECT_EQ(allocator.bytes_in_use(), 129 * 32u);
  EXPECT_EQ(allocator.held_bytes(), 2 * 4096u);
  // Another size has frames of its own: 28 pieces of 144 bytes in one, 64 bytes left over.
  const PhysAddr odd = *allocator.allocate(144, MmId(1));
  EXPECT_EQ(allocator.held_bytes(), 3 * 4096u);
  const auto uses = allocator.uses();
  ASSERT_EQ(uses.size(), 2u);
  EXPECT_EQ(uses[0].in_use, 129u);
  EXPECT_EQ(uses[0].capacity, 256u);
  EXPECT_EQ(uses[1].bytes, 144u);
  EXPECT_EQ(uses[1].capacity, 28u);
  allocator.free(odd, 144);
  // A freed piece comes back, zeroed; the lowest first.
  *memory.words(pieces[7]) = 0xdead;
  *memory.words(pieces[8]) = 0xbeef;
  allocator.free(pieces[8], 32);
  allocator.free(pieces[7], 32);
  EXPECT_EQ(*allocator.allocate(32, MmId(2)), pieces[7]);
  EXPECT_EQ(*memory.words(pieces[7]), 0u);
  EXPECT_EQ(*allocator.allocate(32, MmId(2)), pieces[8]);
  for (const PhysAddr piece : pieces)
    allocator.free(piece, 32);
  EXPECT_EQ(allocator.bytes_in_use(), 0u);
  EXPECT_EQ(allocator.held_bytes(), 0u);
  EXPECT_EQ(memory.free_frames(), memory.total_frames() - 1);
  EXPECT_EQ(allocator.misuse(), "");
}

TEST(TableAllocator, FreesThatMakeNoSenseAreRefused) {
  const auto misused = [](auto free) {
    mem::FrameMemory memory(uint64_t{1} << 20, PageShift(12));
    TableAllocator allocator(memory);
    const PhysAddr piece = *allocator.allocate(64, MmId(1));
    const PhysAddr other = *allocator.allocate(64, MmId(1));
    const PhysAddr block = *allocator.allocate(8192, MmId(1));
    free(allocator, piece, block);
    const bool said = !allocator.misuse().empty();
    EXPECT_EQ(said, allocator.bytes_in_use() != 0 || memory.free_frames() != 255);
    if (!said) return false;
    EXPECT_TRUE(memory.in_use(memory.frame_of(other)));
    return true;
  };
  EXPECT_TRUE(misused([](TableAllocator& a, PhysAddr piece, PhysAddr) {
    a.free(piece, 64);
    a.free(piece, 64);
  }));
  EXPECT_TRUE(misused([](TableAllocator& a, PhysAddr piece, PhysAddr) { a.free(piece, 32); }));
  EXPECT_TRUE(misused([](TableAllocator& a, PhysAddr piece, PhysAddr) { a.free(piece, 4096); }));
  EXPECT_TRUE(misused([](TableAllocator& a, PhysAddr piece, PhysAddr) { a.free(piece + 8, 64); }));
  EXPECT_TRUE(misused([](TableAllocator& a, PhysAddr, PhysAddr block) { a.free(block, 4096); }));
  EXPECT_TRUE(
      misused([](TableAllocator& a, PhysAddr, PhysAddr block) { a.free(block + 4096, 4096); }));
  EXPECT_TRUE(misused([](TableAllocator& a, PhysAddr, PhysAddr block) {
    a.free(block, 8192);
    a.free(block, 8192);
  }));
  EXPECT_TRUE(misused([](TableAllocator& a, PhysAddr, PhysAddr) { a.free(PhysAddr(0), 4096); }));
  EXPECT_TRUE(
      misused([](TableAllocator& a, PhysAddr, PhysAddr) { a.free(PhysAddr(1 << 30), 32); }));
  EXPECT_FALSE(misused([](TableAllocator& a, PhysAddr piece, PhysAddr block) {
    a.free(piece, 64);
    a.free(piece + 64, 64);
    a.free(block, 8192);
  }));
}

TEST(TableAllocator, TellsBeforeFreeing) {
  mem::FrameMemory memory(uint64_t{16} << 20, PageShift(12));
  TableAllocator allocator(memory);
  const PhysAddr table = *allocator.allocate(8192, MmId(1));
  std::vector<std::pair<PhysAddr, uint64_t>> told;
  allocator.before_free([&](PhysAddr address, uint64_t bytes) {
    EXPECT_TRUE(memory.in_use(memory.frame_of(address)));
    told.emplace_back(address, bytes);
  });
  allocator.free(table, 8192);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0], std::make_pair(table, uint64_t{8192}));
}

// Of each piece, not only of the frame that goes with the last one, and while it is still in use.
TEST(TableAllocator, TellsBeforeMemoryIsUsedAgain) {
  mem::FrameMemory memory(uint64_t{16} << 20, PageShift(12));
  TableAllocator allocator(memory);
  std::vector<std::pair<PhysAddr, uint64_t>> told;
  allocator.before_reuse([&](PhysAddr address, uint64_t bytes) {
    told.emplace_back(address, bytes);
    EXPECT_TRUE(memory.in_use(memory.frame_of(address)));
  });
  const PhysAddr block = *allocator.allocate(8192, MmId(1));
  const PhysAddr one = *allocator.allocate(32, MmId(1));
  const PhysAddr two = *allocator.allocate(32, MmId(1));
  allocator.free(one, 32);
  allocator.free(block, 8192);
  allocator.free(two, 32);
  EXPECT_EQ(told,
            (std::vector<std::pair<PhysAddr, uint64_t>>{{one, 32}, {block, 8192}, {two, 32}}));
}

TEST(Gather, RangeAndStride) {
  Gather gather;
  EXPECT_FALSE(gather.needs_flush());
  gather.leaf(VirtAddr(0x400000), PageShift(21));
  EXPECT_EQ(gather.smallest(), PageShift(21));
  gather.leaf(VirtAddr(0x201000), PageShift(14));
  gather.leaf(VirtAddr(0x300000), PageShift(16));
  EXPECT_EQ(gather.smallest(), PageShift(14));
  EXPECT_EQ(gather.range(), (VirtRange{VirtAddr(0x201000), VirtAddr(0x600000)}));
  EXPECT_FALSE(gather.freed_tables());
  gather.reset_range();
  EXPECT_FALSE(gather.needs_flush());
  // What went before the reset does not count for the stride.
  gather.leaf(VirtAddr(0x40000000), PageShift(30));
  EXPECT_EQ(gather.smallest(), PageShift(30));
}

TEST(Gather, TablesAreHeldUntilReleased) {
  mem::FrameMemory memory(uint64_t{16} << 20, PageShift(12));
  TableAllocator allocator(memory);
  const PhysAddr table = *allocator.allocate(4096, MmId(1));
  Gather gather;
  gather.table({VirtAddr(0x200000), VirtAddr(0x201000)}, PageShift(21),
               {.allocator = &allocator, .address = table, .bytes = 4096});
  EXPECT_TRUE(gather.needs_flush());
  EXPECT_TRUE(gather.freed_tables());
  EXPECT_EQ(gather.range(), (VirtRange{VirtAddr(0x200000), VirtAddr(0x201000)}));
  EXPECT_EQ(gather.smallest(), PageShift(21));
  EXPECT_TRUE(memory.in_use(memory.frame_of(table)));
  gather.release_tables();
  EXPECT_FALSE(memory.in_use(memory.frame_of(table)));
  EXPECT_FALSE(gather.freed_tables());
  EXPECT_EQ(allocator.bytes_in_use(), 0u);
}

}  // namespace allocator_test
}  // namespace mmusim::pt
