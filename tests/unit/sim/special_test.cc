// vdso, vvar and gate page on each architecture, as its Linux has them.
#include <filesystem>
#include <gtest/gtest.h>

#include "sim/machine_options.h"
#include "sim/simulation.h"
#include "sim/workload/simulate.h"
#include "trace/writer.h"

namespace mmusim::sim {
namespace special_test {

struct Expected {
  const char* arch;
  uint64_t areas;
  uint64_t gate;  // 0: none
  uint64_t gate_end;
  bool readable;
  const char* levels = nullptr;
};
void PrintTo(const Expected& expected, std::ostream* out) {
  *out << expected.arch;
}

class SpecialPagesOf : public testing::TestWithParam<Expected> {
 protected:
  SpecialPagesOf() {
    declare(schema_);
    config_ = std::make_unique<config::Config>(schema_);
    config_->set("machine.arch", GetParam().arch, "test");
    if (GetParam().levels != nullptr) config_->set("paging.levels", GetParam().levels, "test");
    config_->set("mem.bytes", "64M", "test");
    config_->set("kernel.special_pages", "true", "test");
    config_->set("run.check", "true", "test");
  }
  config::Schema schema_;
  std::unique_ptr<config::Config> config_;
};
INSTANTIATE_TEST_SUITE_P(
    Architectures, SpecialPagesOf,
    testing::Values(Expected{"x86_64", 3, 0xffffffffff600000, 0xffffffffff601000, false},
                    Expected{"i386", 0, 0xffffe000, 0xfffff000, true, "2"},
                    Expected{"i386", 0, 0xffffe000, 0xfffff000, true, "3"},
                    Expected{"ia64", 0, 0xa000000000000000, 0xa000000000020000, true},
                    Expected{"ppc64", 1, 0, 0, false}, Expected{"sparc64", 0, 0, 0, false},
                    Expected{"alpha", 0, 0, 0, false}),
    [](const auto& one) {
      return std::string(one.param.arch) + (one.param.levels == nullptr ? "" : one.param.levels);
    });

TEST_P(SpecialPagesOf, EveryProgramHasThem) {
  const workload::Plan plan = workload::unroll(
      workload::parse("map a 64K\ntouch a write\nfork { measure \"exec\" { exec } }\n", "t"));
  const workload::Simulated result = workload::simulate(*config_, plan);
  EXPECT_EQ(result.outcome.measures.at(0).areas, -1) << "as many as before, without a";
  // Three address spaces were made, and at most two are alive at once.
  EXPECT_EQ(result.report.value("kernel.vmas_peak"), 2 * (1 + GetParam().areas));
  const bool fixed = GetParam().arch == std::string("ppc64");
  EXPECT_EQ(architecture_of(*config_).layout(*config_).specials[0].at,
            VirtAddr(fixed ? 0x100000 : 0));
}

// Through the whole machine. Where the gate is mapped the processor translates it out of the
// kernel's page table; else it finds no translation, and the kernel answers.
TEST_P(SpecialPagesOf, TheGateCanBeCalled) {
  const mmu::AddressLayout layout = architecture_of(*config_).layout(*config_);
  EXPECT_EQ(layout.gate.range,
            (VirtRange{VirtAddr(GetParam().gate), VirtAddr(GetParam().gate_end)}));
  if (layout.gate.range.empty()) return;
  const std::string path = (std::filesystem::temp_directory_path() /
                            (std::string("mmusim_gate_") + GetParam().arch +
                             (GetParam().levels == nullptr ? "" : GetParam().levels) + ".mmt"))
                               .string();
  trace::Header header;
  header.isa = GetParam().arch;
  header.program = "by hand";
  {
    trace::Writer writer(path, header);
    writer.thread({Pid(1), Tid(1)});
    for (int i = 0; i < 3; ++i)
      writer.instruction(layout.gate.range.begin + uint64_t{1024}, 16);
    writer.access(AccessKind::Load, layout.gate.range.begin, 8);
    writer.instruction(layout.gate.range.end, 16);
    writer.finish();
  }
  config_->set("run.trace", path, "test");
  config_->set("run.relocate", "off", "test");
  for (const pt::Backend& backend : pt::backends()) {
    SCOPED_TRACE(backend.name);
    config_->set("machine.page_table", backend.name, "test");
    const stats::Report report = replay(*config_, {}).report;
    EXPECT_EQ(report.value("kernel.gate"), layout.gate.mapped ? 0u : 3u);
    EXPECT_EQ(report.value("access.refused"), GetParam().readable ? 1u : 2u);
    EXPECT_EQ(report.value("kernel.faults.minor"), 0u);
    EXPECT_EQ(report.value("kernel.implied.areas"), 0u);
    // One page is called and another, or the same, read; what follows the gate misses as well.
    if (layout.gate.mapped) {
      EXPECT_EQ(report.value("mmu.first.fetch_misses"), 2u);
      EXPECT_EQ(report.value("mmu.first.data_misses"), 1u);
      EXPECT_GT(report.value("check.translations"), 0u);
    }
  }
  std::filesystem::remove(path);
}

// Each of IA-64's ways to translate finds the gate, over each kind of page table, whoever runs.
TEST(SpecialPages, Ia64TranslatesTheGateInAllItsWays) {
  config::Schema schema;
  declare(schema);
  const std::string path =
      (std::filesystem::temp_directory_path() / "mmusim_ia64_gate.mmt").string();
  trace::Header header;
  header.isa = "ia64";
  constexpr VirtAddr kGate(0xa000000000000000);
  {
    trace::Writer writer(path, header);
    for (const uint32_t pid : {1u, 2u, 1u, 2u}) {
      writer.thread({Pid(pid), Tid(pid)});
      writer.instruction(kGate + (uint64_t{64} << 10), 16);
    }
    writer.finish();
  }
  for (const char* walker : {"long", "short", "off"}) {
    for (const pt::Backend& backend : pt::backends()) {
      SCOPED_TRACE(testing::Message() << walker << " " << backend.name);
      config::Config config(schema);
      config.set("machine.arch", "ia64", "test");
      config.set("machine.page_table", backend.name, "test");
      config.set("ia64.walker", walker, "test");
      config.set("mem.bytes", "64M", "test");
      config.set("kernel.special_pages", "true", "test");
      config.set("run.check", "true", "test");
      config.set("run.trace", path, "test");
      config.set("run.relocate", "off", "test");
      const stats::Report report = replay(config, {}).report;
      EXPECT_EQ(report.value("access.refused"), 0u);
      EXPECT_EQ(report.value("kernel.gate"), 0u);
      EXPECT_EQ(report.value("check.translations"), 4u);
      // The kernel's region is the same for both: one entry serves them.
      EXPECT_EQ(report.value("mmu.first.fetch_misses"), 1u);
    }
  }
  std::filesystem::remove(path);
}

}  // namespace special_test
}  // namespace mmusim::sim
