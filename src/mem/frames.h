// Simulated physical memory: frames handed out by a buddy allocator, each with an owner, and the
// contents of those frames that hold tables.
//
// Frames are numbered from 0 in units of the base page; frame 0 is reserved. Only frames in use as
// tables have contents (8-byte words, zero at first); a user page has none. Host memory is
// proportional to the frames in use, not to the size of the simulated memory. Deterministic: the
// lowest-addressed suitable block is handed out. Buddy allocator after Knuth, TAOCP vol. 1, 2.5,
// with Linux's orders 0..10. Not thread-safe.
#ifndef MMUSIM_MEM_FRAMES_H_
#define MMUSIM_MEM_FRAMES_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "base/types.h"
#include "config/schema.h"
#include "stats/report.h"

namespace mmusim::mem {

enum class FrameUse : uint8_t { Free, Reserved, Anonymous, File, Table, SoftTlb };

// What the kernel knows of a frame in use (Linux: struct page). Plain data; the kernel model keeps
// it right.
struct Frame {
  FrameUse use = FrameUse::Free;
  uint8_t order = 0;  // of the block it was allocated in; meaningful in the block's first frame
  bool exclusive = false;  // anonymous, mapped by one process only (Linux: PageAnonExclusive)
  uint32_t references = 0;
  uint32_t mappings = 0;  // leaf entries that point to it
  uint64_t owner = 0;     // MmId of a table or anonymous page; file number of a file page
};

class FrameMemory {
 public:
  static constexpr unsigned kMaxOrder = 10;

  static void declare(config::Schema& schema);  // mem.bytes, ...
  FrameMemory(const config::Config& config, PageShift page);
  ~FrameMemory();

  // 2^order frames, aligned to their size, references = 1 in the first; nothing when memory is
  // exhausted.
  std::optional<Pfn> allocate(unsigned order, FrameUse use, uint64_t owner);
  // REQUIRES: `first` was allocated with this order and is not free. Drops contents.
  void free(Pfn first, unsigned order);

  // REQUIRES: the frame is in use.
  [[nodiscard]] Frame& frame(Pfn pfn);
  [[nodiscard]] const Frame& frame(Pfn pfn) const;
  [[nodiscard]] bool in_use(Pfn pfn) const;

  // The words of a table. REQUIRES: the frame's use is Table or SoftTlb; address aligned to 8. The
  // pointer to a frame's words (page bytes / 8 of them) stays valid until the frame is freed.
  // Frames of one block are contiguous on the host.
  [[nodiscard]] uint64_t* words(PhysAddr address);
  [[nodiscard]] const uint64_t* words(PhysAddr address) const;
  // For a walker following bits it cannot trust: null unless the address is inside a frame with
  // contents.
  [[nodiscard]] const uint64_t* find_words(PhysAddr address) const;

  [[nodiscard]] PageShift page() const { return page_; }
  [[nodiscard]] PhysAddr address_of(Pfn pfn) const { return PhysAddr(pfn.value() << page_.log2()); }
  [[nodiscard]] Pfn frame_of(PhysAddr address) const {
    return Pfn(address.value() >> page_.log2());
  }
  [[nodiscard]] uint64_t total_frames() const;
  [[nodiscard]] uint64_t free_frames() const;
  [[nodiscard]] uint64_t frames_in(FrameUse use) const;

  void report(stats::Report& report) const;

 private:
  class Impl;
  PageShift page_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mmusim::mem

#endif  // MMUSIM_MEM_FRAMES_H_
