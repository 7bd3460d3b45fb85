// Stretches that several threads share, against those a reader's batches give by themselves.
#include "sim/stretch_feed.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "tests/effort.h"
#include "trace/cut.h"
#include "trace/reader.h"

namespace mmusim::sim {
namespace stretch_feed_test {

constexpr const char* kPipeline = MMUSIM_SOURCE_DIR "/workloads/traces/pipeline.mmt";

// What machines are given of a chunk, in numbers that hang on each of its references, in order.
struct Seen {
  uint64_t sum = 0;
  uint64_t sum_kept = 0;
  uint64_t events = 0;
  uint64_t instructions = 0;
  uint64_t kept = 0;
  bool any = false;  // what is sifted
  bool sets = false;
  bool operator==(const Seen&) const = default;

  static uint64_t behind(uint64_t sum, uint64_t word) {
    return (sum ^ word) * 0x9e3779b97f4a7c15u + 1;
  }
  void add(uint64_t word) { sum = behind(sum, word); }
  void add(const trace::Batch& batch) {
    add(batch.thread.tid.value());
    instructions += batch.totals.instructions;
    if (batch.event != nullptr) {
      ++events;
      add(batch.event->index());
      return;
    }
    for (const uint32_t number : batch.blocks)
      add(batch.table[number].start.value());
    for (uint64_t i = 0; i < batch.totals.data_accesses(); ++i)
      add(batch.addresses[i]);
  }
};

// Of one of the two, where both are sifted.
void add_kept(const Stretch& stretch, Seen& seen) {
  seen.any = stretch.sifted().any;
  seen.sets = stretch.sifted().sets;
  if (!seen.any) return;
  for (const Stretch::Part& part : stretch.parts()) {
    if (part.sifted == nullptr) continue;
    const KeptRow& row = part.sifted->kept(seen.sets);
    for (const uint32_t number : row.numbers)
      seen.sum_kept = Seen::behind(seen.sum_kept, stretch.numbers().refs[number].word());
    seen.kept += row.numbers.size();
  }
}

// The begin of the pipeline, in many small chunks.
class StretchFeedTest : public testing::Test {
 protected:
  StretchFeedTest()
      : path_(testing::TempDir() + "stretch_feed_" + std::to_string(getpid()) + ".mmt") {
    trace::cut(kPipeline, {0, tests::effort(300'000)}, path_, {},
               {.chunk_bytes = 4'000, .pages = trace::PageChoice::None});
    route_.trace = path_;
  }
  ~StretchFeedTest() override { std::filesystem::remove(path_); }

  // All columns, and what is sifted of them, as one gets them who is alone.
  [[nodiscard]] std::vector<Seen> alone(Sifter::Wanted wanted) const {
    std::vector<Seen> chunks;
    trace::Reader reader(path_);
    StretchMaker maker;
    Stretch stretch;
    BatchSlots slots;
    while (reader.next_chunk()) {
      reader.begin(trace::References::All);
      maker.enter({});
      maker.want_sifted(wanted);
      Seen& seen = chunks.emplace_back();
      const auto next = [&](trace::Batch& batch, uint64_t /*most*/) {
        return reader.next_of_chunk(batch);
      };
      while (maker.make(stretch, slots, next, RunLimit(0), Looks(0, 0), 0)) {
        for (const Stretch::Part& part : stretch.parts())
          seen.add(part.batch);
        add_kept(stretch, seen);
        slots.clear();
      }
    }
    return chunks;
  }

  // What a seat gets of the chunks it wants.
  using Wants = std::vector<bool>;
  static std::map<uint64_t, Seen> take(StretchFeed& feed, size_t number, const Wants& wants,
                                       const Sifting& sifting, uint64_t seed) {
    std::map<uint64_t, Seen> chunks;
    FeedSeat seat(feed, number);
    Random random(seed);
    for (uint64_t chunk = 0; chunk < wants.size(); ++chunk) {
      if (!wants[chunk]) {
        seat.pass(chunk);
        continue;
      }
      seat.want(chunk, sifting);
      Seen& seen = chunks[chunk];
      while (const Stretch* stretch = seat.next()) {
        if (random.below(8) == 0)
          std::this_thread::sleep_for(std::chrono::microseconds(random.below(300)));
        for (const Stretch::Part& part : stretch->parts())
          seen.add(part.batch);
        add_kept(*stretch, seen);
      }
    }
    return chunks;
  }

  std::string path_;
  TraceRoute route_;
};

TEST_F(StretchFeedTest, EachSeatHasWhatItWants) {
  const std::vector<Seen> plain = alone({.any = false, .sets = false});
  const std::vector<Seen> any = alone({.any = true, .sets = false});
  const std::vector<Seen> both = alone({.any = true, .sets = true});
  ASSERT_GT(plain.size(), 12U);
  ASSERT_GT(any[3].kept, both[3].kept);
  ASSERT_GT(both[3].kept, 0U);
  for (uint64_t seed = 1; seed <= tests::effort(12); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const size_t seats = 1 + random.below(5);
    StretchFeed feed(route_, seats, /*read_ahead=*/random.below(2) == 0);
    std::vector<Wants> wants(seats);
    for (Wants& seat : wants) {
      const uint64_t often = random.below(5);  // of four
      for (size_t chunk = 0; chunk < plain.size(); ++chunk)
        seat.push_back(random.below(4) < often);
      if (random.below(4) == 0) seat.resize(random.below(plain.size()));  // leaves early
    }
    const bool sifts = random.below(2) == 0;
    const Sifting sifting{.by_sets = sifts ? 3U : 0, .others = sifts ? 2U : 0};
    std::vector<std::map<uint64_t, Seen>> got(seats);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < seats; ++i)
      threads.emplace_back([&, i] { got[i] = take(feed, i, wants[i], sifting, seed + i); });
    for (std::thread& thread : threads)
      thread.join();
    for (size_t i = 0; i < seats; ++i)
      for (uint64_t chunk = 0; chunk < wants[i].size(); ++chunk) {
        ASSERT_EQ(got[i].count(chunk), wants[i][chunk] ? 1U : 0U);
        if (!wants[i][chunk]) continue;
        // What is sifted hangs on who wanted something when the chunk was begun.
        const Seen& seen = got[i][chunk];
        EXPECT_EQ(seen, (seen.sets  ? both
                         : seen.any ? any
                                    : plain)[chunk])
            << "seat " << i << " chunk " << chunk;
        EXPECT_TRUE(sifts || !seen.any);
      }
  }
}

// Whoever wants a damaged chunk hears of it, and nobody else.
TEST_F(StretchFeedTest, ADamagedChunkIsOfThoseThatWantIt) {
  const std::vector<Seen> plain = alone({.any = false, .sets = false});
  const size_t bad = plain.size() / 2;
  {
    trace::Reader reader(path_);
    const trace::ChunkInfo chunk = reader.chunks()[bad];
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(chunk.offset + chunk.compressed_bytes - 3));
    file.put('?').put('!');
  }
  constexpr size_t kSeats = 4;
  StretchFeed feed(route_, kSeats, false);
  std::array<bool, kSeats> failed{};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kSeats; ++i)
    threads.emplace_back([&, i] {
      Wants wants(plain.size(), true);
      wants[bad] = i % 2 == 0;
      try {
        const auto got = take(feed, i, wants, {}, i);
        for (const auto& [chunk, seen] : got)
          EXPECT_EQ(seen, plain[chunk]) << "seat " << i << " chunk " << chunk;
      } catch (const Error&) {
        failed[i] = true;
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  for (size_t i = 0; i < kSeats; ++i)
    EXPECT_EQ(failed[i], i % 2 == 0) << i;
}

// Once it was said that what any first level needs is sifted, it is, whatever else is wanted.
TEST_F(StretchFeedTest, WhatIsPromisedIsSifted) {
  const std::vector<Seen> sifted = alone({.any = true, .sets = false});
  StretchFeed feed(route_, 1, false);
  FeedSeat seat(feed, 0);
  for (uint64_t chunk = 0; chunk < sifted.size(); ++chunk) {
    if (chunk == 0) {
      EXPECT_TRUE(seat.gives_any(chunk));
    }
    seat.want(chunk, {.by_sets = 1, .others = 0});
    Seen seen;
    while (const Stretch* stretch = seat.next()) {
      EXPECT_TRUE(stretch->sifted().any);
      for (const Stretch::Part& part : stretch->parts())
        seen.add(part.batch);
      add_kept(*stretch, seen);
    }
    EXPECT_EQ(seen, sifted[chunk]);
  }
  // What has begun without stays so.
  StretchFeed other(route_, 1, false);
  FeedSeat late(other, 0);
  late.want(0, {});
  EXPECT_FALSE(late.next()->sifted().any);
  EXPECT_FALSE(late.gives_any(0));
}

}  // namespace stretch_feed_test
}  // namespace mmusim::sim
