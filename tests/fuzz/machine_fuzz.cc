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
      return std::string(1 + how % 3u, 'x');
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
  // A hash table of all frames' translations takes its part of the host's memory at the start.
  if (config.size("mem.bytes") > kMostMemory)
    config.set("mem.bytes", std::to_string(kMostMemory), "tests/fuzz");
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
