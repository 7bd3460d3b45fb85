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

ChunkEncoder::ChunkEncoder(PageChoice pages)
    : slots_(kFirstSlots),
      pages_(pages != PageChoice::None ? std::make_unique<PageStreamMaker>(pages) : nullptr) {}

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
  Counts counts{entry.first_op,
                block.mem_ops,
                block.instructions,
                0,
                0,
                PageRef(block.start, AccessKind::Fetch, block.crosses_page)};
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
    last_.push_back({addresses[i], op});
    if (op.kind == AccessKind::Load) ++counts.loads;
    if (op.kind == AccessKind::Store) ++counts.stores;
  }
  lengths_.insert(lengths_.end(), block.lengths, block.lengths + block.instructions);
  ops_.insert(ops_.end(), block.ops, block.ops + block.mem_ops);
  table_.push_back(entry);
  counts_.push_back(counts);
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

// The fetches of a block whose last instruction crosses, whose first access is at `place`: those
// that are not spared. Returns where the next is to be written.
PlacedRef* ChunkEncoder::fetch_crossing(const Counts& block, uint32_t place, LastPage& fetched,
                                        PlacedRef* to, uint64_t& digests) const {
  const auto put = [&](PageRef ref, uint32_t at) {
    digests += digest_of(ref);
    *to = {ref, at};
    to += 1 - fetched.spare(ref);
  };
  const MemOp* const ops = ops_.data() + block.first_op;
  uint32_t before = 0;  // of the accesses, those in front of the second fetch
  if (block.instructions > 1) {
    put(PageRef(block.fetch.page(), AccessKind::Fetch, false), place);
    while (before < block.mem_ops && ops[before].instruction + 1u < block.instructions)
      ++before;
  }
  put(block.fetch, place + before);
  return to;
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
  constexpr size_t kAheadBlocks = 8;
  constexpr size_t kAtOnce = 4;  // that many whether there are or not; few blocks have more
  numbers_.insert(numbers_.end(), numbers.begin(), numbers.end());
  if (places_.size() < addresses.size() + kAtOnce) places_.resize(addresses.size() + kAtOnce);
  uint32_t* place = places_.data();
  PlacedRef* fetch = nullptr;
  LastPage fetched;
  uint64_t digests = 0;
  if constexpr (kPages) {
    if (needed_[0].size() < 2 * numbers.size()) needed_[0].resize(2 * numbers.size());
    if (needed_[1].size() < addresses.size()) needed_[1].resize(addresses.size());
    fetch = needed_[0].data();
    fetched = pages_->side(false);
  }
  uint64_t instructions = 0;
  uint64_t loads = 0;
  uint64_t stores = 0;
  for (size_t i = 0; i < numbers.size(); ++i) {
    __builtin_prefetch(&counts_[numbers[std::min(i + kAheadBlocks, numbers.size() - 1)]]);
    const Counts entry = counts_[numbers[i]];
    if constexpr (kPages) {
      const auto at = static_cast<uint32_t>(place - places_.data());
      if (entry.fetch.crosses()) [[unlikely]] {
        // Copies, so that the others stay in registers.
        LastPage last = fetched;
        uint64_t sum = 0;
        fetch = fetch_crossing(entry, at, last, fetch, sum);
        fetched = last;
        digests += sum;
      } else {
        digests += digest_of(entry.fetch);
        *fetch = {entry.fetch, at};
        fetch += 1 - fetched.spare(entry.fetch.page().value(), 0, 0);
      }
    }
    for (unsigned op = 0; op < kAtOnce; ++op)
      place[op] = entry.first_op + op;
    for (unsigned op = kAtOnce; op < entry.mem_ops; ++op)
      place[op] = entry.first_op + op;
    place += entry.mem_ops;
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

  uint64_t of_data = 0;
  const size_t data = put_addresses<kPages>(addresses, of_data);
  if constexpr (kPages) {
    pages_->side(false) = fetched;
    PlacedRef* const fetches = needed_[0].data();
    pages_->take({fetches, fetch}, std::span(needed_[1]).first(data), digests + of_data);
  }
}

// Three steps, so that one access waits for as little as possible of what comes of the one before:
// most differences are 0, and of the others most are repeated. How many references their side does
// not spare is returned.
template <bool kPages>
size_t ChunkEncoder::put_addresses(std::span<const uint64_t> addresses, uint64_t& digests) {
  constexpr size_t kAhead = 16;
  if (addresses.empty()) return 0;
  if (moved_.size() < addresses.size()) moved_.resize(addresses.size());
  // In registers: a byte written might be any of these, for all a compiler knows.
  const uint32_t* const places = places_.data();
  PlacedRef* const needed = needed_[1].data();
  size_t needs = 0;
  uint64_t sum = 0;
  LastPage used = kPages ? pages_->side(true) : LastPage();
  LastAccess* const all = last_.data();
  Moved* const moved = moved_.data();
  size_t count = 0;
  for (size_t i = 0; i < addresses.size(); ++i) {
    // Those of large programs are seldom in the nearest cache.
    __builtin_prefetch(&all[places[std::min(i + kAhead, addresses.size() - 1)]], 1);
    const uint64_t address = addresses[i];
    LastAccess& last = all[places[i]];
    const uint64_t difference = address - last.address;
    last.address = address;
    if constexpr (kPages) {
      const MemOp op = last.op;
      const VirtAddr va(address);
      const PageRef ref(va, op.kind, op.crosses(va, kBlockPage));
      sum += digest_of(ref);
      needed[needs] = {ref, static_cast<uint32_t>(i)};
      needs += 1 - used.spare(ref);
    }
    moved[count] = {difference, i};
    count += difference != 0 ? 1 : 0;
  }
  if constexpr (kPages) pages_->side(true) = used;
  digests += sum;
  widths_.reserve(addresses.size());
  std::memset(widths_.end(), 0, addresses.size());
  put_differences(std::span(moved, count), widths_.end());
  widths_.set_end(widths_.end() + addresses.size());
  return needs;
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
    // Whether it is stored cannot be foreseen: all ones if it is, so that compilers make no branch.
    const uint64_t stored = 0 - static_cast<uint64_t>(same == 0 ? 1 : 0);
    widths[access] = static_cast<uint8_t>(code ^ ((code ^ width) & stored));
    moved[count] = {difference, width};
    count -= stored;
    fourth ^= (fourth ^ third) & stored;
    third ^= (third ^ second) & stored;
    second ^= (second ^ first) & stored;
    first ^= (first ^ difference) & stored;
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
  if (pages_ != nullptr) pages_->begin();
  run_begin_ = Totals{};
  slots_.assign(kFirstSlots, 0);
  lengths_.clear();
  ops_.clear();
  last_.clear();
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
