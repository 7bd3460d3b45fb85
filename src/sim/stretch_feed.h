// The columns of a trace, read, decoded and sifted once for several passes over it that are under
// way at the same time, each in a thread of its own and with machines of its own.
//
// Whoever wants a stretch that is not there yet makes it; and whoever comes for one while few are
// there makes one more first, so that the threads share this work, too, as each has time for it.
// Who has to wait meanwhile makes the next chunk's columns ready. One pass may be so many stretches
// ahead of another, and then waits for it. Passes come to chunk after chunk in the same order, but
// of each a pass says whether it wants the columns; where the last chunk's were wanted the next
// one's are begun before anybody asks.
//
// A seat is what a pass has here. All seats are to be taken, or left: there is nothing before that,
// as what is sifted hangs on all. Thread-safe: a seat is one thread's. Errors: those of the source,
// at each seat that wants the chunk; Error when interrupted, of who waits, too.
#ifndef MMUSIM_SIM_STRETCH_FEED_H_
#define MMUSIM_SIM_STRETCH_FEED_H_

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "sim/relocation/trace_source.h"
#include "sim/sifted.h"
#include "sim/stretch.h"

namespace mmusim::sim {

class StretchFeed {
 public:
  // So many seats. `read_ahead`: as trace::ReaderOptions. REQUIRES: the route is of addresses as
  // recorded, and of whole chunks (TracePass::goes_by_chunks()).
  StretchFeed(TraceRoute route, size_t seats, bool read_ahead);
  StretchFeed(const StretchFeed&) = delete;
  StretchFeed& operator=(const StretchFeed&) = delete;

  // The seat comes to chunk `number`, counted from 0, and wants its columns, or not. What of them
  // is sifted is made known by each stretch. REQUIRES: it was at none behind it.
  void want(size_t seat, uint64_t number, const Sifting& sifting);
  void pass(size_t seat, uint64_t number);
  // Whether what any first level needs of that chunk's columns is sifted. If the chunk is not begun
  // yet it will be. REQUIRES: the caller's seat has not come to it.
  [[nodiscard]] bool gives_any(uint64_t number);
  // The next stretch of the chunk; null: it has no more. It lives until the next call for the seat.
  // REQUIRES: the seat wants the chunk.
  [[nodiscard]] const Stretch* next(size_t seat);
  // Nobody will ask for the seat any more. Others go on.
  void leave(size_t seat);

 private:
  // Short enough that what is kept for a pass that is behind takes little.
  static constexpr StretchMaker::Most kMost{
      .batches = 32, .references = size_t{1} << 18, .kept = true};
  static constexpr size_t kPacks = 8;
  static constexpr size_t kFew = 4;
  // Some are handed over at once, as one is short where there are many events: at most so many, and
  // no more once there are enough batches, or references.
  static constexpr size_t kStretches = 64;
  static constexpr size_t kBatches = 32;
  static constexpr size_t kReferences = size_t{1} << 15;

  struct Pack {
    uint64_t chunk = 0;
    size_t count = 0;
    std::deque<Stretch> stretches;  // the first `count`
    BatchSlots slots;               // of these
  };
  struct Seat {
    bool taken = false;
    bool left = false;
    bool wants = false;  // `chunk`
    uint64_t chunk = 0;  // that it is at, once it is taken
    Sifting sifting;
    uint64_t pack = 0;  // the one it is in, or the next
    size_t at = 0;      // ... of its stretches
  };
  using Lock = std::unique_lock<std::mutex>;

  void come(size_t seat, uint64_t number, bool wants, const Sifting& sifting);
  [[nodiscard]] Pack& pack(uint64_t number) { return packs_[number % kPacks]; }
  static void leave_pack(Seat& seat);
  void pass_others(Seat& seat);
  // The first pack that somebody has, or may want.
  [[nodiscard]] uint64_t oldest();
  // Whether there is room for a pack, and something it may be wanted for.
  [[nodiscard]] bool may_make();
  // Makes a pack, or what there is to the chunk's end; the lock is given back meanwhile.
  void make(Lock& lock);
  // Whether there is something to do for the next chunk's columns, and does a part of it; likewise.
  [[nodiscard]] bool may_prepare();
  void prepare(Lock& lock);
  bool begin(uint64_t number);
  // From where the source is in its chunk. Whether there is more of it.
  bool fill(Pack& pack);
  [[nodiscard]] Sifter::Wanted what_is_wanted();

  const TraceRoute route_;
  const bool read_ahead_;

  // Of who makes a pack.
  std::unique_ptr<TraceSource> source_;
  uint64_t source_at_ = 0;  // chunks it has come to
  StretchMaker maker_;
  Sifter::Wanted wanted_{.any = false, .sets = false};  // of the chunk that is open

  std::mutex mutex_;  // of what follows, and of which packs are being made
  std::condition_variable changed_;
  std::array<Pack, kPacks> packs_;
  std::vector<Seat> seats_;
  uint64_t made_ = 0;     // packs, ever
  bool making_ = false;   // one more
  uint64_t chunk_ = 0;    // being made, or next
  bool open_ = false;     // it is begun
  bool follows_ = false;  // the one before was made to its end
  bool opening_ = false;  // it is being begun
  uint64_t begun_ = 0;    // the last that was
  bool preparing_ = false;
  bool prepared_ = false;  // what comes behind that chunk
  // From which chunk on what any first level needs is sifted; nothing: from none yet.
  std::optional<uint64_t> any_from_;
  std::map<uint64_t, std::exception_ptr> failures_;  // by chunk
};

// A pass's seat, which it leaves in the end.
class FeedSeat {
 public:
  // The feed must outlive it.
  FeedSeat(StretchFeed& feed, size_t seat) : feed_(feed), seat_(seat) {}
  ~FeedSeat() { feed_.leave(seat_); }
  FeedSeat(const FeedSeat&) = delete;
  FeedSeat& operator=(const FeedSeat&) = delete;

  void want(uint64_t number, const Sifting& sifting) { feed_.want(seat_, number, sifting); }
  void pass(uint64_t number) { feed_.pass(seat_, number); }
  [[nodiscard]] bool gives_any(uint64_t number) { return feed_.gives_any(number); }
  [[nodiscard]] const Stretch* next() { return feed_.next(seat_); }

 private:
  StretchFeed& feed_;
  size_t seat_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_STRETCH_FEED_H_
