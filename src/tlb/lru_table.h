// A fully associative array with LRU, for what is small and told each use: an entry is found by a
// hash of its tag, so that a look-up takes as long however many entries there are, most of all one
// that finds nothing.
//
// Which way an entry is in is nobody's business here, as it is in array.h: the entries are in a
// ring in the order of their uses, and those that are empty count as older than all others. A tag
// is any number but 0, which marks them. The entry used last is known by its tag. Not thread-safe.
#ifndef MMUSIM_TLB_LRU_TABLE_H_
#define MMUSIM_TLB_LRU_TABLE_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/error.h"

namespace mmusim::tlb {

template <class Payload>
class LruTable {
 public:
  static constexpr uint32_t kMostEntries = 0xffff;

  // REQUIRES: 0 < entries <= kMostEntries.
  explicit LruTable(uint32_t entries)
      : entries_(entries),
        heads_(kSpread * std::bit_ceil(size_t{entries}), kNone),
        shift_(64u - static_cast<unsigned>(std::countr_zero(heads_.size()))) {
    MMUSIM_ASSERT(entries > 0 && entries <= kMostEntries);
    for (uint32_t i = 0; i < entries; ++i)
      join(static_cast<Index>(i), static_cast<Index>((i + 1) % entries));
  }

  // The entry with that tag, which is used; null: there is none, and nothing has changed.
  [[nodiscard, gnu::always_inline]] Payload* use(uint64_t tag) {
    if (tag == newest_tag_) return &entries_[newest_].payload;
    const Index at = find(tag);
    if (at == kNone) return nullptr;
    make_newest(at);
    return &entries_[at].payload;
  }

  // Makes an entry, a use: of an empty one, or else of the one used longest ago. REQUIRES: there is
  // none with that tag.
  [[gnu::always_inline]] Payload& make(uint64_t tag) {
    const Index at = oldest_;
    Entry& entry = entries_[at];
    if (entry.tag != 0) unchain(at);
    Index& head = heads_[hash(tag)];
    entry.tag = tag;
    entry.next = head;
    head = at;
    oldest_ = entry.newer;  // the ring turns by one
    newest_ = at;
    newest_tag_ = tag;
    return entry.payload;
  }

  void remove(uint64_t tag) {
    const Index at = find(tag);
    if (at != kNone) empty(at);
  }
  template <class Predicate>  // (tag) -> bool
  void remove_if(Predicate predicate) {
    Index at = newest_;
    for (size_t i = 0; i < entries_.size() && entries_[at].tag != 0; ++i) {
      const Index older = entries_[at].older;
      if (predicate(entries_[at].tag)) empty(at);
      at = older;
    }
  }

  template <class Visit>  // (tag, payload)
  void for_each(Visit visit) const {
    for (const Entry& entry : entries_)
      if (entry.tag != 0) visit(entry.tag, entry.payload);
  }

 private:
  using Index = uint16_t;
  static constexpr Index kNone = 0xffff;
  static constexpr size_t kSpread = 4;  // heads an entry

  struct Entry {
    uint64_t tag = 0;
    Payload payload{};
    Index older = 0;  // in the ring, in which the oldest comes after the newest
    Index newer = 0;
    Index next = kNone;  // with a tag of the same hash
  };

  [[nodiscard]] size_t hash(uint64_t tag) const { return tag * 0x9e3779b97f4a7c15 >> shift_; }
  [[nodiscard, gnu::always_inline]] Index find(uint64_t tag) const {
    Index at = heads_[hash(tag)];
    while (at != kNone && entries_[at].tag != tag)
      at = entries_[at].next;
    return at;
  }
  void unchain(Index at) {
    Index* link = &heads_[hash(entries_[at].tag)];
    while (*link != at)
      link = &entries_[*link].next;
    *link = entries_[at].next;
  }

  void join(Index older, Index newer) {
    entries_[older].newer = newer;
    entries_[newer].older = older;
  }
  // Between the newest and the oldest.
  void move_to_seam(Index at) {
    join(entries_[at].older, entries_[at].newer);
    join(entries_[oldest_].older, at);
    join(at, oldest_);
  }
  void make_newest(Index at) {
    if (at == oldest_)
      oldest_ = entries_[at].newer;
    else if (at != newest_)
      move_to_seam(at);
    newest_ = at;
    newest_tag_ = entries_[at].tag;
  }
  void empty(Index at) {
    unchain(at);
    entries_[at].tag = 0;
    if (at == newest_) {
      newest_ = entries_[at].older;
      newest_tag_ = entries_[newest_].tag;
    }
    if (at == oldest_) return;
    move_to_seam(at);
    oldest_ = at;
  }

  std::vector<Entry> entries_;
  std::vector<Index> heads_;  // by hash of the tag
  unsigned shift_;
  Index oldest_ = 0;
  Index newest_ = 0;         // that of newest_tag_
  uint64_t newest_tag_ = 0;  // 0: of an empty entry, which no tag looked for is
};

}  // namespace mmusim::tlb

#endif  // MMUSIM_TLB_LRU_TABLE_H_
