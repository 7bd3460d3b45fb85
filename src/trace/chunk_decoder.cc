#include "trace/chunk_decoder.h"

#include <algorithm>
#include <optional>

namespace mmusim::trace {

namespace {

// Four static accesses are numbered at a time, and addresses may come in pairs.
constexpr size_t kSlack = 8;

struct Width {
  uint64_t mask;
  uint64_t bias;
};
constexpr auto kWidths = [] {
  std::array<Width, 16> widths{};
  for (unsigned i = 0; i <= kMaxDifferenceBytes; ++i) {
    const uint64_t mask = i == 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * i)) - 1;
    widths[i] = {mask, difference_bias(i)};
  }
  return widths;
}();

// Whether both of a pair are among what nearly all are: no byte, one or two, or a repetition.
constexpr auto kUsualPair = [] {
  std::array<bool, 256> usual{};
  const auto is_usual = [](unsigned width) { return width <= 2 || width >= kRepeatCode; };
  for (unsigned pair = 0; pair < 256; ++pair)
    usual[pair] = is_usual(pair & 15u) && is_usual(pair >> 4);
  return usual;
}();

// How many nibbles are 1 to kMaxDifferenceBytes each, by value; or nothing if one is none of these
// and, unless `repeats`, no repetition.
std::optional<std::array<uint64_t, kMaxDifferenceBytes + 1>> count_widths(
    std::span<const uint8_t> pairs, bool repeats) {
  std::array<std::array<uint64_t, 256>, 4> counts{};  // side by side, for the host's sake
  size_t i = 0;
  for (; i + 4 <= pairs.size(); i += 4)
    for (size_t k = 0; k < 4; ++k)
      ++counts[k][pairs[i + k]];
  for (; i < pairs.size(); ++i)
    ++counts[0][pairs[i]];
  std::array<uint64_t, 16> widths{};
  for (unsigned pair = 0; pair < 256; ++pair) {
    const uint64_t count = counts[0][pair] + counts[1][pair] + counts[2][pair] + counts[3][pair];
    if (count == 0) continue;
    widths[pair & 15u] += count;
    widths[pair >> 4] += count;
  }
  for (unsigned width = kMaxDifferenceBytes + 1; width < widths.size(); ++width)
    if (widths[width] != 0 && !(repeats && width >= kRepeatCode)) return std::nullopt;
  std::array<uint64_t, kMaxDifferenceBytes + 1> stored{};
  std::copy_n(widths.begin(), stored.size(), stored.begin());
  return stored;
}

inline void number_four(uint32_t* to, uint32_t first) {
  for (uint32_t i = 0; i < 4; ++i)
    to[i] = first + i;
}

template <class Number>
void widen(const uint8_t* from, uint32_t* to, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    Number number;
    std::memcpy(&number, from + i * sizeof number, sizeof number);
    to[i] = number;
  }
}

}  // namespace

ChunkDecoder::ChunkDecoder()
    : blocks_(kBatchBlocks),
      op_numbers_(kBatchAddresses + kMaxMemOps + kSlack),
      addresses_(kBatchAddresses + kMaxMemOps + kSlack) {}

void ChunkDecoder::open(const ChunkHeader& header, const RawStreams& raw, const Place& place) {
  place_ = place;
  header_ = header;
  raw_ = raw;
  done_ = Totals{};
  read_dictionary();
  table_serial_ = new_table_serial();
  check_streams();
  control_.open(raw_[Stream::Control], place_);
}

// After this, no block number is out of range, and as long as no more addresses are taken than the
// header says, neither widths nor differences run out.
void ChunkDecoder::check_streams() {
  const auto numbers = raw_[Stream::Blocks];
  const size_t bytes = block_number_bytes(header_.static_blocks);
  if (numbers.size() != header_.totals.blocks * bytes) {
    fail("the block stream does not have as many blocks as the chunk");
  }
  if (!all_below(numbers, bytes, header_.static_blocks)) fail("a block is not in the dictionary");
  const auto widths = raw_[Stream::Widths];
  const uint64_t addresses = header_.totals.data_accesses();
  if (widths.size() != (addresses + 1) / 2 || (addresses % 2 != 0 && widths.back() > 15)) {
    fail("the stream of address widths does not have as many as the chunk");
  }
  const auto counts = count_widths(widths, header_.coding == DifferenceCoding::Repeats);
  const uint8_t* at = raw_[Stream::Differences].data();
  const uint8_t* const end = at + raw_[Stream::Differences].size();
  next_difference_.fill(at);
  stored_ = {};
  stored_count_ = 0;
  for (uint64_t width = 0; counts && width <= kMaxDifferenceBytes; ++width) {
    if (header_.coding != DifferenceCoding::InOrder) next_difference_[width] = at;
    if (width * (*counts)[width] > static_cast<uint64_t>(end - at)) break;
    at += width * (*counts)[width];
    if (width == kMaxDifferenceBytes && at == end) return;
  }
  fail("the streams of address widths and differences do not fit together");
}

void ChunkDecoder::read_static_block(ByteReader& in, uint64_t& previous_end,
                                     FirstAddresses& first_addresses) {
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

  BlockShape shape{static_cast<uint32_t>(ops_.size()), block.mem_ops, block.instructions};
  unsigned instruction = 0;
  for (unsigned i = 0; i < block.mem_ops; ++i) {
    instruction += in.byte();
    if (instruction >= block.instructions) in.fail("an access of an instruction that is not there");
    const uint64_t kind_and_bytes = in.varint();
    const uint64_t kind = (kind_and_bytes & 3) + 1;
    const uint64_t bytes = (kind_and_bytes >> 2) + 1;
    if (kind > 3 || bytes > kMaxAccessBytes) in.fail("an access of unknown kind or size");
    shape.counts += kind == 1 ? uint64_t{1} << kCountBits : 0;
    shape.counts += kind == 2 ? uint64_t{1} << (2 * kCountBits) : 0;
    ops_.push_back({static_cast<uint8_t>(instruction), static_cast<AccessKind>(kind),
                    static_cast<uint16_t>(bytes)});
    const unsigned base = in.byte();
    if (base >= FirstAddresses::kBases) in.fail("an unknown base of a first address");
    const uint64_t address = first_addresses.base(base) + unzigzag(in.varint());
    first_addresses.told(base, address);
    last_address_.push_back(address);
  }
  previous_end = start + block.bytes;
  table_.push_back(block);
  shapes_.push_back(shape);
}

void ChunkDecoder::read_dictionary() {
  table_.clear();
  shapes_.clear();
  lengths_.clear();
  ops_.clear();
  last_address_.clear();
  ByteReader in(raw_.streams[static_cast<size_t>(Stream::Dictionary)], place_,
                name_of(Stream::Dictionary));
  uint64_t previous_end = 0;
  FirstAddresses first_addresses;
  for (uint32_t i = 0; i < header_.static_blocks; ++i) {
    read_static_block(in, previous_end, first_addresses);
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
}

bool ChunkDecoder::next(Batch& batch) {
  batch = Batch{};
  while (control_.run() == 0) {
    if (!control_.item_due()) {
      if (done_ != header_.totals) fail("the chunk's totals do not match its records");
      return false;
    }
    control_.take_item(batch);
    if (batch.event == nullptr) continue;
    ++done_.events;
    return true;
  }
  batch.thread = control_.thread();
  decode_blocks(batch);
  return true;
}

void ChunkDecoder::decode_blocks(Batch& batch) {
  if (control_.run() > header_.totals.blocks - done_.blocks) {
    control_.fail("a run of more blocks than the chunk has");
  }
  const size_t limit = std::min<uint64_t>(control_.run(), kBatchBlocks);
  const uint8_t* numbers = raw_[Stream::Blocks].data();
  if (block_number_bytes(header_.static_blocks) == sizeof(uint16_t)) {
    widen<uint16_t>(numbers + done_.blocks * sizeof(uint16_t), blocks_.data(), limit);
  } else {
    widen<uint32_t>(numbers + done_.blocks * sizeof(uint32_t), blocks_.data(), limit);
  }

  // The static access of each address, four at a time: what is too much is overwritten by the next.
  size_t count = 0;
  size_t addresses = 0;
  uint64_t counts = 0;
  uint32_t* op_numbers = op_numbers_.data();
  const uint32_t* blocks = blocks_.data();
  const BlockShape* shapes = shapes_.data();
  while (count < limit && addresses < kBatchAddresses) {
    const BlockShape& shape = shapes[blocks[count++]];
    counts += shape.counts;
    uint32_t* const to = op_numbers + addresses;
    addresses += shape.mem_ops;
    number_four(to, shape.first_op);
    for (uint32_t i = 4; i < shape.mem_ops; i += 4)
      number_four(to + i, shape.first_op + i);
  }
  constexpr uint64_t kCountMask = (uint64_t{1} << kCountBits) - 1;
  Totals& totals = batch.totals;
  totals.blocks = count;
  totals.instructions = counts & kCountMask;
  totals.loads = counts >> kCountBits & kCountMask;
  totals.stores = counts >> (2 * kCountBits);
  totals.modifies = addresses - totals.loads - totals.stores;
  if (addresses > header_.totals.data_accesses() - done_.data_accesses()) {
    fail("the blocks make more data accesses than the chunk has");
  }
  decode_addresses(addresses);

  control_.take_blocks(count);
  done_ += totals;
  batch.table = table_;
  batch.table_serial = table_serial_;
  batch.blocks = std::span(blocks_).first(count);
  batch.addresses = addresses_.data();
  batch.goes_on = control_.run() != 0;
}

// REQUIRES: op_numbers_ filled, and so many addresses left in the chunk.
void ChunkDecoder::decode_addresses(size_t count) {
  if (header_.coding == DifferenceCoding::InOrder)
    decode_addresses_in_order(count);
  else
    decode_addresses_by_width(count);
}

void ChunkDecoder::decode_addresses_in_order(size_t count) {
  const uint8_t* from = next_difference_[0];
  const uint32_t* op_number = op_numbers_.data();
  uint64_t* last = last_address_.data();
  uint64_t* to = addresses_.data();
  const auto one = [&](unsigned width) {
    uint64_t biased;
    std::memcpy(&biased, from, sizeof biased);
    from += width;
    uint64_t& address = last[*op_number++];
    address += (biased & kWidths[width].mask) - kWidths[width].bias;
    *to++ = address;
  };
  const uint64_t first = done_.data_accesses();
  const uint8_t* widths = raw_[Stream::Widths].data() + first / 2;
  if (first % 2 != 0 && count != 0) {
    one(*widths++ >> 4);
    --count;
  }
  for (; count >= 2; count -= 2) {
    const unsigned pair = *widths++;
    one(pair & 15u);
    one(pair >> 4);
  }
  if (count != 0) one(*widths & 15u);
  next_difference_[0] = from;
}

// Nearly all differences have no byte, one or two, or are repeated: where those are read is kept in
// registers, and only the rest takes a branch. What is stored is put where repetitions look for it,
// and stays there if it was.
void ChunkDecoder::decode_addresses_by_width(size_t count) {
  const uint8_t* one_byte = next_difference_[1];
  const uint8_t* two_bytes = next_difference_[2];
  const uint32_t* op_number = op_numbers_.data();
  uint64_t* last = last_address_.data();
  uint64_t* to = addresses_.data();
  uint64_t* const stored = stored_.data();
  size_t stored_count = stored_count_;
  constexpr size_t kMask = kStored - 1;
  // `code` - kRepeatCode + 1 before the next one's place.
  const auto repeated = [&](unsigned code) {
    return stored[(stored_count + kRepeatCode - 1 - code) & kMask];
  };
  const auto take = [&](uint64_t difference, bool is_stored) {
    stored[stored_count & kMask] = difference;
    stored_count += is_stored ? 1 : 0;
    uint64_t& address = last[*op_number++];
    address += difference;
    *to++ = address;
  };
  const auto any = [&](unsigned width) {
    if (width >= kRepeatCode) {
      take(repeated(width), false);
      return;
    }
    const uint8_t*& from = width == 1 ? one_byte : width == 2 ? two_bytes : next_difference_[width];
    uint64_t biased;
    std::memcpy(&biased, from, sizeof biased);
    from += width;
    take((biased & kWidths[width].mask) - kWidths[width].bias, width != 0);
  };
  const auto usual = [&](unsigned width) {
    uint16_t biased;
    std::memcpy(&biased, width == 2 ? two_bytes : one_byte, sizeof biased);
    const unsigned bytes = width & ~(width >> 2) & 3u;  // 0 of repetitions
    one_byte += bytes & 1u;
    two_bytes += bytes & 2u;
    const uint64_t is_repeated = 0 - uint64_t{width >> 3};
    take(((biased & kWidths[width].mask) - kWidths[width].bias) + (repeated(width) & is_repeated),
         bytes != 0);
  };
  const uint64_t first = done_.data_accesses();
  const uint8_t* widths = raw_[Stream::Widths].data() + first / 2;
  if (first % 2 != 0 && count != 0) {
    any(*widths++ >> 4);
    --count;
  }
  for (; count >= 2; count -= 2) {
    const unsigned pair = *widths++;
    if (kUsualPair[pair]) [[likely]] {
      usual(pair & 15u);
      usual(pair >> 4);
    } else {
      any(pair & 15u);
      any(pair >> 4);
    }
  }
  if (count != 0) any(*widths & 15u);
  next_difference_[1] = one_byte;
  next_difference_[2] = two_bytes;
  stored_count_ = stored_count;
}

}  // namespace mmusim::trace
