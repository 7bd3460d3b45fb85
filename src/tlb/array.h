// One TLB array: sets x ways of tagged entries with exact replacement.
//
// What a tag says and which set an address belongs to are the architecture's business: `Tag` is any
// equality-comparable value whose default, Tag{}, is never looked up and marks an empty way; the
// set number is passed in. `Payload` is what a hit gives.
//
// **Time stamps instead of policy state.** A use of an entry writes one number: the time of its
// last use, from a counter that the caller raises at every use (touch(), or a HitFilter writing
// through stamp()). Nothing else happens on a hit, whatever the policy; the policy is worked out
// from the stamps when a victim is needed, which is rare:
//   LRU     the way with the least stamp.
//   PLRU    each node of the tree points away from the half of its ways that was used last, which
//           is the half with the greatest stamp; the victim is found by following the pointers
//           down. A node never used points to its lower half. A range of n ways halves into the
//           first ceil(n/2) and the rest, so any number of ways has a tree; for a power of two it
//           is the usual one.
//   FIFO    the way with the least fill time.
//   Random  below(ways) of the array's own generator, drawn only when a full set needs a victim.
//   Used    a used bit is a stamp later than when the set's bits were last cleared; the first way
//           without one. When all have theirs they are cleared, as of the latest stamp.
// The stamps of empty ways remain, since in a real tree an invalidation moves no pointer.
//
// **Digests.** A set is searched by digests of its tags, two bytes a way, up to sixteen ways at a
// time. So a search reads little and branches once for so many ways, unless a digest is the one
// wanted: then its tag is compared, which lies beside the payload.
//
// Not thread-safe. No errors; out-of-range arguments are bugs.
#ifndef MMUSIM_TLB_ARRAY_H_
#define MMUSIM_TLB_ARRAY_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "base/random.h"
#include "tlb/geometry.h"

namespace mmusim::tlb {

template <class Tag, class Payload>
class TlbArray {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  // REQUIRES: geometry.exists().
  explicit TlbArray(const Geometry& geometry)
      : ways_(geometry.ways),
        sets_(geometry.sets()),
        stride_((geometry.ways + kLanes - 1) / kLanes * kLanes),
        way_bits_(static_cast<unsigned>(std::bit_width(geometry.ways - 1))),
        replacement_(geometry.replacement),
        random_(geometry.seed),
        digests_(size_t{stride_} * sets_, kPadding),
        entries_(geometry.entries),
        stamps_(geometry.entries, 0),
        filled_(geometry.replacement == Replacement::Fifo ? geometry.entries : 0, 0),
        cleared_(geometry.replacement == Replacement::Used ? geometry.sets() : 0, 0) {
    for (uint32_t index = 0; index < geometry.entries; ++index)
      digest_at(index) = kEmpty;
  }

  [[nodiscard]] uint32_t entries() const { return static_cast<uint32_t>(entries_.size()); }
  [[nodiscard]] uint32_t ways() const { return ways_; }
  [[nodiscard]] uint32_t sets() const { return sets_; }

  // The entry of `set` with this tag, which is not Tag{}; or kNone. Changes nothing.
  [[nodiscard]] uint32_t find(uint32_t set, const Tag& tag) const {
    return search(set, digest(tag), tag);
  }

  [[nodiscard]] bool empty() const { return valid_ == 0; }
  [[nodiscard]] bool valid(uint32_t index) const { return !(entries_[index].tag == Tag{}); }
  [[nodiscard]] const Tag& tag(uint32_t index) const { return entries_[index].tag; }
  [[nodiscard]] const Payload& payload(uint32_t index) const { return entries_[index].payload; }
  [[nodiscard]] Payload& payload(uint32_t index) { return entries_[index].payload; }

  // Where an entry's time of last use is kept; stays valid as long as the array.
  [[nodiscard]] uint64_t* stamp(uint32_t index) { return &stamps_[index]; }
  // `now` is greater than in every earlier call for this array.
  void touch(uint32_t index, uint64_t now) { stamps_[index] = now; }

  // How many ways of each set are left to replacement; the last ones of a set hold what must stay.
  // At first all. Who sets it has emptied those that are no longer. REQUIRES: at least 1.
  void set_open_ways(uint32_t ways) { open_ways_ = ways; }
  [[nodiscard]] uint32_t open_ways() const { return open_ways_; }

  // The way of `set` a new entry goes to; draws a random number if that is the policy and the set
  // is full, and clears used bits. Does not empty it.
  [[nodiscard]] uint32_t victim(uint32_t set) {
    const uint32_t first = set * ways_;
    if (valid_ != sets_ * open_ways_) {
      const uint32_t empty = search(set, kEmpty, Tag{});  // the lowest
      if (empty != kNone && empty - first < open_ways_) return empty;
    }
    if (replacement_ == Replacement::Lru) [[likely]]
      return oldest(stamps_, first);
    switch (replacement_) {
      case Replacement::Lru:
        break;
      case Replacement::Plru:
        return tree_victim(first);
      case Replacement::Fifo:
        return oldest(filled_, first);
      case Replacement::Random:
        return first + static_cast<uint32_t>(random_.below(open_ways_));
      case Replacement::Used:
        return first_unused(set);
    }
    return first;
  }

  // A fill is a use.
  void fill(uint32_t index, const Tag& tag, const Payload& payload, uint64_t now) {
    Entry& entry = entries_[index];
    if (entry.tag == Tag{}) ++valid_;
    entry = {tag, payload};
    digest_at(index) = digest(tag);
    stamps_[index] = now;
    if (replacement_ == Replacement::Fifo) filled_[index] = now;
  }

  void invalidate(uint32_t index) {
    if (valid(index)) --valid_;
    entries_[index].tag = Tag{};
    digest_at(index) = kEmpty;
  }

 private:
  static_assert(std::has_unique_object_representations_v<Tag> &&
                sizeof(Tag) % sizeof(uint64_t) == 0);

  struct Entry {
    Tag tag;
    Payload payload;
  };

  // Digests of tags are odd. An empty way's, and those behind the last way of a set, are not.
  static constexpr uint16_t kPadding = 0;
  static constexpr uint16_t kEmpty = 2;
  static constexpr uint32_t kLanes = 4;  // digests in a word
  static constexpr uint32_t kLaneBits = 16;
  using Words __attribute__((vector_size(16))) = uint64_t;
  using Lanes __attribute__((vector_size(16))) = uint16_t;

  static uint16_t digest(const Tag& tag) {
    constexpr size_t kBytes = sizeof(Tag);
    const auto words = std::bit_cast<std::array<uint64_t, kBytes / sizeof(uint64_t)>>(tag);
    // An odd factor for each word, so that the products need not wait for each other.
    uint64_t mixed = 0;
    uint64_t factor = 0x9e3779b97f4a7c15;
    for (const uint64_t word : words) {
      mixed += word * factor;
      factor *= 0xd1342543de82ef95;
    }
    return static_cast<uint16_t>(mixed >> 48) | 1;
  }
  [[nodiscard]] uint16_t& digest_at(uint32_t index) {
    return digests_[stride_ == ways_ ? index : index / ways_ * stride_ + index % ways_];
  }

  // The lowest way of `set` with this digest and tag; two words of digests at a time, where there
  // are two, and four where there are.
  [[nodiscard]] uint32_t search(uint32_t set, uint16_t digest, const Tag& tag) const {
    const uint16_t* const digests = &digests_[size_t{set} * stride_];
    const Lanes wanted = Lanes{} + digest;
    const auto equal = [&](uint32_t way) {
      Lanes found;
      std::memcpy(&found, digests + way, sizeof found);
      return reinterpret_cast<Words>(found == wanted);
    };
    uint32_t way = 0;
    for (; way + 4 * kLanes <= stride_; way += 4 * kLanes) {
      const Words first = equal(way);
      const Words second = equal(way + 2 * kLanes);
      const Words any = first | second;
      if ((any[0] | any[1]) == 0) [[likely]]
        continue;
      const uint32_t index = pick(set, way, {first[0], first[1], second[0], second[1]}, tag);
      if (index != kNone) return index;
    }
    if (way + 2 * kLanes <= stride_) {
      const Words found = equal(way);
      if ((found[0] | found[1]) != 0) {
        const uint32_t index = pick(set, way, {found[0], found[1]}, tag);
        if (index != kNone) return index;
      }
      way += 2 * kLanes;
    }
    if (way == stride_) return kNone;
    uint64_t word = 0;
    std::memcpy(&word, digests + way, sizeof word);
    // The highest bit of each lane that is zero, and perhaps of others above it: the tag decides.
    constexpr uint64_t kOnes = 0x0001000100010001;
    word ^= digest * kOnes;
    const uint64_t zeros = (word - kOnes) & ~word & (kOnes << (kLaneBits - 1));
    return zeros == 0 ? kNone : pick(set, way, {zeros}, tag);
  }
  // The lowest of the ways from `way` on whose lane is not 0 and whose tag is this. Out of line, so
  // that search() has the registers.
  [[nodiscard, gnu::noinline]] uint32_t pick(uint32_t set, uint32_t way,
                                             const std::array<uint64_t, 4>& words,
                                             const Tag& tag) const {
    for (uint64_t lanes : words) {
      while (lanes != 0) {
        const uint32_t lane = static_cast<uint32_t>(std::countr_zero(lanes)) / kLaneBits;
        const uint32_t index = set * ways_ + way + lane;
        if (way + lane < ways_ && entries_[index].tag == tag) return index;
        lanes &= ~(uint64_t{0xffff} << lane * kLaneBits);
      }
      way += kLanes;
    }
    return kNone;
  }

  // The first of those with the least time. A way's number stands below its time, so that the least
  // of these says both and no branch depends on which it is; in four strands, since one would wait
  // for each compare. Times have 44 bits where sets are widest, else more.
  [[nodiscard]] uint32_t oldest(const std::vector<uint64_t>& times, uint32_t first) const {
    const uint64_t* const of_set = &times[first];
    std::array<uint64_t, 4> least;
    least.fill(~uint64_t{0});
    uint32_t way = 0;
    for (; way + 4 <= open_ways_; way += 4)
      for (uint32_t strand = 0; strand < 4; ++strand)
        least[strand] = std::min(least[strand], of_set[way + strand] << way_bits_ | (way + strand));
    for (; way < open_ways_; ++way)
      least[0] = std::min(least[0], of_set[way] << way_bits_ | way);
    const uint64_t winner = std::min(std::min(least[0], least[1]), std::min(least[2], least[3]));
    return first + static_cast<uint32_t>(winner & ((uint64_t{1} << way_bits_) - 1));
  }

  [[nodiscard]] uint64_t last_use(uint32_t first, uint32_t count) const {
    uint64_t latest = 0;
    for (uint32_t i = first; i < first + count; ++i)
      latest = std::max(latest, stamps_[i]);
    return latest;
  }

  [[nodiscard]] uint32_t first_unused(uint32_t set) {
    const uint32_t first = set * ways_;
    for (uint32_t i = first; i < first + open_ways_; ++i)
      if (stamps_[i] <= cleared_[set]) return i;
    cleared_[set] = last_use(first, open_ways_);
    return first;
  }

  [[nodiscard]] uint32_t tree_victim(uint32_t first) const {
    uint32_t count = open_ways_;
    while (count > 1) {
      const uint32_t lower = count - count / 2;
      if (last_use(first, lower) > last_use(first + lower, count - lower)) {
        first += lower;
        count -= lower;
      } else {
        count = lower;
      }
    }
    return first;
  }

  uint32_t ways_;
  uint32_t open_ways_ = ways_;
  uint32_t sets_;
  uint32_t stride_;    // digests of a set
  unsigned way_bits_;  // of a way's number
  uint32_t valid_ = 0;
  Replacement replacement_;
  Random random_;
  std::vector<uint16_t> digests_;  // of the tags, set by set, each padded to whole Lanes
  std::vector<Entry> entries_;
  std::vector<uint64_t> stamps_;
  std::vector<uint64_t> filled_;   // FIFO only
  std::vector<uint64_t> cleared_;  // by set, when its used bits were; Used only
};

}  // namespace mmusim::tlb

#endif  // MMUSIM_TLB_ARRAY_H_
