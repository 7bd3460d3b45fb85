#include "tests/fuzz/machines.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "pt/page_table.h"
#include "sim/simulation.h"
#include "tests/machine_files.h"

namespace mmusim::fuzz {
namespace {

struct Setting {
  const char* key;
  std::array<const char*, 4> values;
};
constexpr Setting kSettings[] = {
    {"machine.cpus", {"1", "2", "3", "4"}},
    {"run.relocate", {"auto", "off", "force", "force"}},
    {"kernel.thp", {"always", "madvise", "never", "disabled"}},
    {"kernel.swap_pages", {"0", "16", "1000", "1000000"}},
    {"kernel.hugetlb_pages", {"0", "1", "2", "4"}},
    {"kernel.shared_tables", {"0", "64K", "2M", "1G"}},
    {"kernel.files", {"hot", "cold", "cold", "cold"}},
    {"kernel.folio_order", {"0", "2", "4", "9"}},
    {"kernel.fault_around", {"4K", "16K", "64K", "2M"}},
    {"kernel.readahead", {"4K", "32K", "128K", "1M"}},
    {"kernel.imply", {"true", "false", "true", "false"}},
    {"kernel.implied_chunk", {"1K", "4K", "64K", "2M"}},
    {"kernel.max_map_count", {"65530", "30", "5", "1"}},
    {"kernel.pt_reclaim", {"true", "false", "true", "false"}},
    {"kernel.zero_page", {"true", "false", "true", "false"}},
    {"kernel.fork_copy", {"anon_vma", "all", "anon_vma", "all"}},
    {"kernel.special_pages", {"true", "false", "true", "false"}},
    {"kernel.aslr", {"0", "1", "8", "28"}},
    {"kernel.overcommit", {"0", "1M", "16M", "1T"}},
    {"sched.quantum", {"0", "1", "20", "1000"}},
    {"sched.affinity", {"true", "false", "true", "false"}},
    {"sched.recorded", {"true", "false", "true", "false"}},
    {"sched.between", {"busy", "idle", "busy", "idle"}},
    {"mem.bytes", {"2M", "6M", "24M", "64M"}},
    {"cache.enabled", {"true", "false", "true", "false"}},
    {"pt.hashed.scope", {"global", "space", "global", "global"}},
    {"pt.clustered.scope", {"global", "space", "global", "global"}},
    {"pt.clustered.block", {"2", "4", "16", "64"}},
    {"pt.gpt.widest", {"1", "2", "9", "12"}},
    {"pt.gpt.order", {"1", "2", "8", "12"}},
    {"pt.gpt.inflate", {"1", "40", "80", "100"}},
    {"pt.gpt.halve", {"0", "10", "70", "99"}},
    {"pt.gpt.collapse", {"eager", "trim", "eager", "eager"}},
    {"paging.walk", {"copy", "native", "copy", "native"}},
    {"x86.pcid_slots", {"1", "2", "6", "64"}},
    {"x86.flush_ceiling", {"0", "1", "33", "1000"}},
    {"x86.shadow.prefill", {"1", "2", "16", "64"}},
    {"ia64.walker", {"long", "short", "off", "off-linux"}},
    {"ia64.rid_bits", {"18", "19", "20", "24"}},
    {"sparc64.tsb", {"one", "two", "none", "one"}},
    {"ppc64.page", {"4K", "64K", "64K", "4K"}},
    {"alpha.asn_bits", {"1", "2", "7", "8"}},
};

constexpr const char* kWhere = "the input";

}  // namespace

const config::Schema& schema() {
  static const config::Schema all = [] {
    config::Schema made;
    sim::declare(made);
    return made;
  }();
  return all;
}

const std::vector<Machine>& machines() {
  static const std::vector<Machine> all = [] {
    std::vector<Machine> made;
    for (const tests::MachineFiles& machine : tests::machine_files()) {
      made.push_back({machine.name, config::Config(schema())});
      for (const auto& file : machine.configs)
        made.back().config.load(file);
      made.back().config.set("mem.bytes", "24M", "tests/fuzz");
      made.back().config.set("run.check", "true", "tests/fuzz");
    }
    return made;
  }();
  return all;
}

config::Config choose_machine(Input& input) {
  config::Config config = input.one_of(machines()).config;
  config.set("machine.page_table", input.one_of(pt::backends()).name, kWhere);
  const unsigned settings = input.byte() % 8;
  for (unsigned i = 0; i < settings; ++i) {
    const Setting& setting = input.one_of(kSettings);
    config.set(setting.key, input.one_of(setting.values), kWhere);
  }
  return config;
}

void keep(const config::Config& config) {
  keep(config.effective(), ".cfg");
}

std::string keep(std::string_view content, const char* ending) {
  const char* const name = std::getenv("MMUSIM_FUZZ_KEEP");
  if (name == nullptr) return "";
  std::ofstream(std::string(name) + ending, std::ios::binary) << content;
  return std::string(name) + ending;
}

void refuse_defects(const Error& error) {
  if (std::string_view(error.what()).find("defect of the simulator") == std::string_view::npos)
    return;
  std::fprintf(stderr, "%s\n", error.what());
  std::abort();
}

}  // namespace mmusim::fuzz
