#include "mem/frames.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <string>
#include <sys/mman.h>
#include <utility>

#include "base/bits.h"
#include "config/keys.h"
#include "mem/word_arena.h"

namespace mmusim::mem {
namespace {

constexpr std::align_val_t kHostLine{64};

// Where the bitmap of an order starts among the chunk's bit words: 16, 8, 4, 2, 1 words for orders
// 0..4 and one word for each above.
constexpr unsigned bits_at(unsigned order) {
  constexpr std::array<unsigned, FrameMemory::kMaxOrder + 1> kAt = {0,  16, 24, 28, 30, 31,
                                                                    32, 33, 34, 35, 36};
  return kAt[order];
}

uint64_t frames_of(uint64_t bytes, PageShift page) {
  return bytes >> page.log2();
}

constexpr uint64_t kLargestMemory = uint64_t{1} << 44;  // 16 TiB

// Contents of so many bytes are mapped: zero already, and without host memory until touched, since
// a hash table may be a large part of the simulated memory and all but empty. In pages of the
// host's that are small, until densely_used(): a huge one would come for each word of a table whose
// words lie far apart.
constexpr size_t kMapped = size_t{1} << 20;

void* new_contents(size_t bytes) {
  if (bytes >= kMapped) {
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    static_cast<void>(madvise(memory, bytes, MADV_NOHUGEPAGE));  // a host without them refuses
    return memory;
  }
  void* const memory = ::operator new(bytes, kHostLine);
  std::memset(memory, 0, bytes);
  return memory;
}

void delete_contents(void* memory, size_t bytes) {
  if (bytes >= kMapped)
    munmap(memory, bytes);
  else
    ::operator delete(memory, kHostLine);
}

}  // namespace

OrderIndex::OrderIndex(uint64_t chunks, uint16_t initial) : of_(chunks, 0) {
  for (auto& tree : trees_) {
    uint64_t bits = chunks;
    do {
      bits = (bits + 63) >> 6;
      tree.emplace_back(bits, 0);
    } while (bits > 1);
  }
  for (uint64_t chunk = 0; chunk < chunks; ++chunk)
    set(chunk, initial);
}

void OrderIndex::flip(unsigned order, uint64_t chunk, bool present) {
  uint64_t at = chunk;
  for (auto& level : trees_[order]) {
    uint64_t& word = level[at >> 6];
    const bool was_empty = word == 0;
    word ^= uint64_t{1} << (at & 63);
    if (present ? !was_empty : word != 0) return;  // the levels above say so already
    at >>= 6;
  }
  all_ = static_cast<uint16_t>(all_ ^ 1u << order);
}

bool FrameMemory::Chunk::is_free(unsigned order, uint64_t index) const {
  return (bits[bits_at(order) + (index >> 6)] >> (index & 63) & 1) != 0;
}

void FrameMemory::Chunk::set_free(unsigned order, uint64_t index) {
  bits[bits_at(order) + (index >> 6)] |= uint64_t{1} << (index & 63);
  // index < 2^(kMaxOrder - order), so that the shift is below 16; the analyzer cannot know.
  occupied[order] = static_cast<uint16_t>(occupied[order] | 1u << (index >> 6));  // NOLINT
  orders = static_cast<uint16_t>(orders | 1u << order);
}

void FrameMemory::Chunk::clear_free(unsigned order, uint64_t index) {
  uint64_t& word = bits[bits_at(order) + (index >> 6)];
  word &= ~(uint64_t{1} << (index & 63));
  if (word != 0) return;
  occupied[order] = static_cast<uint16_t>(occupied[order] & ~(1u << (index >> 6)));
  if (occupied[order] == 0) orders = static_cast<uint16_t>(orders & ~(1u << order));
}

uint64_t FrameMemory::Chunk::lowest(unsigned order) const {
  const auto word = static_cast<unsigned>(std::countr_zero(occupied[order]));
  const auto bit = static_cast<unsigned>(std::countr_zero(bits[bits_at(order) + word]));
  return uint64_t{word} * 64 + bit;
}

namespace {

struct MemoryOptions {
  uint64_t bytes = uint64_t{16} << 30;
};

const config::Keys<MemoryOptions>& memory_keys() {
  static const config::Keys<MemoryOptions> kKeys = config::Keys<MemoryOptions>().size(
      "mem.bytes", &MemoryOptions::bytes,
      "Size of the simulated physical memory. Costs the host nothing until it is used.",
      uint64_t{1} << 20, kLargestMemory);
  return kKeys;
}

}  // namespace

void FrameMemory::declare(config::Schema& schema) {
  memory_keys().declare(schema);
}

FrameMemory::FrameMemory(const config::Config& config, PageShift page)
    : FrameMemory(memory_keys().read(config).bytes, page) {}

FrameMemory::FrameMemory(uint64_t bytes, PageShift page)
    : page_(page),
      total_(frames_of(bytes, page)),
      free_(total_ - 1),
      words_(static_cast<uint64_t**>(new_contents(total_ * sizeof(uint64_t*))),
             {total_ * sizeof(uint64_t*)}),
      chunks_((total_ + kChunkMask) >> kMaxOrder) {
  MMUSIM_ASSERT(total_ >= 2);
  zones_.push_back({0, OrderIndex(chunks_.size(), uint16_t{1} << kMaxOrder)});
  in_[static_cast<unsigned>(FrameUse::Reserved)] = 1;
  // The last chunk may be a part of one: it then has the blocks its size in binary says.
  const uint64_t tail = total_ & kChunkMask;
  if (tail != 0) set_orders(chunks_.size() - 1, static_cast<uint16_t>(tail));
  // Frame 0 is taken out of the first block by hand, leaving one free block of each order beside it
  // (as far as memory reaches).
  Chunk& first = materialise(0);
  unsigned order = 0;
  while (!first.is_free(order, 0))
    ++order;
  first.clear_free(order, 0);
  while (order > 0)
    first.set_free(--order, 1);
  first.frames[0].use = FrameUse::Reserved;
  set_orders(0, first.orders);
}

void FrameMemory::set_high_memory(PhysAddr boundary) {
  const uint64_t first = boundary.value() >> page_.log2() >> kMaxOrder;
  MMUSIM_ASSERT(zones_.size() == 1 && address_of(Pfn(first << kMaxOrder)) == boundary);
  if (first >= chunks_.size()) return;
  Zone high{first, OrderIndex(chunks_.size() - first, 0)};
  OrderIndex& low = zones_.front().orders;
  for (uint64_t chunk = first; chunk < chunks_.size(); ++chunk) {
    high.orders.set(chunk - first, low.of(chunk));
    low.set(chunk, 0);
  }
  zones_.push_back(std::move(high));
}

FrameMemory::~FrameMemory() {
  for (uint64_t number = 0; number < chunks_.size(); ++number) {
    if (chunks_[number] == nullptr) continue;
    const uint64_t begin = number << kMaxOrder;
    for (uint64_t i = begin; i < std::min(begin + kChunkFrames, total_); ++i)
      if (words_[i] != nullptr) drop_contents(Pfn(i), chunks_[number]->frames[i - begin].order);
  }
}

void FrameMemory::FreeWords::operator()(uint64_t** words) const {
  delete_contents(words, bytes);
}

// Makes the records of a chunk that is whole and free.
FrameMemory::Chunk& FrameMemory::materialise(uint64_t number) {
  std::unique_ptr<Chunk>& slot = chunks_[number];
  if (slot != nullptr) return *slot;
  slot = spare_ != nullptr ? std::move(spare_) : std::make_unique<Chunk>();
  ++live_chunks_;
  // Highest order first, so that each block is aligned to its size.
  uint64_t at = 0;
  const uint64_t frames = std::min(kChunkFrames, total_ - (number << kMaxOrder));
  for (unsigned order = kMaxOrder + 1; order-- > 0;) {
    if ((frames >> order & 1) == 0) continue;
    slot->set_free(order, at >> order);
    at += uint64_t{1} << order;
  }
  return *slot;
}

std::optional<Pfn> FrameMemory::allocate_bare(unsigned order, FrameUse use, uint64_t owner) {
  MMUSIM_ASSERT(order <= kMaxOrder && use != FrameUse::Free);
  const bool prefers_high = use == FrameUse::Anonymous || use == FrameUse::File;
  const Zone* zone = prefers_high ? &zones_.back() : &zones_.front();
  if (zone->orders.all() >> order == 0) zone = prefers_high ? &zones_.front() : &zones_.back();
  const unsigned fitting = static_cast<unsigned>(zone->orders.all()) >> order;
  if (fitting == 0) {
    ++failures_;
    return std::nullopt;
  }
  unsigned have = order + static_cast<unsigned>(std::countr_zero(fitting));
  const uint64_t number = zone->first_chunk + zone->orders.lowest(have);
  Chunk& chunk = materialise(number);
  uint64_t index = chunk.lowest(have);
  chunk.clear_free(have, index);
  while (have > order) {
    --have;
    index <<= 1;
    chunk.set_free(have, index + 1);
  }
  set_orders(number, chunk.orders);

  const uint64_t first = index << order;
  const uint64_t count = uint64_t{1} << order;
  for (uint64_t i = 0; i < count; ++i) {
    Frame& frame = chunk.frames[first + i];
    frame.use = use;
    frame.order = static_cast<uint8_t>(order);
    frame.owner = owner;
  }
  chunk.frames[first].references = 1;

  ++allocations_;
  free_ -= count;
  in_[static_cast<unsigned>(use)] += count;
  peak_ = std::max(peak_, total_ - free_);
  peak_tables_ = std::max(peak_tables_, frames_in(FrameUse::Table));
  return Pfn((number << kMaxOrder) + first);
}

std::optional<PhysAddr> FrameMemory::reserve(uint64_t bytes, FrameUse use) {
  MMUSIM_ASSERT(std::has_single_bit(bytes) && bytes >= page_.bytes());
  const uint64_t frames = bytes >> page_.log2();
  if (frames <= kChunkFrames) {
    const auto first = allocate(static_cast<unsigned>(std::countr_zero(frames)), use, 0);
    if (!first) return std::nullopt;
    return address_of(*first);
  }
  // Whole chunks, lowest first, until enough of them lie side by side at an aligned place; those
  // taken on the way go back.
  std::vector<Pfn> taken;
  std::optional<Pfn> found;
  size_t run = 0;  // of the last ones taken, adjacent from an aligned one on
  while (!found) {
    const auto chunk = allocate_bare(kMaxOrder, use, 0);
    if (!chunk) break;
    const bool follows = run != 0 && *chunk == taken.back() + kChunkFrames;
    if (follows)
      ++run;
    else
      run = (chunk->value() & (frames - 1)) == 0 ? 1 : 0;
    taken.push_back(*chunk);
    if (run == frames / kChunkFrames) found = *chunk - (frames - kChunkFrames);
  }
  for (const Pfn chunk : taken)
    if (!found || chunk < *found) free(chunk, kMaxOrder);
  if (!found) return std::nullopt;
  if (has_contents(use)) give_contents(*found, frames);
  return address_of(*found);
}

void FrameMemory::free(Pfn pfn, unsigned order) {
  MMUSIM_ASSERT(in_use(pfn) && order <= kMaxOrder);
  const uint64_t number = pfn.value() >> kMaxOrder;
  const uint64_t first = pfn.value() & kChunkMask;
  const uint64_t count = uint64_t{1} << order;
  Chunk& chunk = *chunks_[number];
  const FrameUse use = chunk.frames[first].use;
  MMUSIM_ASSERT(chunk.frames[first].order == order && (first & (count - 1)) == 0);
  if (words_[pfn.value()] != nullptr) drop_contents(pfn, order);
  for (uint64_t i = 0; i < count; ++i)
    chunk.frames[first + i] = Frame{};
  free_ += count;
  in_[static_cast<unsigned>(use)] -= count;

  uint64_t index = first >> order;
  while (order < kMaxOrder && chunk.is_free(order, index ^ 1)) {
    chunk.clear_free(order, index ^ 1);
    index >>= 1;
    ++order;
  }
  if (order == kMaxOrder) {  // whole again: a chunk without records means just that
    spare_ = std::move(chunks_[number]);
    --live_chunks_;
    set_orders(number, uint16_t{1} << kMaxOrder);
    return;
  }
  chunk.set_free(order, index);
  set_orders(number, chunk.orders);
}

void FrameMemory::reassign(Pfn pfn, FrameUse use, uint64_t owner) {
  Frame& changed = frame(pfn);
  --in_[static_cast<unsigned>(changed.use)];
  ++in_[static_cast<unsigned>(use)];
  changed.use = use;
  changed.owner = owner;
}

void FrameMemory::break_up(Pfn first, unsigned order) {
  for (uint64_t i = 0; i < uint64_t{1} << order; ++i) {
    Frame& part = frame(first + i);
    MMUSIM_ASSERT(part.order == order && locate(address_of(first + i)) == nullptr);
    part.order = 0;
  }
}

void FrameMemory::give_contents(Pfn first) {
  give_contents(first, uint64_t{1} << frame(first).order);
}

// Of a block, or of several that lie side by side, which go one by one.
void FrameMemory::give_contents(Pfn first, uint64_t frames) {
  MMUSIM_ASSERT(words_[first.value()] == nullptr);
  const size_t bytes = page_.bytes() * frames;
  WordArena* const arena = WordArena::current();
  void* memory = arena != nullptr ? arena->take(bytes) : nullptr;
  if (memory != nullptr)
    std::memset(memory, 0, bytes);
  else
    memory = new_contents(bytes);
  auto* base = static_cast<uint64_t*>(memory);
  for (uint64_t i = 0; i < frames; ++i)
    words_[first.value() + i] = base + i * (page_.bytes() / sizeof(uint64_t));
}  // NOLINT: the memory belongs to words_[first] now, and goes in drop_contents()

void FrameMemory::densely_used(PhysAddr address) {
  constexpr uint64_t kHuge = uint64_t{2} << 20;
  constexpr int kCollapse = 25;  // MADV_COLLAPSE, of Linux 6.1; the C library may not have it
  uint64_t* const begin = words(PhysAddr(address.value() & ~(kHuge - 1)));
  if (reinterpret_cast<uintptr_t>(begin) % kHuge != 0) return;
  if (madvise(begin, kHuge, MADV_HUGEPAGE) == 0)
    static_cast<void>(madvise(begin, kHuge, kCollapse));  // it may say no
}

void FrameMemory::drop_contents(Pfn first, unsigned order) {
  const size_t bytes = page_.bytes() << order;
  uint64_t* const memory = words_[first.value()];
  WordArena* const arena = WordArena::current();
  if (arena != nullptr && arena->holds(memory))
    arena->give_back(memory, bytes);
  else
    delete_contents(memory, bytes);
  for (uint64_t i = 0; i < (uint64_t{1} << order); ++i)
    words_[first.value() + i] = nullptr;
}

uint64_t FrameMemory::free_blocks(unsigned order) const {
  uint64_t count = 0;
  for (uint64_t number = 0; number < chunks_.size(); ++number) {
    if (chunks_[number] == nullptr) {
      count += orders_of(number) >> order & 1u;
      continue;
    }
    const uint64_t blocks = kChunkFrames >> order;
    for (uint64_t index = 0; index < blocks; ++index)
      count += chunks_[number]->is_free(order, index) ? 1 : 0;
  }
  return count;
}

void FrameMemory::report(stats::Report& report) const {
  report.state("mem.frames.total", total_, "frames", "Frames of the simulated physical memory.");
  report.state("mem.frames.free", free_, "frames", "Frames free at the end.", "mem.frames.total");
  constexpr std::array<std::pair<FrameUse, const char*>, 5> kUses = {
      {{FrameUse::Reserved, "reserved"},
       {FrameUse::Anonymous, "anonymous"},
       {FrameUse::File, "file"},
       {FrameUse::Table, "table"},
       {FrameUse::SoftTlb, "soft_tlb"}}};
  for (const auto& [use, name] : kUses)
    report.state(std::string("mem.frames.") + name, frames_in(use), "frames",
                 std::string("Frames in use at the end, by what for: ") + name + ".",
                 "mem.frames.total");
  report.state("mem.frames.peak", peak_, "frames", "Most frames in use at one time, of any kind.",
               "mem.frames.total");
  report.state("mem.frames.peak_table", peak_tables_, "frames",
               "Most frames in use for page tables at one time.", "mem.frames.total");
  report.add("mem.allocations", allocations_, "events", "Blocks the frame allocator handed out.");
  report.add("mem.failures", failures_, "events",
             "Requests the frame allocator refused since memory was exhausted or in pieces.",
             "mem.allocations");
}

}  // namespace mmusim::mem
