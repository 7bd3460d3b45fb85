// What is written is read: random histories of all shapes, chunk sizes and threads.
#include <gtest/gtest.h>

#include "history.h"
#include "second_reader.h"
#include "trace/prepare.h"

namespace mmusim::trace {
namespace container_test {

using testing::difference;
using testing::History;
using testing::HistoryShape;
using testing::TemporaryFile;

struct RoundTripCase {
  const char* name;
  HistoryShape shape;
  uint64_t chunk_bytes;
};

class RoundTrip : public ::testing::TestWithParam<RoundTripCase> {};

// The split of an instruction with more accesses than a block can hold repeats the instruction;
// histories are compared with such repetitions taken out, which a program cannot make here since
// its code never jumps to itself.
History without_repeats(const History& history) {
  History out;
  size_t last_fetch = 0;
  bool has_fetch = false;
  for (const auto& h : history) {
    const bool fetch = !h.is_event && h.kind == AccessKind::Fetch;
    if (fetch && has_fetch && out.size() - last_fetch == 1 + kMaxMemOps && out[last_fetch] == h) {
      last_fetch = out.size() - 1;
      continue;
    }
    if (fetch) {
      last_fetch = out.size();
      has_fetch = true;
    }
    out.push_back(h);
  }
  return out;
}

TEST_P(RoundTrip, GivesTheSameHistory) {
  const RoundTripCase& c = GetParam();
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    HistoryShape shape = c.shape;
    shape.seed = seed;
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    const History history = testing::random_history(shape);
    const TemporaryFile file;
    testing::write_history(file.path(), history,
                           {.zstd_level = 1,
                            .chunk_bytes = c.chunk_bytes,
                            .pages = PageChoice::Any,
                            .page_percent = 10'000});
    const History back = without_repeats(testing::read_history(file.path()));
    ASSERT_EQ(difference(history, back), "");
    const testing::SecondReading second =
        testing::read_by_the_book(testing::file_content(file.path()));
    ASSERT_EQ(difference(history, without_repeats(second.history)), "");
    EXPECT_EQ(second.header, testing::test_header());
    EXPECT_EQ(second.totals, Reader(file.path()).totals());
    EXPECT_GE(second.page_streams, 1u);
    check_page_streams(file.path(), {});
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, RoundTrip,
    ::testing::Values(
        RoundTripCase{"OneThread", {.threads = 1, .switches_per_mille = 0}, uint64_t{16} << 20},
        RoundTripCase{"ManyThreads", {.threads = 50, .switches_per_mille = 300}, 1 << 20},
        RoundTripCase{"TinyChunks", {.happenings = 6000}, 256},
        RoundTripCase{"MiddlingChunks", {.happenings = 60000, .code_blocks = 2000}, 20000},
        RoundTripCase{"EventsAllOver", {.threads = 9, .events_per_mille = 500}, 1 << 16},
        RoundTripCase{"SmallLoop", {.happenings = 60000, .code_blocks = 2}, 1 << 20},
        RoundTripCase{"Wild", {.code_blocks = 5000, .wild = true}, 1 << 18}),
    [](const auto& c) { return c.param.name; });

}  // namespace container_test
}  // namespace mmusim::trace
