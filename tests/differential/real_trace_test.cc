// The TLBs on what a real program did: each reference of the shipped trace (the first few millions)
// by the x86 MMU and by the naive model, compared one by one. Pages are mapped just before they are
// touched first, some regions as 2M pages, so that no kernel comes between; address spaces switch
// as the trace switches processes.
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <unordered_map>

#include "tests/differential/x86_pair.h"
#include "trace/reader.h"

namespace mmusim::x86 {
namespace {

class RealTrace : public testing::TestWithParam<const char*> {
 protected:
  static constexpr uint64_t kReferences = 3'000'000;

  // Every fourth 2 MiB region is one big page, if the machine's TLBs are to see both sizes.
  static bool is_big(uint64_t va) { return (va >> 21) % 4 == 1; }

  void touch(Pair& pair, uint64_t va, char kind) {
    const unsigned size = is_big(va) ? 21 : 12;
    const uint64_t base = va >> size << size;
    uint64_t& pfn = pages_[pair.current()][base];
    if (pfn == 0) {
      pfn = next_pfn_ << (size - 12);
      ++next_pfn_;
      naive::Page page;
      page.pfn = pfn;
      page.size = size;
      page.write = page.execute = true;
      pair.map(pair.current(), base, page);
    }
    const naive::Outcome outcome = pair.access(va, kind, false);
    EXPECT_EQ(outcome.fault, '-');
    ++references_;
    misses_ += outcome.served == '1' ? 0 : 1;
  }

  // A process takes one of the pair's address spaces, in turn.
  unsigned space_of(uint32_t pid) {
    const auto [it, fresh] = spaces_.try_emplace(pid, spaces_.size() % kSpaces);
    return it->second;
  }

  void play(Pair& pair, const trace::Batch& batch) {
    const unsigned space = space_of(batch.thread.pid.value());
    if (!started_ || space != pair.current()) pair.load(space);
    started_ = true;
    const uint64_t* address = batch.addresses;
    for (const uint32_t number : batch.blocks) {
      const trace::StaticBlock& block = batch.table[number];
      uint64_t pc = block.start.value();
      unsigned op = 0;
      for (unsigned i = 0; i < block.instructions; ++i) {
        touch(pair, pc, 'f');
        for (; op < block.mem_ops && block.ops[op].instruction == i; ++op)
          touch(pair, *address++, block.ops[op].kind == AccessKind::Load ? 'l' : 's');
        pc += block.lengths[i];
      }
      if (testing::Test::HasFailure()) return;
    }
  }

  std::map<unsigned, std::unordered_map<uint64_t, uint64_t>> pages_;  // by space: base -> frame
  std::unordered_map<uint32_t, unsigned> spaces_;
  uint64_t next_pfn_ = 1 << 16;
  uint64_t references_ = 0;
  uint64_t misses_ = 0;
  bool started_ = false;
};

TEST_P(RealTrace, EveryReferenceIsServedAlike) {
  Pair pair([](config::Config& config) {
    config.load(std::string(MMUSIM_SOURCE_DIR "/configs/machines/") + GetParam() + ".cfg");
  });
  trace::Reader reader(MMUSIM_SOURCE_DIR "/workloads/traces/pipeline.mmt");
  trace::Batch batch;
  while (references_ < kReferences && !HasFailure() && reader.next(batch))
    if (batch.event == nullptr) play(pair, batch);
  pair.compare_contents();
  pair.compare_page_tables();
  EXPECT_GT(misses_, 1000u);
  EXPECT_GT(pair.fast_hits(), references_ / 2) << "the fast path was hardly taken";
}

INSTANTIATE_TEST_SUITE_P(Machines, RealTrace, testing::Values("skylake-sp", "zen2", "tiny"),
                         [](const auto& machine) {
                           std::string name = machine.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace mmusim::x86
