// How many leaves map a frame, how many references there are to it, and whether it is one address
// space's alone, also where one leaf maps a whole block of frames.
//
// A leaf of 2^order frames counts once, for the block, and its frames keep only what concerns them
// singly (mem::Frame: mappings, references, exclusive). So fork, munmap and exit take one step for
// such a leaf, not one for each of its pages (Linux: a folio's entire_mapcount beside _mapcount of
// each page). A block is counted so as long as such leaves, or references that went with them, are
// left. Blocks do not overlap: where a frame is counted in a block of another size already, as when
// a part of a block that others map whole becomes a leaf of its own, a leaf counts for each frame
// singly. Which of the two ways a leaf was counted need not be known to take it away: the sum
// counts. Not thread-safe.
#ifndef MMUSIM_KERNEL_FRAME_COUNTS_H_
#define MMUSIM_KERNEL_FRAME_COUNTS_H_

#include <array>
#include <cstdint>
#include <unordered_map>

#include "base/types.h"
#include "mem/frames.h"

namespace mmusim::kernel {

class FrameCounts {
 public:
  // Must outlive it.
  explicit FrameCounts(mem::FrameMemory& frames) : frames_(&frames) {}

  // REQUIRES, here and below: the frames are in use.
  [[nodiscard]] uint32_t mappings(Pfn pfn) const {
    const Block* block = around(pfn);
    return frames_->frame(pfn).mappings + (block == nullptr ? 0 : block->leaves);
  }
  [[nodiscard]] uint32_t references(Pfn pfn) const {
    const Block* block = around(pfn);
    return frames_->frame(pfn).references + (block == nullptr ? 0 : block->references);
  }
  // Of an anonymous frame.
  [[nodiscard]] bool is_exclusive(Pfn pfn) const {
    const Block* block = around(pfn);
    return block == nullptr ? frames_->frame(pfn).exclusive : block->exclusive;
  }

  // New frames of one leaf: exclusive, with a reference and a mapping. REQUIRES, here and below:
  // order is not 0, `first` aligned to it.
  void start(Pfn first, unsigned order);
  // One leaf more maps 2^order frames, with a reference to each; they are not exclusive then.
  void map(Pfn first, unsigned order);
  // One leaf less; its references stay.
  void unmap(Pfn first, unsigned order);
  // One reference less to each frame of a leaf. False: they have more that went with other leaves
  // of all of them, and none goes; else each is to be looked at.
  bool drop(Pfn first, unsigned order);

  // A leaf is replaced by leaves of base pages.
  void divide(Pfn first, unsigned order);
  // Leaves of base pages, or the only leaves there are of any size, are replaced by one that maps
  // the same frames.
  void join(Pfn first, unsigned order);

  // The frames of a leaf become exclusive if there is one reference to each; whether they are.
  bool claim(Pfn first, unsigned order);

 private:
  struct Block {
    unsigned order = 0;
    uint32_t leaves = 0;  // that map all of it
    uint32_t references = 0;
    bool exclusive = false;
  };
  using Blocks = std::unordered_map<Pfn, Block>;  // by first frame; looked up only, never iterated

  // The one that has the frame; null: none.
  [[nodiscard]] const Block* around(Pfn pfn) const {
    return blocks_.empty() ? nullptr : find_around(pfn);
  }
  [[nodiscard]] const Block* find_around(Pfn pfn) const;
  // The one of just these frames; null: there is none.
  [[nodiscard]] Block* of(Pfn first, unsigned order);
  [[nodiscard]] bool any_in(Pfn first, unsigned order) const;
  // REQUIRES: no other has one of the frames.
  Block& make(Pfn first, unsigned order);
  // It is no more if nothing of it is left: then each frame is exclusive if it was.
  void end_if_unused(Pfn first, const Block& block);
  void add_singly(Pfn first, unsigned order);

  mem::FrameMemory* frames_;
  Blocks blocks_;
  std::array<uint64_t, mem::FrameMemory::kMaxOrder + 1> of_order_{};  // how many blocks
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_FRAME_COUNTS_H_
