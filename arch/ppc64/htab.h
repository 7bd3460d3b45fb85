// The hashed page table: what the hardware searches when the TLB misses, and Linux fills as a cache
// of its own page tables. One per machine, in simulated memory.
//
// A page's entry (HPTE) stands in one of the 8 places of its primary group or of its secondary one.
// An entry may be evicted at any time, without a tlbie: the translation stays true, since the page
// table has not changed. Where a page's entry was put is known by a hint of four bits (place and
// group), which may be out of date; whoever follows it compares. Linux keeps the hint in the
// page-table entry and takes it from the old value when that is changed. The simulated kernel
// flushes after it has changed entries, so that the hints are kept here as well, by address; a
// flush takes them away. A page never has two entries.
//
// Where a segment may have pages larger than its base page (formats.h), such a page has an entry
// for each base page of it that was touched, each with its own hint: "page" is a base page below.
//
// A group is one line of the processor, 128 bytes: the hardware's search of it is one reference,
// however many of its words are compared; those are counted beside it. The handlers' loads and
// stores are of words, in the order of Linux 3.12, arch/powerpc/mm/hash_native_64.c, an atomic one
// (ldarx, stdcx.) being a store; what Linux takes from the time base (which group to evict from,
// and where to begin) comes from a counter. Bolted entries, the kernel's linear map in pages of
// 16M, are made at the start and never evicted. Not thread-safe.
#ifndef MMUSIM_ARCH_PPC64_HTAB_H_
#define MMUSIM_ARCH_PPC64_HTAB_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "arch/ppc64/formats.h"
#include "arch/ppc64/hints.h"
#include "arch/ppc64/words.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/miss_path.h"
#include "stats/count.h"

namespace mmusim::ppc64 {

struct HtabCounts {
  stats::Count lookups{"htab.lookups", "walks", "Searches by hardware."};
  stats::Count words{"htab.words", "doublewords",
                     "Doublewords of entries those compared or took; a group is one line, and one "
                     "of the walker's references.",
                     "htab.lookups"};
  stats::Count primary_hits{"htab.primary_hits", "walks", "... that ended in the primary group.",
                            "htab.lookups"};
  stats::Count secondary_hits{"htab.secondary_hits", "walks",
                              "... that ended in the secondary group.", "htab.lookups"};
  stats::Count inserts{"htab.inserts", "entries", "Entries made by handlers."};
  stats::Count secondary_inserts{"htab.secondary_inserts", "entries",
                                 "... in the secondary group, the primary one being full.",
                                 "htab.inserts"};
  stats::Count evictions{"htab.evictions", "entries",
                         "Entries that made room, both groups being full; without a tlbie.",
                         "htab.inserts"};
  stats::Count updates{"htab.updates", "entries", "Changes of protection."};
  stats::Count updates_missed{"htab.updates_missed", "entries",
                              "Hints that led to another page's entry, the page's having been "
                              "evicted."};
  stats::Count invalidated{"htab.invalidated", "entries", "Entries removed by flushes."};
  stats::Count invalidates_missed{"htab.invalidates_missed", "entries",
                                  "Pages flushed whose entry had been evicted."};
  stats::Count referenced_set{"htab.referenced_set", "bits", "R bits set by hardware."};
  stats::Count changed_set{"htab.changed_set", "bits", "C bits set by hardware."};
  stats::Count used =
      stats::Count::state("htab.used", "entries", "Entries in use, but for bolted ones.");
  stats::Count used_peak = stats::Count::state("htab.used.peak", "entries", "... at most.");
  stats::Count bolted =
      stats::Count::state("htab.bolted", "entries", "Entries of the kernel's linear map.");
  stats::Count bytes = stats::Count::state("htab.bytes", "bytes", "Size of the hash table.");
};

class Htab {
 public:
  // The size Linux gives it where firmware has no advice (htab_get_table_size): a group for every
  // two pages of memory, which is rounded up to a power of two, and at least 2^11 groups. With
  // pages of 4K 1/64 of memory, with 64K 1/1024.
  static uint64_t bytes_for(uint64_t memory, PageShift page);

  // `bytes`: 0: as Linux sizes it. Errors: Error when memory has no room for it, or it none for the
  // linear map. `frames` and `sink` must outlive it.
  Htab(uint64_t bytes, bool tera_segments, mem::FrameMemory& frames, mem::ReferenceSink& sink);
  Htab(const Htab&) = delete;
  Htab& operator=(const Htab&) = delete;

  // A page of an address space, and the segment it is in.
  struct Page {
    Context context = 0;
    VirtAddr base;
    Segment segment;
  };

  // What an entry says: its second doubleword, and the size it has.
  struct Found {
    uint64_t second = 0;
    PageShift actual;
  };
  // The hardware's search. Sets R, and C for a store the entry allows. kWatched: a reference may be
  // more than counted. Inline is what most searches take.
  template <bool kWatched>
  [[gnu::always_inline]] std::optional<Found> search(const Page& page, bool write,
                                                     mmu::MissPath& path);
  // Such a search is to come: asks the host for the first half of the page's primary group, which
  // is where most entries are. Nothing simulated changes. Always inline: a function that does
  // nothing else has no effect in the compiler's eyes, which leaves out calls of it.
  [[gnu::always_inline]] void expect(const Page& page) const {
    __builtin_prefetch(group_words(group_of(page, Group::Primary)));
  }
  // ... for an address of the linear map: its entry, which is always there, in the primary group.
  // Not in the counters.
  uint64_t search_linear(VirtAddr va, mmu::MissPath& path);
  // The kernel's: the four bits of the hint. Evicts where both groups are full.
  unsigned insert(const Page& page, const Found& made, mmu::MissPath& path);
  // Changes protection where the hint leads to the page's entry. REQUIRES: hinted().
  bool update(const Page& page, uint64_t second, mmu::MissPath& path);
  // Takes the entry away, if the hint still leads to it, and the hint. The references are the
  // kernel's; `before` is told of each. REQUIRES: hinted().
  void invalidate(const Page& page, const std::function<void(PhysAddr)>& before);

  [[nodiscard]] bool hinted(const Page& page) const {
    return hints_.find(page.context, page.base).has_value();
  }
  // Pages of [begin, end) with a hint, ascending.
  [[nodiscard]] std::vector<VirtAddr> hinted_pages(Context context, VirtRange range) const {
    return hints_.pages(context, range);
  }

  // Entries in use that are not bolted, by address space and address: those a hint leads to.
  void for_each(
      const std::function<void(Context context, VirtAddr page, const Found& entry)>& visit) const;

  [[nodiscard]] PhysAddr base() const { return base_; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] uint64_t used() const { return used_; }
  [[nodiscard]] HtabCounts counters() const {
    HtabCounts now = counters_;
    now.used = used_;
    now.bytes = bytes_;
    return now;
  }

 private:
  enum class Group : uint8_t { Primary, Secondary };

  // The first doubleword of the page's entry, if it is valid, but for L.
  [[nodiscard]] uint64_t first_of(const Page& page, Group group) const {
    return compared_of(page.base, page.segment, page_) | hpte::Valid::kMask |
           (group == Group::Secondary ? hpte::Hash::kMask : 0);
  }
  [[nodiscard]] uint64_t group_of(const Page& page, Group group) const {
    const uint64_t hash = hash_of(page.base, page.segment, page_);
    return (group == Group::Primary ? hash : ~hash) & mask_;
  }
  [[nodiscard]] uint64_t slot_of(const Page& page, unsigned hint) const {
    const Group group = (hint & 8) != 0 ? Group::Secondary : Group::Primary;
    return group_of(page, group) * hpte::kGroup + (hint & 7);
  }
  [[nodiscard]] PhysAddr at(uint64_t slot) const { return base_ + slot * hpte::kBytes; }
  [[nodiscard]] uint64_t& word(PhysAddr address) {
    return words_[(address - base_) / sizeof(uint64_t)];
  }
  [[nodiscard]] uint64_t* group_words(uint64_t number) const {
    return words_ + number * (hpte::kGroupBytes / sizeof(uint64_t));
  }
  [[nodiscard]] uint64_t timebase();
  struct Place {
    uint64_t* entry = nullptr;  // its two doublewords; null: none
    PhysAddr address;
    PageShift actual;
  };
  // The hardware's search of one group for an entry with that first doubleword, but for L, of a
  // segment of that base page. Adds to `compared` how many it looked at.
  template <bool kWatched>
  [[gnu::always_inline]] Place search_group(uint64_t number, Group group, uint64_t wanted,
                                            PageShift base, uint64_t& compared,
                                            mmu::MissPath& path);
  template <bool kWatched>
  [[gnu::noinline]] std::optional<Found> search_secondary(const Page& page, bool write,
                                                          mmu::MissPath& path);
  // What the entry found says, with its bits set.
  [[gnu::always_inline]] Found take(const Place& found, Group group, bool write,
                                    mmu::MissPath& path);
  [[gnu::noinline]] void set_bits(const Place& found, Group group, uint64_t second,
                                  mmu::MissPath& path);
  static mmu::MissPath::Access walker(const WordKind& what, Group group, bool dependent) {
    return {.origin = mem::Origin::Walker,
            .level = static_cast<uint8_t>(group),
            .dependent = dependent,
            .what = &what};
  }
  static void remark_place(uint64_t number, const uint64_t* entry, bool found, mmu::MissPath& path);
  // Entries are made all over the table, and most where programs have many pages: tells the memory
  // where they are in many of the host's pages.
  void note_entry(PhysAddr entry);
  // Whether an entry was ever made in the host's page that the group is in.
  [[nodiscard]] bool made_near(uint64_t number) const {
    const uint64_t page = number * hpte::kGroupBytes / kHostPage;
    return (made_in_[page / kPagesPerWord] >> page % kPagesPerWord & 1) != 0;
  }
  std::optional<unsigned> take_place(const Page& page, Group group, const Found& made,
                                     mmu::MissPath& path);
  void evict(const Page& page, mmu::MissPath& path);
  void bolt_linear_map();

  uint64_t bytes_;
  bool tera_segments_;
  PageShift page_;  // base page
  uint64_t mask_;   // groups - 1
  mem::FrameMemory* frames_;
  mem::ReferenceSink* sink_;
  PhysAddr base_;
  uint64_t* words_ = nullptr;  // all of it
  uint64_t used_ = 0;          // entries, but for bolted ones
  static constexpr uint64_t kHostPage = uint64_t{4} << 10;
  static constexpr unsigned kPagesPerWord = 64;
  std::vector<uint64_t> made_in_;  // a bit for each of the host's pages: see made_near()
  Hints hints_;
  uint64_t time_ = 0;
  HtabCounts counters_;
};

template <bool kWatched>
inline std::optional<Htab::Found> Htab::search(const Page& page, bool write, mmu::MissPath& path) {
  ++counters_.lookups;
  const Place found =
      search_group<kWatched>(group_of(page, Group::Primary), Group::Primary,
                             first_of(page, Group::Primary), page_, counters_.words.value, path);
  if (found.entry == nullptr) [[unlikely]]
    return search_secondary<kWatched>(page, write, path);
  ++counters_.primary_hits;
  return take(found, Group::Primary, write, path);
}

template <bool kWatched>
inline Htab::Place Htab::search_group(uint64_t number, Group group, uint64_t wanted, PageShift base,
                                      uint64_t& compared, mmu::MissPath& path) {
  constexpr uint64_t kMatched = hpte::kCompared | hpte::Hash::kMask | hpte::Valid::kMask;
  const PhysAddr begin = at(number * hpte::kGroup);
  uint64_t* const words = group_words(number);
  if constexpr (kWatched)
    path.touch(begin, hpte::kGroupBytes, false, words[0],
               walker(words::kGroup, group, /*dependent=*/false));
  else
    ++path.count_of_loads(mem::Origin::Walker, static_cast<unsigned>(group));
  for (uint64_t i = 0; i < hpte::kGroup; ++i) {
    uint64_t* const entry = words + 2 * i;
    std::optional<PageShift> actual;
    if ((entry[0] & kMatched) == wanted) actual = actual_page(entry[0], entry[1], base);
    if (kWatched && path.narrated()) [[unlikely]]
      remark_place(i, entry, actual.has_value(), path);
    if (!actual) continue;
    compared += i + 1;
    return {entry, begin + i * hpte::kBytes, *actual};
  }
  compared += hpte::kGroup;
  return {};
}

inline Htab::Found Htab::take(const Place& found, Group group, bool write, mmu::MissPath& path) {
  ++counters_.words;
  const uint64_t old = found.entry[1];
  uint64_t second = old | hpte::Referenced::kMask;
  if (write && rights_of(old).has(Rights::kWrite)) second |= hpte::Changed::kMask;
  if (second != old) [[unlikely]]
    set_bits(found, group, second, path);
  return {second, found.actual};
}

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_HTAB_H_
