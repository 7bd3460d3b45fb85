#include "sim/batch_cut.h"

#include <utility>

#include "base/error.h"

namespace mmusim::sim {

bool BatchCut::next(const Source& source, trace::Batch& batch, uint64_t most) {
  MMUSIM_ASSERT(most > 0);
  if (!has_rest_) {
    if (!source(rest_)) return false;
    if (rest_.event != nullptr || rest_.of_pages || rest_.totals.instructions <= most) {
      batch = rest_;
      return true;
    }
    has_rest_ = true;
  }
  if (!tail_) {
    uint64_t instructions = 0;
    size_t blocks = 0;
    while (blocks < rest_.blocks.size()) {
      const uint64_t more = rest_.table[rest_.blocks[blocks]].instructions;
      if (more > most - instructions) break;
      instructions += more;
      ++blocks;
    }
    if (blocks != 0) {
      give_blocks(blocks, batch);
      return true;
    }
    const trace::StaticBlock& block = rest_.table[rest_.blocks.front()];
    tail_ = {.block = block, .ops = {}, .addresses = rest_.addresses, .begins = true};
    rest_.blocks = rest_.blocks.subspan(1);
    rest_.addresses += block.mem_ops;
  }
  const unsigned has = tail_->block.instructions;
  if (has <= most) {
    Piece piece = part_of(*tail_, 0, has);
    tail_.reset();
    give_piece(std::move(piece), batch);
  } else {
    const auto first = static_cast<unsigned>(most);
    Piece piece = part_of(*tail_, 0, first);
    tail_ = part_of(*tail_, first, has);
    give_piece(std::move(piece), batch);
  }
  return true;
}

BatchCut::Piece BatchCut::part_of(const Piece& piece, unsigned first, unsigned end) {
  Piece part{.block = piece.block,
             .ops = {},
             .addresses = piece.addresses,
             .begins = piece.begins && first == 0};
  trace::StaticBlock& block = part.block;
  block.lengths += first;
  block.instructions = static_cast<uint8_t>(end - first);
  block.bytes = 0;
  for (unsigned i = 0; i < first; ++i)
    block.start += piece.block.lengths[i];
  for (unsigned i = first; i < end; ++i)
    block.bytes += piece.block.lengths[i];
  block.crosses_page = piece.block.crosses_page && end == piece.block.instructions;
  for (unsigned i = 0; i < piece.block.mem_ops; ++i) {
    trace::MemOp op = piece.block.ops[i];
    if (op.instruction < first) ++part.addresses;
    if (op.instruction < first || op.instruction >= end) continue;
    op.instruction = static_cast<uint8_t>(op.instruction - first);
    part.ops.push_back(op);
  }
  block.mem_ops = static_cast<uint8_t>(part.ops.size());
  block.ops = part.ops.data();
  return part;
}

void BatchCut::give_piece(Piece piece, trace::Batch& batch) {
  static constexpr uint32_t kOnly = 0;
  given_ = std::move(piece);
  batch = {};
  batch.thread = rest_.thread;
  batch.table = {&given_.block, 1};
  batch.table_serial = trace::new_table_serial();
  batch.blocks = {&kOnly, 1};
  batch.addresses = given_.addresses;
  batch.totals = trace::totals_of(given_.block);
  batch.totals.blocks = given_.begins ? 1 : 0;
  end(batch);
}

void BatchCut::give_blocks(size_t count, trace::Batch& batch) {
  batch = rest_;
  batch.blocks = rest_.blocks.first(count);
  batch.totals = {};
  for (const uint32_t number : batch.blocks) {
    const trace::StaticBlock& block = rest_.table[number];
    batch.totals += trace::totals_of(block);
    rest_.addresses += block.mem_ops;
  }
  rest_.blocks = rest_.blocks.subspan(count);
  end(batch);
}

void BatchCut::end(trace::Batch& batch) {
  has_rest_ = tail_.has_value() || !rest_.blocks.empty();
  batch.goes_on = !has_rest_ && rest_.goes_on;
}

}  // namespace mmusim::sim
