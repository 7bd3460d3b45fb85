// The hardware walker of a radix table: reads it in simulated memory, bit by bit, as the processor
// does. What differs between architectures is in its RadixFormat.
//
// A walk starts at the deepest walk-cache entry for the address, else at the root, and makes one
// dependent load of an entry per level left. Every load, and every update of an accessed or dirty
// bit, is reported to the ReferenceSink with Origin::Walker and the entry's level (0 = leaf level).
// Sections are of the Intel SDM, vol. 3A, whose rules these are:
//   - Not present; malformed, where reserved bits are set, a leaf stands where there is none, or a
//     table address is outside table memory (4.7).
//   - Rights of tables restrict the leaf's (4.6).
//   - The accessed bit is set in each entry used, the dirty bit in the leaf by a store; one locked
//     read-modify-write per entry that needs it, counted as one write (4.8). An entry above the
//     leaf gets its bit even when the walk then faults; the leaf's bits are left alone by an access
//     that is refused. Where the kernel sets them (RadixFormat::sets_accessed) the access is
//     refused.
//   - The walk caches are filled with the entries this walk read above the leaf when it ends in a
//     translation (4.10.3); a walk that faults fills nothing.
//   - Translations are found for one access at a time: no speculative walks, no prefetching.
//
// Not thread-safe.
#ifndef MMUSIM_MMU_RADIX_WALKER_H_
#define MMUSIM_MMU_RADIX_WALKER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/types.h"
#include "mem/frames.h"
#include "mmu/miss_path.h"
#include "mmu/radix_format.h"
#include "mmu/walk_caches.h"

namespace mmusim::mmu {

struct RadixWalkCounters {
  std::array<uint64_t, kMostRadixLevels> started{};  // walks whose first load is at that level
  std::array<uint64_t, kMostRadixLevels> loads{};    // entries read, by level
  std::array<uint64_t, kMostRadixLevels> accessed_set{};
  uint64_t dirty_set = 0;
  uint64_t updates = 0;  // locked writes; one may set both bits

  void add(const RadixWalkCounters& o);
};

class RadixWalker {
 public:
  // `cached`: entries of each level's walk cache, as WalkCaches has them. `path` is told each
  // reference; both must outlive it.
  RadixWalker(const RadixFormat& format, std::span<const uint32_t> cached, mem::FrameMemory& frames,
              MissPath& path);

  // The result stays as it is until the next walk.
  const WalkResult& walk(PhysAddr root, VirtAddr va, tlb::Space space, AccessKind kind,
                         Privilege who = Privilege::User);
  // In two steps, for who does not begin where `root` says: begin() counts the walk, and
  // with from_root() its start may be changed before it goes on.
  template <bool kWatched = true>
  [[gnu::always_inline]] WalkStart begin(PhysAddr root, VirtAddr va, tlb::Space space) {
    WalkStart start{.table = root, .level = format_.count - 1};
    const bool known = caches_.find(va, space, start);
    ++places_[start.level].started;
    if (kWatched && known && path_->narrated()) [[unlikely]]
      remark_known(start.level);
    return start;
  }
  [[nodiscard]] bool from_root(const WalkStart& start) const {
    return start.level == format_.count - 1;
  }
  const WalkResult& go_on(const WalkStart& start, VirtAddr va, AccessKind kind, Privilege who);
  // The same of an access of the program's, for who walks at most misses, part of its caller.
  // REQUIRES: the path is not watched.
  [[gnu::always_inline]] const WalkResult& go_on_unwatched(const WalkStart& start, VirtAddr va,
                                                           AccessKind kind) {
    return descend<false>(start, va, kind, Privilege::User);
  }
  // ... or does not go on.
  const WalkResult& refuse(FaultReason fault) { return end({.fault = fault, .leaf = {}}); }

  [[nodiscard]] const RadixFormat& format() const { return format_; }
  [[nodiscard]] WalkCaches& caches() { return caches_; }
  [[nodiscard]] const WalkCaches& caches() const { return caches_; }
  [[nodiscard]] RadixWalkCounters counters() const;

 private:
  // Of a level's entries: all that a walk needs of it, and does to it, so that it goes down from
  // one to the next.
  struct Place {
    unsigned level = 0;
    unsigned covers = 0;  // log2 of what an entry does
    unsigned shift = 0;
    uint64_t mask = 0;
    // What nearly all entries are, as (entry & mask) == value.
    struct Usual {
      pt::Entry mask = 0;
      pt::Entry value = 1;  // with this mask: none
      [[nodiscard]] bool is(pt::Entry entry) const { return (entry & mask) == value; }
    };
    Usual table;         // a pointer to a table, well-formed and with its accessed bit
    Usual leaf;          // a leaf, well-formed and with its accessed bit
    bool alike = false;  // leaves stand for themselves, of one frame

    uint64_t started = 0;  // as counters() have it
    uint64_t loads = 0;
    uint64_t* loads_of_all = nullptr;  // the sink's count, where they are only counted
    WalkCaches::Known leads_to;        // what the entry read leads to, in a walk

    // Where in its table the entry for `va` is, in bytes.
    [[nodiscard]] uint64_t of(VirtAddr va) const { return va.value() >> shift & mask; }
  };
  [[nodiscard]] Place place_of(unsigned level) const;
  // go_on(), inline in all who walk. kWatched: the path may be.
  template <bool kWatched>
  [[gnu::always_inline]] inline const WalkResult& descend(const WalkStart& start, VirtAddr va,
                                                          AccessKind kind, Privilege who);
  // A walk has come to a leaf, well-formed: what is to be said of it, and what follows where the
  // access is allowed.
  const WalkResult& judge(PhysAddr address, const Place& place, pt::Entry entry, Rights above,
                          AccessKind kind, Privilege who);
  const WalkResult& arrive(const Place& place, pt::Entry entry, Rights rights, bool dirty);
  // The walk has come to a leaf at that level: the walk caches have the way to it.
  [[gnu::always_inline]] void know_way(unsigned level) {
    caches_.fill(level, [this](unsigned at) { return places_[at].leads_to; });
  }
  const WalkResult& end(const WalkResult& result) {
    result_of_ = {};
    return result_ = result;
  }
  // Whether such a leaf lets an access through that need not change it.
  [[nodiscard]] static bool lets(Rights rights, bool dirty, AccessKind kind, Privilege who) {
    return rights.allows(kind) && (who == Privilege::Kernel || rights.has(Rights::kUser)) &&
           (dirty || !writes(kind));
  }
  // Whether the walk ends as the last one did, but for the frame: most leaves of the lowest level
  // say the same, under tables that leave the same rights.
  [[nodiscard]] bool ends_alike(pt::Entry entry, Rights above) const {
    return (entry & said_mask_) == result_of_.said && above == result_of_.above;
  }
  [[gnu::cold]] void tell_load(PhysAddr address, const Place& place, pt::Entry entry,
                               bool dependent);
  void remark_known(unsigned level);
  // The word that has the entry at `address`; null outside table memory.
  [[nodiscard]] const uint64_t* word_at(PhysAddr address) const {
    return frames_->find_words(PhysAddr(address.value() & ~uint64_t{7}));
  }
  [[nodiscard]] pt::Entry entry_in(const uint64_t* word, PhysAddr address) const;
  void write(PhysAddr address, unsigned level, pt::Entry next);

  RadixFormat format_;
  std::array<Place, kMostRadixLevels> places_;  // by level
  pt::RightsReader leaf_rights_;
  pt::RightsReader table_rights_;
  mem::FrameMemory* frames_;
  MissPath* path_;
  WalkResult result_;
  // A leaf of the lowest level that it is of, which was as leaves mostly are.
  struct Of {
    pt::Entry said = ~pt::Entry{0};  // all but its frame, of which some bits are reserved; or none
    Rights above;                    // what the tables left
  };
  Of result_of_;
  pt::Entry said_mask_;
  WalkCaches caches_;
  RadixWalkCounters counters_;  // but for what places have
};

// The entry at `address`, which is aligned to its size, in `word`.
inline pt::Entry RadixWalker::entry_in(const uint64_t* word, PhysAddr address) const {
  if (format_.entry_bytes == sizeof(uint64_t)) [[likely]]
    return *word;
  uint32_t entry = 0;
  std::memcpy(&entry, reinterpret_cast<const std::byte*>(word) + (address.value() & 7),
              sizeof entry);
  return entry;
}

[[gnu::always_inline]] inline const WalkResult& RadixWalker::arrive(const Place& place,
                                                                    pt::Entry entry, Rights rights,
                                                                    bool dirty) {
  know_way(place.level);
  const unsigned beside =
      format_.contiguous == nullptr ? 0 : format_.contiguous(entry, place.level);
  return end(format_.result(entry, PageShift(place.covers + beside), rights, dirty));
}

template <bool kWatched>
[[gnu::always_inline]] inline const WalkResult& RadixWalker::descend(const WalkStart& start,
                                                                     VirtAddr va, AccessKind kind,
                                                                     Privilege who) {
  Rights rights = start.rights;
  PhysAddr table = start.table;
  for (Place* at = &places_[start.level];; --at) {
    Place& place = *at;
    const PhysAddr address = table + place.of(va);
    const uint64_t* const word = word_at(address);
    if (word == nullptr) [[unlikely]]
      return end({.fault = FaultReason::Malformed, .leaf = {}});
    const pt::Entry entry = entry_in(word, address);
    ++place.loads;
    if (kWatched && path_->watched()) [[unlikely]]
      tell_load(address, place, entry, place.level != start.level);
    else
      ++*place.loads_of_all;

    if (place.level == 0 && ends_alike(entry, rights)) [[likely]] {
      tlb::Leaf& leaf = result_.leaf;
      if (lets(leaf.rights, leaf.dirty, kind, who)) [[likely]] {
        know_way(0);
        leaf.pfn = Pfn(format_.frame(entry));
        return result_;
      }
    }
    if (!place.table.is(entry)) {
      if (place.leaf.is(entry)) {
        const bool dirty = (entry & format_.dirty) == format_.dirty;
        const Rights all(rights.bits() & leaf_rights_.of(entry).bits());
        if (lets(all, dirty, kind, who)) {
          arrive(place, entry, all, dirty);
          if (place.level == 0 && place.alike) result_of_ = {entry & said_mask_, rights};
          return result_;
        }
      }
      const RadixLevel& level = format_.levels[place.level];
      if (!format_.is_present(entry)) return end({.fault = FaultReason::NotPresent, .leaf = {}});
      const bool leaf = level.is_leaf(entry);
      if ((entry &
           (format_.reserved | (leaf ? level.reserved_in_leaf : level.reserved_in_table))) != 0)
        return end({.fault = FaultReason::Malformed, .leaf = {}});
      if (leaf) return judge(address, place, entry, rights, kind, who);
      if (const pt::Entry unset = ~entry & format_.table_accessed; unset != 0) {
        ++counters_.accessed_set[place.level];
        write(address, place.level, entry | unset);
      }
    }
    rights = Rights(rights.bits() & table_rights_.of(entry).bits());
    table = format_.table(entry);
    place.leads_to = {table, rights};
  }
}

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_RADIX_WALKER_H_
