// Batches of a chunk's columns, decoded by a thread of its own while earlier ones are used: a ring
// of them, each with memory of its own. They, and the error that may end them, come in order.
//
// Who waits does so until half the ring is full, or empty, so that the two threads do not wake each
// other for every batch. One thread starts, takes and stops.
#ifndef MMUSIM_TRACE_BATCHES_AHEAD_H_
#define MMUSIM_TRACE_BATCHES_AHEAD_H_

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "trace/chunk_decoder.h"
#include "trace/record.h"

namespace mmusim::trace {

class BatchesAhead {
 public:
  BatchesAhead() = default;
  ~BatchesAhead() { stop(); }
  BatchesAhead(const BatchesAhead&) = delete;
  BatchesAhead& operator=(const BatchesAhead&) = delete;

  // The decoder has been opened, and is left alone until stop(). REQUIRES: stopped. Errors:
  // std::system_error where the host has no thread to give.
  void start(ChunkDecoder& decoder);
  // Whether next() is to be asked, and not a decoder.
  [[nodiscard]] bool started() const { return worker_.joinable(); }
  // As the decoder's. The batch lives until the next call, its table until the decoder is opened
  // again. REQUIRES: started().
  bool next(Batch& batch);
  // Nobody wants the rest, if there is any.
  void stop();

 private:
  struct Slot {
    Batch batch;
    std::vector<uint32_t> blocks;
    std::vector<uint64_t> addresses;
    Event event;
  };
  static constexpr size_t kSlots = 16;

  void decode(ChunkDecoder& decoder);
  static bool fill(Slot& slot, ChunkDecoder& decoder);

  std::array<Slot, kSlots> slots_;
  std::thread worker_;
  bool holds_ = false;  // the batch that was given last is in use
  std::mutex mutex_;    // of what follows
  std::condition_variable changed_;
  uint64_t filled_ = 0;  // batches, ever
  uint64_t used_ = 0;    // ... that are no longer in use
  bool ended_ = false;   // there will be no more
  bool stop_ = false;
  std::exception_ptr error_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_BATCHES_AHEAD_H_
