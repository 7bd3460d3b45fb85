#include "mmu/miss_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "config/schema.h"
#include "mem/cache.h"
#include "mmu/summary.h"
#include "pt/conformance/test_format.h"
#include "pt/plugin.h"
#include "pt/table_allocator.h"

namespace mmusim::mmu {
namespace miss_path_test {

enum : unsigned { kProbe, kWalk, kInsert, kGiveUp, kEntry };
constexpr Step kSteps[] = {
    {"probe", "Hardware looks", 0},
    {"walk", "The handler walks the page table", 6, true},
    {"insert", "The handler inserts", 4},
    {"give_up", "The handler goes to the kernel", 9, false, true},
    page_fault("The kernel saves registers", 50, true),
};

constexpr WordField kSlotFields[] = {{.name = "low", .low = 0, .width = 4}};
constexpr WordKind kSlot{.name = "slot", .fields = kSlotFields, .zero = "free"};

class Listener final : public Narrator {
 public:
  void step(const Step& step) override { heard.push_back(std::string("step ") + step.name); }
  void more_instructions(uint64_t more) override { heard.push_back(fmt::format("+{}", more)); }
  void resume(const Step& step) override { heard.push_back(std::string("back in ") + step.name); }
  void reference(const Seen& seen) override {
    std::string words;
    for (const uint64_t word : seen.words)
      words += fmt::format("{}{:#x}", words.empty() ? "" : ",", word);
    heard.push_back(fmt::format("{} {} {:#x}={}{} {}{}", seen.write ? "store" : "load", seen.what,
                                seen.address.value(), words,
                                seen.through ? fmt::format(" at {:#x}", seen.through->value()) : "",
                                seen.decoded, seen.served ? mem::name_of(*seen.served) : ""));
  }
  void remark(const std::string& text) override { heard.push_back(text); }
  std::vector<std::string> heard;
};

class MissPathTest : public testing::Test {
 protected:
  mem::FrameMemory frames{uint64_t{1} << 20, PageShift(12)};
  mem::ReferenceSink sink;
  PhysAddr table = frames.address_of(*frames.allocate(0, mem::FrameUse::Table, 0));
};

TEST_F(MissPathTest, StepsAndReferencesAreCounted) {
  MissPath path(kSteps, frames, sink, {PhysAddr(0x100)});
  path.step(kProbe);
  path.step(kWalk);
  path.more_instructions(kWalk, 15);
  path.step(kInsert);
  path.step(kInsert);
  path.store(table, 0x77, {.level = 1});
  EXPECT_EQ(path.load(table, {.origin = mem::Origin::Walker, .level = 2}), 0x77u);
  EXPECT_EQ(path.taken(kInsert), 2u);
  EXPECT_EQ(path.instructions(), 6u + 15 + 4 + 4);
  EXPECT_EQ(path.traps(), 1u);
  EXPECT_EQ(sink.count(mem::Origin::Handler, 1, true), 1u);
  EXPECT_EQ(sink.count(mem::Origin::Walker, 2, false), 1u);
  EXPECT_EQ(sink.total(mem::Origin::HandlerCode), 0u);

  stats::Report report;
  PathReport sum(kSteps);
  sum.add(path);
  sum.add(path);
  sum.report(report);
  EXPECT_EQ(report.value("path.insert"), 4u);
  EXPECT_EQ(sum.instructions(), 58u);
  EXPECT_EQ(sum.traps(), 2u);
}

// A miss of 6 + 4 instructions and one trap, and one that ends in the kernel: 9 + 50 more, and a
// trap.
TEST_F(MissPathTest, PageFaultsAreCountedApart) {
  MissPath path(kSteps, frames, sink, {PhysAddr(0x100)});
  for (const unsigned step : {kWalk, kInsert, kWalk, kGiveUp, kEntry})
    path.step(step);
  EXPECT_EQ(path.instructions(), 6u + 4 + 6);
  EXPECT_EQ(path.traps(), 2u);
  EXPECT_EQ(path.instructions(/*of_faults=*/true), 9u + 50);
  EXPECT_EQ(path.traps(/*of_faults=*/true), 1u);
  PathReport sum(kSteps);
  sum.add(path);
  sum.add(path);
  Summary summary;
  summary.take(sum);
  EXPECT_EQ(summary.faults, 2u);
  EXPECT_EQ(summary.fault_traps, 2u);
  EXPECT_EQ(summary.fault_instructions, 118u);
  EXPECT_EQ(summary.traps, 4u);
  EXPECT_EQ(summary.handler_instructions, 32u);
}

TEST_F(MissPathTest, ANarratorHearsAllInOrder) {
  MissPath path(kSteps, frames, sink, {PhysAddr(0x100)});
  Listener listener;
  path.step(kProbe);
  path.narrate(&listener);
  path.step(kWalk);
  path.store(table, 5, {.through = VirtAddr(0xabc), .what = &kSlot});
  path.more_instructions(kWalk, 9);
  path.remark("done");
  path.narrate(nullptr);
  path.step(kInsert);
  EXPECT_EQ(listener.heard,
            (std::vector<std::string>{
                "step walk", fmt::format("store slot {:#x}=0x5 at 0xabc low=5", table.value()),
                "+9", "done"}));
}

// A handler's code and what it reads and writes are asked for before they are told; what hardware
// does is not, nor is a step without code. A step within another one says when that goes on.
TEST_F(MissPathTest, HandlersMaySeeMemoryThroughTranslations) {
  class View final : public HandlerView {
   public:
    explicit View(MissPath& path) : path_(path) {}
    void fetch(unsigned number, PhysAddr code, uint64_t bytes) override {
      path_.remark(fmt::format("fetch {}: {:#x}+{}", number, code.value(), bytes));
    }
    VirtAddr reach(PhysAddr address) override {
      const unsigned interrupted = path_.last();
      path_.step(kProbe);
      path_.resume(interrupted);
      return VirtAddr(0xc000'0000 + address.value());
    }

   private:
    MissPath& path_;
  };
  MissPath path(kSteps, frames, sink, {PhysAddr(0x100)});
  Listener listener;
  path.narrate(&listener);
  View view(path);
  path.view_by(&view);
  path.step(kInsert);  // after 6 instructions of the other one
  path.store(table, 5, {.what = &kSlot});
  path.load(table, {.origin = mem::Origin::Walker, .what = &kSlot});
  path.view_by(nullptr);
  path.store(table, 6, {.what = &kSlot});
  const std::string at = fmt::format("slot {:#x}", table.value());
  EXPECT_EQ(listener.heard, (std::vector<std::string>{
                                "step insert", "fetch 2: 0x118+16", "step probe", "back in insert",
                                "store " + at + "=0x5 at " +
                                    fmt::format("{:#x}", 0xc000'0000 + table.value()) + " low=5",
                                "load " + at + "=0x5 low=5", "store " + at + "=0x6 low=6"}));
  EXPECT_EQ(path.taken(kProbe), 1u);
}

// Of a page table's words the Narrator hears all, and what the table says of them: of 16-byte
// entries two words, of a 4-byte entry in the upper half of a word only that.
class WalkedTable : public MissPathTest {
 protected:
  std::vector<std::string> walk(const pt::Backend& backend, unsigned entry_bytes,
                                pt::RadixGeometry geometry) {
    const pt::conformance::TestFormat format(PageShift(12), entry_bytes);
    pt::TableAllocator allocator(frames);
    config::Schema schema;
    backend.declare(schema);
    const auto factory = backend.make(config::Config(schema), {.sink = &sink,
                                                               .allocator = &allocator,
                                                               .format = &format,
                                                               .geometry = std::move(geometry),
                                                               .page = PageShift(12)});
    const auto walked = factory->create(MmId(1));
    const VirtAddr va(0x1000);
    const pt::Slot slot = walked->ensure(va, PageShift(12));
    // Present (2), frame 3 in 63:16, or 31:10.
    const pt::Entry leaf = entry_bytes == 8 ? 0x3'0002 : 0xc02;
    EXPECT_EQ(walked->install(slot.handle, slot.entry, leaf), pt::Status::Ok);
    MissPath path(kSteps, frames, sink, {PhysAddr(0x100)});
    Listener listener;
    path.narrate(&listener);
    pt::WalkPath words;
    EXPECT_EQ(path.walk(*walked, va, kWalk, words).entry, leaf);
    path.read(*walked, va, words.steps().back(), {.origin = mem::Origin::Handler});
    return listener.heard;
  }
};

TEST_F(WalkedTable, OfSixteenBytes) {
  const auto heard =
      walk(pt::find_backend("gpt"), 8, {{.shift = 12, .index_bits = 9, .leaf_allowed = true}});
  ASSERT_EQ(heard.size(), 3u);
  // A leaf (1 << 6) with a prefix of 52 bits (63 - 52 = 11), page 1, one to the right.
  EXPECT_THAT(heard[0],
              testing::MatchesRegex("load GPT root 0x[0-9a-f]+=0x800000000000084b,0x30002 "
                                    "kind=leaf prefix=0x1000/52 agrees .* leaf of 4096 bytes"));
  // x86's handler: 16 to begin and 19 for a leaf.
  EXPECT_EQ(heard[1], "+35");
  EXPECT_EQ(heard[2], heard[0]);
}

TEST_F(WalkedTable, OfFourBytes) {
  const auto heard = walk(
      pt::find_backend("mlpt"), 4,
      {{.shift = 12, .index_bits = 10, .leaf_allowed = true}, {.shift = 22, .index_bits = 10}});
  ASSERT_EQ(heard.size(), 4u);
  EXPECT_THAT(heard[0], testing::StartsWith("load PGD entry 0x"));
  EXPECT_THAT(heard[1], testing::MatchesRegex("load PTE 0x[0-9a-f]+004=0xc02 leaf of 4096 bytes"));
  EXPECT_EQ(heard[2], "+10");
  EXPECT_EQ(heard[3], heard[1]);
}

// With caches the code is fetched: 6 instructions of 4 bytes from 0x40 on, then 4 from 0x58 on.
TEST_F(MissPathTest, CodeIsFetchedThroughTheCaches) {
  config::Schema schema;
  mem::ReferenceSink::declare(schema);
  config::Config config(schema);
  config.load_text("[cache]\nenabled = true\nl1i.line = 32\n", "test");
  mem::ReferenceSink cached(config);
  MissPath path(kSteps, frames, cached, {PhysAddr(0x40)});
  path.step(kProbe);
  EXPECT_EQ(cached.total(mem::Origin::HandlerCode), 0u);
  path.step(kWalk);  // 0x40..0x57
  EXPECT_EQ(cached.total(mem::Origin::HandlerCode), 1u);
  path.step(kInsert);  // 0x58..0x67
  EXPECT_EQ(cached.total(mem::Origin::HandlerCode), 3u);
  path.step(kGiveUp);  // 0x68..0x8b
  EXPECT_EQ(cached.total(mem::Origin::HandlerCode), 3u);
  EXPECT_EQ(cached.total(mem::Origin::FaultCode), 2u);
}

// A step whose longest path is longer: what a path takes of it is fetched, a loop's instructions
// are not fetched anew.
TEST_F(MissPathTest, CodeIsFetchedAsFarAsThePathGoes) {
  config::Schema schema;
  mem::ReferenceSink::declare(schema);
  config::Config config(schema);
  config.load_text("[cache]\nenabled = true\nl1i.line = 32\n", "test");
  mem::ReferenceSink cached(config);
  constexpr Step kLong[] = {{"walk", "A walk", 6, true, false, 24}, {"end", "The end", 2}};
  MissPath path(kLong, frames, cached, {PhysAddr(0x40)});
  const auto fetched = [&] { return cached.total(mem::Origin::HandlerCode); };
  path.step(0);  // 0x40..0x57
  EXPECT_EQ(fetched(), 1u);
  path.more_instructions(0, 2);  // ..0x5f: the same line
  EXPECT_EQ(fetched(), 2u);
  path.more_instructions(0, 10);  // ..0x87
  EXPECT_EQ(fetched(), 4u);
  path.more_instructions(0, 100);  // ..0x9f is all there is
  EXPECT_EQ(fetched(), 5u);
  path.more_instructions(0, 100);
  EXPECT_EQ(fetched(), 5u);
  path.step(1);  // behind all of it: 0xa0..0xa7
  EXPECT_EQ(fetched(), 6u);
  path.step(0);
  EXPECT_EQ(fetched(), 7u);
  EXPECT_EQ(path.instructions(), 6u + 212 + 2 + 6);
}

TEST_F(MissPathTest, BundlesHoldThreeInstructions) {
  config::Schema schema;
  mem::ReferenceSink::declare(schema);
  config::Config config(schema);
  config.load_text("[cache]\nenabled = true\n", "test");
  mem::ReferenceSink cached(config);
  MissPath path(kSteps, frames, cached, {PhysAddr(0), 16, 3});
  path.step(kInsert);  // after 2 bundles: 2 bundles, 0x20..0x3f
  EXPECT_EQ(cached.total(mem::Origin::HandlerCode), 1u);
}

// Cycles: (10 - 4) x 7 next level, 8 x 9 walks, 3 x 20 traps, 50 instructions, 5 + 2 references x
// 14; a page fault's 20 + 60, 1 reference of the kernel x 14, 4 x 100 + 2 x 200 of flushes.
TEST_F(MissPathTest, CyclesAreEventsTimesCosts) {
  config::Schema schema;
  mem::ReferenceSink::declare(schema);
  config::Config config(schema);
  config.load_text("[cost]\nwalk = 9\nflush.page = 100\nflush.all = 200\n", "test");
  mem::ReferenceSink priced(config);
  for (int i = 0; i < 5; ++i)
    priced.reference(table, 8, false, {.origin = mem::Origin::Walker});
  for (int i = 0; i < 2; ++i)
    priced.reference(table, 8, true, {.origin = mem::Origin::Handler});
  priced.reference(table, 8, true, {.origin = mem::Origin::Kernel});
  Summary summary;
  summary.first_fetch_misses = 3;
  summary.first_data_misses = 7;
  summary.last_data_misses = 4;
  summary.hardware_walks = 8;
  summary.traps = 3;
  summary.handler_instructions = 50;
  summary.faults = summary.fault_traps = 1;
  summary.fault_instructions = 60;
  summary.flushed_pages = 4;
  summary.emptied = 2;
  summary.interrupts = 1;  // not charged with one CPU
  stats::Report report;
  report_summary(summary, priced, report);
  EXPECT_EQ(report.value("mmu.cycles.next_level"), 42u);
  EXPECT_EQ(report.value("mmu.cycles.walks"), 72u);
  EXPECT_EQ(report.value("mmu.cycles.traps"), 60u);
  EXPECT_EQ(report.value("mmu.miss_cycles"), 42u + 72 + 60 + 50 + 70 + 28);
  EXPECT_EQ(report.value("mmu.cycles.faults"), 80u);
  EXPECT_EQ(report.value("mmu.cycles.kernel"), 14u);
  EXPECT_EQ(report.value("mmu.cycles.flushes"), 800u);
  EXPECT_EQ(report.value("mmu.cycles"), 322u + 80 + 14 + 800);
  EXPECT_EQ(report.find("mmu.cycles.interrupts"), nullptr);
}

}  // namespace miss_path_test
}  // namespace mmusim::mmu
