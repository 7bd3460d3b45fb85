// Who reads and writes the words of tables while it lives: every access of this thread to the arena
// they lie in, with the host's own means.
//
// The pages are made inaccessible; each access faults, is noted, and is done alone, one instruction
// with the pages open (x86's trap flag). An access is known by where it begins and not by its
// length: one vector instruction may read several words. About 30 us an access, so it is for a few
// operations among many. One at a time in a process; not in several threads.
#ifndef MMUSIM_PT_CONFORMANCE_WATCH_H_
#define MMUSIM_PT_CONFORMANCE_WATCH_H_

#include <cstddef>
#include <span>

#include "mem/word_arena.h"

namespace mmusim::pt::conformance {

struct Access {
  const std::byte* address = nullptr;
  bool write = false;
};

class MemoryWatch {
 public:
  // Whether this host and build can: Linux on x86-64, without ThreadSanitizer.
  static bool works();

  // Watches from now on. REQUIRES: works().
  explicit MemoryWatch(const mem::WordArena& arena);
  ~MemoryWatch();
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

  // No longer; what was seen stays until another one is made.
  void end();
  [[nodiscard]] std::span<const Access> seen() const;
  // False: there were more than it keeps, and the rest was not watched.
  [[nodiscard]] bool complete() const;
};

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_WATCH_H_
