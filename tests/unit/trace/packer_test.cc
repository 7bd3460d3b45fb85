// That a trace is the same, byte by byte, however many threads compress its chunks, and however its
// blocks are given.
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

#include "base/error.h"
#include "history.h"
#include "trace/prepare.h"

namespace mmusim::trace {
namespace packer_test {

using testing::TemporaryFile;

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Packer, FileDoesNotDependOnThreads) {
  testing::HistoryShape shape;
  shape.happenings = 60'000;
  const testing::History history = testing::random_history(shape);
  WriterOptions options;
  options.chunk_bytes = 4096;  // dozens of chunks, so that some are ready before others
  std::string expected;
  for (const unsigned threads : {0u, 1u, 2u, 5u}) {
    const TemporaryFile file;
    options.compressors = threads;
    testing::write_history(file.path(), history, options);
    const std::string written = content(file.path());
    EXPECT_EQ(testing::difference(history, testing::read_history(file.path())), "");
    if (threads == 0) {
      expected = written;
      EXPECT_GT(Reader(file.path()).chunks().size(), 10u);
    }
    EXPECT_TRUE(written == expected) << threads << " threads";
  }
}

// Page streams that were not written are the same when they are added.
TEST(Packer, PreparedIsTheSameWhateverWasThere) {
  testing::HistoryShape shape;
  shape.happenings = 60'000;
  const testing::History history = testing::random_history(shape);
  const TemporaryFile file;
  const TemporaryFile prepared("prepared.mmt");
  constexpr unsigned kMost = 10'000;
  WriterOptions options{.chunk_bytes = 4096, .page_percent = kMost};
  const auto written = [&](std::optional<PageChoice> pages) {
    options.pages = pages;
    testing::write_history(file.path(), history, options);
    check_page_streams(file.path(), {});
    const Reader reader(file.path());
    const PageStreamChunks with = reader.page_stream_chunks();
    return std::array{with.for_sets, with.for_any, uint64_t{reader.chunks().size()}};
  };
  std::string expected;
  uint64_t last_bytes = 0;
  for (const auto pages : {PageChoice::None, PageChoice::Sets, PageChoice::Any}) {
    const auto [for_sets, for_any, chunks] = written(pages);
    EXPECT_EQ(for_sets, pages == PageChoice::None ? 0 : chunks);
    EXPECT_EQ(for_any, pages == PageChoice::Any ? chunks : 0);
    EXPECT_EQ(testing::difference(history, testing::read_history(file.path())), "");
    const uint64_t bytes = Reader(file.path()).file_bytes();
    EXPECT_LT(last_bytes, bytes);
    last_bytes = bytes;
    const PrepareResult result = prepare(file.path(), prepared.path(), kMost);
    EXPECT_EQ(result.for_any, chunks);
    if (pages == PageChoice::None) expected = content(prepared.path());
    EXPECT_TRUE(content(prepared.path()) == expected);
  }
  // Where nothing is said, it is the header's ISA that chooses.
  ASSERT_EQ(page_choice_of(testing::test_header().isa), PageChoice::Sets);
  const auto [for_sets, for_any, chunks] = written({});
  EXPECT_EQ(for_sets, chunks);
  EXPECT_EQ(for_any, 0u);
}

TEST(Packer, UnfinishedIsGoneWithItsThreads) {
  const TemporaryFile file;
  WriterOptions options;
  options.chunk_bytes = 256;
  options.compressors = 3;
  {
    Writer writer(file.path(), testing::test_header(), options);
    writer.thread({Pid(1), Tid(1)});
    for (uint64_t i = 0; i < 5000; ++i)
      writer.instruction(VirtAddr(0x1000 + 64 * (i % 50)), 4);
  }
  EXPECT_FALSE(std::ifstream(file.path()).good());
}

TEST(Packer, PartialStaysAndCanBeReadAsTorn) {
  const TemporaryFile file;
  const std::string partial = file.path() + ".partial";
  WriterOptions options;
  options.chunk_bytes = 256;
  options.compressors = 2;
  options.keep_partial = true;
  Totals given;
  {
    Writer writer(file.path(), testing::test_header(), options);
    writer.thread({Pid(1), Tid(1)});
    for (uint64_t i = 0; i < 5000; ++i)
      writer.instruction(VirtAddr(0x1000 + 64 * (i % 50)), 4);
    given = writer.totals();
    // Somebody else must not write the same file.
    EXPECT_THROW(Writer(file.path(), testing::test_header(), options), Error);
  }
  EXPECT_FALSE(std::ifstream(file.path()).good());
  EXPECT_THROW(Reader{partial}, Error);
  Reader reader(partial, {.accept_torn = true});
  Totals read;
  for (Batch batch; reader.next(batch);)
    read += batch.totals;
  EXPECT_TRUE(reader.torn());
  EXPECT_GT(read.instructions, 0u);
  EXPECT_LE(read.instructions, given.instructions);
  // The next one begins anew, and takes the name in the end.
  Writer writer(file.path(), testing::test_header(), options);
  writer.thread({Pid(1), Tid(1)});
  writer.instruction(VirtAddr(0x1000), 4);
  writer.finish();
  EXPECT_EQ(Reader(file.path()).totals()->instructions, 1u);
  EXPECT_FALSE(std::ifstream(partial).good());
}

// Blocks given whole are what their instructions are one by one: the same numbers, in any chunk.
TEST(Packer, KnownBlocksAreTheirInstructions) {
  const TemporaryFile one_by_one("a.mmt");
  const TemporaryFile whole("b.mmt");
  WriterOptions options;
  options.chunk_bytes = 4096;
  Writer first(one_by_one.path(), testing::test_header(), options);
  Writer second(whole.path(), testing::test_header(), options);
  const std::array<uint8_t, 3> lengths{4, 2, 7};
  const std::array<MemOp, 2> ops{MemOp{0, AccessKind::Load, 8}, MemOp{2, AccessKind::Modify, 4}};
  std::vector<KnownBlock> known;
  for (uint64_t i = 0; i < 40; ++i) {
    StaticBlock block{};
    block.start = VirtAddr(0x4000 + 64 * i);
    block.bytes = 13;
    block.instructions = 3;
    block.mem_ops = 2;
    block.lengths = lengths.data();
    block.ops = ops.data();
    known.emplace_back(block);
    known.back().hash = hash_of(block);
  }
  std::vector<KnownBlock*> together;
  std::vector<uint64_t> together_addresses;
  size_t at_once = 0;
  first.thread({Pid(1), Tid(1)});
  second.thread({Pid(1), Tid(1)});
  for (uint64_t i = 0; i < 3000; ++i) {
    const uint64_t which = i * 7 % 40;
    const uint64_t start = 0x4000 + 64 * which;
    const std::array<uint64_t, 2> addresses{0x100000 + 8 * i, 0x200000 + i % 13};
    first.instruction(VirtAddr(start), 4);
    first.access(AccessKind::Load, VirtAddr(addresses[0]), 8);
    first.instruction(VirtAddr(start + 4), 2);
    first.instruction(VirtAddr(start + 6), 7);
    first.access(AccessKind::Modify, VirtAddr(addresses[1]), 4);
    // Up to nine together, if all have numbers.
    KnownBlock& block = known[which];
    together.push_back(&block);
    together_addresses.insert(together_addresses.end(), addresses.begin(), addresses.end());
    if (block.chunk == second.chunk() && i % 9 != 0 && i != 2999) continue;
    std::vector<uint32_t> numbers;
    bool numbered = true;
    for (const KnownBlock* one : together) {
      numbered &= one->chunk == second.chunk();
      numbers.push_back(one->number);
    }
    if (!numbered || !second.again(numbers, together_addresses)) {
      for (size_t one = 0; one < together.size(); ++one)
        second.block(*together[one], together_addresses.data() + 2 * one);
    } else {
      at_once += together.size();
    }
    together.clear();
    together_addresses.clear();
  }
  EXPECT_GT(at_once, 1000u);
  first.finish();
  second.finish();
  EXPECT_TRUE(content(one_by_one.path()) == content(whole.path()));
  EXPECT_EQ(Reader(whole.path()).totals()->modifies, 3000u);
}

}  // namespace packer_test
}  // namespace mmusim::trace
