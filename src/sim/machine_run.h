// A machine's side of a replay, whatever its architecture: what a batch of the trace does to it.
//
// Several machines may be given the same batches, one after the other: none changes a batch, and
// none knows of the others.
#ifndef MMUSIM_SIM_MACHINE_RUN_H_
#define MMUSIM_SIM_MACHINE_RUN_H_

#include <cstdint>
#include <optional>

#include "sim/page_columns.h"
#include "sim/sifted.h"
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
  // Whether it can do with what a Sifter keeps of batches of blocks, and if so with what any first
  // level needs or with what is for sets. Then take_sifted() is take().
  [[nodiscard]] virtual trace::References sifts() const = 0;
  virtual void take_sifted(const SiftedBatch& some, bool sets) = 0;
  // Which references it needs of the chunks to come.
  [[nodiscard]] virtual trace::References needs() const = 0;
  // Where these are of page streams: take_pages() of what a chunk's keeps is take() of its blocks;
  // `sets`: it is what it keeps for sets. Where that was numbered it is `kept`, and else the
  // batch has it. False: it waits for columns, those wanted(), and is to be given them, one
  // batch after the other, and nothing else until take_columns() is true; that also takes what is
  // left of `batch`, the one it waits in, or was to take next.
  virtual bool take_pages(const trace::Batch& batch, const std::optional<KeptRefs>& kept,
                          bool sets) = 0;
  virtual bool take_columns(const PageColumns::Moved& columns, const trace::Batch& batch,
                            const std::optional<KeptRefs>& kept, bool sets) = 0;
  [[nodiscard]] virtual const ColumnsWanted& wanted() const = 0;
  // How often it began to wait.
  [[nodiscard]] virtual uint64_t waits() const = 0;
  // Whether what comes by take_sifted() from here on stands for a page stream of the same
  // references: then waits() are what they would be with that, and it can be asked whether it would
  // have waited for any of the columns of the last batch.
  virtual void stand_for_pages(bool stands) = 0;
  [[nodiscard]] virtual bool would_have_waited() const = 0;
  // Whether it seldom has to. Of another it can be seen while it is given all references: from
  // survey() on, behind the batches of so many instructions (nothing: not at all), whether it needs
  // more than what any first level needs. It is the same whoever else is in the pass.
  [[nodiscard]] virtual bool seldom_waits() const = 0;
  virtual void survey(std::optional<uint64_t> behind) = 0;
  [[nodiscard]] virtual bool needs_all() const = 0;
  // What it has counted so far.
  virtual void report(stats::Report& report) const = 0;
  // Ends all processes. Errors: as Machine::shut_down().
  virtual void shut_down() = 0;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_MACHINE_RUN_H_
