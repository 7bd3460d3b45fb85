#include "trace/chunk_decoder.h"

#include <algorithm>

#include "trace/event_codec.h"

namespace mmusim::trace {

ChunkDecoder::ChunkDecoder()
    : control_({}, place_, ""),
      blocks_in_({}, place_, ""),
      addresses_in_({}, place_, ""),
      blocks_(kBatchBlocks),
      addresses_(kBatchAddresses + kMaxMemOps) {}

void ChunkDecoder::open(const ChunkHeader& header, const RawStreams& raw, const Place& place) {
  place_ = place;
  header_ = header;
  raw_ = raw;
  const auto input = [&](Stream which) {
    return ByteReader(raw_.streams[static_cast<size_t>(which)], place_, name_of(which));
  };
  control_ = input(Stream::Control);
  blocks_in_ = input(Stream::Blocks);
  addresses_in_ = input(Stream::Addresses);
  has_thread_ = false;
  done_ = Totals{};
  read_dictionary();
  ++table_serial_;
  run_ = control_.varint();
  item_due_ = !control_.at_end();
}

void ChunkDecoder::read_static_block(ByteReader& in, uint64_t& previous_end) {
  StaticBlock block{};
  const uint64_t start = previous_end + static_cast<uint64_t>(in.signed_varint());
  block.start = VirtAddr(start);
  block.instructions = in.byte();
  block.mem_ops = in.byte();
  if (block.instructions == 0) in.fail("a static block without instructions");
  if (lengths_.size() + block.instructions > kMaxStaticLengths ||
      ops_.size() + block.mem_ops > kMaxStaticOps) {
    in.fail("the static blocks are more than the limit");
  }
  const auto lengths = in.take(block.instructions);
  for (const uint8_t length : lengths) {
    if (length == 0 || length > kMaxInstructionBytes) in.fail("an instruction of impossible size");
    block.bytes += length;
  }
  const uint64_t room = kBlockPage.bytes() - (start & kBlockPage.offset_mask());
  if (block.bytes - lengths.back() >= room) in.fail("a static block leaves its page");
  if (start + (block.bytes - 1) < start) in.fail("a static block wraps around");
  block.crosses_page = block.bytes > room;
  lengths_.insert(lengths_.end(), lengths.begin(), lengths.end());

  Counts counts{block.instructions, 0, 0, 0};
  unsigned instruction = 0;
  for (unsigned i = 0; i < block.mem_ops; ++i) {
    instruction += in.byte();
    if (instruction >= block.instructions) in.fail("an access of an instruction that is not there");
    const uint64_t shape = in.varint();
    const uint64_t kind = (shape & 3) + 1;
    const uint64_t bytes = (shape >> 2) + 1;
    if (kind > 3 || bytes > kMaxAccessBytes) in.fail("an access of unknown kind or size");
    counts.loads += kind == 1 ? 1 : 0;
    counts.stores += kind == 2 ? 1 : 0;
    counts.modifies += kind == 3 ? 1 : 0;
    ops_.push_back({static_cast<uint8_t>(instruction), static_cast<AccessKind>(kind),
                    static_cast<uint16_t>(bytes)});
  }
  previous_end = start + block.bytes;
  table_.push_back(block);
  counts_.push_back(counts);
}

void ChunkDecoder::read_dictionary() {
  table_.clear();
  counts_.clear();
  first_op_.clear();
  lengths_.clear();
  ops_.clear();
  ByteReader in(raw_.streams[static_cast<size_t>(Stream::Dictionary)], place_,
                name_of(Stream::Dictionary));
  uint64_t previous_end = 0;
  for (uint32_t i = 0; i < header_.static_blocks; ++i) {
    first_op_.push_back(static_cast<uint32_t>(ops_.size()));
    read_static_block(in, previous_end);
  }
  if (!in.at_end()) in.fail("bytes are left over");
  const uint8_t* lengths = lengths_.data();
  const MemOp* ops = ops_.data();
  for (StaticBlock& block : table_) {
    block.lengths = lengths;
    block.ops = ops;
    lengths += block.instructions;
    ops += block.mem_ops;
  }
  last_address_.assign(ops_.size(), 0);
}

bool ChunkDecoder::next(Batch& batch) {
  batch = Batch{};
  while (run_ == 0) {
    if (!item_due_) {
      if (done_ != header_.totals) fail("the chunk's totals do not match its records");
      if (!blocks_in_.at_end()) blocks_in_.fail("bytes are left over");
      if (!addresses_in_.at_end()) addresses_in_.fail("bytes are left over");
      return false;
    }
    const uint8_t kind = control_.byte();
    const bool is_event = kind != kThreadItem;
    if (is_event) {
      if (!has_thread_) control_.fail("an event before any thread");
      event_ = decode_event(kind, control_);
      ++done_.events;
    } else {
      const auto pid = control_.varint_up_to(UINT32_MAX, "a process id");
      const auto tid = control_.varint_up_to(UINT32_MAX, "a thread id");
      thread_ = {Pid(static_cast<uint32_t>(pid)), Tid(static_cast<uint32_t>(tid))};
      has_thread_ = true;
    }
    run_ = control_.varint();
    item_due_ = !control_.at_end();
    if (is_event) {
      batch.thread = thread_;
      batch.event = &event_;
      return true;
    }
  }
  if (!has_thread_) control_.fail("blocks before any thread");
  batch.thread = thread_;
  decode_blocks(batch);
  return true;
}

void ChunkDecoder::decode_blocks(Batch& batch) {
  if (run_ > header_.totals.blocks - done_.blocks) {
    control_.fail("a run of more blocks than the chunk has");
  }
  const size_t limit = std::min<uint64_t>(run_, kBatchBlocks);
  size_t count = 0;
  size_t addresses = 0;
  Totals& totals = batch.totals;
  while (count < limit && addresses < kBatchAddresses) {
    const uint64_t number = blocks_in_.varint();
    if (number >= table_.size()) blocks_in_.fail("a block that is not in the dictionary");
    blocks_[count++] = static_cast<uint32_t>(number);
    uint64_t* last = last_address_.data() + first_op_[number];
    for (unsigned i = 0; i < table_[number].mem_ops; ++i) {
      last[i] += unzigzag(addresses_in_.varint());
      addresses_[addresses++] = last[i];
    }
    const Counts& counts = counts_[number];
    totals.instructions += counts.instructions;
    totals.loads += counts.loads;
    totals.stores += counts.stores;
    totals.modifies += counts.modifies;
  }
  totals.blocks = count;
  run_ -= count;
  done_ += totals;
  batch.table = table_;
  batch.table_serial = table_serial_;
  batch.blocks = std::span(blocks_).first(count);
  batch.addresses = addresses_.data();
}

}  // namespace mmusim::trace
