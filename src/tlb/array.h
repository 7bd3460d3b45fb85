// One TLB array: sets x ways of tagged entries with exact replacement.
//
// What a tag says and which set an address belongs to are the architecture's business: `Tag` is any
// equality-comparable value whose default, Tag{}, is never looked up and marks an empty way; the
// set number is passed in. `Payload` is what a hit gives.
//
// **Time stamps instead of policy state.** Where a HitFilter does the hits (Uses::Stamped), a use
// of an entry writes one number: the time of its last use, from a counter that the caller raises at
// every use (touch(), or the filter through stamp()). Nothing else happens on a hit, whatever the
// policy; the policy is worked out from the stamps when a victim is needed, which is rare:
//   LRU     the way with the least stamp.
//   PLRU    each node of the tree points away from the half of its ways that was used last, which
//           is the half with the greatest stamp; the victim is found by following the pointers
//           down. A node never used points to its lower half. A range of n ways halves into the
//           first ceil(n/2) and the rest, so any number of ways has a tree; for a power of two it
//           is the usual one.
//   Random  below(ways) of the array's own generator, drawn only when a full set needs a victim.
//   Used    a used bit is a stamp later than when the set's bits were last cleared; the first way
//           without one. When all have theirs they are cleared, as of the latest stamp.
// The stamps of empty ways remain, since in a real tree an invalidation moves no pointer.
//
// **Order.** Where each use is told by touch(), LRU keeps the ways of a set in the order of their
// uses instead, in a ring; and FIFO, for which hits are nothing, in the order they were filled in.
// Then no victim has to be looked for.
//
// **Digests.** A set is searched by digests of its tags, two bytes a way, eight or sixteen ways at
// a time. So a search reads little and branches once for so many ways, unless a digest is the one
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

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/random.h"
#include "tlb/geometry.h"

namespace mmusim::tlb {

// Who says that an entry is used: touch() alone, or others too, through stamp().
enum class Uses : uint8_t { Told, Stamped };

template <class Tag, class Payload>
class TlbArray {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  // REQUIRES: geometry.exists().
  TlbArray(const Geometry& geometry, Uses uses)
      : ways_(geometry.ways),
        sets_(geometry.sets()),
        stride_(stride_of(geometry.ways)),
        padding_(stride_ - ways_),
        way_bits_(static_cast<unsigned>(std::bit_width(geometry.ways - 1))),
        full_(geometry.entries),
        per_way_(((uint64_t{1} << kReciprocal) + ways_ - 1) / ways_),
        replacement_(geometry.replacement),
        ring_(geometry.replacement == Replacement::Fifo ||
              (geometry.replacement == Replacement::Lru && uses == Uses::Told)),
        moves_on_use_(ring_ && geometry.replacement == Replacement::Lru),
        random_(geometry.seed),
        digests_(size_t{stride_} * sets_, kPadding),
        entries_(geometry.entries),
        stamps_(moves_on_use_ ? 0 : geometry.entries, 0),
        tree_(least_by_tree_ ? size_t{2} * geometry.entries : 0),
        links_(ring_ ? geometry.entries : 0),
        oldest_(ring_ ? geometry.sets() : 0),
        cleared_(geometry.replacement == Replacement::Used ? geometry.sets() : 0, 0) {
    for (uint32_t index = 0; index < links_.size(); ++index) {
      const uint32_t way = index % ways_;
      const uint32_t first = index - way;
      links_[index] = {.older = first + (way + ways_ - 1) % ways_,
                       .newer = first + (way + 1) % ways_};
      if (way == 0) oldest_[first / ways_] = first;
    }
    for (uint32_t index = 0; index < geometry.entries; ++index)
      digests_[digest_at(index)] = kEmpty;
    if (least_by_tree_) make_trees();
  }

  [[nodiscard]] uint32_t entries() const { return static_cast<uint32_t>(entries_.size()); }
  [[nodiscard]] uint32_t ways() const { return ways_; }
  [[nodiscard]] uint32_t sets() const { return sets_; }

  // Where a tag is looked for, and by what: worked out once for a look-up and the fill behind it.
  struct Probe {
    uint32_t set = 0;
    uint16_t digest = 0;
  };
  // Word by word to where it stays: a copy would wait for what was just written.
  static void aim(Probe& probe, uint32_t set, const Tag& tag) {
    probe.set = set;
    probe.digest = digest(tag);
  }

  // The entry of `set` with this tag, which is not Tag{}; or kNone. Changes nothing.
  [[nodiscard, gnu::always_inline]] uint32_t find(uint32_t set, const Tag& tag) const {
    return find(Probe{set, digest(tag)}, tag);
  }
  [[nodiscard, gnu::always_inline]] uint32_t find(const Probe& probe, const Tag& tag) const {
    const uint32_t from = first_like(probe);
    return from == kNone ? kNone : find_from(probe, tag, from);
  }
  // The same in two steps. A way from which on it may be; kNone: it is seen without a look at tags
  // that there is none.
  [[nodiscard, gnu::always_inline]] uint32_t first_like(const Probe& probe) const {
    const uint16_t* const digests = &digests_[size_t{probe.set} * stride_];
    const Wanted wanted(probe.digest);
    if (stride_ == kLanes) return wanted.is_in(digests) ? 0 : kNone;
    if (wanted.is_in_two(digests)) return 0;
    for (uint32_t way = 2 * kLanes; way != stride_; way += 2 * kLanes)
      if (wanted.is_in_two(digests + way)) return way;
    return kNone;
  }
  [[nodiscard]] uint32_t find_from(const Probe& probe, const Tag& tag, uint32_t from) const {
    return search(probe.set, probe.digest, tag, from);
  }

  // A fill of `set` is likely to come: asks the host for the entry that will give way, where that
  // is known beforehand. Nothing changes. Always inline: a function that does nothing else has no
  // effect in the compiler's eyes, which leaves out calls of it.
  [[gnu::always_inline]] void expect_fill(uint32_t set) const {
    if (ring_) __builtin_prefetch(&entries_[oldest_[set]], 1);
  }

  [[nodiscard]] bool empty() const { return valid_ == 0; }
  [[nodiscard]] bool valid(uint32_t index) const { return digests_[digest_at(index)] != kEmpty; }
  // Fills of ways that were empty; of the others each has thrown an entry out.
  [[nodiscard]] uint64_t fills_of_empty() const { return fills_of_empty_; }
  [[nodiscard]] const Tag& tag(uint32_t index) const { return entries_[index].tag; }
  [[nodiscard]] const Payload& payload(uint32_t index) const { return entries_[index].payload; }
  [[nodiscard]] Payload& payload(uint32_t index) { return entries_[index].payload; }
  // Which entry has that payload, one of this array's.
  [[nodiscard]] uint32_t index_of(const Payload& payload) const {
    const auto* const bytes = reinterpret_cast<const std::byte*>(&payload);
    const auto* const first = reinterpret_cast<const std::byte*>(&entries_.front().payload);
    return static_cast<uint32_t>(static_cast<size_t>(bytes - first) / sizeof(Entry));
  }

  // Where an entry's time of last use is kept; stays valid as long as the array. REQUIRES: the uses
  // are stamped.
  [[nodiscard]] uint64_t* stamp(uint32_t index) { return &stamps_[index]; }
  // `now` is greater than in every earlier call for this array.
  void touch(uint32_t index, uint64_t now) {
    if (moves_on_use_)
      make_newest(index);
    else
      stamps_[index] = now;
  }

  // Whether using the way at `index` once more changes nothing: where victims hang on the order of
  // uses, it is that of its set used last. REQUIRES: the uses are stamped.
  [[nodiscard]] bool is_settled(uint32_t index) const {
    switch (replacement_) {
      case Replacement::Fifo:
      case Replacement::Random:
        return true;
      case Replacement::Used:
        return stamps_[index] > cleared_[set_of(index)];
      case Replacement::Lru:
      case Replacement::Plru:
        break;
    }
    return stamps_[index] == last_use(set_of(index) * ways_, ways_);
  }

  // How many ways of each set are left to replacement; the last ones of a set hold what must stay.
  // At first all. Who sets it has emptied those that are no longer. REQUIRES: at least 1, and no
  // more than there are.
  void set_open_ways(uint32_t ways) {
    for (uint32_t index = 0; index < links_.size(); ++index)
      if (index % ways_ >= ways && index % ways_ < open_ways_) take_from_ring(index);
    open_ways_ = ways;
    full_ = sets_ * ways;
    if (least_by_tree_) make_trees();
  }
  [[nodiscard]] uint32_t open_ways() const { return open_ways_; }

  // The way of `set` a new entry goes to; draws a random number if that is the policy and the set
  // is full, and clears used bits. Does not empty it.
  [[nodiscard]] uint32_t victim(uint32_t set) {
    if (valid_ != full_) {
      const uint32_t empty = first_empty(set);
      if (empty != kNone) return empty;
    }
    return victim_of_full_set(set);
  }

  // Whether all open ways have entries, as they mostly do.
  [[nodiscard]] bool full() const { return valid_ == full_; }

  // Makes the entry `index`, of `set`. A fill is a use. The payload is for who calls to set, after
  // all else, so that what it is made of goes there and nowhere on the way.
  Payload& fill(uint32_t set, uint32_t index, const Tag& tag, uint64_t now) {
    uint16_t& known = digests_[index + set * padding_];
    if (known == kEmpty) [[unlikely]] {
      ++valid_;
      ++fills_of_empty_;
    }
    known = digest(tag);
    Entry& entry = entries_[index];
    entry.tag = tag;
    if (ring_) {
      uint32_t& oldest = oldest_[set];
      if (index == oldest)
        oldest = links_[index].newer;  // the ring turns by one
      else
        make_newest(index);
    }
    if (!moves_on_use_) stamps_[index] = now;
    return entry.payload;
  }

  // victim() and fill() at once, in a full array; which entry it is. kUses: as the array was told.
  template <Uses kUses>
  [[gnu::always_inline]] uint32_t replace(const Probe& probe, const Tag& tag, uint64_t now) {
    uint32_t index;
    if (kUses == Uses::Stamped && least_by_times_) {
      index = least(probe.set);
      stamps_[index] = now;
    } else if (ring_) {
      uint32_t& oldest = oldest_[probe.set];
      index = oldest;
      oldest = links_[index].newer;  // the ring turns by one
      if (kUses == Uses::Stamped || !moves_on_use_) stamps_[index] = now;
    } else {
      index = least_by_tree_ ? least_of_tree(probe.set) : victim_by_policy(probe.set);
      stamps_[index] = now;
    }
    digests_[index + probe.set * padding_] = probe.digest;
    entries_[index].tag = tag;
    return index;
  }

  void invalidate(uint32_t index) {
    uint16_t& known = digests_[digest_at(index)];
    if (known != kEmpty) --valid_;
    known = kEmpty;
    entries_[index].tag = Tag{};
    none_below_ = std::min(none_below_, index);
  }

 private:
  static_assert(std::has_unique_object_representations_v<Tag> &&
                sizeof(Tag) % sizeof(uint64_t) == 0);

  // Where its size allows, none lies in two of the host's cache lines.
  static constexpr size_t kEntryBytes = sizeof(Tag) + sizeof(Payload);
  static constexpr size_t kEntryAlignment =
      std::has_single_bit(kEntryBytes) && kEntryBytes <= 64 ? kEntryBytes : alignof(Tag);
  struct alignas(kEntryAlignment) Entry {
    Tag tag;
    Payload payload;
  };
  struct Links {  // in the ring of a set, in which the oldest comes after the newest
    uint32_t older;
    uint32_t newer;
  };
  static constexpr unsigned kReciprocal = 43;  // exact for 2^20 entries, the most there are
  static constexpr unsigned kComparedBits = 4;
  static constexpr uint32_t kMostCompared = 1 << kComparedBits;  // ways whose stamps are all read

  // Digests of tags are odd. An empty way's, and those behind the last way of a set, are not.
  static constexpr uint16_t kPadding = 0;
  static constexpr uint16_t kEmpty = 2;
  static constexpr uint32_t kLanes = 8;  // digests that are compared at once
  // Of few ways once, of more two at a time.
  static constexpr uint32_t stride_of(uint32_t ways) {
    const uint32_t step = ways <= kLanes ? kLanes : 2 * kLanes;
    return (ways + step - 1) / step * step;
  }
  // A digest looked for among those side by side: a bit for each that is the same, the lowest
  // first.
  class Wanted {
   public:
#ifdef __SSE2__
    explicit Wanted(uint16_t digest) : lanes_(_mm_set1_epi16(static_cast<int16_t>(digest))) {}
    [[nodiscard]] bool is_in(const uint16_t* digests) const {
      return bits_of(same(digests)) != 0;
    }
    [[nodiscard]] bool is_in_two(const uint16_t* digests) const {
      return bits_of(_mm_or_si128(same(digests), same(digests + kLanes))) != 0;
    }
    [[nodiscard]] uint32_t in_one(const uint16_t* digests) const {
      return bits_of(_mm_packs_epi16(same(digests), _mm_setzero_si128()));
    }
    [[nodiscard]] uint32_t in_two(const uint16_t* digests) const {
      return bits_of(_mm_packs_epi16(same(digests), same(digests + kLanes)));
    }

   private:
    [[nodiscard]] __m128i same(const uint16_t* digests) const {
      __m128i there;
      std::memcpy(&there, digests, sizeof there);
      return _mm_cmpeq_epi16(there, lanes_);
    }
    static uint32_t bits_of(__m128i bytes) {
      return static_cast<uint32_t>(_mm_movemask_epi8(bytes));
    }
    __m128i lanes_;
#else
    explicit Wanted(uint16_t digest) : digest_(digest) {}
    [[nodiscard]] bool is_in(const uint16_t* digests) const {
      return in(digests, kLanes) != 0;
    }
    [[nodiscard]] bool is_in_two(const uint16_t* digests) const {
      return in(digests, 2 * kLanes) != 0;
    }
    [[nodiscard]] uint32_t in_one(const uint16_t* digests) const {
      return in(digests, kLanes);
    }
    [[nodiscard]] uint32_t in_two(const uint16_t* digests) const {
      return in(digests, 2 * kLanes);
    }

   private:
    [[nodiscard]] uint32_t in(const uint16_t* digests, uint32_t count) const {
      uint32_t bits = 0;
      for (uint32_t i = 0; i < count; ++i)
        bits |= uint32_t{digests[i] == digest_} << i;
      return bits;
    }
    uint16_t digest_;
#endif
  };

  static uint16_t digest(const Tag& tag) {
    constexpr size_t kBytes = sizeof(Tag);
    const auto words = std::bit_cast<std::array<uint64_t, kBytes / sizeof(uint64_t)>>(tag);
    uint64_t sum = 0;
    for (const uint64_t word : words)
      sum += word;
    return static_cast<uint16_t>(sum * 0x9e3779b97f4a7c15 >> 48) | 1;
  }
  // Where an entry's digest is.
  [[nodiscard]] size_t digest_at(uint32_t index) const {
    return padding_ == 0 ? index : index + set_of(index) * padding_;
  }
  // index / ways_.
  [[nodiscard]] uint32_t set_of(uint32_t index) const {
    return static_cast<uint32_t>(index * per_way_ >> kReciprocal);
  }

  // The lowest way of `set` with this digest and tag, from `from` on, a multiple of two lanes.
  [[nodiscard, gnu::noinline]] uint32_t search(uint32_t set, uint16_t digest, Tag tag,
                                               uint32_t from = 0) const {
    const uint16_t* const digests = &digests_[size_t{set} * stride_];
    const Wanted wanted(digest);
    for (uint32_t way = from; way < stride_; way += 2 * kLanes) {
      uint32_t alike =
          stride_ == kLanes ? wanted.in_one(digests + way) : wanted.in_two(digests + way);
      for (; alike != 0; alike &= alike - 1) {
        const uint32_t index = set * ways_ + way + static_cast<uint32_t>(std::countr_zero(alike));
        if (entries_[index].tag == tag) return index;
      }
    }
    return kNone;
  }

  [[nodiscard]] uint32_t victim_of_full_set(uint32_t set) {
    if (ring_) return oldest_[set];
    if (least_by_times_) return least(set);
    return least_by_tree_ ? least_of_tree(set) : victim_by_policy(set);
  }

  // What is seldom asked for stays out of line, so that who asks has the registers.
  [[nodiscard, gnu::noinline]] uint32_t first_empty(uint32_t set) {
    uint32_t empty = kNone;
    if (sets_ == 1) {
      while (none_below_ < open_ways_ && valid(none_below_))
        ++none_below_;
      empty = none_below_;
    } else {
      empty = search(set, kEmpty, Tag{});
    }
    return empty != kNone && empty - set * ways_ < open_ways_ ? empty : kNone;
  }
  [[nodiscard, gnu::noinline]] uint32_t victim_by_policy(uint32_t set) {
    const uint32_t first = set * ways_;
    switch (replacement_) {
      case Replacement::Lru:
      case Replacement::Fifo:
        break;
      case Replacement::Plru:
        return tree_victim(first);
      case Replacement::Random:
        return first + static_cast<uint32_t>(random_.below(open_ways_));
      case Replacement::Used:
        return first_unused(set);
    }
    return first;
  }

  // The open way of `set` with the least stamp. A key is a time and, below it, whose it is: the
  // least of them says both, and no branch depends on which it is. Of four ways, as most sets have,
  // it is the less of two pairs; else found in two strands, since one would wait for each compare.
  [[nodiscard, gnu::always_inline]] uint32_t least(uint32_t set) const {
    const uint32_t first = set * ways_;
    const uint64_t* const stamps = &stamps_[first];
    const auto key_of = [&](uint32_t way) __attribute__((always_inline)) {
      return stamps[way] << kComparedBits | way;
    };
    uint64_t even = key_of(0);
    uint64_t odd = ~uint64_t{0};
    if (open_ways_ == 4) {
      even = std::min(even, key_of(1));
      odd = std::min(key_of(2), key_of(3));
    } else {
      uint32_t way = 1;
      for (; way + 2 <= open_ways_; way += 2) {
        odd = std::min(odd, key_of(way));
        even = std::min(even, key_of(way + 1));
      }
      if (way < open_ways_) odd = std::min(odd, key_of(way));
    }
    return first + static_cast<uint32_t>(std::min(even, odd) % kMostCompared);
  }

  // A set of many ways has a tree of keys: that of a node n is the least of those at 2n and 2n + 1,
  // and the last ones are those of ways, of the times that were known last. Times only grow, so
  // none is less: once that of the least is up to date, it is the least. A million ways leave a
  // time 44 bits.
  [[nodiscard, gnu::noinline]] uint32_t least_of_tree(uint32_t set) {
    const uint32_t first = set * ways_;
    const uint64_t* const stamps = &stamps_[first];
    uint64_t* const tree = &tree_[size_t{2} * first];
    const uint64_t way_mask = (uint64_t{1} << way_bits_) - 1;
    for (uint64_t least = tree[1];;) {
      const uint64_t way = least & way_mask;
      uint64_t key = stamps[way] << way_bits_ | way;
      if (key == least) return first + static_cast<uint32_t>(way);
      uint64_t node = ways_ + way;
      tree[node] = key;
      do {
        key = std::min(key, tree[node ^ 1]);
        node /= 2;
        tree[node] = key;
      } while (node != 1);
      least = key;
    }
  }
  void make_trees() {
    for (uint32_t set = 0; set < sets_; ++set) {
      uint64_t* const tree = &tree_[size_t{2} * set * ways_];
      const uint64_t* const stamps = &stamps_[size_t{set} * ways_];
      for (uint32_t way = 0; way < ways_; ++way)
        tree[ways_ + way] = way < open_ways_ ? stamps[way] << way_bits_ | way : ~uint64_t{0};
      for (size_t node = ways_ - 1; node > 0; --node)
        tree[node] = std::min(tree[2 * node], tree[2 * node + 1]);
    }
  }

  [[gnu::noinline]] void make_newest(uint32_t index) {
    uint32_t& oldest = oldest_[set_of(index)];
    const Links links = links_[index];
    if (index == oldest) {
      oldest = links.newer;
      return;
    }
    links_[links.older].newer = links.newer;
    links_[links.newer].older = links.older;
    const uint32_t newest = links_[oldest].older;
    links_[index] = {.older = newest, .newer = oldest};
    links_[newest].newer = index;
    links_[oldest].older = index;
  }
  void take_from_ring(uint32_t index) {
    const Links links = links_[index];
    links_[links.older].newer = links.newer;
    links_[links.newer].older = links.older;
    uint32_t& oldest = oldest_[set_of(index)];
    if (index == oldest) oldest = links.newer;
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
  uint32_t padding_;   // ... of which so many are behind those of its ways
  unsigned way_bits_;  // that say which of a set's ways
  uint32_t full_;      // so many entries fill the open ways
  uint32_t valid_ = 0;
  uint64_t fills_of_empty_ = 0;
  uint32_t none_below_ = 0;  // no way below it is empty, of the only set
  uint64_t per_way_;         // 2^kReciprocal / ways_, rounded up
  Replacement replacement_;
  bool ring_;
  bool moves_on_use_;
  bool least_by_times_ = replacement_ == Replacement::Lru && !ring_ && ways_ <= kMostCompared;
  bool least_by_tree_ = replacement_ == Replacement::Lru && !ring_ && ways_ > kMostCompared;
  Random random_;
  std::vector<uint16_t> digests_;  // of the tags, set by set, each padded to whole Lanes
  std::vector<Entry> entries_;
  std::vector<uint64_t> stamps_;   // unless uses move entries in the ring
  std::vector<uint64_t> tree_;     // of keys, set by set, twice the ways; least_by_tree_ only
  std::vector<Links> links_;       // with a ring
  std::vector<uint32_t> oldest_;   // by set, of its open ways; with a ring
  std::vector<uint64_t> cleared_;  // by set, when its used bits were; Used only
};

}  // namespace mmusim::tlb

#endif  // MMUSIM_TLB_ARRAY_H_
