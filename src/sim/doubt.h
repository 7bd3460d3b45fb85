// What of a Sieve's knowledge a machine does not share at the moment.
//
// The sieve leaves out references to the page its side has just referenced, because they change
// nothing where that was a plain hit of the first level and nothing came between. On a machine
// something may have: a miss path that took or put entries, a fault, a flush. After a reference
// that was no plain hit everything is in doubt, on both sides; a reference that is a plain hit
// settles what its side may leave out next: a fetch all of it, a load or store its own kind on its
// page.
#ifndef MMUSIM_SIM_DOUBT_H_
#define MMUSIM_SIM_DOUBT_H_

#include <cstdint>

#include "base/types.h"
#include "sim/sieve.h"
#include "trace/record.h"

namespace mmusim::sim {

class Doubt {
 public:
  // Behind `kept`, which was no plain hit.
  explicit Doubt(const Kept& kept)
      : page_(kept.is_data() ? page_of(kept.va) : kAny),
        seen_(kept.data),
        data_(kept.data),
        fetch_(kept.is_data()) {
    if (kept.is_data() && kept.crosses) page_ = kNone;
  }

  [[nodiscard]] bool any() const { return fetch_ || data_ != 0; }

  // A fetch that was a plain hit.
  void fetched() { fetch_ = false; }
  // One that was not. `done`: with all of its block.
  void slow_fetch(const trace::StaticBlock& block, bool done) {
    if (block.crosses_page) return none();
    if (done) return all();
    fetch_ = false;  // the loop has asked again, and it was one then
    data_ = seen_;
  }
  // A data access.
  void accessed(VirtAddr va, trace::MemOp op, bool plain) {
    const uint8_t kind = seen_by(op.kind);
    const uint64_t page = page_of(va);
    if ((va.value() & trace::kBlockPage.offset_mask()) + op.bytes > trace::kBlockPage.bytes()) {
      page_ = kNone;
      seen_ = data_ = 0;
    } else if (page_ != kAny && page_ != page) {
      page_ = page;
      seen_ = kind;
      data_ = 0;
    } else {
      page_ = page;
      seen_ |= kind;
      data_ &= static_cast<uint8_t>(~kind);
    }
    if (plain) return;
    fetch_ = true;
    data_ = seen_;
  }
  // Anything may be known to the sieve, and nothing is here.
  void all() {
    page_ = kAny;
    seen_ = data_ = kSeenBoth;
    fetch_ = true;
  }
  // The sieve leaves out nothing.
  void none() {
    page_ = kNone;
    seen_ = data_ = 0;
    fetch_ = false;
  }

 private:
  static constexpr uint64_t kAny = ~uint64_t{0};       // not known here which
  static constexpr uint64_t kNone = ~uint64_t{0} - 1;  // the sieve knows none

  static uint64_t page_of(VirtAddr va) { return va.value() >> trace::kBlockPage.log2(); }

  uint64_t page_;  // of the data side, that the sieve knows
  uint8_t seen_;   // Seen: the kinds it may leave out there
  uint8_t data_;   // Seen: ... of which these are in doubt
  bool fetch_;     // whether the fetch side's page is
};

// For a machine that does every reference.
struct NoDoubt {
  void fetched() {}
  void slow_fetch(const trace::StaticBlock& /*block*/, bool /*done*/) {}
  void accessed(VirtAddr /*va*/, trace::MemOp /*op*/, bool /*plain*/) {}
  void all() {}
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_DOUBT_H_
