// A trace of a few lines, written by a test and replayed by it.
#ifndef MMUSIM_TESTS_UNIT_SIM_TRACE_BY_HAND_H_
#define MMUSIM_TESTS_UNIT_SIM_TRACE_BY_HAND_H_

#include <filesystem>
#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "config/schema.h"
#include "sim/simulation.h"
#include "trace/writer.h"

namespace mmusim::tests {

class TraceByHand : public testing::Test {
 protected:
  TraceByHand() {
    const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
    path_ = (std::filesystem::temp_directory_path() /
             (std::string("mmusim_") + test.test_suite_name() + "_" + test.name() + ".mmt"))
                .string();
    trace::Header header;
    header.isa = "x86_64";
    header.program = "by hand";
    writer_ = std::make_unique<trace::Writer>(path_, header);
    sim::declare(schema_);
  }
  ~TraceByHand() override { std::filesystem::remove(path_); }

  void thread(uint32_t pid) { writer_->thread({Pid(pid), Tid(pid)}); }
  void fetch(uint64_t address, unsigned bytes = 4) {
    writer_->instruction(VirtAddr(address), bytes);
  }
  void load(uint64_t address, unsigned bytes = 8) {
    writer_->access(AccessKind::Load, VirtAddr(address), bytes);
  }
  void store(uint64_t address, unsigned bytes = 8) {
    writer_->access(AccessKind::Store, VirtAddr(address), bytes);
  }

  // A configuration that replays it. It ends here, if it has not yet.
  config::Config config_of_trace() {
    if (writer_ != nullptr) writer_->finish();
    writer_.reset();
    config::Config config(schema_);
    config.set("run.trace", path_, "test");
    return config;
  }

  std::string path_;
  std::unique_ptr<trace::Writer> writer_;  // null: the trace has ended
  config::Schema schema_;
};

}  // namespace mmusim::tests

#endif  // MMUSIM_TESTS_UNIT_SIM_TRACE_BY_HAND_H_
