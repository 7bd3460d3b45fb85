// Writes a trace container (.mmt). Format: src/trace/README.md.
//
// Instructions and their data accesses are given one by one in program order; the writer cuts them
// into blocks, numbers the blocks and packs chunks. Memory is bounded by the chunk size, whatever
// the length of the trace and the number of threads. The file appears under its name only when
// finish() succeeds; where it is to be kept before (WriterOptions::keep_partial) it is FILE.partial
// until then, a torn trace of all chunks but the last. Not thread-safe.
#ifndef MMUSIM_TRACE_WRITER_H_
#define MMUSIM_TRACE_WRITER_H_

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "trace/page_choice.h"
#include "trace/record.h"

namespace mmusim::trace {

inline constexpr unsigned kPagePercent = 30;

struct WriterOptions {
  int zstd_level = 5;
  // Uncompressed bytes after which a chunk is closed; taken as the nearest of 256 to 24 MiB.
  uint64_t chunk_bytes = uint64_t{16} << 20;
  // Threads that compress; 0: the caller's. The file is the same, whatever their number.
  unsigned compressors = 0;
  bool keep_partial = false;
  // Which page streams are made; not said: page_choice_of() the header's ISA.
  std::optional<PageChoice> pages{};
  // They are left out where they would take more than so many percent of the rest.
  unsigned page_percent = kPagePercent;
  // Asked of each event that is given, what is to be told behind it, by the same thread. May be
  // null; must outlive the writer.
  const std::function<std::vector<MarkerEvent>(const Event&)>* told_behind = nullptr;
};

// A block that is given again and again, kept by who gives it. REQUIRES: `block` keeps the limits
// of record.h, and `hash` is hash_of() it.
struct KnownBlock {
  explicit KnownBlock(const StaticBlock& b) : block(b) {}
  StaticBlock block;
  uint64_t hash = 0;
  // The writer's.
  uint64_t chunk = 0;
  uint32_t number = 0;
};
uint64_t hash_of(const StaticBlock& block);

class Writer {
 public:
  // Errors (here and below): Error naming the path when it cannot be created or written.
  Writer(std::string path, const Header& header, const WriterOptions& options = {});
  ~Writer();
  Writer(Writer&&) noexcept;
  Writer& operator=(Writer&&) noexcept;

  // The thread whose records follow, until the next call.
  void thread(ThreadId thread);

  // One executed instruction. REQUIRES: thread() was called; 1 <= bytes <= kMaxInstructionBytes.
  void instruction(VirtAddr address, unsigned bytes);

  // One data access of the last instruction. REQUIRES: instruction() was called since the last
  // thread() or event(); kind is not Fetch; 1 <= bytes <= kMaxAccessBytes.
  void access(AccessKind kind, VirtAddr address, unsigned bytes);

  // One executed block, with an address for each of its accesses. Instructions given one by one
  // before are another. REQUIRES: thread() was called.
  void block(KnownBlock& block, const uint64_t* addresses);

  // The chunk that is being made. A block that was given in it has its `number` until it ends.
  [[nodiscard]] uint64_t chunk() const;
  // The same, faster, for several blocks that have theirs, with the addresses of one behind those
  // of the other. False: perhaps they do not all fit in this chunk; nothing was done.
  bool again(std::span<const uint32_t> numbers, std::span<const uint64_t> addresses);

  // One event of the current thread. REQUIRES: thread() was called.
  void event(const Event& event);

  // Writes what is pending, the index and the trailer, and makes the file appear.
  void finish();

  // Removes what was written; nothing more may be.
  void abandon();

  // Of all that was written; the block being made is not yet counted.
  [[nodiscard]] Totals totals() const;
  // Whether any was given.
  [[nodiscard]] bool has_instructions() const;
  // In the file; with compressors, less than that until finish().
  [[nodiscard]] uint64_t bytes_written() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_WRITER_H_
