#include "sim/stretch_feed.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "base/interrupt.h"

namespace mmusim::sim {

StretchFeed::StretchFeed(TraceRoute route, size_t seats, bool read_ahead)
    : route_(std::move(route)), read_ahead_(read_ahead), seats_(seats) {
  MMUSIM_ASSERT(!route_.moved);
}

void StretchFeed::come(size_t number, uint64_t chunk, bool wants, const Sifting& sifting) {
  {
    const std::scoped_lock lock(mutex_);
    Seat& seat = seats_[number];
    seat.taken = true;
    seat.chunk = chunk;
    seat.wants = wants;
    seat.sifting = sifting;
  }
  changed_.notify_all();
}

void StretchFeed::want(size_t seat, uint64_t number, const Sifting& sifting) {
  come(seat, number, true, sifting);
}

void StretchFeed::pass(size_t seat, uint64_t number) {
  come(seat, number, false, {});
}

void StretchFeed::leave(size_t seat) {
  {
    const std::scoped_lock lock(mutex_);
    seats_[seat].left = true;
  }
  changed_.notify_all();
}

// Chunks are begun in their order.
bool StretchFeed::gives_any(uint64_t number) {
  const std::scoped_lock lock(mutex_);
  const uint64_t next = open_ ? chunk_ + 1 : chunk_;
  if (!any_from_ && number >= next) any_from_ = next;
  return any_from_ && number >= *any_from_;
}

const Stretch* StretchFeed::next(size_t number) {
  Lock lock(mutex_);
  Seat& seat = seats_[number];
  MMUSIM_ASSERT(seat.taken && seat.wants);
  if (seat.pack < made_ && seat.at == pack(seat.pack).count) {
    leave_pack(seat);
    changed_.notify_all();
  }
  for (;;) {
    pass_others(seat);
    const bool there = seat.pack < made_ && pack(seat.pack).chunk == seat.chunk;
    if (!there && (seat.pack < made_ || chunk_ > seat.chunk)) {
      const auto failure = failures_.find(seat.chunk);
      if (failure != failures_.end()) std::rethrow_exception(failure->second);
      return nullptr;
    }
    if (may_make() && (!there || made_ - oldest() < kFew)) {
      make(lock);
    } else if (there) {
      return &pack(seat.pack).stretches[seat.at++];
    } else if (may_prepare()) {
      prepare(lock);
    } else {
      changed_.wait_for(lock, kPatience / 4);
      check_interrupt();
    }
  }
}

void StretchFeed::leave_pack(Seat& seat) {
  ++seat.pack;
  seat.at = 0;
}

// Packs of chunks that the seat is behind, or does not want.
void StretchFeed::pass_others(Seat& seat) {
  while (seat.pack < made_) {
    const uint64_t chunk = pack(seat.pack).chunk;
    if (chunk > seat.chunk || (chunk == seat.chunk && seat.wants)) return;
    leave_pack(seat);
  }
}

uint64_t StretchFeed::oldest() {
  uint64_t oldest = made_;
  for (Seat& seat : seats_) {
    if (seat.left) continue;
    if (seat.taken) pass_others(seat);
    oldest = std::min(oldest, seat.pack);
  }
  return oldest;
}

bool StretchFeed::may_make() {
  const uint64_t oldest = this->oldest();
  if (making_ || made_ - oldest == kPacks) return false;
  uint64_t least = UINT64_MAX;
  for (const Seat& seat : seats_) {
    if (seat.left) continue;
    if (!seat.taken) return false;
    least = std::min(least, seat.wants ? seat.chunk : seat.chunk + 1);
  }
  if (chunk_ < least) {  // nobody wants what is left of it
    chunk_ = least;
    open_ = follows_ = false;
  }
  if (open_) return true;
  if (preparing_) return false;
  // Of the chunk before the last one nothing may be in use.
  if (oldest < made_ && pack(oldest).chunk < begun_) return false;
  return follows_ || std::any_of(seats_.begin(), seats_.end(), [this](const Seat& seat) {
           return !seat.left && seat.wants && seat.chunk == chunk_;
         });
}

void StretchFeed::make(Lock& lock) {
  const uint64_t number = chunk_;
  const bool begins = !open_;
  if (begins) {
    wanted_ = what_is_wanted();
    open_ = opening_ = true;
    begun_ = number;
    prepared_ = false;
  }
  Pack& pack = this->pack(made_);
  pack.chunk = number;
  pack.count = 0;
  making_ = true;
  lock.unlock();
  bool more = false;
  std::exception_ptr failure;
  try {
    more = (!begins || begin(number)) && fill(pack);
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  making_ = opening_ = false;
  if (pack.count != 0) ++made_;
  if (!more) {
    ++chunk_;
    open_ = false;
    follows_ = failure == nullptr && (pack.count != 0 || !begins);
    if (failure != nullptr) failures_.emplace(number, failure);
  }
  changed_.notify_all();
}

// Its columns take the place of those of the chunk before.
bool StretchFeed::may_prepare() {
  if (!open_ || opening_ || preparing_ || prepared_) return false;
  const uint64_t oldest = this->oldest();
  return oldest == made_ || pack(oldest).chunk == begun_;
}

void StretchFeed::prepare(Lock& lock) {
  preparing_ = true;
  lock.unlock();
  const bool more = source_->reader().prepare_next();
  lock.lock();
  preparing_ = false;
  prepared_ = !more;
  changed_.notify_all();
}

// The source goes to the chunk; false where the trace has ended.
bool StretchFeed::begin(uint64_t number) {
  if (source_ == nullptr)
    source_ = std::make_unique<TraceSource>(route_, read_ahead_, /*keeps_tables=*/true);
  for (; source_at_ <= number; ++source_at_) {
    source_->reader().pass();
    if (!source_->next_chunk()) return false;
  }
  source_->begin(trace::References::All);
  maker_.enter(kMost);
  maker_.want_sifted(wanted_);
  return true;
}

bool StretchFeed::fill(Pack& pack) {
  const auto next = [this](trace::Batch& batch, uint64_t /*most*/) {
    return source_->next_of_chunk(batch);
  };
  pack.slots.clear();
  size_t batches = 0;
  size_t references = 0;
  for (; pack.count < kStretches && batches < kBatches && references < kReferences; ++pack.count) {
    if (pack.stretches.size() == pack.count) pack.stretches.emplace_back();
    Stretch& stretch = pack.stretches[pack.count];
    if (!maker_.make(stretch, pack.slots, next, RunLimit(0), Looks(0, 0), 0)) return false;
    batches += stretch.parts().size();
    references += stretch.references();
  }
  return true;
}

Sifter::Wanted StretchFeed::what_is_wanted() {
  Sifting all;
  for (const Seat& seat : seats_) {
    if (seat.left) continue;
    all.by_sets += seat.sifting.by_sets;
    all.others += seat.sifting.others;
  }
  Sifter::Wanted wanted = all.wanted(false);
  if (wanted.any && !any_from_) any_from_ = chunk_;
  wanted.any = any_from_ && chunk_ >= *any_from_;
  return wanted;
}

}  // namespace mmusim::sim
