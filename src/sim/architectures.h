// The architectures a machine can have: an explicit list in architectures.cc.
#ifndef MMUSIM_SIM_ARCHITECTURES_H_
#define MMUSIM_SIM_ARCHITECTURES_H_

#include <memory>
#include <vector>

#include "config/schema.h"
#include "mmu/layout.h"
#include "pt/page_table.h"
#include "sim/curve/curve.h"
#include "sim/explanation.h"
#include "sim/machine_run.h"
#include "sim/moment.h"
#include "sim/page_set.h"
#include "sim/replay_result.h"
#include "sim/workload/outcome.h"
#include "stats/report.h"

namespace mmusim::sim {

// What an architecture's page tables are made for.
struct TableLayout {
  PageShift page;
  pt::RadixGeometry geometry;  // of the table its hardware or kernel is used to
  unsigned entry_bytes = 0;
};

struct Architecture {
  const char* name;  // machine.arch's value
  const char* summary;
  void (*declare)(config::Schema&);
  mmu::AddressLayout (*layout)(const config::Config&);
  TableLayout (*tables)(const config::Config&);
  // A machine for a replay. Errors: UsageError for a configuration no machine can have.
  std::unique_ptr<MachineRun> (*make_run)(const config::Config&, const ReplayOptions&);
  stats::Report (*catalog)(const config::Config&);
  Moment (*find_moment)(const config::Config&, const Choice&, const ReplayOptions&);
  void (*inspect)(const config::Config&, const Moment&, const ReplayOptions&, const Inspection&);
  void (*inspect_set)(const config::Config&, const PageSet&, const Inspection&);
  Explanation (*explain)(const config::Config&, const Moment&, const Question&,
                         const ReplayOptions&);
  Explanation (*explain_miss)(const config::Config&, const workload::Plan*, const MissQuestion&,
                              const ReplayOptions&, Moment&);
  Curves (*curves)(const config::Config&, const CurveOptions&, const ReplayOptions&);
  workload::Simulated (*simulate)(const config::Config&, const workload::Plan&, Profiler*);
};

// Each in src/sim/architectures/.
const Architecture& alpha_architecture();
const Architecture& i386_architecture();
const Architecture& ia64_architecture();
const Architecture& ppc64_architecture();
const Architecture& sparc64_architecture();
const Architecture& x86_64_architecture();

const std::vector<Architecture>& all_architectures();

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_ARCHITECTURES_H_
