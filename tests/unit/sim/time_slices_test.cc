// Turns of threads, shortened: each worked out by hand, and as a whole against the recording.
#include "sim/time_slices.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/random.h"
#include "sim/simulation.h"
#include "trace/reader.h"
#include "trace/writer.h"

namespace mmusim::sim {
namespace time_slices_test {

// What one batch says: the thread, and its event's kind, or its instructions.
using Said = std::pair<uint32_t, int64_t>;
constexpr int64_t kEvent = -1;

class TimeSlicesTest : public testing::Test {
 protected:
  TimeSlicesTest()
      : path_(std::filesystem::temp_directory_path() /
              (std::string("mmusim_slices_") +
               testing::UnitTest::GetInstance()->current_test_info()->name() + ".mmt")) {
    trace::Header header;
    header.isa = "x86_64";
    trace::WriterOptions options;
    options.chunk_bytes = 1 << 12;  // many tables
    writer_.emplace(path_, header, options);
  }
  ~TimeSlicesTest() override { std::filesystem::remove(path_); }

  // Blocks of ten instructions, each ended by a load: of an address that tells which it is.
  void blocks(uint32_t tid, unsigned count) {
    writer_->thread({Pid(1), Tid(tid)});
    for (unsigned i = 0; i < count; ++i) {
      const uint64_t code = 0x400000 + (tid * 64 + number_ % 50) * 0x1000;
      for (unsigned k = 0; k < 10; ++k)
        writer_->instruction(VirtAddr(code + k * 4), 4);
      writer_->access(AccessKind::Load, VirtAddr(0x10000000 + number_++ * 64), 8);
    }
  }
  void event(uint32_t tid) {
    writer_->thread({Pid(1), Tid(tid)});
    writer_->event(trace::BrkEvent{VirtAddr(0), VirtAddr(0x20000000)});
  }
  std::vector<Said> said(uint64_t quantum) {
    if (writer_) writer_->finish();
    writer_.reset();
    trace::Reader reader(path_);
    TimeSlices slices(quantum, [&](trace::Batch& batch) { return reader.next(batch); });
    std::vector<Said> all;
    trace::Batch batch;
    while (slices.next(batch)) {
      const uint32_t tid = batch.thread.tid.value();
      if (batch.event != nullptr) {
        all.emplace_back(tid, kEvent);
        continue;
      }
      const auto instructions = static_cast<int64_t>(batch.totals.instructions);
      if (!all.empty() && all.back().first == tid && all.back().second != kEvent)
        all.back().second += instructions;
      else
        all.emplace_back(tid, instructions);
    }
    return all;
  }

  std::filesystem::path path_;
  std::optional<trace::Writer> writer_;
  uint64_t number_ = 0;
};

TEST_F(TimeSlicesTest, ThreadsTakeTurns) {
  blocks(1, 30);
  blocks(2, 10);
  blocks(3, 20);
  // 105 instructions end with the eleventh block.
  EXPECT_EQ(said(105),
            (std::vector<Said>{{1, 110}, {2, 100}, {3, 110}, {1, 110}, {3, 90}, {1, 80}}));
}

TEST_F(TimeSlicesTest, NothingPassesAnEvent) {
  blocks(1, 20);
  event(1);
  blocks(2, 20);
  blocks(1, 20);
  event(3);
  event(2);
  blocks(2, 5);
  EXPECT_EQ(said(100), (std::vector<Said>{{1, 200},
                                          {1, kEvent},
                                          {2, 100},
                                          {1, 100},
                                          {2, 100},
                                          {1, 100},
                                          {3, kEvent},
                                          {2, kEvent},
                                          {2, 50}}));
}

TEST_F(TimeSlicesTest, NotMoreIsLookedAheadThanTheWindow) {
  blocks(1, 40);  // 16 quanta of 20, and more: read as one or two batches
  blocks(2, 4);
  const auto all = said(20);
  ASSERT_GE(all.size(), 2u);
  EXPECT_EQ(all.front().first, 1u);
  int64_t of_first = 0;
  for (const auto& [tid, instructions] : all)
    if (tid == 1) of_first += instructions;
  EXPECT_EQ(of_first, 400);
}

// Each thread's accesses in its own order, and the same between the same events.
TEST_F(TimeSlicesTest, NothingIsLostOrChanged) {
  Random random(5);
  for (unsigned i = 0; i < 400; ++i) {
    if (random.below(12) == 0)
      event(1 + static_cast<uint32_t>(random.below(4)));
    else
      blocks(1 + static_cast<uint32_t>(random.below(4)),
             1 + static_cast<unsigned>(random.below(60)));
  }
  writer_->finish();
  writer_.reset();
  // By events passed and thread: addresses of instructions and accesses.
  using History = std::map<std::pair<uint64_t, uint32_t>, std::vector<uint64_t>>;
  const auto history = [](const auto& next) {
    History all;
    trace::Batch batch;
    for (uint64_t events = 0; next(batch);) {
      if (batch.event != nullptr) {
        ++events;
        all[{events, 0}] = {batch.thread.tid.value(), batch.event->index()};
        continue;
      }
      std::vector<uint64_t>& mine = all[{events, batch.thread.tid.value()}];
      const uint64_t* address = batch.addresses;
      trace::Totals counted;
      for (const uint32_t number : batch.blocks) {
        const trace::StaticBlock& block = batch.table[number];
        mine.push_back(block.start.value() + block.lengths[block.instructions - 1]);
        ++counted.blocks;
        counted.instructions += block.instructions;
        for (unsigned i = 0; i < block.mem_ops; ++i) {
          mine.push_back(*address++);
          counted.loads += block.ops[i].kind == AccessKind::Load ? 1 : 0;
        }
      }
      EXPECT_EQ(counted, batch.totals);
    }
    return all;
  };
  trace::Reader plain(path_);
  const History expected = history([&](trace::Batch& batch) { return plain.next(batch); });
  for (const uint64_t quantum : {uint64_t{1}, uint64_t{70}, uint64_t{1000}}) {
    trace::Reader reader(path_);
    TimeSlices slices(quantum, [&](trace::Batch& batch) { return reader.next(batch); });
    EXPECT_EQ(history([&](trace::Batch& batch) { return slices.next(batch); }), expected);
  }
}

// In a replay: more switches, and the rest of what the kernel counts the same.
TEST_F(TimeSlicesTest, ReplaysSwitchMoreOften) {
  event(1);
  blocks(1, 100);
  blocks(2, 100);
  event(1);
  writer_->finish();
  writer_.reset();
  config::Schema schema;
  declare(schema);
  const auto run = [&](const char* quantum, const char* cpus) {
    config::Config config(schema);
    config.set("run.trace", path_.string(), "test");
    config.set("run.check", "true", "test");
    config.set("sched.quantum", quantum, "test");
    config.set("machine.cpus", cpus, "test");
    return replay(config, {}).report;
  };
  const stats::Report recorded = run("0", "1");
  const stats::Report sliced = run("100", "1");
  EXPECT_EQ(recorded.value("kernel.switches"), 3u);
  EXPECT_EQ(sliced.value("kernel.switches"), 21u);  // ten turns each, and the last event's
  EXPECT_EQ(sliced.value("run.instructions"), 2000u);
  EXPECT_EQ(sliced.value("kernel.faults.minor"), recorded.value("kernel.faults.minor"));
  // Each on a CPU of its own: nothing to switch.
  EXPECT_EQ(run("100", "2").value("kernel.switches"), 2u);
}

}  // namespace time_slices_test
}  // namespace mmusim::sim
