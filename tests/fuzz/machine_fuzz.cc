// A config of anybody's over all keys there are: read, written and read again, and if it is
// accepted, the machine it asks for is made and made to run. It may be refused with an Error, but
// not for a check that failed.
//
// The first byte says over which machine's file it comes, as on a command line (machines.h); none
// for 0.
#include <algorithm>
#include <cstdlib>
#include <string>

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

void run(const uint8_t* data, size_t size) {
  static const wl::Plan plan = wl::unroll(wl::parse(kScript, "script"));
  static const config::Config none = [] {
    config::Config config(schema());
    config.set("run.check", "true", "tests/fuzz");
    return config;
  }();
  const size_t which = data[0] % (machines().size() + 1);
  config::Config config = which == 0 ? none : machines()[which - 1].config;
  try {
    config.load_text({reinterpret_cast<const char*>(data) + 1, size - 1}, "fuzz.cfg");
  } catch (const UsageError&) {
    return;
  }
  config::Config again(schema());
  again.load_text(config.effective(), "effective");
  MMUSIM_ASSERT(again.effective() == config.effective());
  if (pt::is_plugin_path(config.choice("machine.page_table"))) return;  // the command line's alone
  MMUSIM_ASSERT(!sim::keys_read(config).empty());
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
  if (size != 0) mmusim::fuzz::run(data, size);
  return 0;
}
