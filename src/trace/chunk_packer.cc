#include "trace/chunk_packer.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/error.h"
#include "trace/chunk_decoder.h"
#include "trace/compressor.h"
#include "trace/page_packer.h"

namespace mmusim::trace {

struct ChunkPacker::Worker {
  explicit Worker(const PackOptions& options)
      : level(options.zstd_level), pages(options.page_percent, level) {}

  void pack(ChunkEncoder& encoder, PackedChunk& packed) {
    encoder.close();
    ChunkHeader& header = packed.header;
    ByteBuffer& payload = packed.payload;
    header = ChunkHeader();
    header.totals = encoder.totals();
    header.static_blocks = encoder.static_blocks();
    RawStreams raw;
    payload.clear();
    for (size_t i = 0; i < kStreams; ++i) {
      raw.streams[i] = encoder.stream(static_cast<Stream>(i));
      header.streams[i] = compressor.append(raw.streams[i], static_cast<Stream>(i), level, payload);
    }
    header.raw_hash = hash_of_streams(raw.streams, header.coding);
    if (encoder.page_streams(made)) pages.add(made, header, payload);
  }

  int level;
  Compressor compressor;
  PagePacker pages;
  PageStreams made;
};

ChunkPacker::ChunkPacker(const PackOptions& options, unsigned threads) : options_(options) {
  if (threads == 0) own_ = std::make_unique<Worker>(options);
  // Signals are for the thread that made this.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (unsigned i = 0; i < threads; ++i)
    threads_.emplace_back([this] { work(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

ChunkPacker::~ChunkPacker() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  more_.notify_all();
  for (std::thread& thread : threads_)
    thread.join();
}

void ChunkPacker::work() {
  Worker worker(options_);
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto open =
        std::find_if(jobs_.begin(), jobs_.end(), [](const auto& job) { return !job->taken; });
    if (ending_) return;
    if (open == jobs_.end()) {
      more_.wait(lock);
      continue;
    }
    Job& job = **open;
    job.taken = true;
    lock.unlock();
    try {
      worker.pack(*job.encoder, job.packed);
    } catch (...) {
      job.failure = std::current_exception();
    }
    lock.lock();
    job.done = true;
    done_.notify_one();
  }
}

// One more chunk than threads waits, so that none of them is idle while the next one is made.
bool ChunkPacker::full() const {
  const auto open =
      std::count_if(jobs_.begin(), jobs_.end(), [](const auto& job) { return !job->done; });
  return static_cast<size_t>(open) > threads_.size();
}

std::unique_ptr<ChunkEncoder> ChunkPacker::make_encoder() const {
  return std::make_unique<ChunkEncoder>(options_.pages);
}

void ChunkPacker::give(std::unique_ptr<ChunkEncoder>& encoder) {
  std::unique_lock lock(mutex_);
  std::unique_ptr<Job> job;
  if (idle_.empty()) {
    job = std::make_unique<Job>();
    job->encoder = make_encoder();
  } else {
    job = std::move(idle_.back());
    idle_.pop_back();
    job->taken = job->done = false;
    job->failure = nullptr;
  }
  std::swap(job->encoder, encoder);
  encoder->clear();
  if (own_ != nullptr) {
    own_->pack(*job->encoder, job->packed);
    job->taken = job->done = true;
    jobs_.push_back(std::move(job));
    return;
  }
  jobs_.push_back(std::move(job));
  more_.notify_one();
  done_.wait(lock, [this] { return !full(); });
}

PackedChunk* ChunkPacker::next(bool wait) {
  std::unique_lock lock(mutex_);
  if (handed_out_ != nullptr) idle_.push_back(std::move(handed_out_));
  if (jobs_.empty()) return nullptr;
  if (wait)
    done_.wait(lock, [this] { return jobs_.front()->done; });
  else if (!jobs_.front()->done)
    return nullptr;
  handed_out_ = std::move(jobs_.front());
  jobs_.pop_front();
  if (handed_out_->failure != nullptr) std::rethrow_exception(handed_out_->failure);
  return &handed_out_->packed;
}

}  // namespace mmusim::trace
