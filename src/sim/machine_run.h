// A machine's side of a replay, whatever its architecture: what a batch of the trace does to it.
//
// Several machines may be given the same batches, one after the other: none changes a batch, and
// none knows of the others.
#ifndef MMUSIM_SIM_MACHINE_RUN_H_
#define MMUSIM_SIM_MACHINE_RUN_H_

#include <span>

#include "sim/page_columns.h"
#include "sim/sieve.h"
#include "stats/report.h"
#include "trace/reader.h"
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
  // Which references it needs of the chunks to come. Where these are of page streams,
  // take_pages() of what a chunk's keeps is take() of its blocks; `sets`: it is what it keeps for
  // sets.
  [[nodiscard]] virtual trace::References needs() const = 0;
  virtual void take_pages(const trace::Batch& batch, PageColumns& columns, bool sets) = 0;
  // What it has counted so far.
  virtual void report(stats::Report& report) const = 0;
  // Ends all processes. Errors: as Machine::shut_down().
  virtual void shut_down() = 0;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_MACHINE_RUN_H_
