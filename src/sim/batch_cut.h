// Cuts a trace's batches where a number of instructions is reached, within a block if need be: so
// that counters can be looked at exactly there.
//
// A block that is cut becomes two of its own, each with its part of the instructions and their
// accesses: taken one after the other, they are the block. Not thread-safe.
#ifndef MMUSIM_SIM_BATCH_CUT_H_
#define MMUSIM_SIM_BATCH_CUT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "trace/record.h"

namespace mmusim::sim {

class BatchCut {
 public:
  // Gives the next batch; false where there is none.
  using Source = std::function<bool(trace::Batch&)>;
  // The source's next batch, or, of a run of blocks, what of it has at most so many instructions;
  // then the rest. It lives until the next call. Page streams are not cut. REQUIRES: most > 0.
  // Errors: the source's.
  bool next(const Source& source, trace::Batch& batch, uint64_t most);

 private:
  struct Piece {  // of a block
    trace::StaticBlock block;
    std::vector<trace::MemOp> ops;
    const uint64_t* addresses = nullptr;
    bool begins = true;  // the block: counted as one with this piece
  };
  // What `piece` has from instruction `first` up to `end`. REQUIRES: some.
  static Piece part_of(const Piece& piece, unsigned first, unsigned end);
  // Batches made here; the last one of a recorded batch ends as that does.
  void give_piece(Piece piece, trace::Batch& batch);
  void give_blocks(size_t count, trace::Batch& batch);
  void end(trace::Batch& batch);

  bool has_rest_ = false;
  trace::Batch rest_;          // of the recorded batch, behind tail_
  std::optional<Piece> tail_;  // of a block that was cut
  Piece given_;                // what the last batch given out points into
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_BATCH_CUT_H_
