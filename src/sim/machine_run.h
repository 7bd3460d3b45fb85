// A machine's side of a replay, whatever its architecture: what a batch of the trace does to it.
//
// Several machines may be given the same batches, one after the other: none changes a batch, and
// none knows of the others.
#ifndef MMUSIM_SIM_MACHINE_RUN_H_
#define MMUSIM_SIM_MACHINE_RUN_H_

#include <span>

#include "sim/sieve.h"
#include "stats/report.h"
#include "trace/record.h"

namespace mmusim::sim {

class MachineRun {
 public:
  MachineRun() = default;
  virtual ~MachineRun() = default;
  MachineRun(const MachineRun&) = delete;
  MachineRun& operator=(const MachineRun&) = delete;

  // The batch's blocks are fetched and make their accesses, or its event happens. Errors: Error.
  virtual void take(const trace::Batch& batch) = 0;
  // Whether it can do with what a Sieve keeps of a batch of blocks. Then take_kept() is take().
  [[nodiscard]] virtual bool sifts() const = 0;
  virtual void take_kept(const trace::Batch& batch, std::span<const Kept> kept) = 0;
  // What it has counted so far.
  virtual void report(stats::Report& report) const = 0;
  // Ends all processes. Errors: as Machine::shut_down().
  virtual void shut_down() = 0;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_MACHINE_RUN_H_
