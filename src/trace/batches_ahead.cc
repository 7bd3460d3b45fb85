#include "trace/batches_ahead.h"

#include "base/error.h"

namespace mmusim::trace {

void BatchesAhead::start(ChunkDecoder& decoder) {
  MMUSIM_ASSERT(!started());
  holds_ = ended_ = stop_ = false;
  filled_ = used_ = 0;
  error_ = nullptr;
  worker_ = std::thread([this, &decoder] { decode(decoder); });
}

bool BatchesAhead::next(Batch& batch) {
  std::unique_lock lock(mutex_);
  if (holds_) {
    holds_ = false;
    ++used_;
    if (filled_ - used_ == kSlots / 2) changed_.notify_one();
  }
  if (filled_ == used_)
    changed_.wait(lock, [this] { return ended_ || filled_ - used_ >= kSlots / 2; });
  if (filled_ == used_) {
    if (error_ != nullptr) std::rethrow_exception(error_);
    return false;
  }
  batch = slots_[used_ % kSlots].batch;
  holds_ = true;
  return true;
}

void BatchesAhead::stop() {
  if (!started()) return;
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  worker_.join();
}

void BatchesAhead::decode(ChunkDecoder& decoder) {
  std::unique_lock lock(mutex_);
  try {
    while (!stop_) {
      if (filled_ - used_ == kSlots) {
        changed_.wait(lock, [this] { return stop_ || filled_ - used_ <= kSlots / 2; });
        continue;
      }
      Slot& slot = slots_[filled_ % kSlots];
      lock.unlock();
      const bool more = fill(slot, decoder);
      lock.lock();
      if (!more) break;
      ++filled_;
      if (filled_ - used_ == kSlots / 2) changed_.notify_one();
    }
  } catch (...) {
    if (!lock.owns_lock()) lock.lock();
    error_ = std::current_exception();
  }
  ended_ = true;
  changed_.notify_one();
}

bool BatchesAhead::fill(Slot& slot, ChunkDecoder& decoder) {
  Batch& batch = slot.batch;
  if (!decoder.next(batch)) return false;
  if (batch.event != nullptr) {
    slot.event = *batch.event;
    batch.event = &slot.event;
    return true;
  }
  slot.blocks.assign(batch.blocks.begin(), batch.blocks.end());
  slot.addresses.assign(batch.addresses, batch.addresses + batch.totals.data_accesses());
  batch.blocks = slot.blocks;
  batch.addresses = slot.addresses.data();
  return true;
}

}  // namespace mmusim::trace
