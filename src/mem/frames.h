// Simulated physical memory: frames handed out by a buddy allocator, each with an owner, and the
// contents of those frames that hold tables.
//
// Frames are numbered from 0 in units of the base page; frame 0 is reserved. Only frames in use as
// tables have contents (8-byte words, zero at first), those set aside for tables to come when they
// are first used; a user page has none. Host memory is
// proportional to the frames in use, not to the size of the simulated memory: the records of a
// top-order block (a "chunk") come into being when the block is first broken into and go when it is
// whole again; where the contents of each frame are is in one array over all of memory, of which
// the host has the pages that were written to. Deterministic: of the smallest order that suffices,
// the lowest-addressed block is handed out; where there is high memory, of that which the use
// prefers. Buddy allocator after Knuth, TAOCP vol. 1, 2.5, with Linux's orders 0..10. Not
// thread-safe.
#ifndef MMUSIM_MEM_FRAMES_H_
#define MMUSIM_MEM_FRAMES_H_

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "config/forward.h"
#include "stats/report.h"

namespace mmusim::mem {

enum class FrameUse : uint8_t { Free, Reserved, Anonymous, File, Table, SoftTlb };
inline constexpr unsigned kFrameUses = 6;

// What the kernel knows of a frame in use (Linux: struct page). Plain data; the kernel model keeps
// it right, except `use` and `order`, which are the allocator's.
struct Frame {
  FrameUse use = FrameUse::Free;
  uint8_t order = 0;  // of the block it was allocated in, and is freed with
  // log2 of the frames of the large folio it is one of, as long as Linux treats it as one; 0: of
  // none
  uint8_t folio = 0;
  // anonymous, mapped by one process only (Linux: PageAnonExclusive)
  bool exclusive : 1 = false;
  bool written : 1 = false;  // anonymous: stored to since it was all zeros; file: dirty
  bool lazy : 1 = false;     // given up by MADV_FREE, unless dirty since
  uint32_t references = 0;
  uint32_t mappings = 0;  // leaf entries that point to it
  uint64_t owner = 0;     // MmId of a table or anonymous page; file number of a file page
};

// For every chunk the orders of which it has a free block, with a 64-way tree of bits per order on
// top: finds the lowest chunk with a free block of an order, and the orders there are, in a few
// steps.
class OrderIndex {
 public:
  static constexpr unsigned kOrders = 11;
  OrderIndex(uint64_t chunks, uint16_t initial);
  [[nodiscard]] uint16_t all() const { return all_; }
  [[nodiscard]] uint16_t of(uint64_t chunk) const { return of_[chunk]; }
  void set(uint64_t chunk, uint16_t orders) {
    for (unsigned changed = of_[chunk] ^ orders; changed != 0; changed &= changed - 1) {
      const auto order = static_cast<unsigned>(std::countr_zero(changed));
      flip(order, chunk, (orders >> order & 1) != 0);
    }
    of_[chunk] = orders;
  }
  // REQUIRES: some chunk has the order.
  [[nodiscard]] uint64_t lowest(unsigned order) const {
    uint64_t at = 0;
    for (size_t level = trees_[order].size(); level-- > 0;)
      at = at << 6 | static_cast<uint64_t>(std::countr_zero(trees_[order][level][at]));
    return at;
  }

 private:
  void flip(unsigned order, uint64_t chunk, bool present);

  std::vector<uint16_t> of_;
  // [order][level]: bit i of a level says whether word i of the level below is not zero; of level
  // 0, whether chunk i has the order. The last level is one word.
  std::array<std::vector<std::vector<uint64_t>>, kOrders> trees_;
  uint16_t all_ = 0;
};

// What to throw where there is no memory for what a machine cannot do without.
inline Error out_of_memory(const std::string& for_what) {
  return {"", "out of simulated memory for " + for_what, "give the machine more with mem.bytes"};
}

class FrameMemory {
 public:
  static constexpr unsigned kMaxOrder = 10;

  static void declare(config::Schema& schema);  // mem.bytes, ...
  FrameMemory(const config::Config& config, PageShift page);
  // REQUIRES: bytes holds at least two pages.
  FrameMemory(uint64_t bytes, PageShift page);
  ~FrameMemory();
  FrameMemory(const FrameMemory&) = delete;
  FrameMemory& operator=(const FrameMemory&) = delete;

  // From `boundary` on memory is high: pages of programs and files come from there as long as there
  // are any, and everything else from below (Linux: ZONE_HIGHMEM). REQUIRES: called once at most;
  // the boundary is a multiple of 2^kMaxOrder pages.
  void set_high_memory(PhysAddr boundary);

  // 2^order frames, aligned to their size, references = 1 in the first; nothing when memory is
  // exhausted. REQUIRES: order <= kMaxOrder; use is not Free.
  std::optional<Pfn> allocate(unsigned order, FrameUse use, uint64_t owner) {
    const auto first = allocate_bare(order, use, owner);
    if (first && has_contents(use)) give_contents(*first);
    return first;
  }
  // The same, without contents: of a table, give_contents() before its words are asked for.
  std::optional<Pfn> allocate_bare(unsigned order, FrameUse use, uint64_t owner);
  // Zeroed contents for a block without. REQUIRES: `first` was allocated, and is a table's.
  void give_contents(Pfn first);
  // REQUIRES: `first` was allocated with this order and is not free. Drops contents.
  void free(Pfn first, unsigned order);
  // What a machine sets aside when it starts (a hash table): `bytes` of contiguous memory, aligned
  // to `bytes`, of any size, for good. Nothing when there is none left so large. Its words are
  // contiguous on the host. REQUIRES: bytes is a power of two, at least a page.
  std::optional<PhysAddr> reserve(uint64_t bytes, FrameUse use);

  // The frame is used for something else from now on. REQUIRES: it has no contents, before as
  // after.
  void reassign(Pfn pfn, FrameUse use, uint64_t owner);
  // From here on the block's frames are freed one by one: `order` of each becomes 0.
  // REQUIRES: as of free(); the frames have no contents.
  void break_up(Pfn first, unsigned order);

  // REQUIRES: the frame is in use.
  [[nodiscard]] Frame& frame(Pfn pfn) {
    MMUSIM_ASSERT(in_use(pfn));
    return chunks_[pfn.value() >> kMaxOrder]->frames[pfn.value() & kChunkMask];
  }
  [[nodiscard]] const Frame& frame(Pfn pfn) const {
    MMUSIM_ASSERT(in_use(pfn));
    return chunks_[pfn.value() >> kMaxOrder]->frames[pfn.value() & kChunkMask];
  }
  // The records of an aligned block, in order. REQUIRES: all its frames are in use; order <=
  // kMaxOrder.
  [[nodiscard]] std::span<Frame> block(Pfn first, unsigned order) {
    MMUSIM_ASSERT(in_use(first) && (first.value() & ((uint64_t{1} << order) - 1)) == 0);
    return {&chunks_[first.value() >> kMaxOrder]->frames[first.value() & kChunkMask],
            size_t{1} << order};
  }
  // visit(frame) for each frame in use, in order. Takes as long as there are chunks in memory.
  template <class Visit>
  void each_in_use(Visit visit) const {
    for (const auto& chunk : chunks_) {
      if (chunk == nullptr) continue;
      for (const Frame& frame : chunk->frames)
        if (frame.use != FrameUse::Free) visit(frame);
    }
  }
  // Any number may be asked; frame 0 counts as in use.
  [[nodiscard]] bool in_use(Pfn pfn) const {
    if (pfn.value() >= total_) return false;
    const Chunk* chunk = chunks_[pfn.value() >> kMaxOrder].get();
    return chunk != nullptr && chunk->frames[pfn.value() & kChunkMask].use != FrameUse::Free;
  }

  // The words of a table. REQUIRES: the frame's use is Table or SoftTlb; address aligned to 8. The
  // pointer to a frame's words (page bytes / 8 of them) stays valid until the frame is freed.
  // Frames of one block are contiguous on the host.
  [[nodiscard]] uint64_t* words(PhysAddr address) {
    uint64_t* found = locate(address);
    MMUSIM_ASSERT(found != nullptr);
    return found;
  }
  [[nodiscard]] const uint64_t* words(PhysAddr address) const {
    const uint64_t* found = locate(address);
    MMUSIM_ASSERT(found != nullptr);
    return found;
  }
  // For a walker following bits it cannot trust: null unless the address is inside a frame with
  // contents (and aligned to 8).
  [[nodiscard]] const uint64_t* find_words(PhysAddr address) const {
    return (address.value() & 7) == 0 ? locate(address) : nullptr;
  }

  // Much of the 2 MiB around `address` is in use: asks the host to keep them in one page of its
  // own, so that its TLBs have one entry for what they had 512 for. Nothing simulated changes; a
  // host that cannot leaves them as they are. REQUIRES: they are in one block, or were reserved at
  // once, and have contents.
  void densely_used(PhysAddr address);

  [[nodiscard]] PageShift page() const { return page_; }
  [[nodiscard]] PhysAddr address_of(Pfn pfn) const { return PhysAddr(pfn.value() << page_.log2()); }
  [[nodiscard]] Pfn frame_of(PhysAddr address) const {
    return Pfn(address.value() >> page_.log2());
  }
  [[nodiscard]] uint64_t total_frames() const { return total_; }
  [[nodiscard]] uint64_t free_frames() const { return free_; }
  [[nodiscard]] uint64_t frames_in(FrameUse use) const { return in_[static_cast<unsigned>(use)]; }
  // Free blocks of exactly this order.
  [[nodiscard]] uint64_t free_blocks(unsigned order) const;
  // Chunks whose records exist on the host: the measure of host memory.
  [[nodiscard]] uint64_t chunks_in_memory() const { return live_chunks_; }

  void report(stats::Report& report) const;

 private:
  static constexpr uint64_t kChunkFrames = uint64_t{1} << kMaxOrder;
  static constexpr uint64_t kChunkMask = kChunkFrames - 1;
  static constexpr unsigned kBitWords = 16 + 8 + 4 + 2 + 1 + 6;

  // The records of 2^kMaxOrder frames and their free blocks: a bitmap per order, and over each
  // bitmap a mask of its words that are not zero.
  struct Chunk {
    std::array<Frame, kChunkFrames> frames{};
    std::array<uint64_t, kBitWords> bits{};
    std::array<uint16_t, kMaxOrder + 1> occupied{};
    uint16_t orders = 0;  // of which there is a free block

    [[nodiscard]] bool is_free(unsigned order, uint64_t index) const;
    void set_free(unsigned order, uint64_t index);
    void clear_free(unsigned order, uint64_t index);
    [[nodiscard]] uint64_t lowest(unsigned order) const;
  };

  static bool has_contents(FrameUse use) {
    return use == FrameUse::Table || use == FrameUse::SoftTlb;
  }
  [[nodiscard]] uint64_t* locate(PhysAddr address) const {
    const uint64_t pfn = address.value() >> page_.log2();
    if (pfn >= total_) return nullptr;
    uint64_t* base = words_[pfn];
    return base == nullptr ? nullptr : base + ((address.value() & in_page_) >> 3);
  }
  Chunk& materialise(uint64_t number);
  struct Zone {
    uint64_t first_chunk = 0;
    OrderIndex orders;
  };
  [[nodiscard]] Zone& zone_of(uint64_t chunk) {
    return chunk >= zones_.back().first_chunk ? zones_.back() : zones_.front();
  }
  [[nodiscard]] const Zone& zone_of(uint64_t chunk) const {
    return chunk >= zones_.back().first_chunk ? zones_.back() : zones_.front();
  }
  [[nodiscard]] uint16_t orders_of(uint64_t chunk) const {
    const Zone& zone = zone_of(chunk);
    return zone.orders.of(chunk - zone.first_chunk);
  }
  void set_orders(uint64_t chunk, uint16_t orders) {
    Zone& zone = zone_of(chunk);
    zone.orders.set(chunk - zone.first_chunk, orders);
  }
  void give_contents(Pfn first, uint64_t frames);
  void drop_contents(Pfn first, unsigned order);

  PageShift page_;
  uint64_t in_page_ = page_.offset_mask();
  uint64_t total_ = 0;
  uint64_t free_ = 0;
  std::array<uint64_t, kFrameUses> in_{};
  uint64_t peak_ = 0;
  uint64_t peak_tables_ = 0;
  uint64_t allocations_ = 0;
  uint64_t failures_ = 0;
  uint64_t live_chunks_ = 0;
  struct FreeWords {
    size_t bytes = 0;
    void operator()(uint64_t** words) const;
  };
  std::unique_ptr<uint64_t*[], FreeWords> words_;  // by frame; null: it has no contents
  std::vector<std::unique_ptr<Chunk>> chunks_;     // null: never broken into, or whole again
  std::unique_ptr<Chunk> spare_;  // so that a block taken and given back does not cost its records
  std::vector<Zone> zones_;       // low memory, and high memory if there is any
};

}  // namespace mmusim::mem

#endif  // MMUSIM_MEM_FRAMES_H_
