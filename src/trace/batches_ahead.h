// Batches of a chunk's columns, decoded by a thread of its own while earlier ones are used. They,
// and the error that may end them, come in order.
//
// They are handed over in packs, a ring of them with memory of their own: a batch of many blocks is
// one, small ones and events come together, so that a trace of many events does not make the two
// threads wait for each other at each. Who waits does so until half the ring is full, or empty, so
// that they do not wake each other for every pack. One thread starts, takes and stops.
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
  // Batches, and what they have, in their order.
  struct Pack {
    std::vector<Batch> batches;
    std::vector<Event> events;
    std::vector<uint32_t> blocks;
    std::vector<uint64_t> addresses;

    void clear();
    void add(const Batch& batch);
    // There will be no more: batches have what is theirs here.
    void close();
  };
  static constexpr size_t kPacks = 16;
  static constexpr size_t kBatches = 64;  // in a pack, at most
  static constexpr size_t kEnough = 512;  // blocks in a pack, after which there will be no more

  void decode(ChunkDecoder& decoder);
  // False: the decoder has no more, or has failed, which is in `error`.
  static bool fill(Pack& pack, ChunkDecoder& decoder, std::exception_ptr& error);
  // Gives back the pack there is; whether there is another one.
  bool next_pack();

  std::array<Pack, kPacks> packs_;
  std::thread worker_;
  const Pack* pack_ = nullptr;  // in use; null: none
  size_t given_ = 0;            // batches of it
  std::mutex mutex_;            // of what follows
  std::condition_variable changed_;
  uint64_t filled_ = 0;  // packs, ever
  uint64_t used_ = 0;    // ... that are no longer in use
  bool ended_ = false;   // there will be no more
  bool stop_ = false;
  std::exception_ptr error_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_BATCHES_AHEAD_H_
