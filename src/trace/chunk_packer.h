// Makes finished chunks of full encoders: closes them, compresses and hashes their streams, page
// streams too. On as many threads as asked for, a chunk each; handed out in the order they were
// given, so that the file does not depend on the number of threads. Used by one thread.
#ifndef MMUSIM_TRACE_CHUNK_PACKER_H_
#define MMUSIM_TRACE_CHUNK_PACKER_H_

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "trace/chunk_encoder.h"
#include "trace/format.h"

namespace mmusim::trace {

struct PackedChunk {
  ChunkHeader header;
  ByteBuffer payload;
};

struct PackOptions {
  int zstd_level = 0;
  PageChoice pages = PageChoice::None;
  unsigned page_percent = 0;  // as PagePacker's
};

class ChunkPacker {
 public:
  // `threads` may be 0: then give() itself does the work.
  ChunkPacker(const PackOptions& options, unsigned threads);
  ~ChunkPacker();
  ChunkPacker(const ChunkPacker&) = delete;
  ChunkPacker& operator=(const ChunkPacker&) = delete;

  // An encoder as give() wants it.
  [[nodiscard]] std::unique_ptr<ChunkEncoder> make_encoder() const;

  // Takes an encoder with a chunk and gives another, cleared one in its place. Waits while more
  // chunks are under way than the threads need.
  void give(std::unique_ptr<ChunkEncoder>& encoder);

  // The next chunk, if it is ready; with `wait`, waits for it. Null: none. The caller may keep it
  // until the next call. Errors: Error when it could not be compressed.
  PackedChunk* next(bool wait);

 private:
  struct Job {
    std::unique_ptr<ChunkEncoder> encoder;
    PackedChunk packed;
    std::exception_ptr failure;
    bool taken = false;
    bool done = false;
  };
  struct Worker;

  void work();
  [[nodiscard]] bool full() const;

  PackOptions options_;
  std::unique_ptr<Worker> own_;  // where there are no threads
  std::deque<std::unique_ptr<Job>>
      jobs_;  // in order; those before taken_ ones are handed out first
  std::vector<std::unique_ptr<Job>> idle_;
  std::unique_ptr<Job> handed_out_;
  std::mutex mutex_;
  std::condition_variable more_;  // to do, or to end
  std::condition_variable done_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_CHUNK_PACKER_H_
