// How the writer cuts blocks, counted by hand.
#include "trace/writer.h"

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>

#include "base/error.h"
#include "history.h"

namespace mmusim::trace {
namespace writer_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TemporaryFile;

struct SeenBlock {
  uint64_t start;
  unsigned instructions;
  unsigned bytes;
  std::vector<uint64_t> addresses;
  bool crosses_page;
  bool operator==(const SeenBlock&) const = default;
};

std::vector<SeenBlock> blocks_of(const std::string& path) {
  std::vector<SeenBlock> seen;
  Reader reader(path);
  for (Batch batch; reader.next(batch);) {
    const uint64_t* address = batch.addresses;
    for (const uint32_t number : batch.blocks) {
      const StaticBlock& b = batch.table[number];
      seen.push_back({b.start.value(),
                      b.instructions,
                      b.bytes,
                      {address, address + b.mem_ops},
                      b.crosses_page});
      address += b.mem_ops;
    }
  }
  return seen;
}

class WriterTest : public ::testing::Test {
 protected:
  WriterTest() { writer_.thread({Pid(7), Tid(8)}); }

  void fetch(uint64_t at, unsigned bytes) { writer_.instruction(VirtAddr(at), bytes); }
  void load(uint64_t at) { writer_.access(AccessKind::Load, VirtAddr(at), 8); }
  std::vector<SeenBlock> finish() {
    writer_.finish();
    return blocks_of(file_.path());
  }

  TemporaryFile file_;
  Writer writer_{file_.path(), testing::test_header()};
};

TEST_F(WriterTest, StraightCodeIsOneBlockAndAJumpEndsIt) {
  fetch(0x1000, 4);
  load(0x5000);
  fetch(0x1004, 2);
  fetch(0x1006, 3);
  load(0x6000);
  load(0x7000);
  fetch(0x1100, 1);  // jump
  fetch(0x1100, 1);  // to itself
  EXPECT_THAT(finish(),
              ElementsAre(SeenBlock{0x1000, 3, 9, {0x5000, 0x6000, 0x7000}, false},
                          SeenBlock{0x1100, 1, 1, {}, false}, SeenBlock{0x1100, 1, 1, {}, false}));
  const Totals totals = writer_.totals();
  EXPECT_EQ(totals, (Totals{.instructions = 5, .blocks = 3, .loads = 3}));
  EXPECT_EQ(totals.references(), 8u);
}

TEST_F(WriterTest, BlocksEndWithTheirPage) {
  fetch(0x1ffc, 2);
  fetch(0x1ffe, 2);  // ends just at the page's end
  fetch(0x2000, 4);
  fetch(0x2004, 0x20);
  fetch(0x5ffe, 1);
  fetch(0x5fff, 5);  // goes over the end: the last of its block
  load(0x42);
  fetch(0x6004, 3);
  EXPECT_THAT(
      finish(),
      ElementsAre(SeenBlock{0x1ffc, 2, 4, {}, false}, SeenBlock{0x2000, 2, 0x24, {}, false},
                  SeenBlock{0x5ffe, 2, 6, {0x42}, true}, SeenBlock{0x6004, 1, 3, {}, false}));
}

TEST_F(WriterTest, BlocksEndAtTheInstructionLimit) {
  for (unsigned i = 0; i < 600; ++i)
    fetch(0x1000 + i, 1);
  EXPECT_THAT(finish(), ElementsAre(SeenBlock{0x1000, 255, 255, {}, false},
                                    SeenBlock{0x10ff, 255, 255, {}, false},
                                    SeenBlock{0x11fe, 90, 90, {}, false}));
}

TEST_F(WriterTest, ThreadsAndEventsEndBlocks) {
  fetch(0x1000, 1);
  writer_.thread({Pid(7), Tid(8)});  // the same: nothing happens
  fetch(0x1001, 1);
  writer_.thread({Pid(7), Tid(9)});
  fetch(0x1002, 1);
  writer_.event(MarkerEvent{"here"});
  fetch(0x1003, 1);
  EXPECT_THAT(finish(),
              ElementsAre(SeenBlock{0x1000, 2, 2, {}, false}, SeenBlock{0x1002, 1, 1, {}, false},
                          SeenBlock{0x1003, 1, 1, {}, false}));
}

std::vector<uint64_t> count_up(uint64_t from, uint64_t count) {
  std::vector<uint64_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), from);
  return numbers;
}

TEST_F(WriterTest, TooManyAccessesMoveTheLastInstructionToABlockOfItsOwn) {
  fetch(0x1000, 1);
  for (uint64_t i = 0; i < 250; ++i)
    load(i);
  fetch(0x1001, 2);
  for (uint64_t i = 0; i < 10; ++i)
    load(1000 + i);
  fetch(0x1003, 1);
  EXPECT_THAT(finish(), ElementsAre(SeenBlock{0x1000, 1, 1, count_up(0, 250), false},
                                    SeenBlock{0x1001, 2, 3, count_up(1000, 10), false}));
}

TEST_F(WriterTest, AnInstructionWithMoreAccessesThanABlockHoldsIsRepeated) {
  fetch(0xff0, 1);
  fetch(0xff1, 2);
  for (uint64_t i = 0; i < 300; ++i)
    load(i);
  EXPECT_THAT(finish(), ElementsAre(SeenBlock{0xff0, 1, 1, {}, false},
                                    SeenBlock{0xff1, 1, 2, count_up(0, 255), false},
                                    SeenBlock{0xff1, 1, 2, count_up(255, 45), false}));
}

TEST_F(WriterTest, TheSameCodeIsOneStaticBlock) {
  for (unsigned i = 0; i < 10; ++i) {
    fetch(0x1000, 4);
    load(i * 8);
    fetch(0x2000, 4);
    if (i % 2 == 0) load(i * 8);  // the same instruction without its access is other code
  }
  writer_.finish();
  Reader reader(file_.path());
  Batch batch;
  ASSERT_TRUE(reader.next(batch));
  EXPECT_EQ(batch.table.size(), 3u);
  EXPECT_EQ(batch.blocks.size(), 20u);
  EXPECT_EQ(batch.totals, (Totals{.instructions = 20, .blocks = 20, .loads = 15}));
}

TEST_F(WriterTest, KeepsKindsAndSizesOfAccesses) {
  fetch(0x1000, 4);
  writer_.access(AccessKind::Store, VirtAddr(~uint64_t{0}), 4096);
  writer_.access(AccessKind::Modify, VirtAddr(0), 1);
  writer_.access(AccessKind::Load, VirtAddr(uint64_t{1} << 63), 16);
  writer_.finish();
  Reader reader(file_.path());
  Batch batch;
  ASSERT_TRUE(reader.next(batch));
  EXPECT_EQ(batch.table[0].ops[0], (MemOp{0, AccessKind::Store, 4096}));
  EXPECT_EQ(batch.table[0].ops[1], (MemOp{0, AccessKind::Modify, 1}));
  EXPECT_EQ(batch.table[0].ops[2], (MemOp{0, AccessKind::Load, 16}));
  EXPECT_EQ(batch.totals,
            (Totals{.instructions = 1, .blocks = 1, .loads = 1, .stores = 1, .modifies = 1}));
  EXPECT_EQ(reader.totals(), batch.totals);
  EXPECT_FALSE(reader.next(batch));
}

TEST_F(WriterTest, RefusesCodeThatWrapsAround) {
  fetch(~uint64_t{0} - 1, 2);  // ends with the last byte there is
  fetch(~uint64_t{0}, 2);
  try {
    fetch(0x1000, 1);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr(file_.path()));
    EXPECT_THAT(e.what(), HasSubstr("wrap"));
  }
}

TEST_F(WriterTest, RefusesTextsThatNoReaderWouldTake) {
  writer_.event(MarkerEvent{std::string(1 << 20, 'x')});
  EXPECT_THROW(writer_.event(MarkerEvent{std::string((1 << 20) + 1, 'x')}), Error);
  ExecEvent many;
  many.arguments.resize(65537);
  EXPECT_THROW(writer_.event(many), Error);
  ExecEvent large;
  large.arguments.assign(9, std::string(1 << 20, 'x'));
  EXPECT_THROW(writer_.event(large), Error);
}

TEST(Writer, LeavesNothingBehindWithoutFinish) {
  const TemporaryFile file;
  {
    Writer writer(file.path(), testing::test_header());
    writer.thread({Pid(1), Tid(1)});
    writer.instruction(VirtAddr(0x1000), 1);
  }
  EXPECT_TRUE(std::filesystem::is_empty(file.directory()));
}

TEST(Writer, SaysWhatItCannotCreate) {
  try {
    Writer writer("/nonexistent/x.mmt", testing::test_header());
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("/nonexistent/x.mmt"));
  }
}

TEST(Writer, AnEmptyTraceIsATrace) {
  const TemporaryFile file;
  testing::write_history(file.path(), {});
  Reader reader(file.path());
  Batch batch;
  EXPECT_FALSE(reader.next(batch));
  EXPECT_FALSE(reader.next(batch));
  EXPECT_EQ(reader.header(), testing::test_header());
  EXPECT_EQ(reader.totals(), Totals{});
  EXPECT_TRUE(reader.chunks().empty());
  EXPECT_EQ(reader.position(), reader.file_bytes());
}

}  // namespace writer_test
}  // namespace mmusim::trace
