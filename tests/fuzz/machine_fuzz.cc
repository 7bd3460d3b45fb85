// A config of anybody's over all keys there are: read, written and read again, and if it is
// accepted, the machine it asks for is made and made to run. It may be refused with an Error, but
// not for a check that failed.
//
// The first byte says over which machine's file it comes, as on a command line (machines.h); none
// for 0. With 128 added, what follows is no text but a page table, keys, and values for them.
#include <string>
#include <vector>

#include "pt/page_table.h"
#include "pt/plugin.h"
#include "sim/architectures.h"
#include "sim/simulation.h"
#include "sim/workload/plan.h"
#include "sim/workload/simulate.h"
#include "tests/fuzz/machines.h"

namespace mmusim::fuzz {
namespace {

namespace wl = sim::workload;

// Something of all that a machine's parts are made for: pages small and large, a fork, more pages
// than a TLB has entries.
constexpr const char* kScript = R"(
map a 4M
touch a write stride 64K
advise a hugepage
touch a[..128K] write
file f 256K disk
map c 256K read exec private file f
touch c exec stride 16K
fork child
in child {
  touch a write stride 256K
  unmap a[1M..2M]
  exit
}
wait child
protect a read
touch a
)";

// A list of page sizes, or of levels of a page table.
std::string text(uint8_t how, Input& input) {
  constexpr const char* kSizes[] = {"4K", "8K", "16K", "64K", "2M", "4M", "16M", "1G", "3K", ""};
  constexpr const char* kLevels[] = {"12:9:leaf",    "21:9:leaf", "21:9",  "30:9",       "39:9",
                                     "48:9",         "13:10",     "23:10", "33:10",      "14:11",
                                     "25:11",        "36:11",     "12:1",  "12:12:leaf", "24:12",
                                     "36:8:region3", "16:16",     "32:16", "48:16",      "12:52"};
  std::string made;
  for (unsigned i = 0; i <= how % 6u; ++i)
    made +=
        (i == 0 ? "" : ",") + std::string(how < 128 ? input.one_of(kSizes) : input.one_of(kLevels));
  return made;
}

// A value for the key: at the ends of what it takes, a power of two, or a small number.
std::string value_of(const config::Key& key, Input& input) {
  const uint8_t how = input.byte();
  const unsigned n = how & 63u;
  switch (key.type) {
    case config::Type::Flag:
      return how % 2 != 0 ? "true" : "false";
    case config::Type::Choice:
      return key.choices[how % key.choices.size()];
    case config::Type::Text:
      return text(how, input);
    default:
      break;
  }
  if (how == 0 && !key.word.empty()) return key.word;
  switch (how >> 6) {
    case 0:
      return std::to_string(n);
    case 1:
      return std::to_string(uint64_t{1} << n);
    case 2:
      return std::to_string(n < 32 ? key.least + n : key.most - (n - 32));
    default:
      return std::to_string((uint64_t{1} << n) + 1 + input.byte());
  }
}

constexpr unsigned kMostSettings = 8;
constexpr uint64_t kMostMemory = uint64_t{64} << 30;
constexpr uint64_t kMostCpus = 8;
constexpr uint64_t kMostEntries = 16384;

// Over the machine, a few of the keys it reads, three bytes each. Values that are no such key's are
// passed over.
void set_any(config::Config& config, Input& input) {
  config.set("machine.page_table", input.one_of(pt::backends()).name, "the input");
  const std::vector<const config::Key*> read = sim::keys_read(config);
  for (unsigned i = 0; i < kMostSettings && !input.at_end(); ++i) {
    const config::Key& key = *read[input.number(2) % read.size()];
    if (key.name.starts_with("machine.arch") || key.name.starts_with("machine.page_table"))
      continue;
    try {
      config.set(key.name, value_of(key, input), "the input");
    } catch (const UsageError&) {
    }
  }
}

// What takes the host's memory and time, though it may be asked for: a hash table that grows with
// memory, and the TLBs of many CPUs.
void bound(config::Config& config) {
  const auto at_most = [&](const std::string& key, uint64_t most, uint64_t value) {
    if (value > most) config.set(key, std::to_string(most), "tests/fuzz");
  };
  at_most("mem.bytes", kMostMemory, config.size("mem.bytes"));
  at_most("machine.cpus", kMostCpus, config.number("machine.cpus"));
  for (const config::Key& key : schema().keys())
    if (key.name.ends_with(".entries") && key.type == config::Type::Number)
      at_most(key.name, kMostEntries, config.number(key.name));
}

void run(Input input) {
  static const wl::Plan plan = wl::unroll(wl::parse(kScript, "script"));
  static const config::Config none = [] {
    config::Config config(schema());
    config.set("run.check", "true", "tests/fuzz");
    return config;
  }();
  const uint8_t first = input.byte();
  const size_t which = first % 128 % (machines().size() + 1);
  config::Config config = which == 0 ? none : machines()[which - 1].config;
  try {
    if (first < 128)
      config.load_text(input.text(), "fuzz.cfg");
    else
      set_any(config, input);
  } catch (const UsageError&) {
    return;
  }
  config::Config again(schema());
  again.load_text(config.effective(), "effective");
  MMUSIM_ASSERT(again.effective() == config.effective());
  if (pt::is_plugin_path(config.choice("machine.page_table"))) return;  // the command line's alone
  MMUSIM_ASSERT(!sim::keys_read(config).empty());
  bound(config);
  keep(config);
  keep(kScript, ".workload");
  try {
    static_cast<void>(sim::catalog(config));
    static_cast<void>(wl::simulate(config, plan));
  } catch (const Error& error) {
    refuse_defects(error);
  }
}

}  // namespace
}  // namespace mmusim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mmusim::fuzz::run(mmusim::fuzz::Input({data, size}));
  return 0;
}
