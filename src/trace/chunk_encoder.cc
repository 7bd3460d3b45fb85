#include "trace/chunk_encoder.h"

#include <algorithm>
#include <numeric>

#include "trace/event_codec.h"

namespace mmusim::trace {
namespace {

constexpr size_t kFirstSlots = size_t{1} << 14;

// The fewest bytes that hold `difference`, which is not 0, as a signed number.
unsigned difference_bytes(uint64_t difference) {
  const uint64_t magnitude = difference ^ (0 - (difference >> 63));
  return static_cast<unsigned>(72 - std::countl_zero(magnitude | 1)) / 8;
}

constexpr auto kBias = [] {
  std::array<uint64_t, kMaxDifferenceBytes + 1> bias{};
  for (unsigned bytes = 0; bytes < bias.size(); ++bytes)
    bias[bytes] = difference_bias(bytes);
  return bias;
}();

// What a run of blocks has.
Totals since(const Totals& begin, const Totals& end) {
  Totals run;
  run.instructions = end.instructions - begin.instructions;
  run.loads = end.loads - begin.loads;
  run.stores = end.stores - begin.stores;
  run.modifies = end.modifies - begin.modifies;
  return run;
}

}  // namespace

ChunkEncoder::ChunkEncoder(bool pages)
    : slots_(kFirstSlots), pages_(pages ? std::make_unique<PageStreamMaker>() : nullptr) {}

std::span<const uint8_t> ChunkEncoder::stream(Stream which) const {
  return streams_[static_cast<size_t>(which)].bytes();
}

uint64_t ChunkEncoder::raw_bytes() const {
  return streams_[static_cast<size_t>(Stream::Dictionary)].size() +
         streams_[static_cast<size_t>(Stream::Control)].size() +
         numbers_.size() * block_number_bytes(table_.size()) + widths_.size() / 2 +
         std::accumulate(differences_.begin(), differences_.end(), uint64_t{0},
                         [](uint64_t sum, const ByteBuffer& of) { return sum + of.size(); });
}

bool ChunkEncoder::full(uint64_t chunk_bytes) const {
  return raw_bytes() >= chunk_bytes || totals_.blocks >= kMaxBlocksPerChunk ||
         totals_.events >= kMaxEventsPerChunk || table_.size() >= kMaxStaticBlocks ||
         ops_.size() > kMaxStaticOps - kMaxMemOps ||
         lengths_.size() > kMaxStaticLengths - kMaxInstructions;
}

void ChunkEncoder::end_run() {
  streams_[static_cast<size_t>(Stream::Control)].varint(run_);
  if (run_ != 0 && pages_ != nullptr) pages_->end_run(since(run_begin_, totals_));
  run_begin_ = totals_;
  run_ = 0;
}

void ChunkEncoder::thread(ThreadId thread) {
  if (has_thread_ && thread == thread_) return;
  end_run();
  ByteBuffer& control = streams_[static_cast<size_t>(Stream::Control)];
  control.byte(kThreadItem);
  control.varint(thread.pid.value());
  control.varint(thread.tid.value());
  thread_ = thread;
  has_thread_ = true;
}

void ChunkEncoder::event(const Event& event) {
  end_run();
  encode_event(streams_[static_cast<size_t>(Stream::Control)], event);
  ++totals_.events;
}

bool ChunkEncoder::same(const Entry& entry, const StaticBlock& block) const {
  return entry.start == block.start.value() && entry.instructions == block.instructions &&
         entry.mem_ops == block.mem_ops &&
         std::equal(block.lengths, block.lengths + block.instructions,
                    lengths_.data() + entry.first_length) &&
         std::equal(block.ops, block.ops + block.mem_ops, ops_.data() + entry.first_op);
}

void ChunkEncoder::rehash(size_t slots) {
  slots_.assign(slots, 0);
  for (size_t i = 0; i < table_.size(); ++i) {
    size_t slot = table_[i].hash & (slots - 1);
    while (slots_[slot] != 0)
      slot = (slot + 1) & (slots - 1);
    slots_[slot] = static_cast<uint32_t>(i + 1);
  }
}

uint32_t ChunkEncoder::number_of(const StaticBlock& block, uint64_t hash,
                                 const uint64_t* addresses) {
  const size_t mask = slots_.size() - 1;
  for (size_t slot = hash & mask;; slot = (slot + 1) & mask) {
    const uint32_t found = slots_[slot];
    if (found == 0) {
      slots_[slot] = static_cast<uint32_t>(table_.size() + 1);
      return add(block, hash, addresses);
    }
    const Entry& entry = table_[found - 1];
    if (entry.hash == hash && same(entry, block)) return found - 1;
  }
}

uint32_t ChunkEncoder::add(const StaticBlock& block, uint64_t hash, const uint64_t* addresses) {
  Entry entry{hash,
              block.start.value(),
              static_cast<uint32_t>(lengths_.size()),
              static_cast<uint32_t>(ops_.size()),
              block.instructions,
              block.mem_ops,
              block.bytes};
  Counts counts{entry.first_op, block.mem_ops, block.instructions, 0, 0};
  ByteBuffer& out = streams_[static_cast<size_t>(Stream::Dictionary)];
  out.signed_varint(static_cast<int64_t>(entry.start - previous_end_));
  previous_end_ = entry.start + block.bytes;
  out.byte(block.instructions);
  out.byte(block.mem_ops);
  out.append(block.lengths, block.instructions);
  unsigned instruction = 0;
  for (unsigned i = 0; i < block.mem_ops; ++i) {
    const MemOp& op = block.ops[i];
    out.byte(static_cast<uint8_t>(op.instruction - instruction));
    instruction = op.instruction;
    const auto kind = static_cast<unsigned>(op.kind);
    out.varint(((op.bytes - 1u) << 2) | (kind - 1));
    const unsigned base = first_addresses_.nearest(addresses[i]);
    out.byte(static_cast<uint8_t>(base));
    out.varint(zigzag(addresses[i] - first_addresses_.base(base)));
    first_addresses_.told(base, addresses[i]);
    last_address_.push_back(addresses[i]);
    if (op.kind == AccessKind::Load) ++counts.loads;
    if (op.kind == AccessKind::Store) ++counts.stores;
  }
  lengths_.insert(lengths_.end(), block.lengths, block.lengths + block.instructions);
  ops_.insert(ops_.end(), block.ops, block.ops + block.mem_ops);
  table_.push_back(entry);
  counts_.push_back(counts);
  if (pages_ != nullptr) fetches_.emplace_back(block.start, AccessKind::Fetch, block.crosses_page);
  if (table_.size() * 2 > slots_.size()) rehash(slots_.size() * 2);
  return static_cast<uint32_t>(table_.size() - 1);
}

uint32_t ChunkEncoder::block(const StaticBlock& block, uint64_t hash, const uint64_t* addresses) {
  const uint32_t number = number_of(block, hash, addresses);
  again({&number, 1}, {addresses, block.mem_ops});
  return number;
}

bool ChunkEncoder::has_room(uint64_t chunk_bytes, size_t blocks, size_t accesses) const {
  const uint64_t most = blocks * sizeof(uint32_t) + accesses * (kMaxDifferenceBytes + 1) + 1;
  return raw_bytes() + most < chunk_bytes && totals_.blocks + blocks < kMaxBlocksPerChunk;
}

// A block whose last instruction crosses, and the places of its references from `begin` on, where
// its fetch is. Where the next block's are.
size_t ChunkEncoder::place_crossing(const Counts& block, size_t begin, uint32_t* accesses,
                                    LastPage& fetched) {
  if (block.instructions == 1) {
    spared_[begin] = static_cast<uint8_t>(fetched.spare(refs_[begin]));
    return begin + 1 + block.mem_ops;
  }
  const MemOp* const ops = ops_.data() + block.first_op;
  size_t before = 0;  // of the accesses, those in front of the second fetch
  while (before < block.mem_ops && ops[before].instruction + 1u < block.instructions)
    ++before;
  const PageRef second = refs_[begin];
  refs_[begin] = PageRef(second.page(), AccessKind::Fetch, false);
  refs_[begin + 1 + before] = second;
  for (const size_t at : {begin, begin + 1 + before})
    spared_[at] = static_cast<uint8_t>(fetched.spare(refs_[at]));
  for (size_t i = before; i < block.mem_ops; ++i)
    ++accesses[i];
  return begin + 2 + block.mem_ops;
}

void ChunkEncoder::again(std::span<const uint32_t> numbers, std::span<const uint64_t> addresses) {
  if (pages_ != nullptr)
    put<true>(numbers, addresses);
  else
    put<false>(numbers, addresses);
}

// How many accesses a block has is hard to predict, so that as little as possible depends on it:
// first all their places, then all accesses as if there were no blocks.
template <bool kPages>
void ChunkEncoder::put(std::span<const uint32_t> numbers, std::span<const uint64_t> addresses) {
  constexpr size_t kAtOnce = 4;  // that many whether there are or not; few blocks have more
  numbers_.insert(numbers_.end(), numbers.begin(), numbers.end());
  if (places_.size() < addresses.size() + kAtOnce) places_.resize(addresses.size() + kAtOnce);
  uint32_t* place = places_.data();
  if constexpr (kPages) {
    const size_t most = 2 * numbers.size() + addresses.size();
    if (refs_.size() < most) {
      refs_.resize(most);
      spared_.resize(most);
    }
    if (ref_places_.size() < addresses.size() + kAtOnce)
      ref_places_.resize(addresses.size() + kAtOnce);
  }
  uint32_t* ref_place = ref_places_.data();
  size_t refs = 0;
  LastPage fetched = kPages ? pages_->side(false) : LastPage();
  uint64_t instructions = 0;
  uint64_t loads = 0;
  uint64_t stores = 0;
  for (const uint32_t number : numbers) {
    const Counts entry = counts_[number];
    const auto all = [&entry](uint32_t* to, uint32_t first) {
      for (unsigned i = 0; i < kAtOnce; ++i)
        to[i] = first + i;
      for (unsigned i = kAtOnce; i < entry.mem_ops; ++i)
        to[i] = first + i;
    };
    all(place, entry.first_op);
    place += entry.mem_ops;
    if constexpr (kPages) {
      const PageRef fetch = fetches_[number];
      refs_[refs] = fetch;
      all(ref_place, static_cast<uint32_t>(refs + 1));
      if (fetch.crosses()) [[unlikely]] {
        refs = place_crossing(entry, refs, ref_place, fetched);
      } else {
        spared_[refs] = static_cast<uint8_t>(fetched.spare(fetch.page().value(), 0, 0));
        refs += 1 + entry.mem_ops;
      }
      ref_place += entry.mem_ops;
    }
    instructions += entry.instructions;
    loads += entry.loads;
    stores += entry.stores;
  }
  MMUSIM_ASSERT(place == places_.data() + addresses.size());
  run_ += numbers.size();
  totals_.blocks += numbers.size();
  totals_.instructions += instructions;
  totals_.loads += loads;
  totals_.stores += stores;
  totals_.modifies += addresses.size() - loads - stores;

  put_addresses<kPages>(addresses);
  if constexpr (kPages) {
    pages_->side(false) = fetched;
    pages_->take(std::span(refs_).first(refs), spared_.data());
  }
}

// Three steps, so that one access waits for as little as possible of what comes of the one before:
// most differences are 0, and of the others most are repeated.
template <bool kPages>
void ChunkEncoder::put_addresses(std::span<const uint64_t> addresses) {
  if (addresses.empty()) return;
  if (moved_.size() < addresses.size()) moved_.resize(addresses.size());
  // In registers: a byte written might be any of these, for all a compiler knows.
  const uint32_t* const places = places_.data();
  const uint32_t* const ref_places = ref_places_.data();
  const MemOp* const ops = ops_.data();
  PageRef* const row = refs_.data();
  uint8_t* const spared = spared_.data();
  LastPage used = kPages ? pages_->side(true) : LastPage();
  uint64_t* const last = last_address_.data();
  Moved* const moved = moved_.data();
  size_t count = 0;
  for (size_t i = 0; i < addresses.size(); ++i) {
    const uint64_t address = addresses[i];
    const uint64_t difference = address - last[places[i]];
    last[places[i]] = address;
    if constexpr (kPages) {
      const MemOp op = ops[places[i]];
      const VirtAddr va(address);
      const PageRef ref(va, op.kind, op.crosses(va, kBlockPage));
      row[ref_places[i]] = ref;
      spared[ref_places[i]] = static_cast<uint8_t>(used.spare(ref));
    }
    moved[count] = {difference, i};
    count += difference != 0 ? 1 : 0;
  }
  if constexpr (kPages) pages_->side(true) = used;
  widths_.reserve(addresses.size());
  std::memset(widths_.end(), 0, addresses.size());
  put_differences(std::span(moved, count), widths_.end());
  widths_.set_end(widths_.end() + addresses.size());
}

// Of none that is 0. Those that are to be stored take the place of others.
void ChunkEncoder::put_differences(std::span<Moved> moved, uint8_t* widths) {
  auto [first, second, third, fourth] = stored_;
  size_t count = 0;
  for (const auto [difference, access] : moved) {
    const unsigned width = difference_bytes(difference);
    const unsigned same = (difference == first ? 1u : 0u) | (difference == second ? 2u : 0u) |
                          (difference == third ? 4u : 0u) | (difference == fourth ? 8u : 0u);
    const auto code = kRepeatCode + static_cast<unsigned>(std::countr_zero(same | 16u));
    const bool stored = same == 0;
    widths[access] = static_cast<uint8_t>(stored ? width : code);
    moved[count] = {difference, width};
    count += stored ? 1 : 0;
    fourth = stored ? third : fourth;
    third = stored ? second : third;
    second = stored ? first : second;
    first = stored ? difference : first;
  }
  stored_ = {first, second, third, fourth};

  // Each is written in eight bytes, of which the next one takes what is too much.
  std::array<uint8_t*, kMaxDifferenceBytes + 1> at;
  for (unsigned width = 0; width < at.size(); ++width) {
    differences_[width].reserve(count * width + kMaxDifferenceBytes);
    at[width] = differences_[width].end();
  }
  for (const auto [difference, width] : moved.first(count)) {
    const uint64_t biased = difference + kBias[width];
    std::memcpy(at[width], &biased, sizeof biased);
    at[width] += width;
  }
  for (unsigned width = 0; width < at.size(); ++width)
    differences_[width].set_end(at[width]);
}

void ChunkEncoder::close() {
  end_run();
  ByteBuffer& numbers = streams_[static_cast<size_t>(Stream::Blocks)];
  const size_t bytes = block_number_bytes(table_.size());
  numbers.reserve(numbers_.size() * bytes + sizeof(uint32_t));
  uint8_t* at = numbers.end();
  for (const uint32_t number : numbers_) {
    std::memcpy(at, &number, sizeof number);
    at += bytes;
  }
  numbers.set_end(at);

  ByteBuffer& widths = streams_[static_cast<size_t>(Stream::Widths)];
  if (widths_.size() % 2 != 0) widths_.byte(0);
  widths.reserve(widths_.size() / 2);
  at = widths.end();
  for (size_t i = 0; i < widths_.size(); i += 2) {
    *at++ = static_cast<uint8_t>(widths_.data()[i] | widths_.data()[i + 1] << 4);
  }
  widths.set_end(at);

  ByteBuffer& differences = streams_[static_cast<size_t>(Stream::Differences)];
  for (const ByteBuffer& of_width : differences_)
    differences.append(of_width.data(), of_width.size());
  for (ByteBuffer& stream : streams_)
    stream.reserve(kStreamPadding);
}

bool ChunkEncoder::page_streams(PageStreams& out) {
  if (pages_ == nullptr) return false;
  pages_->finish(out);
  return true;
}

void ChunkEncoder::clear() {
  table_.clear();
  counts_.clear();
  fetches_.clear();
  if (pages_ != nullptr) pages_->begin();
  run_begin_ = Totals{};
  slots_.assign(kFirstSlots, 0);
  lengths_.clear();
  ops_.clear();
  last_address_.clear();
  numbers_.clear();
  widths_.clear();
  stored_ = {};
  has_thread_ = false;
  previous_end_ = 0;
  first_addresses_ = FirstAddresses{};
  run_ = 0;
  totals_ = Totals{};
  for (ByteBuffer& stream : streams_)
    stream.clear();
  for (ByteBuffer& of_width : differences_)
    of_width.clear();
}

}  // namespace mmusim::trace
