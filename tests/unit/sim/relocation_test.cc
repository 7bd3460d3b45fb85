// Relocation: no two source pages share a target page, offsets and distances stay, whole pages are
// kept for their parts, and what does not fit is refused.
#include <gtest/gtest.h>
#include <map>
#include <set>

#include "base/error.h"
#include "base/random.h"
#include "sim/relocation/relocator.h"

namespace mmusim::sim {
namespace relocation_test {

constexpr uint64_t kPage = 4096;

mmu::AddressLayout layout(uint64_t top, unsigned page) {
  mmu::AddressLayout l;
  l.page = PageShift(page);
  l.top = VirtAddr(top);
  l.stack_top = l.top;
  l.mmap_base = VirtAddr(top - top / 16);
  return l;
}
RelocationSides sides(const mmu::AddressLayout& target) {
  return {VirtAddr(uint64_t{1} << 47), PageShift(12), target};
}
trace::ThreadId thread(uint32_t pid) {
  return {Pid(pid), Tid(pid)};
}
// Where the program wanted it.
trace::MmapEvent mmap(uint64_t at, uint64_t pages, uint32_t prot = 3) {
  trace::MmapEvent e;
  e.length = pages * kPage;
  e.prot = prot;
  e.flags = 0x32;
  e.result = static_cast<int64_t>(at);
  return e;
}
// Where the recorded kernel put it.
trace::MmapEvent anywhere(uint64_t at, uint64_t pages) {
  trace::MmapEvent e = mmap(at, pages);
  e.flags = 0x22;
  return e;
}
trace::MunmapEvent munmap(uint64_t at, uint64_t pages) {
  return {VirtAddr(at), pages * kPage, 0};
}
trace::MremapEvent mremap(uint64_t at, uint64_t pages, uint64_t to, uint64_t to_pages) {
  trace::MremapEvent e;
  e.old_start = VirtAddr(at);
  e.old_length = pages * kPage;
  e.new_length = to_pages * kPage;
  e.flags = 1;
  e.result = static_cast<int64_t>(to);
  return e;
}
VirtAddr target_of(const std::vector<trace::Event>& events) {
  return VirtAddr(static_cast<uint64_t>(std::get<trace::MmapEvent>(events.at(0)).result));
}
std::vector<trace::Event> run(Relocator& r, const trace::Event& e, uint32_t pid = 1) {
  std::vector<trace::Event> out;
  r.event(thread(pid), e, out);
  return out;
}

// kernel.aslr: each program has its mappings elsewhere, a fork's child where its parent has them.
TEST(Relocation, EachProgramsMappingsBeginElsewhere) {
  constexpr uint64_t kTop = uint64_t{1} << 46;
  RelocationSides random = sides(layout(kTop, 14));
  const VirtAddr base = random.target.mmap_base;
  Relocator fixed(random);
  random.aslr_bits = 20;
  Relocator relocator(random);
  Relocator again(random);
  std::set<uint64_t> places;
  for (uint32_t pid = 1; pid <= 8; ++pid) {
    run(fixed, trace::ExecEvent{}, pid);
    const VirtAddr same = target_of(run(fixed, mmap(0x7f0000000000, 16), pid));
    EXPECT_EQ(same, base - 16 * kPage);
    run(relocator, trace::ExecEvent{}, pid);
    const VirtAddr here = target_of(run(relocator, mmap(0x7f0000000000, 16), pid));
    EXPECT_LT(here, base);
    EXPECT_LT(base - here, (uint64_t{1} << (20 + 14)) + (uint64_t{1} << 18));
    EXPECT_EQ(here.value() % 0x10000, 0u);
    places.insert(here.value());
    run(again, trace::ExecEvent{}, pid);
    EXPECT_EQ(target_of(run(again, mmap(0x7f0000000000, 16), pid)), here);
  }
  EXPECT_EQ(places.size(), 8u);
  run(relocator, trace::ForkEvent{thread(9), 0, false}, 8);
  EXPECT_EQ(relocator.translate(Pid(9), VirtAddr(0x7f0000000000), AccessKind::Load),
            relocator.translate(Pid(8), VirtAddr(0x7f0000000000), AccessKind::Load));
}

TEST(Relocation, NoTwoAddressesMeetAndOffsetsStay) {
  for (const unsigned page : {12u, 13u, 14u, 16u}) {
    for (const uint64_t top : {uint64_t{0xc0000000}, uint64_t{1} << 42, uint64_t{1} << 46}) {
      SCOPED_TRACE(testing::Message() << "page " << page << " top " << top);
      Relocator relocator(sides(layout(top, page)));
      Random random(page + top);
      std::map<uint64_t, uint64_t> forward;
      std::map<uint64_t, uint64_t> back;
      for (unsigned i = 0; i < 3000; ++i) {
        if (random.below(8) == 0) {
          const uint64_t at = 0x7f0000000000 + random.below(4096) * kPage;
          run(relocator, mmap(at, 1 + random.below(40)));
          continue;
        }
        const uint64_t bases[] = {0x400000, 0x555555554000, 0x7f0000000000, 0x7fffffc00000};
        const uint64_t source = bases[random.below(4)] + random.below(uint64_t{1} << 21);
        const auto kind = static_cast<AccessKind>(random.below(4));
        const uint64_t target = relocator.translate(Pid(1), VirtAddr(source), kind).value();
        ASSERT_LT(target, top);
        ASSERT_GE(target, 0x10000u);
        ASSERT_EQ(target % (uint64_t{1} << page), source % (uint64_t{1} << page));
        const uint64_t source_page = source >> 12;
        const uint64_t target_page = target >> 12;
        ASSERT_EQ(forward.emplace(source_page, target_page).first->second, target_page);
        ASSERT_EQ(back.emplace(target_page, source_page).first->second, source_page);
      }
    }
  }
}

TEST(Relocation, AnAreaLiesInOnePieceAndWhatTouchesItFollows) {
  Relocator relocator(sides(layout(uint64_t{1} << 42, 12)));
  const auto first = run(relocator, mmap(0x7f0000000000, 1000));
  const auto second = run(relocator, mmap(0x7f0000000000 + 1000 * kPage, 50));
  ASSERT_EQ(first.size(), 1u);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(std::get<trace::MmapEvent>(second[0]).result,
            std::get<trace::MmapEvent>(first[0]).result + static_cast<int64_t>(1000 * kPage));
  EXPECT_EQ(relocator.counters().torn, 0u);
}

// What the program left to the kernel is where the simulated one would put it: top down, the first
// place that fits, also one that was given back.
TEST(Relocation, WhatMayGoAnywhereGoesWhereTheKernelWouldPutIt) {
  for (const unsigned page : {12u, 14u}) {
    SCOPED_TRACE(page);
    const mmu::AddressLayout target = layout(uint64_t{1} << 42, page);
    const uint64_t pages = (uint64_t{1} << page) / kPage;  // of the recording, in one of the target
    const auto below = [&](uint64_t target_pages) {
      return VirtAddr(target.mmap_base.value() - (target_pages << page));
    };
    Relocator relocator(sides(target));
    // The recorded kernel had it bottom up, with gaps.
    EXPECT_EQ(target_of(run(relocator, anywhere(0x10000000, 4 * pages))), below(4));
    EXPECT_EQ(target_of(run(relocator, anywhere(0x10400000, 2 * pages))), below(6));
    EXPECT_EQ(target_of(run(relocator, anywhere(0x10800000, pages))), below(7));
    const auto at = [&](uint64_t va) {
      return relocator.translate(Pid(1), VirtAddr(va), AccessKind::Load);
    };
    EXPECT_EQ(at(0x10000008), below(4) + 8);
    EXPECT_EQ(at(0x10400000), below(6));
    // A part goes; what fits there comes there, and the addresses mean that from now on.
    run(relocator, munmap(0x10400000, pages));
    EXPECT_EQ(target_of(run(relocator, anywhere(0x20000000, 2 * pages))), below(9));
    EXPECT_EQ(target_of(run(relocator, anywhere(0x10400000, pages))), below(6));
    EXPECT_EQ(at(0x10400000 + pages * kPage), below(5));
    run(relocator, munmap(0x10000000, 4 * pages));
    EXPECT_EQ(target_of(run(relocator, anywhere(0x10000000, 3 * pages))), below(3));
    EXPECT_EQ(at(0x10000008), below(3) + 8);
    // A library's parts stay together: the loader wants them within what it was given.
    EXPECT_EQ(target_of(run(relocator, mmap(0x10000000 + pages * kPage, pages))), below(2));
    EXPECT_EQ(relocator.counters().torn, 0u);
    EXPECT_EQ(relocator.counters().anywhere, 6u);
  }
}

// Where it could be of huge pages it is aligned like them, of the pool it must be.
TEST(Relocation, WhatCanBeHugeIsAlignedLikeHugePages) {
  const mmu::AddressLayout target = layout(uint64_t{1} << 42, 12);
  RelocationSides both = sides(target);
  both.huge = PageShift(21);
  Relocator relocator(both);
  const uint64_t huge = uint64_t{2} << 20;
  run(relocator, anywhere(0x10000000, 1));
  EXPECT_EQ(target_of(run(relocator, anywhere(0x20001000, 512))).value() % huge, 0u);
  EXPECT_EQ(target_of(run(relocator, anywhere(0x30001000, 510))).value() % huge, kPage);
  trace::MmapEvent pool = anywhere(0x40000000, 1024);
  pool.flags |= 0x40000;
  EXPECT_EQ(target_of(run(relocator, pool)).value() % huge, 0u);
}

// ... and takes the room of whole huge pages, whatever the length asked for.
TEST(Relocation, ThePoolTakesWholeHugePages) {
  const mmu::AddressLayout target = layout(uint64_t{1} << 42, 12);
  RelocationSides both = sides(target);
  both.huge = PageShift(21);
  Relocator relocator(both);
  const uint64_t huge = uint64_t{2} << 20;
  const VirtAddr above = target_of(run(relocator, anywhere(0x10000000, 1)));
  trace::MmapEvent pool = anywhere(0x40000000, 3);
  pool.flags |= 0x40000;
  EXPECT_LE(target_of(run(relocator, pool)).value() + huge, above.value());
}

TEST(Relocation, AMappingGrowsInPlaceOrMovesAsTheKernelWouldMoveIt) {
  const mmu::AddressLayout target = layout(uint64_t{1} << 42, 12);
  const auto below = [&](uint64_t pages) {
    return VirtAddr(target.mmap_base.value() - pages * kPage);
  };
  Relocator relocator(sides(target));
  const auto moved = [&](const trace::MremapEvent& e) {
    const auto out = run(relocator, e);
    EXPECT_EQ(out.size(), 1u);
    return std::get<trace::MremapEvent>(out.at(0));
  };
  run(relocator, anywhere(0x10000000, 4));
  run(relocator, anywhere(0x20000000, 4));
  // There was room behind it on the recorded machine, and here is none.
  trace::MremapEvent e = moved(mremap(0x20000000, 4, 0x20000000, 6));
  EXPECT_EQ(e.old_start, below(8));
  EXPECT_EQ(VirtAddr(static_cast<uint64_t>(e.result)), below(14));
  EXPECT_EQ(e.flags & 1, 1u);
  EXPECT_EQ(relocator.translate(Pid(1), VirtAddr(0x20005000), AccessKind::Load), below(9));
  // Here there is.
  run(relocator, munmap(0x10000000, 4));
  e = moved(mremap(0x20000000, 6, 0x20000000, 9));
  EXPECT_EQ(e.old_start, below(14));
  EXPECT_EQ(VirtAddr(static_cast<uint64_t>(e.result)), below(14));
  // One that moved there goes to where it is put here, and its place is free.
  e = moved(mremap(0x20000000, 9, 0x30000000, 20));
  EXPECT_EQ(VirtAddr(static_cast<uint64_t>(e.result)), below(34));
  EXPECT_EQ(target_of(run(relocator, anywhere(0x20000000, 14))), below(14));
  EXPECT_EQ(relocator.counters().remapped, 0u);
}

// Code that was moved once is not where it was when its place is another's.
TEST(Relocation, ReferencesFollowWhatMoves) {
  const mmu::AddressLayout target = layout(uint64_t{1} << 42, 12);
  Relocator relocator(sides(target));
  trace::StaticBlock block;
  block.start = VirtAddr(0x10000010);
  block.instructions = 1;
  block.bytes = 4;
  const std::vector<trace::StaticBlock> table{block};
  const std::vector<uint32_t> blocks{0};
  const auto fetched = [&] {
    trace::Batch batch;
    batch.thread = thread(1);
    batch.table = table;
    batch.table_serial = 1;
    batch.blocks = blocks;
    batch.totals.instructions = 1;
    const trace::Batch out = relocator.references(batch);
    return out.table[0].start;
  };
  run(relocator, anywhere(0x10000000, 1));
  const VirtAddr first = fetched();
  run(relocator, munmap(0x10000000, 1));
  run(relocator, anywhere(0x50000000, 1));
  run(relocator, anywhere(0x10000000, 1));
  EXPECT_EQ(fetched(), first - kPage);
}

// A batch's blocks stay as they are while further batches of the same run are moved: several are
// kept for machines that take them one after the other. This block may go on behind its page of the
// target, where nothing is yet.
TEST(Relocation, BlocksStayWhileMoreAreMoved) {
  Relocator relocator(sides(layout(uint64_t{1} << 42, 14)));
  run(relocator, mmap(0x7f0000000000, 16, 7));
  std::vector<trace::StaticBlock> table(2);
  table[0].start = VirtAddr(0x7f000000cffe);
  table[0].instructions = 2;
  table[0].crosses_page = true;
  table[1].start = VirtAddr(0x7f0000000000);
  table[1].instructions = 1;
  const std::vector<uint32_t> numbers{0, 1};
  trace::Batch batch;
  batch.thread = thread(1);
  batch.table = table;
  batch.table_serial = 1;
  batch.blocks = std::span(numbers).first(1);
  const trace::Batch kept = relocator.references(batch);
  const VirtAddr there = kept.table[0].start;
  batch.blocks = std::span(numbers).last(1);
  static_cast<void>(relocator.references(batch));
  EXPECT_EQ(kept.table[0].instructions, 2u);
  EXPECT_EQ(kept.table[0].start, there);
}

TEST(Relocation, ForkCopiesThreadsShareExecForgets) {
  Relocator relocator(sides(layout(uint64_t{1} << 42, 12)));
  run(relocator, mmap(0x7f0000000000, 16));
  run(relocator, trace::ForkEvent{thread(2), 0, false});
  run(relocator, trace::ForkEvent{thread(3), 0, true});
  const auto at = [&](uint32_t pid, uint64_t va) {
    return relocator.translate(Pid(pid), VirtAddr(va), AccessKind::Load);
  };
  EXPECT_EQ(at(2, 0x7f0000000000), at(1, 0x7f0000000000));
  EXPECT_EQ(relocator.space(Pid(3)), relocator.space(Pid(1)));
  run(relocator,
      trace::ExecEvent{.program = "x", .arguments = {}, .image = {}, .brk = {}, .stack_top = {}},
      3);
  EXPECT_NE(relocator.space(Pid(3)), relocator.space(Pid(1)));
  EXPECT_EQ(relocator.space(Pid(3))->map.runs(), 0u);
  EXPECT_EQ(relocator.space(Pid(1))->map.runs(), 1u);
}

TEST(Relocation, ALargerPageStaysForItsPartsWithTheirRights) {
  Relocator relocator(sides(layout(uint64_t{1} << 42, 14)));
  const auto made = run(relocator, mmap(0x7f0000000000, 8));  // two 16 KiB pages
  const auto base = static_cast<uint64_t>(std::get<trace::MmapEvent>(made.at(0)).result);
  // One of the first page's four parts becomes read-only: the page keeps both rights.
  auto out = run(relocator, trace::MprotectEvent{VirtAddr(0x7f0000000000), kPage, 1, 0});
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(std::get<trace::MprotectEvent>(out[0]),
            (trace::MprotectEvent{VirtAddr(base), 4 * kPage, 3, 0}));
  // Three parts go: what is left is read-only.
  out = run(relocator, trace::MunmapEvent{VirtAddr(0x7f0000001000), 3 * kPage, 0});
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(std::get<trace::MprotectEvent>(out[0]),
            (trace::MprotectEvent{VirtAddr(base), 4 * kPage, 1, 0}));
  // The last part goes, and the page.
  out = run(relocator, trace::MunmapEvent{VirtAddr(0x7f0000000000), kPage, 0});
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(std::get<trace::MunmapEvent>(out[0]),
            (trace::MunmapEvent{VirtAddr(base), 4 * kPage, 0}));
  // A new part of a page that others have does not replace it.
  out = run(relocator, mmap(0x7f0000005000, 5, 1));
  ASSERT_EQ(out.size(), 2u);
  const auto& rest = std::get<trace::MmapEvent>(out[0]);
  EXPECT_EQ(static_cast<uint64_t>(rest.result), base + 8 * kPage);
  EXPECT_EQ(rest.length, 4 * kPage);
  EXPECT_EQ(std::get<trace::MprotectEvent>(out[1]),
            (trace::MprotectEvent{VirtAddr(base + 4 * kPage), 4 * kPage, 3, 0}));
  EXPECT_EQ(relocator.counters().partial_pages, 3u);
}

TEST(Relocation, TheHeapFollowsTheBreak) {
  Relocator relocator(sides(layout(0xc0000000, 12)));
  const auto moved = [&](uint64_t to) {
    const auto out = run(relocator, trace::BrkEvent{VirtAddr(to), VirtAddr(to)});
    EXPECT_EQ(out.size(), 1u);
    return std::get<trace::BrkEvent>(out.at(0)).result.value();
  };
  const uint64_t start = moved(0x555555580123);
  EXPECT_LT(start, 0xc0000000u);
  EXPECT_EQ(moved(0x555555580123 + 0x345678), start + 0x345678);
  EXPECT_EQ(moved(0x555555580123 + 0x1000), start + 0x1000);
  EXPECT_EQ(std::get<trace::BrkEvent>(
                run(relocator, trace::BrkEvent{VirtAddr(0x1000), VirtAddr(0x20000)}).at(0))
                .result,
            VirtAddr(0));
}

TEST(Relocation, WhatCrossesAWindowGoesOnInTheNext) {
  Relocator relocator(sides(layout(uint64_t{1} << 42, 12)));
  const VirtAddr last = relocator.translate(Pid(1), VirtAddr(0x1edbfffc), AccessKind::Load);
  // Something else first takes the place that comes next by the rules.
  run(relocator, mmap(0x7f0000000000, 64));
  EXPECT_EQ(relocator.translate(Pid(1), VirtAddr(0x1edc0000), AccessKind::Load), last + 4);
}

TEST(Relocation, AddressesOutsideUserSpaceStayOutside) {
  const mmu::AddressLayout target = layout(0xc0000000, 12);
  Relocator relocator(sides(target));
  EXPECT_EQ(relocator.translate(Pid(1), VirtAddr(8), AccessKind::Load), VirtAddr(8));
  EXPECT_GE(relocator.translate(Pid(1), VirtAddr(uint64_t{1} << 47), AccessKind::Load), target.top);
  EXPECT_GE(relocator.translate(Pid(1), VirtAddr(0xffffffffff600000), AccessKind::Fetch),
            target.top);
}

TEST(Relocation, WhatDoesNotFitIsNamed) {
  Relocator relocator(sides(layout(0xc0000000, 12)));
  run(relocator, mmap(0x7f0000000000, (uint64_t{1} << 30) / kPage));
  try {
    run(relocator, mmap(0x7e0000000000, (uint64_t{5} << 29) / kPage));
    FAIL() << "2.5 GiB more do not fit into 3 GiB";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("mapping of process 1 at 0x7e0000000000"),
              std::string::npos)
        << error.what();
  }
}

TEST(Relocation, HolesStayFree) {
  mmu::AddressLayout target = layout(uint64_t{1} << 40, 13);
  target.holes[0] = {VirtAddr(uint64_t{1} << 30), VirtAddr(uint64_t{1023} << 30)};
  Relocator relocator(sides(target));
  for (uint64_t i = 0; i < 100; ++i) {
    const VirtAddr va = relocator.translate(Pid(1), VirtAddr(0x100000000 + (i << 36)),
                                            static_cast<AccessKind>(i % 4));
    EXPECT_FALSE(target.holes[0].contains(va)) << i;
  }
}

}  // namespace relocation_test
}  // namespace mmusim::sim
