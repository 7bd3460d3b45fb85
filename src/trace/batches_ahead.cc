#include "trace/batches_ahead.h"

#include "base/error.h"

namespace mmusim::trace {

void BatchesAhead::Pack::clear() {
  batches.clear();
  events.clear();
  blocks.clear();
  addresses.clear();
}

void BatchesAhead::Pack::add(const Batch& batch) {
  if (batch.event != nullptr) {
    events.push_back(*batch.event);
  } else {
    blocks.insert(blocks.end(), batch.blocks.begin(), batch.blocks.end());
    addresses.insert(addresses.end(), batch.addresses,
                     batch.addresses + batch.totals.data_accesses());
  }
  batches.push_back(batch);
}

void BatchesAhead::Pack::close() {
  const Event* event = events.data();
  const uint32_t* block = blocks.data();
  const uint64_t* address = addresses.data();
  for (Batch& batch : batches) {
    if (batch.event != nullptr) {
      batch.event = event++;
      continue;
    }
    batch.blocks = {block, batch.blocks.size()};
    batch.addresses = address;
    block += batch.blocks.size();
    address += batch.totals.data_accesses();
  }
}

void BatchesAhead::start(ChunkDecoder& decoder) {
  MMUSIM_ASSERT(!started());
  pack_ = nullptr;
  ended_ = stop_ = false;
  filled_ = used_ = 0;
  error_ = nullptr;
  worker_ = std::thread([this, &decoder] { decode(decoder); });
}

bool BatchesAhead::next(Batch& batch) {
  if (pack_ == nullptr || given_ == pack_->batches.size()) {
    if (!next_pack()) return false;
    given_ = 0;
  }
  batch = pack_->batches[given_++];
  return true;
}

bool BatchesAhead::next_pack() {
  std::unique_lock lock(mutex_);
  if (pack_ != nullptr) {
    pack_ = nullptr;
    ++used_;
    if (filled_ - used_ == kPacks / 2) changed_.notify_one();
  }
  if (filled_ == used_)
    changed_.wait(lock, [this] { return ended_ || filled_ - used_ >= kPacks / 2; });
  if (filled_ == used_) {
    if (error_ != nullptr) std::rethrow_exception(error_);
    return false;
  }
  pack_ = &packs_[used_ % kPacks];
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
  while (!stop_ && !ended_) {
    if (filled_ - used_ == kPacks) {
      changed_.wait(lock, [this] { return stop_ || filled_ - used_ <= kPacks / 2; });
      continue;
    }
    Pack& pack = packs_[filled_ % kPacks];
    std::exception_ptr error;
    lock.unlock();
    const bool more = fill(pack, decoder, error);
    lock.lock();
    if (!pack.batches.empty()) ++filled_;
    error_ = error;
    ended_ = !more;
    if (ended_ || filled_ - used_ == kPacks / 2) changed_.notify_one();
  }
}

bool BatchesAhead::fill(Pack& pack, ChunkDecoder& decoder, std::exception_ptr& error) {
  bool more = true;
  try {
    pack.clear();
    while (pack.batches.size() < kBatches && pack.blocks.size() < kEnough) {
      Batch batch;
      more = decoder.next(batch);
      if (!more) break;
      pack.add(batch);
    }
  } catch (...) {
    error = std::current_exception();
    more = false;
  }
  pack.close();
  return more;
}

}  // namespace mmusim::trace
