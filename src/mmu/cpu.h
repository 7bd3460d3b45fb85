// What one CPU's MMU is made of on every architecture: TLB levels of two sides, the filters that
// make hits cheap, a clock, counts, a miss path, and who listens to it. An architecture derives its
// Mmu from Cpu<...> and writes access(), its miss path, and what loads an address space.
//
// **The hot path** is inline, for the replay loop:
//
//     if (!mmu.load_hits(va)) { auto t = mmu.access(va, AccessKind::Load, false); ... }
//
// load_hits (fetch_hits, store_hits, Hits) true: the access hit the first level with sufficient
// rights (a store: with the dirty bit set) and everything the hit does to the machine has been
// done, which is to note the time of the use. False means only "not known here": access() does the
// whole of the access, hit or miss, and nothing has been done before it. Calling access() without
// asking first gives the same results, slower. Both look at the page of `va` only; an access that
// crosses into another page is two.
//
// **Counting.** count(kind, n): the caller made n accesses of that kind, retries not among them;
// access() counts what is rare. See levels.h.
//
// **Words**: which of find, look up, walk and search report references is in README.md.
//
// Not thread-safe.
#ifndef MMUSIM_MMU_CPU_H_
#define MMUSIM_MMU_CPU_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/levels.h"
#include "mmu/miss_path.h"
#include "mmu/mmu.h"
#include "stats/count.h"
#include "tlb/level.h"

namespace mmusim::mmu {

// All of a CPU that does not hang on what its filters' keys are.
class CpuBase {
 public:
  CpuBase(const CpuBase&) = delete;
  CpuBase& operator=(const CpuBase&) = delete;

  [[nodiscard]] uint64_t time() const {
    return std::max(fetch_filter_->time(), data_filter_->time());
  }
  // ... of one side's first level alone.
  [[nodiscard]] uint64_t time_of(bool data) const {
    return (data ? data_filter_ : fetch_filter_)->time();
  }
  void set_time(uint64_t time) {
    fetch_filter_->set_time(time);
    data_filter_->set_time(time);
  }
  void count(AccessKind kind, uint64_t n) { common_.accesses[static_cast<unsigned>(kind)] += n; }

  // Changes whenever a translation may have been taken away from this CPU other than by eviction
  // (flush, page fault, change of address space): what was learnt from a hit before may no longer
  // hold.
  [[nodiscard]] uint64_t generation() const { return generation_; }

  // Look-ups of that side that its last level did not answer, so far.
  [[nodiscard]] uint64_t last_misses(AccessKind kind) const {
    const SideLevels& side = sides_[side_of(kind)];
    const SideCounters& c = *side.counters;
    return side.second != nullptr ? c.second_misses + c.retry_second_misses
                                  : c.misses + c.retry_misses;
  }

  // Everything access() does from now on is told; null: no longer.
  void narrate(Narrator* narrator) { path_.narrate(narrator); }
  [[nodiscard]] const MissPath& path() const { return path_; }

  // Whether base pages are of `page` and such with numbers that differ modulo `sets` never share a
  // set of a first level.
  [[nodiscard]] bool tells_apart(PageShift page, uint64_t sets) const {
    return page_ == page && std::all_of(sides_.begin(), sides_.end(), [sets](const auto& side) {
             return side.first->tells_apart(sets);
           });
  }

  // Whether no first level serves both sides.
  [[nodiscard]] bool has_first_level_each() const { return fetch_filter_ != data_filter_; }

  // All entries but locked ones. For checks.
  using EntryVisit = std::function<void(const char* where, const tlb::EntryView& entry)>;
  void for_each_entry(const EntryVisit& visit) const;

  // Of each side's last level (once where both have the same): page sizes, and entries put there.
  using SizeVisit = std::function<void(PageShift size, uint64_t fills)>;
  void for_each_size(const SizeVisit& visit) const;
  // ... and the entries they have, but for locked ones.
  void for_each_last_entry(const std::function<void(const tlb::EntryView&)>& visit) const;

 protected:
  using Hit = tlb::Level::Hit;

  // `levels` as in levels.h, and what the machine has of each. `page`: the base page. One of
  // `steps` is page_fault(). All but `arrays` must outlive it.
  CpuBase(std::span<const LevelDecl> levels, const Arrays& arrays, const Locked& locked,
          PageShift page, std::span<const Step> steps, mem::FrameMemory& frames,
          mem::ReferenceSink& sink, const HandlerCode& code);
  ~CpuBase() = default;

  // One side, fetches or data.
  struct SideLevels {
    tlb::Level* first = nullptr;
    tlb::Level* second = nullptr;  // may be null; may be the other side's too
    SideCounters* counters = nullptr;
    bool data = false;
    const char* shown_first = "";
    const char* shown_second = "";

    // The level a handler puts entries into, where it does so by itself; which has locked ones.
    [[nodiscard]] tlb::Level& last() const { return second != nullptr ? *second : *first; }
  };
  [[nodiscard]] SideLevels& side(AccessKind kind) { return sides_[side_of(kind)]; }
  [[nodiscard]] SideLevels& side(Side which) { return sides_[which]; }
  // REQUIRES: the machine has it.
  [[nodiscard]] tlb::Level& level(size_t number) { return *levels_[number]; }

  [[nodiscard]] const tlb::Level& first_of(bool data) const {
    return *sides_[data ? kData : kFetches].first;
  }

  // A look-up in the side's first level. kTold: somebody may listen.
  template <bool kTold = true>
  [[gnu::always_inline]] Hit look_up(const SideLevels& side, VirtAddr va, tlb::Space space,
                                     bool retry) {
    const Hit hit = side.first->find(va, space);
    if (kTold && path_.narrated()) [[unlikely]]
      remark_lookup(side.shown_first, va, hit);
    if (hit)
      side.first->touch(hit);
    else
      miss_first(side, retry);
    return hit;
  }
  // ... in the second, if there is one.
  template <bool kTold = true>
  [[gnu::always_inline]] Hit look_up_second(const SideLevels& side, VirtAddr va, tlb::Space space,
                                            bool retry) {
    if (side.second == nullptr) return {};
    const Hit hit = side.second->find(va, space);
    if (kTold && path_.narrated()) [[unlikely]]
      remark_lookup(side.shown_second, va, hit);
    if (hit)
      side.second->touch(hit);
    else
      miss_second(side, retry);
    return hit;
  }
  static void miss_first(const SideLevels& side, bool retry) {
    ++(retry ? side.counters->retry_misses : side.counters->misses);
  }
  static void miss_second(const SideLevels& side, bool retry) {
    if (side.second != nullptr)
      ++(retry ? side.counters->retry_second_misses : side.counters->second_misses);
  }
  // First levels have filters, second ones none.
  static constexpr auto kOfFirst = tlb::Uses::Stamped;
  static constexpr auto kOfSecond = tlb::Uses::Told;
  // What the second level knows goes into the first, which was last asked for it in vain.
  Hit fill_first(const SideLevels& side, VirtAddr va, tlb::Space space, const Hit& second) {
    return side.first->fill_missed<kOfFirst>(va, space, leaf_of(*second.payload, va));
  }
  static Hit fill(const SideLevels& side, VirtAddr va, tlb::Space space, const tlb::Leaf& leaf) {
    if (side.second != nullptr) side.second->fill(va, space, leaf);
    return side.first->fill(va, space, leaf);
  }
  // ... where both have just been asked for it in vain.
  [[gnu::always_inline]] static Hit fill_missed(const SideLevels& side, VirtAddr va,
                                                tlb::Space space, const tlb::Leaf& leaf) {
    if (side.second != nullptr) side.second->fill_missed<kOfSecond>(va, space, leaf);
    return side.first->fill_missed<kOfFirst>(va, space, leaf);
  }
  // A use of the level's entry, if it has one, that is in no count of look-ups.
  static bool use(tlb::Level& level, VirtAddr va, tlb::Space space) {
    const Hit hit = level.find(va, space);
    if (hit) level.touch(hit);
    return static_cast<bool>(hit);
  }
  // The leaf an entry found at `va` was made from.
  [[nodiscard]] tlb::Leaf leaf_of(const tlb::Payload& entry, VirtAddr va) const {
    const uint64_t into_leaf = align_down(va, entry.size).value() & entry.leaf.offset_mask();
    return {.pfn = entry.pfn - (into_leaf >> page_.log2()),
            .size = entry.leaf,
            .rights = entry.rights,
            .dirty = entry.dirty,
            .global = entry.global,
            .extra = entry.extra};
  }

  // ... and of a page of the kernel's own, around `at`, to read and write and what `more` says.
  [[nodiscard]] tlb::Leaf kernel_leaf(PhysAddr at, PageShift size, unsigned more = 0,
                                      uint8_t extra = 0) const {
    return {.pfn = Pfn((at.value() & ~size.offset_mask()) >> page_.log2()),
            .size = size,
            .rights = Rights(Rights::kRead | Rights::kWrite | more),
            .dirty = true,
            .extra = extra};
  }

  // Tells who listens that the level has the page, or has not. REQUIRES: somebody does.
  void remark_lookup(const char* level, VirtAddr va, const Hit& hit);
  // What it says then; "hit" or "miss" where an architecture has no more to say.
  [[nodiscard]] virtual std::string lookup_text(VirtAddr va, const Hit& hit) const;

  // ... that something else looked into has what is wanted, or has not.
  void remark_found(const char* what, bool found) {
    if (path_.narrated()) path_.remark(std::string(what) + (found ? ": hit" : ": miss"));
  }

  // Ends of an access without a translation: one that no program's address space has, in
  // `outside`; and, no address space being loaded, a miss of every level.
  void count_outside(const SideLevels& side, bool retry) {
    if (!retry) ++side.counters->outside;
  }
  Translation nothing_loaded(const SideLevels& side, bool retry) {
    miss_first(side, retry);
    miss_second(side, retry);
    return fault(FaultReason::NotPresent);
  }
  // Into the kernel's page-fault code.
  Translation fault(FaultReason reason) {
    path_.step(page_fault_step_);
    miss_fault_ = FaultReason::NotPresent;
    return count_fault(reason);
  }
  Translation count_fault(FaultReason reason) {
    ++common_.faults[static_cast<unsigned>(reason)];
    return {.fault = reason, .size = {}, .rights = {}, .pfn = {}};
  }

  // Takes translations away.
  template <class Action>
  void on_every_level(Action action) {
    for (std::optional<tlb::Level>& level : levels_)
      if (level) action(*level);
    ++generation_;
  }
  // Another address space, known to the filters by `key_tag`: above the bits of a page's number.
  void change_space(uint64_t key_tag) {
    key_tag_ = key_tag;
    ++generation_;
  }
  void changed() { ++generation_; }

  // With the levels' own.
  [[nodiscard]] CpuCounters common_counters() const;

  MissPath path_;
  const PageShift page_;
  // Why a miss path has failed, where it is not that nothing is there; until fault().
  FaultReason miss_fault_ = FaultReason::NotPresent;

  // The first levels' filters, and what the keys of the address space that is loaded have above
  // their page numbers.
  tlb::HitFilter* fetch_filter_;
  tlb::HitFilter* data_filter_;
  uint64_t key_tag_ = 0;

 private:
  std::span<const LevelDecl> decls_;
  std::array<std::optional<tlb::Level>, kMostLevels> levels_;
  CpuCounters common_;
  std::array<SideLevels, kSides> sides_;
  unsigned page_fault_step_;
  uint64_t generation_ = 0;
};

// kKeyShift: log2 of the smallest page an entry can translate. Own: what the architecture counts
// beside the common counters, in `counters_`; a struct of stats::Counts.
template <unsigned kKeyShift, stats::MadeOfCounts Own>
class Cpu : public CpuBase {
 public:
  struct Counters : CpuCounters, Own {
    void add(const Counters& more) {
      CpuCounters::add(more);
      stats::add<Own>(*this, more);
    }
  };

  // The hot path, for a loop to keep in registers: valid until the address space changes. The loop
  // keeps the clock too: each `time` is greater than time() and than that of every earlier use
  // (gaps do not matter; a repeated use of the page just used may repeat its time), and
  // set_time() is told the last one before anything else of the Mmu is called.
  class Hits {
   public:
    bool fetch(VirtAddr va, uint64_t time) const { return fetch_.hits(key(va), false, time); }
    bool data(VirtAddr va, bool write, uint64_t time) const {
      return data_.hits(key(va), write, time);
    }
    // Whether a load would hit. Nothing is done.
    [[nodiscard]] bool knows_data(VirtAddr va) const { return data_.knows(key(va)); }
    // The same as a question, to be asked as long as hits() are equal to these.
    using Question = tlb::HitFilter::Question;
    [[nodiscard]] Question question(bool data, bool write, VirtAddr va) const {
      return (data ? data_ : fetch_).question(key(va), write);
    }
    bool operator==(const Hits&) const = default;
    // Either, without a branch for which: of data, or a fetch (then `write` is false).
    bool one(bool data, bool write, VirtAddr va, uint64_t time) const {
      return (data ? data_ : fetch_).hits(key(va), write, time);
    }

   private:
    friend class Cpu;
    explicit Hits(const Cpu& cpu)
        : fetch_(cpu.fetch_filter_->view()),
          data_(cpu.data_filter_->view()),
          key_tag_(cpu.key_tag_) {}
    [[nodiscard]] uint64_t key(VirtAddr va) const { return va.value() >> kKeyShift | key_tag_; }
    tlb::HitFilter::View fetch_;
    tlb::HitFilter::View data_;
    uint64_t key_tag_;
  };
  [[nodiscard]] Hits hits() const { return Hits(*this); }
  // Whether accesses to the page, reads and where asked writes, are known to hit, and what they hit
  // was used last at `time`.
  [[nodiscard]] bool used_at(VirtAddr va, bool data, bool write, uint64_t time) const {
    const tlb::HitFilter& filter = data ? *data_filter_ : *fetch_filter_;
    return filter.used_at(va.value() >> kKeyShift | key_tag_, write, time);
  }
  // Whether they are known to hit, and one more changes nothing.
  [[nodiscard]] bool settled(VirtAddr va, bool data, bool write) const {
    const tlb::Level& first = first_of(data);
    const auto entry = first.filter().entry_of(va.value() >> kKeyShift | key_tag_, write);
    return entry && first.is_settled(*entry);
  }
  // The same one by one, with the Mmu's own clock.
  bool fetch_hits(VirtAddr va) { return hits().fetch(va, fetch_filter_->tick()); }
  bool load_hits(VirtAddr va) { return hits().data(va, false, data_filter_->tick()); }
  bool store_hits(VirtAddr va) { return hits().data(va, true, data_filter_->tick()); }

 protected:
  using CpuBase::CpuBase;
  ~Cpu() = default;

  // Bits of a page's number in a key.
  static constexpr unsigned kKeyPageBits = 64 - kKeyShift;

  // The access is allowed what `rights` say: the next ones like it hit the filter.
  [[gnu::always_inline]] Translation finish(const SideLevels& side, VirtAddr va, const Hit& hit,
                                            Rights rights) {
    return finish(side, side.data, va, hit, rights);
  }
  // `data`: as the side has it, for who knows. kMade: the entry has just been made.
  template <bool kMade = false>
  [[gnu::always_inline]] Translation finish(const SideLevels& side, bool data, VirtAddr va,
                                            const Hit& hit, Rights rights) {
    const tlb::Payload& entry = *hit.payload;
    // Who may write may read: page streams leave out reads behind writes.
    const bool readable = rights.has(data ? Rights::kRead : Rights::kExec);
    side.first->filter_install<kMade>(
        hit, va.value() >> kKeyShift | key_tag_, readable,
        data && readable && rights.has(Rights::kWrite) && entry.dirty);
    Pfn pfn = entry.pfn;
    if (entry.size != page_) [[unlikely]]
      pfn += (va.value() & entry.size.offset_mask()) >> page_.log2();
    return {.fault = FaultReason::None, .size = entry.leaf, .rights = entry.rights, .pfn = pfn};
  }
  Translation finish(const SideLevels& side, VirtAddr va, const Hit& hit) {
    return finish(side, va, hit, hit.payload->rights);
  }

  [[nodiscard]] Counters all_counters() const { return {common_counters(), counters_}; }

  Own counters_;
};

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_CPU_H_
