// A reader whose next chunk another thread makes ready gives the batches and the errors of one
// without.
#include <cstring>
#include <gtest/gtest.h>

#include "base/error.h"
#include "history.h"
#include "trace/batches_ahead.h"
#include "trace/reader.h"
#include "trace/stored_chunk.h"

namespace mmusim::trace {
namespace read_ahead_test {

using testing::TemporaryFile;

constexpr ReaderOptions kAhead{.accept_torn = false, .read_ahead = true};

uint64_t sum_of(const Batch& batch) {
  uint64_t sum = uint64_t{batch.thread.pid.value()} * 31 + batch.totals.instructions;
  if (batch.event != nullptr) return sum * 31 + batch.event->index();
  for (const PageRef ref : batch.pages)
    sum = sum * 31 + ref.word();
  if (batch.of_pages) return sum;
  for (size_t i = 0; i < batch.totals.data_accesses(); ++i)
    sum = sum * 31 + batch.addresses[i];
  for (const uint32_t block : batch.blocks)
    sum = sum * 31 + batch.table[block].start.value();
  return sum;
}

// Of all batches next(Batch&) gives, or of the first; and the error behind them.
template <class Next>
std::pair<std::vector<uint64_t>, std::string> sums(Next next, size_t most = SIZE_MAX) {
  std::vector<uint64_t> all;
  try {
    for (Batch batch; all.size() < most && next(batch);)
      all.push_back(sum_of(batch));
    return {all, ""};
  } catch (const Error& error) {
    return {all, error.what()};
  }
}

class ReadAhead : public ::testing::Test {
 protected:
  ReadAhead() {
    const testing::History history =
        testing::random_history({.seed = 8, .happenings = 3000, .threads = 2});
    testing::write_history(
        file_.path(), history,
        {.zstd_level = 3, .chunk_bytes = 512, .pages = PageChoice::Any, .page_percent = 1000});
    content_ = testing::file_content(file_.path());
    chunks_ = Reader(file_.path()).chunks();
  }

  TemporaryFile file_;
  std::string content_;
  std::vector<ChunkInfo> chunks_;
};

TEST_F(ReadAhead, GivesTheSameHistory) {
  ASSERT_GE(chunks_.size(), 8u);
  EXPECT_EQ(testing::difference(testing::read_history(file_.path()),
                                testing::read_history(file_.path(), kAhead)),
            "");
}

TEST_F(ReadAhead, WhatIsDamagedIsSaidWhereItIsComeTo) {
  for (const ChunkInfo& chunk : chunks_) {
    std::string bad = content_;
    // Of the first column, behind the chunk's header.
    bad[chunk.offset + 400] = static_cast<char>(bad[chunk.offset + 400] ^ 0x10);
    testing::write_file(file_.path(), bad);
    Reader plain(file_.path());
    Reader ahead(file_.path(), kAhead);
    const auto expected = sums([&](Batch& batch) { return plain.next(batch); });
    EXPECT_NE(expected.second, "");
    EXPECT_EQ(sums([&](Batch& batch) { return ahead.next(batch); }), expected);
  }
}

// What was made ready and is not wanted does no harm, nor does a chunk begun again.
TEST_F(ReadAhead, AnyOrderOfStreamsGivesTheSameBatches) {
  Reader plain(file_.path());
  Reader ahead(file_.path(), kAhead);
  constexpr References kOrder[] = {References::All, References::All,  References::Sets,
                                   References::All, References::All,  References::All,
                                   References::Any, References::Sets, References::All};
  for (size_t i = 0; plain.next_chunk(); ++i) {
    ASSERT_TRUE(ahead.next_chunk());
    for (unsigned times = 0; times < 1 + i % 3; ++times) {
      plain.begin(kOrder[i % std::size(kOrder)]);
      ahead.begin(kOrder[i % std::size(kOrder)]);
      EXPECT_EQ(sums([&](Batch& batch) { return ahead.next_of_chunk(batch); }),
                sums([&](Batch& batch) { return plain.next_of_chunk(batch); }))
          << "chunk " << i;
    }
    if (kOrder[i % std::size(kOrder)] == References::All) continue;
    Batch expected;
    Batch given;
    while (plain.next_columns(expected)) {
      ASSERT_TRUE(ahead.next_columns(given));
      EXPECT_EQ(given.totals, expected.totals);
    }
  }
  EXPECT_FALSE(ahead.next_chunk());
}

TEST_F(ReadAhead, TablesOfChunksAreToldApart) {
  Reader reader(file_.path(), kAhead);
  std::map<uint64_t, std::set<uint64_t>> serials;  // by chunk
  for (Batch batch; reader.next(batch);)
    if (batch.event == nullptr) serials[reader.chunks_read()].insert(batch.table_serial);
  std::set<uint64_t> all;
  for (const auto& [chunk, of_chunk] : serials) {
    EXPECT_EQ(of_chunk.size(), 1u);
    EXPECT_TRUE(all.insert(*of_chunk.begin()).second) << chunk;
  }
}

// More batches than there is room for at once, all taken, or some; and what is wrong at their end.
TEST(BatchesAhead, AreTheDecoders) {
  const TemporaryFile file;
  testing::write_history(
      file.path(), testing::random_history(
                       {.happenings = 40000, .events_per_mille = 200, .switches_per_mille = 300}));
  Reader reader(file.path());
  StoredChunk chunk;
  ASSERT_TRUE(reader.next_stored(chunk));
  for (const bool damaged : {false, true}) {
    chunk.header.totals.instructions += damaged ? 1 : 0;
    ChunkDecoder plain;
    plain.open(chunk.header, chunk.raw, chunk.place);
    const auto all = sums([&](Batch& batch) { return plain.next(batch); });
    EXPECT_EQ(all.second.empty(), !damaged);
    ASSERT_GT(all.first.size(), 1000u);
    ChunkDecoder decoder;
    BatchesAhead ahead;
    for (const size_t most : {size_t{0}, size_t{1}, size_t{40}, SIZE_MAX, size_t{20}, SIZE_MAX}) {
      decoder.open(chunk.header, chunk.raw, chunk.place);
      ahead.start(decoder);
      auto expected = all;
      if (most < all.first.size()) {
        expected.first.resize(most);
        expected.second.clear();
      }
      EXPECT_EQ(sums([&](Batch& batch) { return ahead.next(batch); }, most), expected);
      ahead.stop();
    }
  }
}

}  // namespace read_ahead_test
}  // namespace mmusim::trace
