// One chunk's streams, made byte by byte: what they mean, and all the ways they can be wrong.
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "history.h"
#include "second_reader.h"
#include "trace/chunk_decoder.h"
#include "trace/event_codec.h"

namespace mmusim::trace {
namespace decoder_test {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Bytes = std::vector<uint8_t>;

struct Chunk {
  Totals totals;
  uint32_t static_blocks = 0;
  Bytes dictionary, control, numbers, widths, differences;
};

// Two static blocks: 0 at 0x1000 with instructions of 3 and 2 bytes, the first loading 8 bytes at
// 0x80 at first, the second storing 1 byte at 0x40 at first; 1 at 0x1005 with one instruction of 4
// bytes and no access. Executed: thread 5/6 runs 0, 1; a marker "m"; thread 5/7 runs 0.
Chunk good_chunk() {
  Chunk c;
  c.totals = {.instructions = 5, .blocks = 3, .loads = 2, .stores = 2, .modifies = 0, .events = 1};
  c.static_blocks = 2;
  c.dictionary = {0x80, 0x40, 2, 2,    3,    2,  // start +0x1000 (zigzag 0x2000), counts, lengths
                  0,    28,   0, 0x80, 0x02,     // instruction 0, load of 8, base 0 + 0x80
                  1,    1,    0, 0x7f,           // instruction 1, store of 1, base 0 - 0x40
                  0,    1,    0, 4};             // start +0, one instruction, no access
  c.control = {0, 0xff, 5, 6,                    // at once: thread 5/6
               2, 11,   2, 1, 'm',               // after two blocks: marker of two bytes
               0, 0xff, 5, 7,                    // at once: thread 5/7
               1};                               // one block to the end
  c.numbers = {0, 0, 1, 0, 0, 0};
  c.widths = {0x10, 0x20};             // 0 and 1 bytes; 0 and 2 bytes
  c.differences = {0x7f, 0x01, 0x80};  // -1; +1
  return c;
}

class ChunkUnderTest {
 public:
  explicit ChunkUnderTest(const Chunk& chunk) {
    header_.totals = chunk.totals;
    header_.static_blocks = chunk.static_blocks;
    const Bytes* streams[] = {&chunk.dictionary, &chunk.control, &chunk.numbers, &chunk.widths,
                              &chunk.differences};
    for (size_t i = 0; i < kStreams; ++i) {
      // Padding that is not zero: nothing may depend on it.
      Bytes& padded = padded_.at(i) = *streams[i];
      padded.resize(padded.size() + RawStreams::kPadding, 0xee);
      raw_.streams.at(i) = std::span(padded).first(streams[i]->size());
    }
  }

  std::string error() {
    try {
      decoder_.open(header_, raw_, {"FILE", 4711});
      for (Batch batch; decoder_.next(batch);) {
      }
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  }
  void set_coding(DifferenceCoding coding) { header_.coding = coding; }
  ChunkDecoder& opened() {
    decoder_.open(header_, raw_, {"FILE", 4711});
    return decoder_;
  }

 private:
  ChunkHeader header_;
  std::array<Bytes, kStreams> padded_;
  RawStreams raw_;
  ChunkDecoder decoder_;
};

TEST(ChunkDecoder, ReadsWhatTheBytesMean) {
  ChunkUnderTest chunk(good_chunk());
  ChunkDecoder& decoder = chunk.opened();
  Batch batch;
  ASSERT_TRUE(decoder.next(batch));
  EXPECT_EQ(batch.thread, (ThreadId{Pid(5), Tid(6)}));
  EXPECT_EQ(batch.event, nullptr);
  EXPECT_THAT(batch.blocks, ElementsAre(0, 1));
  ASSERT_EQ(batch.table.size(), 2u);
  EXPECT_EQ(batch.table[0].start, VirtAddr(0x1000));
  EXPECT_EQ(batch.table[0].bytes, 5u);
  EXPECT_EQ(batch.table[0].ops[0], (MemOp{0, AccessKind::Load, 8}));
  EXPECT_EQ(batch.table[0].ops[1], (MemOp{1, AccessKind::Store, 1}));
  EXPECT_EQ(batch.table[1].start, VirtAddr(0x1005));
  EXPECT_EQ(batch.table[1].lengths[0], 4);
  EXPECT_EQ(batch.addresses[0], 0x80u);
  EXPECT_EQ(batch.addresses[1], 0x40u - 1 + 0);
  EXPECT_EQ(batch.totals, (Totals{.instructions = 3, .blocks = 2, .loads = 1, .stores = 1}));
  const uint64_t serial = batch.table_serial;

  ASSERT_TRUE(decoder.next(batch));
  EXPECT_EQ(batch.thread, (ThreadId{Pid(5), Tid(6)}));
  ASSERT_NE(batch.event, nullptr);
  EXPECT_EQ(*batch.event, Event(MarkerEvent{"m"}));

  ASSERT_TRUE(decoder.next(batch));
  EXPECT_EQ(batch.thread, (ThreadId{Pid(5), Tid(7)}));
  EXPECT_THAT(batch.blocks, ElementsAre(0));
  EXPECT_EQ(batch.addresses[0], 0x80u);
  EXPECT_EQ(batch.addresses[1], 0x40u);
  EXPECT_EQ(batch.table_serial, serial);
  EXPECT_FALSE(decoder.next(batch));

  ASSERT_TRUE(chunk.opened().next(batch));
  EXPECT_NE(batch.table_serial, serial);
}

struct WrongCase {
  const char* name;
  const char* message;
  std::function<void(Chunk&)> spoil;
};

class WrongChunk : public ::testing::TestWithParam<WrongCase> {};

TEST_P(WrongChunk, IsRefused) {
  Chunk chunk = good_chunk();
  GetParam().spoil(chunk);
  EXPECT_THAT(ChunkUnderTest(chunk).error(),
              AllOf(HasSubstr("FILE: byte 4711: "), HasSubstr(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(Ways, WrongChunk,
                         ::
                             testing::Values(WrongCase{"NoInstructions", "without instructions",
                                                       [](Chunk& c) { c.dictionary[2] = 0; }},
                                             WrongCase{"LengthZero", "impossible size",
                                                       [](Chunk& c) { c.dictionary[4] = 0; }},
                                             WrongCase{"LengthTooLarge", "impossible size",
                                                       [](Chunk& c) { c.dictionary[4] = 33; }},
                                             WrongCase{
                                                 "LeavesItsPage", "leaves its page",
                                                 [](Chunk& c) {  // 0x0ffd, so that the second
                                                                 // instruction begins at 0x1000
                                                   c.dictionary[0] = 0xfa;
                                                   c.dictionary[1] = 0x3f;
                                                 }},
                                             WrongCase{"WrapsAround", "wraps around",
                                                       [](Chunk& c) {  // -4: five bytes from there
                                                         c.dictionary.erase(c.dictionary.begin());
                                                         c.dictionary[0] = 0x07;
                                                       }},
                                             WrongCase{"InstructionOutOfRange", "not there",
                                                       [](Chunk& c) { c.dictionary[11] = 2; }},
                                             WrongCase{"UnknownKind", "unknown kind",
                                                       [](Chunk& c) { c.dictionary[7] = 3; }},
                                             WrongCase{"AccessTooLarge", "unknown kind or size",
                                                       [](Chunk& c) {
                                                         c.dictionary[7] =
                                                             0x80;  // 4097 bytes: 4096 * 4
                                                         c.dictionary.insert(
                                                             c.dictionary.begin() + 8,
                                                             {0x80, 0x01});
                                                       }},
                                             WrongCase{"UnknownBase", "unknown base",
                                                       [](Chunk& c) { c.dictionary[8] = 4; }},
                                             WrongCase{"DictionaryShort", "ends early",
                                                       [](Chunk& c) { c.dictionary.pop_back(); }},
                                             WrongCase{"DictionaryLong", "left over",
                                                       [](Chunk& c) { c.dictionary.push_back(0); }},
                                             WrongCase{"NumberTooLong", "64 bits",
                                                       [](Chunk& c) {
                                                         c.dictionary.insert(c.dictionary.begin(),
                                                                             10, 0xff);
                                                       }},
                                             WrongCase{"BlockOutOfRange", "not in the dictionary",
                                                       [](Chunk& c) { c.numbers[2] = 2; }},
                                             WrongCase{"BlockFarOutOfRange",
                                                       "not in the dictionary",
                                                       [](Chunk& c) { c.numbers[5] = 0xff; }},
                                             WrongCase{"BlocksShort", "as many blocks",
                                                       [](Chunk& c) { c.numbers.pop_back(); }},
                                             WrongCase{"BlocksLong", "as many blocks",
                                                       [](Chunk& c) {
                                                         c.numbers.insert(c.numbers.end(), {0, 0});
                                                       }},
                                             WrongCase{"WidthNine", "fit together",
                                                       [](Chunk& c) { c.widths[0] = 0x91; }},
                                             WrongCase{"WidthEleven", "fit together",
                                                       [](Chunk& c) { c.widths[1] = 0x0b; }},
                                             WrongCase{"WidthsShort", "address widths",
                                                       [](Chunk& c) { c.widths.pop_back(); }},
                                             WrongCase{"WidthsLong", "address widths",
                                                       [](Chunk& c) { c.widths.push_back(0); }},
                                             WrongCase{"DifferencesShort", "fit together",
                                                       [](Chunk& c) { c.differences.pop_back(); }},
                                             WrongCase{
                                                 "DifferencesLong", "fit together",
                                                 [](Chunk& c) { c.differences.push_back(0); }},
                                             WrongCase{"TooManyAccesses", "more data accesses",
                                                       [](Chunk& c) { c.numbers[2] = 0; }},
                                             WrongCase{"WrongInstructions", "totals",
                                                       [](Chunk& c) { ++c.totals.instructions; }},
                                             WrongCase{"WrongKinds", "totals",
                                                       [](Chunk& c) {
                                                         ++c.totals.loads;
                                                         --c.totals.stores;
                                                       }},
                                             WrongCase{"WrongEvents", "totals",
                                                       [](Chunk& c) { c.totals.events = 0; }},
                                             WrongCase{"RunTooLong", "more blocks than",
                                                       [](Chunk& c) { c.control.back() = 2; }},
                                             WrongCase{"RunFarTooLong", "more blocks than",
                                                       [](Chunk& c) {
                                                         c.control.pop_back();
                                                         c.control.insert(c.control.end(), 9, 0xff);
                                                         c.control.push_back(1);
                                                       }},
                                             WrongCase{"RunTooShort", "totals",
                                                       [](Chunk& c) { c.control.back() = 0; }},
                                             WrongCase{"ControlEmpty", "ends early",
                                                       [](Chunk& c) { c.control.clear(); }},
                                             WrongCase{"ControlShort", "ends early",
                                                       [](Chunk& c) { c.control.pop_back(); }},
                                             WrongCase{"ThreadTooLarge", "process id",
                                                       [](Chunk& c) {
                                                         c.control[2] = 0x80;
                                                         c.control.insert(c.control.begin() + 3,
                                                                          {0x80, 0x80, 0x80, 0x10});
                                                       }},
                                             WrongCase{"BlocksWithoutThread", "before any thread",
                                                       [](Chunk& c) {
                                                         c.control.erase(c.control.begin(),
                                                                         c.control.begin() + 4);
                                                       }},
                                             WrongCase{"EventWithoutThread", "before any thread",
                                                       [](Chunk& c) {
                                                         c.control = {0, 11, 2, 1, 'm', 3};
                                                       }},
                                             WrongCase{"UnknownEvent", "unknown event kind 19",
                                                       [](Chunk& c) { c.control[5] = 19; }},
                                             WrongCase{"EventTooLong", "longer than the data",
                                                       [](Chunk& c) { c.control[6] = 100; }},
                                             WrongCase{"EventLengthWrong", "length of a marker",
                                                       [](Chunk& c) { c.control[6] = 3; }},
                                             WrongCase{"TextTooLong", "ends early",
                                                       [](Chunk& c) { c.control[7] = 100; }}),
                         [](const auto& c) { return c.param.name; });

TEST(ChunkDecoder, AGoodChunkHasNoError) {
  EXPECT_EQ(ChunkUnderTest(good_chunk()).error(), "");
}

// One load goes on by 1, 2, 300, -1 and 70000; then by the last four of these, the latest first; by
// 0; by 5, and by what was stored before that. In a chunk that has stored one difference only,
// those before it are 0.
TEST(ChunkDecoder, RepeatsWhatWasStoredLast) {
  const auto chunk_of = [](Bytes widths, Bytes differences, unsigned accesses) {
    Chunk chunk = good_chunk();
    chunk.totals = {.instructions = accesses, .blocks = accesses, .loads = accesses};
    chunk.static_blocks = 1;
    chunk.dictionary = {0x80, 0x40, 1, 1, 3, 0, 28, 0, 0};
    chunk.control = {0, 0xff, 5, 6, static_cast<uint8_t>(accesses)};
    chunk.numbers.assign(2 * size_t{accesses}, 0);
    chunk.widths = std::move(widths);
    chunk.differences = std::move(differences);
    return chunk;
  };
  const Chunk many = chunk_of({0x11, 0x12, 0xc3, 0xed, 0x0f, 0xd1},
                              {0x81, 0x82, 0x7f, 0x85, 0x2c, 0x81, 0x70, 0x11, 0x81}, 12);
  ChunkUnderTest good(many);
  Batch batch;
  ASSERT_TRUE(good.opened().next(batch));
  EXPECT_THAT(
      std::vector<uint64_t>(batch.addresses, batch.addresses + 12),
      ElementsAre(1, 3, 303, 302, 70302, 140302, 140301, 140601, 140603, 140603, 140608, 210608));
  EXPECT_EQ(good.error(), "");
  ChunkUnderTest few(chunk_of({0xd1, 0xfe}, {0x81}, 4));
  ASSERT_TRUE(few.opened().next(batch));
  EXPECT_THAT(std::vector<uint64_t>(batch.addresses, batch.addresses + 4), ElementsAre(1, 1, 1, 1));
  EXPECT_EQ(few.error(), "");
  ChunkUnderTest old(many);
  old.set_coding(DifferenceCoding::ByWidth);
  EXPECT_THAT(old.error(), HasSubstr("fit together"));
}

TEST(ChunkDecoder, AnOddNumberOfAccessesLeavesHalfAByteThatMustBeZero) {
  Chunk chunk = good_chunk();
  chunk.totals = {.instructions = 3, .blocks = 3, .loads = 3};
  chunk.static_blocks = 1;
  chunk.dictionary = {0x80, 0x40, 1, 1, 3, 0, 28, 0, 0};
  chunk.control = {0, 0xff, 5, 6, 3};
  chunk.numbers = {0, 0, 0, 0, 0, 0};
  chunk.widths = {0x11, 0x01};
  chunk.differences = {0x88, 0x88, 0x88};
  ChunkUnderTest good(chunk);
  Batch batch;
  ASSERT_TRUE(good.opened().next(batch));
  EXPECT_THAT(std::vector<uint64_t>(batch.addresses, batch.addresses + 3), ElementsAre(8, 16, 24));
  EXPECT_EQ(good.error(), "");
  chunk.widths = {0x11, 0x11};
  chunk.differences.push_back(0x88);
  EXPECT_THAT(ChunkUnderTest(chunk).error(), HasSubstr("address widths"));
}

TEST(ChunkDecoder, BlockNumbersBeyondSixteenBitsTakeFourBytes) {
  for (const unsigned count : {65536u, 65537u}) {  // numbers up to 65535, and one beyond
    testing::History history;
    for (unsigned i = 0; i < 2 * count; ++i) {
      testing::Happening h;
      h.thread = {Pid(1), Tid(1)};
      h.address = 0x10000 + 16 * uint64_t{i % count};
      h.bytes = 3;
      history.push_back(h);
    }
    const testing::TemporaryFile file;
    testing::write_history(file.path(), history, {.zstd_level = 1});
    EXPECT_EQ(difference(history, testing::read_history(file.path())), "") << count;
    const auto second = testing::read_by_the_book(testing::file_content(file.path()));
    EXPECT_EQ(difference(history, second.history), "") << count;
  }
}

TEST(EventCodec, GivesBackEveryEvent) {
  for (size_t kind = 0; kind < std::variant_size_v<Event>; ++kind) {
    for (uint64_t seed = 1; seed <= 200; ++seed) {
      const Event event = testing::random_event(seed, kind);
      ByteBuffer bytes;
      encode_event(bytes, event);
      ASSERT_EQ(bytes.bytes()[0], kind);
      const Place place{"FILE", 0};
      ByteReader in(bytes.bytes().subspan(1), place, "events");
      ASSERT_EQ(decode_event(bytes.bytes()[0], in), event) << "kind " << kind << " seed " << seed;
      ASSERT_TRUE(in.at_end());
    }
  }
}

TEST(EventCodec, EveryTruncationIsAnError) {
  for (size_t kind = 0; kind < std::variant_size_v<Event>; ++kind) {
    ByteBuffer bytes;
    encode_event(bytes, testing::random_event(77, kind));
    for (size_t size = 1; size < bytes.size(); ++size) {
      const Place place{"FILE", 0};
      ByteReader in(bytes.bytes().subspan(1, size - 1), place, "events");
      ASSERT_THROW(decode_event(static_cast<uint8_t>(kind), in), Error) << kind << " " << size;
    }
  }
}

TEST(EventCodec, RefusesNumbersOutOfRangeAndLongLists) {
  const auto error = [](uint8_t kind, const Bytes& fields) -> std::string {
    Bytes bytes = {static_cast<uint8_t>(fields.size())};
    bytes.insert(bytes.end(), fields.begin(), fields.end());
    const Place place{"FILE", 0};
    ByteReader in(bytes, place, "events");
    try {
      decode_event(kind, in);
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  };
  EXPECT_EQ(error(10, {0xff, 0xff, 0xff, 0xff, 0x0f}), "");
  EXPECT_THAT(error(10, {0x80, 0x80, 0x80, 0x80, 0x10}), HasSubstr("32-bit"));  // switch: CPU
  EXPECT_EQ(error(9, {1, 0xff, 0xff, 0xff, 0xff, 0x0f}), "");                   // INT32_MIN
  EXPECT_THAT(error(9, {1, 0x80, 0x80, 0x80, 0x80, 0x10}), HasSubstr("32 bits"));
  EXPECT_THAT(error(8, {0, 2}), HasSubstr("yes/no"));
  EXPECT_THAT(error(0, {0, 0xff, 0xff, 0x7f}), HasSubstr("list"));  // arguments
  EXPECT_THAT(error(0, {0, 0x80, 0x80, 0x02}), HasSubstr("longer than the data"));
  EXPECT_THAT(error(11, {0xff, 0xff, 0xff, 0x7f}), HasSubstr("limit"));  // marker's text
}

}  // namespace decoder_test
}  // namespace mmusim::trace
