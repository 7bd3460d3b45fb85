#include "sim/time_slices.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace mmusim::sim {

// The blocks a batch needs, copied, since what a reader or a relocation hands out is theirs and may
// change with the next batch.
struct TimeSlices::Table {
  // Renumbers `numbers`, the batch's, to what they are here.
  Table(const trace::Batch& batch, std::vector<uint32_t>& numbers) {
    std::vector<uint32_t> known(batch.table.size());  // 0: not yet, else the number here + 1
    size_t instructions = 0;
    size_t accesses = 0;
    for (uint32_t& number : numbers) {
      uint32_t& here = known[number];
      if (here == 0) {
        const trace::StaticBlock& block = batch.table[number];
        blocks.push_back(block);
        instructions += block.instructions;
        accesses += block.mem_ops;
        here = static_cast<uint32_t>(blocks.size());
      }
      number = here - 1;
    }
    // Blocks point into both, so neither may move.
    lengths.reserve(instructions);
    ops.reserve(accesses);
    for (trace::StaticBlock& block : blocks) {
      const uint8_t* const first_length = lengths.data() + lengths.size();
      const trace::MemOp* const first_op = ops.data() + ops.size();
      lengths.insert(lengths.end(), block.lengths, block.lengths + block.instructions);
      ops.insert(ops.end(), block.ops, block.ops + block.mem_ops);
      block.lengths = first_length;
      block.ops = first_op;
    }
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  std::vector<trace::StaticBlock> blocks;
  std::vector<uint8_t> lengths;
  std::vector<trace::MemOp> ops;
};

TimeSlices::TimeSlices(uint64_t quantum, std::function<bool(trace::Batch&)> recorded)
    : quantum_(quantum), recorded_(std::move(recorded)) {
  MMUSIM_ASSERT(quantum > 0);
}

TimeSlices::~TimeSlices() = default;

void TimeSlices::keep(const trace::Batch& batch) {
  const auto thread = std::find_if(threads_.begin(), threads_.end(),
                                   [&](const Thread& known) { return known.id == batch.thread; });
  Thread& of = thread != threads_.end() ? *thread : threads_.emplace_back();
  of.id = batch.thread;
  Run& run = of.runs.emplace_back();
  run.blocks.assign(batch.blocks.begin(), batch.blocks.end());
  run.table = std::make_unique<const Table>(batch, run.blocks);
  run.serial = trace::new_table_serial();
  run.addresses.assign(batch.addresses, batch.addresses + batch.totals.data_accesses());
}

void TimeSlices::fill() {
  threads_.clear();
  turn_ = 0;
  used_ = 0;
  trace::Batch batch;
  for (uint64_t instructions = 0; instructions < kWindow * quantum_;) {
    if (!recorded_(batch)) {
      ended_ = true;
      return;
    }
    if (batch.event != nullptr) {
      event_ = batch;
      return;
    }
    keep(batch);
    instructions += batch.totals.instructions;
  }
}

void TimeSlices::cut(Thread& thread, trace::Batch& batch) {
  Run& run = thread.runs.front();
  const trace::StaticBlock* const table = run.table->blocks.data();
  const size_t first = run.done;
  batch = {};
  batch.thread = thread.id;
  batch.table = run.table->blocks;
  batch.table_serial = run.serial;
  batch.addresses = run.addresses.data() + run.addresses_done;
  trace::Totals& totals = batch.totals;
  while (run.done < run.blocks.size() && used_ < quantum_) {
    const trace::StaticBlock& block = table[run.blocks[run.done++]];
    used_ += block.instructions;
    ++totals.blocks;
    totals.instructions += block.instructions;
    for (unsigned i = 0; i < block.mem_ops; ++i) {
      const AccessKind kind = block.ops[i].kind;
      ++(kind == AccessKind::Load    ? totals.loads
         : kind == AccessKind::Store ? totals.stores
                                     : totals.modifies);
    }
    run.addresses_done += block.mem_ops;
  }
  batch.blocks = std::span(run.blocks).subspan(first, run.done - first);
  if (run.done < run.blocks.size()) return;
  given_ = std::move(run);  // the batch points into it
  thread.runs.pop_front();
}

bool TimeSlices::next(trace::Batch& batch) {
  while (true) {
    // The next thread with something to do, from the one whose turn it is on.
    for (size_t tried = 0; tried < threads_.size(); ++tried) {
      Thread& thread = threads_[turn_];
      if (!thread.runs.empty() && used_ < quantum_) {
        cut(thread, batch);
        return true;
      }
      turn_ = (turn_ + 1) % threads_.size();
      used_ = 0;
    }
    if (!threads_.empty() && !threads_[turn_].runs.empty()) {
      cut(threads_[turn_], batch);
      return true;
    }
    if (event_) {
      batch = *std::exchange(event_, std::nullopt);
      return true;
    }
    if (ended_) return false;
    fill();
  }
}

}  // namespace mmusim::sim
