// Machines of several CPUs: whom a flush must tell, and how, by architecture; worked out by hand.
#include <filesystem>
#include <gtest/gtest.h>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/linux_abi.h"
#include "sim/simulation.h"
#include "sim/workload/simulate.h"
#include "trace/writer.h"

namespace mmusim::sim::workload {
namespace cpus_test {

class Cpus : public testing::Test {
 protected:
  Cpus() {
    declare(schema_);
    config_.emplace(schema_);
    config_->set("run.check", "true", "test");
  }
  // In checking mode: no TLB of any CPU may keep what was flushed.
  Simulated run(const std::string& script) {
    return simulate(*config_, unroll(parse(script, "t")));
  }

  config::Schema schema_;
  std::optional<config::Config> config_;
};

struct Told {
  const char* arch;
  const char* levels;  // paging.levels
  // Of a protect of 64K that two threads on two CPUs have touched.
  uint64_t interrupts;
  uint64_t broadcasts;
  // The same where the only thread has moved to another CPU.
  uint64_t moved_interrupts;
  uint64_t moved_broadcasts;
};

TEST_F(Cpus, FlushesTellTheOthersAsTheArchitectureDoes) {
  const Told all[] = {
      {"x86_64", "4", 1, 0, 0, 0},  {"i386", "3", 1, 0, 0, 0},
      {"ia64", "4", 0, 1, 0, 1},     // one ptc.ga of 64K; not local once it ran elsewhere
      {"ppc64", "4", 0, 16, 0, 16},  // a tlbie for each page
      {"sparc64", "4", 1, 0, 0, 0},  // one batch
      {"alpha", "4", 1, 0, 0, 0},
  };
  for (const Told& told : all) {
    SCOPED_TRACE(told.arch);
    config_->set("machine.arch", told.arch, "test");
    config_->set("paging.levels", told.levels, "test");
    const Simulated shared = run(
        "pin 0\nmap a 64K\ntouch a write\nthread t { pin 1\ntouch a }\nprotect a read\nwait t\n");
    EXPECT_EQ(shared.outcome.failed, 0u);
    EXPECT_EQ(shared.report.value("sched.cpus"), 2u);
    const Simulated moved =
        run("pin 0\nmap a 64K\ntouch a write\npin 1\ntouch a\nprotect a read\n");
    EXPECT_EQ(moved.report.value("sched.moved"), 1u);
    // What ends tells nobody else, or is the same in both: count up to the protect.
    const Simulated none =
        run("pin 0\nmap a 64K\ntouch a write\nthread t { pin 1\ntouch a }\n"
            "wait t\n");
    const Simulated none_moved = run("pin 0\nmap a 64K\ntouch a write\npin 1\ntouch a\n");
    const auto more = [](const Simulated& with, const Simulated& without, const char* name) {
      return with.report.value(name) - without.report.value(name);
    };
    EXPECT_EQ(more(shared, none, "mmu.interrupts"), told.interrupts);
    EXPECT_EQ(more(moved, none_moved, "mmu.interrupts"), told.moved_interrupts);
    if (told.broadcasts == 0 && told.moved_broadcasts == 0) continue;
    EXPECT_GE(shared.report.value("mmu.broadcasts"), told.broadcasts);
    EXPECT_GE(moved.report.value("mmu.broadcasts"), told.moved_broadcasts);
  }
}

// x86: a CPU that idles in the address space is spared by a flush, unless tables are freed.
TEST_F(Cpus, IdleCpusAreSpared) {
  const std::string script =
      "pin 0\nmap a 64K\ntouch a write\nthread t { pin 1\ntouch a }\nprotect a read\n"
      "in t { touch a }\nunmap a\nwait t\n";
  Simulated busy = run(script);
  EXPECT_EQ(busy.report.value("mmu.interrupts"), 2u);
  EXPECT_EQ(busy.report.value("flush.idle_spared"), 0u);
  EXPECT_EQ(busy.report.value("mmu.cycles.interrupts"), 2 * 2000u);
  config_->set("sched.between", "idle", "test");
  const Simulated idle = run(script);
  EXPECT_EQ(idle.report.value("mmu.interrupts"), 1u);
  EXPECT_EQ(idle.report.value("flush.idle_spared"), 1u);
  EXPECT_EQ(idle.report.value("flush.idle_caught_up"), 1u);
  EXPECT_EQ(idle.report.value("flush.idle_left"), 1u);
  // Back from idling, and to another thread: both are switches.
  EXPECT_GT(idle.report.value("kernel.switches"), busy.report.value("kernel.switches"));
}

// Without pins: a thread that is made finds its maker's CPU taken, so that there is another to
// idle.
TEST_F(Cpus, SleepersLeaveCpusIdleWithoutPins) {
  config_->set("machine.cpus", "2", "test");
  config_->set("sched.between", "idle", "test");
  const Simulated idle = run(
      "map a 64K\ntouch a write\nthread t { touch a }\nprotect a read\nin t { touch a }\nwait t\n"
      "fork c { touch a }\n");
  EXPECT_EQ(idle.outcome.failed, 0u);
  EXPECT_EQ(idle.report.value("sched.turns.cpu1"), 3u);
  EXPECT_EQ(idle.report.value("flush.idle_spared"), 1u);
  EXPECT_EQ(idle.report.value("flush.idle_caught_up"), 1u);
}

// Two threads of CPU 1: when the one that ran last has ended the other goes on, and must be told.
TEST_F(Cpus, ACpuGoesOnWithAnotherOfItsThreads) {
  const std::string two =
      "pin 0\nmap a 64K\ntouch a write\nthread t { pin 1\ntouch a }\n"
      "thread u { pin 1\ntouch a }\nwait u\n";
  const Simulated told = run(two + "protect a read\nwait t\n");
  const Simulated none = run(two + "wait t\n");
  EXPECT_EQ(told.report.value("flush.idle_spared"), 0u);
  EXPECT_EQ(told.report.value("mmu.interrupts"), none.report.value("mmu.interrupts") + 1);
}

TEST_F(Cpus, PinNeedsTheCpu) {
  config_->set("machine.cpus", "2", "test");
  const Simulated result = run("pin 1\npin 2\nmap a 4K\ntouch a\n");
  ASSERT_EQ(result.outcome.failures.size(), 1u);
  EXPECT_EQ(result.outcome.failures[0].result, -abi::kEINVAL);
  EXPECT_EQ(result.outcome.failures[0].at.line, 2u);
}

TEST_F(Cpus, ThreadsShareMemoryAndCountTheirOwnFaults) {
  const Simulated result =
      run("map a 64K\nthread t { measure \"t\" { touch a[..32K] write } }\n"
          "measure \"main\" { touch a write }\nin t { map b 4K }\nin t { unmap a[..4K] }\n"
          "measure \"hole\" { touch b write }\nthread { touch b }\nfork { touch a[4K..] write }\n"
          "wait t\n");
  EXPECT_EQ(result.outcome.failed, 0u);
  EXPECT_EQ(result.outcome.measures.at(0).minor_faults, 8);
  EXPECT_EQ(result.outcome.measures.at(1).minor_faults, 8);
  EXPECT_EQ(result.outcome.measures.at(2).minor_faults, 1);
  EXPECT_EQ(result.report.value("kernel.forks.shared"), 2u);
}

TEST_F(Cpus, WhatThreadsCannotDo) {
  const auto refused = [](const std::string& script) -> std::string {
    try {
      unroll(parse(script, "t"));
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(refused("thread t { exec }").find("cannot exec"), std::string::npos);
  EXPECT_NE(refused("thread t\nexec").find("t:2:1"), std::string::npos);
  EXPECT_NE(refused("thread t\nvfork { exit }").find("cannot vfork"), std::string::npos);
  EXPECT_NE(refused("vfork { thread { } }").find("cannot have threads"), std::string::npos);
  EXPECT_NE(refused("pin 64").find("out of range"), std::string::npos);
  EXPECT_EQ(refused("thread t\nwait t\nexec"), "");
}

// A trace whose recorder saw on which CPUs its threads ran.
TEST_F(Cpus, ThreadsGoWhereTheTraceSaysTheyDid) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / "mmusim_cpus_recorded.mmt";
  trace::Header header;
  header.isa = "x86_64";
  {
    trace::Writer writer(path, header);
    const auto turn = [&writer](uint32_t tid, std::optional<uint32_t> cpu) {
      writer.thread({Pid(1), Tid(tid)});
      if (cpu) writer.event(trace::SwitchEvent{CpuId(*cpu)});
      writer.instruction(VirtAddr(0x400000), 4);
    };
    turn(1, 1);
    turn(2, 1);
    turn(1, std::nullopt);  // still there
    turn(2, 6);             // of eight
    turn(1, std::nullopt);
    writer.finish();
  }
  const auto report = [&](const char* heed) {
    config::Config config(schema_);
    config.set("run.trace", path.string(), "test");
    config.set("run.check", "true", "test");
    config.set("machine.cpus", "4", "test");
    config.set("sched.recorded", heed, "test");
    return replay(config, {}).report;
  };
  const stats::Report heeded = report("true");
  EXPECT_EQ(heeded.value("sched.turns.cpu1"), 4u);
  EXPECT_EQ(heeded.value("sched.turns.cpu2"), 1u);
  EXPECT_EQ(heeded.value("run.instructions.cpu0"), 0u);
  EXPECT_EQ(heeded.value("run.instructions.cpu1"), 4u);
  EXPECT_EQ(heeded.value("run.instructions.cpu2"), 1u);
  const stats::Report ignored = report("false");
  EXPECT_EQ(ignored.value("sched.turns.cpu0"), 3u);
  EXPECT_EQ(ignored.value("sched.turns.cpu1"), 2u);
  std::filesystem::remove(path);
}

}  // namespace cpus_test
}  // namespace mmusim::sim::workload
