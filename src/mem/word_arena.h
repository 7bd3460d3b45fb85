// A place of their own for the words of tables, so that a process can watch who reads and writes
// them: whole host pages that hold nothing else.
//
// While an arena lives, the contents of frames given out on its thread come from it (FrameMemory).
// It must outlive those frames' memory. One at a time on a thread. Sizes are powers of two of at
// least a host page.
#ifndef MMUSIM_MEM_WORD_ARENA_H_
#define MMUSIM_MEM_WORD_ARENA_H_

#include <array>
#include <cstddef>
#include <vector>

namespace mmusim::mem {

class WordArena {
 public:
  // Reserves so many bytes of address space. Errors: Error when the host has none.
  explicit WordArena(size_t bytes);
  ~WordArena();
  WordArena(const WordArena&) = delete;
  WordArena& operator=(const WordArena&) = delete;

  // The thread's; null where there is none.
  [[nodiscard]] static WordArena* current();

  // Null when it is used up. Contents are anything.
  [[nodiscard]] void* take(size_t bytes);
  void give_back(void* memory, size_t bytes);
  [[nodiscard]] bool holds(const void* memory) const {
    const auto* at = static_cast<const std::byte*>(memory);
    return at >= base_ && at < base_ + bytes_;
  }

  // What has ever been given out: [begin(), begin() + used()).
  [[nodiscard]] std::byte* begin() const { return base_; }
  [[nodiscard]] size_t used() const { return used_; }

 private:
  std::byte* base_ = nullptr;
  size_t bytes_;
  size_t used_ = 0;
  std::array<std::vector<void*>, 64> free_;  // by log2 of their size
};

}  // namespace mmusim::mem

#endif  // MMUSIM_MEM_WORD_ARENA_H_
