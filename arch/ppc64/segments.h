// One CPU's segment lookaside buffer, as Linux fills it.
//
// Slots 0 to 2 are the kernel's (linear map, vmalloc, stack) and bolted; the rest are given out
// round-robin, whatever they held (Linux 3.12, arch/powerpc/mm/slb_low.S), to segments of user
// space and of the linear map beyond its first. A switch of address space takes user space's: by
// slbie of each while there were at most 8, else by slbia, which spares slot 0 alone, and slbmte of
// two bolted ones (arch/powerpc/mm/slb.c). Entries are kept as the words of slbmte; of the bolted
// ones the first only, through which alone anything goes here. Not thread-safe.
#ifndef MMUSIM_ARCH_PPC64_SEGMENTS_H_
#define MMUSIM_ARCH_PPC64_SEGMENTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "arch/ppc64/formats.h"
#include "arch/ppc64/steps.h"
#include "base/types.h"
#include "stats/count.h"

namespace mmusim::ppc64 {

struct SlbCounts {
  stats::Count lookups{"slb.lookups", "lookups",
                       "Searches of the segment lookaside buffer: one for each ERAT miss, retries "
                       "and repetitions after hash faults included."};
  stats::Count misses{"slb.misses", "lookups",
                      "... that found no segment, so that a handler made the entry.",
                      "slb.lookups"};
  stats::Count preloads{"slb.preloads", "entries", "Entries made ahead at switches."};
  stats::Count replaced{"slb.replaced", "entries", "Entries that made room for another."};
  stats::Count slbie{"slb.slbie", "instructions", "Entries removed one by one at switches."};
  stats::Count slbia{"slb.slbia", "instructions", "Switches that removed all at once."};
};

class Slb {
 public:
  struct Entry {
    uint64_t esid_word = 0;  // RB
    uint64_t vsid_word = 0;  // RS
  };
  static constexpr unsigned kBolted = 3;
  static constexpr unsigned kCached = 8;  // user entries Linux remembers for slbie

  // `page`: of user segments.
  Slb(unsigned entries, bool tera_segments, PageShift page)
      : entries_(entries), tera_(tera_segments), page_bits_(slb::page_size_bits(page)) {
    put(entries_[0], 0, kLinearMap, linear_segment(kLinearMap, tera_), kLinearBits);
  }

  // The entry of its segment; null: there is none.
  [[nodiscard, gnu::always_inline]] const Entry* find(VirtAddr va) const {
    const Entry* const again = find_again(va);
    return again != nullptr ? again : search(va);
  }
  [[nodiscard]] bool has(VirtAddr va) const { return find(va) != nullptr; }
  // find(), if it is where it was last; else null, although there may be one.
  [[nodiscard, gnu::always_inline]] const Entry* find_again(VirtAddr va) const {
    const Entry& entry = entries_[found_of(va)];
    return matches(entry, va) ? &entry : nullptr;
  }
  static Segment segment_of(const Entry& entry) {
    const bool tera = slb::SegmentSize::get(entry.vsid_word) != 0;
    return {(entry.vsid_word & ~slb::SegmentSize::kMask) >> vsid_shift(tera), tera};
  }
  // slbmte of the segment of user space that `va` is in, into the next slot. Instructions Linux
  // takes for it beyond a step's own.
  unsigned fill(VirtAddr va, Context context) {
    const Segment segment = user_segment(va, context, tera_);
    Entry& entry = next_slot();
    put(entry, last_, va, segment,
        slb::KeySupervisor::kMask | slb::KeyProblem::kMask | slb::Class::kMask | page_bits_);
    const bool high = va.value() >> 32 != 0;
    const unsigned path = segment.tera ? more::kTeraSegment : high ? more::kHighSegment : 0;
    return path + wrap() + (filled_++ < kCached ? more::kRemembered : 0);
  }
  // ... of the linear map. Linux does not remember these for slbie.
  unsigned fill_linear(VirtAddr va) {
    Entry& entry = next_slot();
    put(entry, last_, va, linear_segment(va, tera_), kLinearBits);
    return wrap();
  }
  // What user space had goes. True: by slbia, and with it whatever ERATs made of any entry.
  bool empty() {
    const bool all = filled_ > kCached;
    if (all)
      ++counters.slbia;
    else
      counters.slbie += filled_;
    filled_ = 0;
    for (size_t i = kBolted; i < entries_.size(); ++i)
      if (all || slb::Class::get(entries_[i].vsid_word) != 0) entries_[i] = {};
    return all;
  }
  [[nodiscard]] const Entry& entry(unsigned slot) const { return entries_[slot]; }

  SlbCounts counters;

 private:
  // Of the linear map: Kp, pages of 16M.
  static constexpr uint64_t kLinearBits = slb::KeyProblem::kMask | slb::Large::kMask;

  Entry& next_slot() {
    if (++last_ >= entries_.size()) last_ = kBolted;
    Entry& entry = entries_[last_];
    if (slb::Valid::get(entry.esid_word) != 0) ++counters.replaced;
    return entry;
  }
  [[nodiscard]] unsigned wrap() const { return last_ == kBolted ? more::kWrapped : 0; }
  static void put(Entry& entry, unsigned slot, VirtAddr va, const Segment& segment, uint64_t bits) {
    entry.esid_word =
        (va.value() & ~((uint64_t{1} << segment.shift()) - 1)) | slb::Valid::kMask | slot;
    entry.vsid_word = slb::SegmentSize::set(0, segment.tera ? 1 : 0) |
                      segment.vsid << vsid_shift(segment.tera) | bits;
  }
  [[nodiscard, gnu::noinline]] const Entry* search(VirtAddr va) const {
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (!matches(entries_[i], va)) continue;
      found_of(va) = static_cast<uint16_t>(i);
      return &entries_[i];
    }
    return nullptr;
  }
  // Of a VSID in its word.
  static constexpr unsigned vsid_shift(bool tera) { return tera ? 24 : 12; }
  // Which entry was found last for an address like it.
  [[nodiscard]] uint16_t& found_of(VirtAddr va) const {
    return found_[va.value() >> 28 & (found_.size() - 1)];
  }
  static bool matches(const Entry& entry, VirtAddr va) {
    return slb::Valid::get(entry.esid_word) != 0 &&
           (entry.esid_word ^ va.value()) >> shift_of(entry) == 0;
  }
  static unsigned shift_of(const Entry& entry) {
    return slb::SegmentSize::get(entry.vsid_word) != 0 ? 40 : 28;
  }

  std::vector<Entry> entries_;
  bool tera_;
  uint64_t page_bits_;
  unsigned last_ = kBolted;                   // slot written last
  unsigned filled_ = 0;                       // since it was emptied
  mutable std::array<uint16_t, 16> found_{};  // slots find() found last, by low bits of segments
};

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_SEGMENTS_H_
