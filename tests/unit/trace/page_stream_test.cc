// Page streams: what they keep, counted by hand, and what happens to one that was changed.
#include "trace/page_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "trace/chunk_encoder.h"

namespace mmusim::trace {
namespace page_stream_test {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

// A chunk being made, and its page streams.
class Made {
 public:
  Made() {
    encoder_.thread({Pid(1), Tid(1)});
    for_sets_.thread({Pid(1), Tid(1)});
  }

  // A block of two instructions of `length` bytes together, or one.
  void block(uint64_t start, const std::vector<MemOp>& ops, const std::vector<uint64_t>& addresses,
             uint8_t length = 4, uint8_t instructions = 2) {
    const auto rest = static_cast<uint8_t>(length - 2);
    const std::array<uint8_t, 2> lengths = {instructions == 1 ? length : uint8_t{2}, rest};
    const StaticBlock block{VirtAddr(start),
                            length,
                            instructions,
                            static_cast<uint8_t>(ops.size()),
                            (start & 4095) + length > 4096,
                            lengths.data(),
                            ops.data()};
    encoder_.block(block, start, addresses.data());
    for_sets_.block(block, start, addresses.data());
  }
  void event() {
    encoder_.event(MarkerEvent{"m"});
    for_sets_.event(MarkerEvent{"m"});
  }

  void finish() {
    encoder_.close();
    header_.totals = encoder_.totals();
    header_.static_blocks = encoder_.static_blocks();
    RawStreams raw;
    for (size_t i = 0; i < kStreams; ++i)
      raw.streams.at(i) = encoder_.stream(static_cast<Stream>(i));
    ChunkDecoder columns;
    columns.open(header_, raw, {"FILE", 0});
    PageStreamMaker(PageChoice::Any).make([&](Batch& batch) { return columns.next(batch); }, made_);
    PageStreams as_encoded;
    ASSERT_TRUE(encoder_.page_streams(as_encoded));
    EXPECT_EQ(as_encoded.digests, made_.digests);
    for (size_t i = 0; i < kPageStreams; ++i)
      EXPECT_THAT(as_encoded.streams.at(i).bytes(), ElementsAreArray(made_.streams.at(i).bytes()))
          << i;
    // Those for sets do not depend on whether the rest is made.
    for_sets_.close();
    ASSERT_TRUE(for_sets_.page_streams(as_encoded));
    EXPECT_FALSE(as_encoded.returns);
    EXPECT_EQ(as_encoded.digests, made_.digests);
    for (const PageStream which : {PageStream::Runs, PageStream::Pages}) {
      const auto i = static_cast<size_t>(which);
      EXPECT_THAT(as_encoded.streams.at(i).bytes(), ElementsAreArray(made_.streams.at(i).bytes()))
          << i;
    }
    header_.digests = made_.digests;
    for (size_t i = 0; i < kPageStreams; ++i)
      streams[i].assign(made_.streams[i].bytes().begin(), made_.streams[i].bytes().end());
  }

  // What a stream gives; an event is a word of ones.
  std::vector<uint64_t> read(bool any) {
    std::array<std::vector<uint8_t>, kPageStreams> padded = streams;
    PageDecoder::Raw raw;
    for (size_t i = 0; i < kPageStreams; ++i) {
      padded[i].resize(padded[i].size() + kStreamPadding, 0xee);
      raw[i] = std::span(padded[i]).first(streams[i].size());
    }
    PageDecoder decoder;
    decoder.open(header_, encoder_.stream(Stream::Control), raw, any, {"FILE", 0});
    std::vector<uint64_t> words;
    for (Batch batch; decoder.next(batch);) {
      if (batch.event != nullptr) words.push_back(~uint64_t{0});
      for (const PageRef ref : batch.pages)
        words.push_back(ref.word());
    }
    return words;
  }

  std::array<std::vector<uint8_t>, kPageStreams> streams;

 private:
  ChunkEncoder encoder_{PageChoice::Any};
  ChunkEncoder for_sets_{PageChoice::Sets};
  ChunkHeader header_;
  PageStreams made_;
};

constexpr uint64_t kFetch = 0;
constexpr uint64_t kLoad = 1;
constexpr uint64_t kStore = 2;
constexpr uint64_t kModify = 3;
constexpr uint64_t kCross = 4;
constexpr uint64_t kEvent = ~uint64_t{0};
const MemOp kALoad{0, AccessKind::Load, 8};
const MemOp kAStore{0, AccessKind::Store, 8};
const MemOp kAModify{0, AccessKind::Modify, 8};

TEST(PageStream, KeepsWhatIsNotOfThePageReferencedLast) {
  Made made;
  made.block(0x1000, {kALoad, kALoad, kAStore, kALoad}, {0x20000, 0x20100, 0x20200, 0x20300});
  made.block(0x1010, {kALoad, kALoad}, {0x31000, 0x20000});  // sets 1 and 0: back again
  made.block(0x2000, {kAModify}, {0x30000});                 // set 0: 0x20000 is gone
  made.block(0x1000, {kALoad, kALoad, kAStore, kALoad}, {0x20000, 0x30000, 0x30000, 0x31ff8});
  made.event();
  made.block(0x1000, {kALoad, kALoad, kAStore, kALoad}, {0x31ff8, 0x31ffc, 0x31000, 0x32000});
  made.block(0x1ffc, {kALoad}, {0x32000}, 6);  // the second instruction crosses
  made.block(0x2000, {kAModify}, {0x32000});
  made.block(0x1010, {kALoad, kALoad}, {0x40000, 0x40000});
  made.finish();
  EXPECT_THAT(made.read(true),
              ElementsAre(0x1000 | kFetch, 0x20000 | kLoad, 0x20000 | kStore, 0x31000 | kLoad,
                          0x20000 | kLoad, 0x2000 | kFetch, 0x30000 | kModify, 0x1000 | kFetch,
                          0x20000 | kLoad, 0x30000 | kLoad, 0x30000 | kStore, 0x31000 | kLoad,
                          kEvent,  //
                          0x1000 | kFetch, 0x31000 | kLoad, 0x31000 | kLoad | kCross,
                          0x31000 | kStore, 0x32000 | kLoad, 0x1000 | kFetch | kCross,
                          0x2000 | kFetch, 0x32000 | kModify, 0x1000 | kFetch, 0x40000 | kLoad));
  // Of sets: fetches of 0x1000 and 0x2000 do not touch each other, but what crosses ends both.
  EXPECT_THAT(made.read(false),
              ElementsAre(0x1000 | kFetch, 0x20000 | kLoad, 0x20000 | kStore, 0x31000 | kLoad,
                          0x2000 | kFetch, 0x30000 | kModify, 0x20000 | kLoad, 0x30000 | kLoad,
                          0x30000 | kStore, kEvent,  //
                          0x1000 | kFetch, 0x31000 | kLoad, 0x31000 | kLoad | kCross,
                          0x31000 | kStore, 0x32000 | kLoad, 0x1000 | kFetch | kCross,
                          0x2000 | kFetch, 0x32000 | kModify, 0x1000 | kFetch, 0x40000 | kLoad));
}

// Where the fetch of an instruction that crosses stands among the accesses: finish() holds what
// the encoder makes as it goes against what is made of the columns.
TEST(PageStream, ACrossingFetchStandsInFrontOfItsInstructionsAccesses) {
  const MemOp second_load{1, AccessKind::Load, 8};
  const MemOp second_store{1, AccessKind::Store, 8};
  Made made;
  made.block(0x1ffc, {kALoad, second_load, second_store}, {0x30000, 0x41000, 0x52000}, 6);
  made.block(0x1ffc, {second_load}, {0x63000}, 6);
  made.block(0x1ffc, {}, {}, 6);
  made.block(0x2ffe, {kALoad, kAStore}, {0x30000, 0x41000}, 4, 1);  // alone
  made.block(0x3000, {kALoad, kALoad, kALoad, kALoad, kALoad, kAStore},
             {0x30000, 0x30ffc, 0x31000, 0x52000, 0x63000, 0x74000});
  made.finish();
  EXPECT_THAT(
      made.read(true),
      ElementsAre(0x1000 | kFetch, 0x30000 | kLoad, 0x1000 | kFetch | kCross, 0x41000 | kLoad,
                  0x52000 | kStore, 0x1000 | kFetch, 0x1000 | kFetch | kCross, 0x63000 | kLoad,
                  0x1000 | kFetch, 0x1000 | kFetch | kCross, 0x2000 | kFetch | kCross,
                  0x30000 | kLoad, 0x41000 | kStore, 0x3000 | kFetch, 0x30000 | kLoad,
                  0x30000 | kLoad | kCross, 0x31000 | kLoad, 0x52000 | kLoad, 0x63000 | kLoad,
                  0x74000 | kStore));
}

// Whatever byte of a stream is another: what is read is the same, or an error.
TEST(PageStream, AChangeIsNoticed) {
  Made made;
  for (uint64_t i = 0; i < 40; ++i) {
    made.block(0x1000 * (1 + i % 3), {kALoad, kAStore},
               {0x100000 + i % 7 * 0x3000, 0x200000 + i % 5 * 0x1000});
    if (i % 9 == 0) made.event();
  }
  made.finish();
  for (const bool any : {false, true}) {
    const std::vector<uint64_t> good = made.read(any);
    size_t noticed = 0;
    for (std::vector<uint8_t>& stream : made.streams)
      for (uint8_t& byte : stream)
        for (const unsigned change : {1u, 2u, 16u, 64u, 128u}) {
          byte = static_cast<uint8_t>(byte ^ change);
          try {
            ASSERT_EQ(made.read(any), good);
          } catch (const Error&) {
            ++noticed;
          }
          byte = static_cast<uint8_t>(byte ^ change);
        }
    EXPECT_GT(noticed, 500u);
  }
}

}  // namespace page_stream_test
}  // namespace mmusim::trace
