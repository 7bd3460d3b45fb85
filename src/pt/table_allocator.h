// Memory for page tables out of simulated frames, with an account of what is used.
//
// Pieces of a page and more are whole blocks of frames (powers of two). Smaller pieces come from a
// slab: frames cut into pieces of one size, after J. Bonwick's slab allocator (USENIX 1994), each
// size with frames of its own. What is held in frames and not given out is fragmentation, which
// held_bytes() - bytes_in_use() says. Pieces whose size is a power of two are aligned to it; others
// to the largest power of two that divides it. Deterministic: the lowest free piece of the
// lowest-addressed frame that has one is given out.
//
// A free of what was not allocated, or of another size, is not carried out; misuse() then says what
// was wrong, for those who run page tables they cannot trust. Not thread-safe.
#ifndef MMUSIM_PT_TABLE_ALLOCATOR_H_
#define MMUSIM_PT_TABLE_ALLOCATOR_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/types.h"
#include "mem/frames.h"

namespace mmusim::pt {

class TableAllocator {
 public:
  // `use`: what its frames count as, Table or SoftTlb.
  explicit TableAllocator(mem::FrameMemory& frames, mem::FrameUse use = mem::FrameUse::Table)
      : frames_(&frames), use_(use) {}

  // Zeroed table memory; nothing when memory is exhausted. REQUIRES: bytes is a multiple of 8 below
  // the base page, or a power of two from there up to 2^kMaxOrder pages.
  std::optional<PhysAddr> allocate(uint64_t bytes, MmId owner);
  // The same of a page or more, without contents: to be kept, and freed.
  std::optional<PhysAddr> set_aside(uint64_t bytes, MmId owner);
  // REQUIRES: allocated here, with this size (else misuse()).
  void free(PhysAddr address, uint64_t bytes);
  // Makes sure of so many allocations of that size to come, which count as in use from now on, but
  // have no place yet; false: there is no memory. Before they are made, room for them is given up.
  // REQUIRES: bytes is a multiple of 8 below the base page.
  bool reserve_pieces(uint64_t bytes, uint64_t count);
  // REQUIRES: as many are reserved.
  void unreserve_pieces(uint64_t bytes, uint64_t count);
  // Called with each block of frames just before it is given back; for checks that nothing reaches
  // it any more.
  void before_free(std::function<void(PhysAddr address, uint64_t bytes)> hook) {
    before_free_ = std::move(hook);
  }

  // Called with each piece or block just before it is free: for who remembers where tables are.
  void before_reuse(std::function<void(PhysAddr address, uint64_t bytes)> hook) {
    before_reuse_ = std::move(hook);
  }

  [[nodiscard]] uint64_t bytes_in_use() const { return bytes_in_use_; }
  // Bytes of the frames that hold them.
  [[nodiscard]] uint64_t held_bytes() const { return held_bytes_; }
  [[nodiscard]] uint64_t allocations() const { return allocations_; }
  [[nodiscard]] mem::FrameMemory& frames() { return *frames_; }
  // The first free() that made no sense; empty: there was none.
  [[nodiscard]] const std::string& misuse() const { return misuse_; }

  // Per size of piece, how many are in use and how many would fit in the frames held.
  struct Use {
    uint64_t bytes = 0;
    uint64_t in_use = 0;
    uint64_t capacity = 0;
  };
  [[nodiscard]] std::vector<Use> uses() const;

  // Test hook: the nth allocation from now fails (1 = the next one); 0 switches it off.
  void fail_after(uint64_t n) { fail_after_ = n; }

 private:
  struct SlabFrame {
    uint64_t piece = 0;  // bytes
    uint32_t in_use = 0;
    bool has_contents = false;    // not before its first piece is wanted
    std::vector<uint64_t> taken;  // a bit per piece
  };
  struct Slab {
    std::set<Pfn> partial;  // frames with a free piece
    std::set<Pfn> empty;    // ... of which all are: kept for what is reserved
    uint64_t frames = 0;
    uint64_t in_use = 0;
    uint64_t reserved = 0;  // of the free ones
  };

  [[nodiscard]] unsigned order_of(uint64_t bytes) const;
  [[nodiscard]] uint32_t pieces_of(uint64_t bytes) const {
    return static_cast<uint32_t>(frames_->page().bytes() / bytes);
  }
  std::optional<PhysAddr> allocate_piece(uint64_t bytes);
  void account(uint64_t bytes, uint64_t allocations = 1);
  [[nodiscard]] uint64_t spare_pieces(const Slab& slab, uint64_t bytes) const {
    return slab.frames * pieces_of(bytes) - slab.in_use - slab.reserved;
  }
  bool add_frame(Slab& slab, uint64_t bytes);
  void drop_spare_frames(Slab& slab, uint64_t bytes);
  [[nodiscard]] bool free_piece(PhysAddr address, uint64_t bytes);
  void give_back(Pfn first, unsigned order);

  mem::FrameMemory* frames_;
  mem::FrameUse use_;
  uint64_t bytes_in_use_ = 0;
  uint64_t held_bytes_ = 0;
  uint64_t allocations_ = 0;
  uint64_t fail_after_ = 0;
  std::map<uint64_t, Slab> slabs_;                  // by size of piece
  std::unordered_map<Pfn, SlabFrame> slab_frames_;  // looked up only, never iterated
  std::string misuse_;
  std::function<void(PhysAddr, uint64_t)> before_free_;
  std::function<void(PhysAddr, uint64_t)> before_reuse_;
};

}  // namespace mmusim::pt

#endif  // MMUSIM_PT_TABLE_ALLOCATOR_H_
