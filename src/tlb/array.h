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
// Not thread-safe. No errors; out-of-range arguments are bugs.
#ifndef MMUSIM_TLB_ARRAY_H_
#define MMUSIM_TLB_ARRAY_H_

#include <algorithm>
#include <array>
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
        replacement_(geometry.replacement),
        random_(geometry.seed),
        tags_(geometry.entries),
        digests_(geometry.ways >= kWide ? geometry.entries : 0, digest(Tag{})),
        stamps_(geometry.entries, 0),
        filled_(geometry.replacement == Replacement::Fifo ? geometry.entries : 0, 0),
        cleared_(geometry.replacement == Replacement::Used ? geometry.sets() : 0, 0),
        payloads_(geometry.entries) {}

  [[nodiscard]] uint32_t entries() const { return static_cast<uint32_t>(tags_.size()); }
  [[nodiscard]] uint32_t ways() const { return ways_; }
  [[nodiscard]] uint32_t sets() const { return sets_; }

  // The entry of `set` with this tag, or kNone. Changes nothing.
  [[nodiscard]] uint32_t find(uint32_t set, const Tag& tag) const {
    if (!digests_.empty()) return find_wide(set, tag);
    // No early exit: which way hits cannot be predicted, and a mispredicted branch costs more than
    // the rest of the ways. The lowest way wins.
    const uint32_t first = set * ways_;
    uint32_t found = kNone;
    for (uint32_t i = first + ways_; i-- > first;)
      found = tags_[i] == tag ? i : found;
    return found;
  }

  [[nodiscard]] bool valid(uint32_t index) const { return !(tags_[index] == Tag{}); }
  [[nodiscard]] const Tag& tag(uint32_t index) const { return tags_[index]; }
  [[nodiscard]] const Payload& payload(uint32_t index) const { return payloads_[index]; }
  [[nodiscard]] Payload& payload(uint32_t index) { return payloads_[index]; }

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
      const uint32_t empty = find(set, Tag{});  // the lowest
      if (empty != kNone && empty - first < open_ways_) return empty;
    }
    switch (replacement_) {
      case Replacement::Lru:
        return oldest(stamps_, first);
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
    if (!valid(index)) ++valid_;
    set_tag(index, tag);
    payloads_[index] = payload;
    stamps_[index] = now;
    if (replacement_ == Replacement::Fifo) filled_[index] = now;
  }

  void invalidate(uint32_t index) {
    if (valid(index)) --valid_;
    set_tag(index, Tag{});
  }

 private:
  // Sets of so many ways are searched by digests of their tags.
  static constexpr uint32_t kWide = 16;
  static_assert(std::has_unique_object_representations_v<Tag> &&
                sizeof(Tag) % sizeof(uint64_t) == 0);

  static uint16_t digest(const Tag& tag) {
    constexpr size_t kBytes = sizeof(Tag);
    std::array<uint64_t, kBytes / sizeof(uint64_t)> words;
    std::memcpy(words.data(), &tag, sizeof tag);
    uint64_t mixed = 0;
    for (const uint64_t word : words)
      mixed = (mixed ^ word) * 0x9e3779b97f4a7c15;
    return static_cast<uint16_t>(mixed >> 48);
  }
  void set_tag(uint32_t index, const Tag& tag) {
    tags_[index] = tag;
    if (!digests_.empty()) digests_[index] = digest(tag);
  }
  // Blocks of ways are compared at once, two bytes a way.
  [[nodiscard]] uint32_t find_wide(uint32_t set, const Tag& tag) const {
    constexpr uint32_t kBlock = 32;
    const uint16_t wanted = digest(tag);
    const uint32_t end = (set + 1) * ways_;
    for (uint32_t first = set * ways_; first < end; first += kBlock) {
      const uint32_t count = std::min(kBlock, end - first);
      const uint16_t* const digests = &digests_[first];
      uint16_t any = 0;
      if (count == kBlock) [[likely]] {
        for (uint32_t i = 0; i < kBlock; ++i)
          any = static_cast<uint16_t>(any | (digests[i] == wanted ? 1 : 0));
      } else {
        any = 1;
      }
      if (any == 0) continue;
      for (uint32_t i = 0; i < count; ++i)
        if (digests[i] == wanted && tags_[first + i] == tag) return first + i;
    }
    return kNone;
  }

  // The first of those with the least time. Found in two passes, the first in four strands, since
  // one strand waits for each compare.
  [[nodiscard]] uint32_t oldest(const std::vector<uint64_t>& times, uint32_t first) const {
    std::array<uint64_t, 4> least;
    least.fill(times[first]);
    uint32_t i = first;
    const uint32_t end = first + open_ways_;
    for (; i + 4 <= end; i += 4)
      for (uint32_t strand = 0; strand < 4; ++strand)
        least[strand] = std::min(least[strand], times[i + strand]);
    for (; i < end; ++i)
      least[0] = std::min(least[0], times[i]);
    const uint64_t wanted = *std::min_element(least.begin(), least.end());
    for (i = first; times[i] != wanted;)
      ++i;
    return i;
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
  uint32_t valid_ = 0;
  Replacement replacement_;
  Random random_;
  std::vector<Tag> tags_;
  std::vector<uint16_t> digests_;  // of the tags, where sets are wide
  std::vector<uint64_t> stamps_;
  std::vector<uint64_t> filled_;   // FIFO only
  std::vector<uint64_t> cleared_;  // by set, when its used bits were; Used only
  std::vector<Payload> payloads_;
};

}  // namespace mmusim::tlb

#endif  // MMUSIM_TLB_ARRAY_H_
