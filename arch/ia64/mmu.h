// One IA-64 CPU's memory management: TLBs with translation registers, region registers, the VHPT
// walker, and Linux's miss handlers.
//
// **The hot path** is inline, for the replay loop, as in arch/x86/mmu.h: fetch_hits, load_hits,
// store_hits and Hits say true if the access hit the first level and all it does is done.
// access() does the whole of any access.
//
// **Counting** is as in arch/x86/mmu.h: count() tells look-ups, access() counts misses, walks,
// steps and faults; accesses repeated after the kernel has fixed a fault are counted apart.
//
// **An access** asks the first level of its side, then the second; then the walker, or a handler,
// inserts a translation in both. What was found is judged in the order of the architecture (SDM
// vol. 2, 5.5.2): page not present, access rights, accessed bit, dirty bit. An entry with P = 0 is
// inserted like any other and purged by the page-not-present handler. A and D are set by handlers,
// in the kernel's page table first. Only what no handler can mend is a fault to the caller.
//
// **Levels** are non-inclusive and non-exclusive; a first level that holds 4K only holds parts of
// larger pages. Entries of the linear table's pages are in the second-level data TLB only, through
// which the walker goes.
//
// Rights are those of user level. Not thread-safe.
#ifndef MMUSIM_ARCH_IA64_MMU_H_
#define MMUSIM_ARCH_IA64_MMU_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "arch/ia64/entry_format.h"
#include "arch/ia64/formats.h"
#include "arch/ia64/options.h"
#include "arch/ia64/steps.h"
#include "arch/ia64/vhpt.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/miss_path.h"
#include "mmu/mmu.h"
#include "mmu/table_copy.h"
#include "pt/page_table.h"
#include "tlb/level.h"

namespace mmusim::ia64 {

using Context = uint32_t;  // Linux's number of an address space; 0 is the kernel's

// What happened on one side (fetches, or data).
struct SideCounters {
  uint64_t misses = 0;         // first level
  uint64_t second_misses = 0;  // second level
  uint64_t retry_lookups = 0;
  uint64_t retry_misses = 0;
  uint64_t retry_second_misses = 0;
  uint64_t unimplemented = 0;
  void add(const SideCounters& o);
};

struct LevelCounters {
  uint64_t fills = 0;
  uint64_t evictions = 0;
  uint64_t invalidated = 0;
};

// Order of MmuCounters::levels.
enum : unsigned { kL1I, kL1D, kL2I, kL2D, kLevels };

struct MmuCounters {
  std::array<uint64_t, 4> accesses{};  // by AccessKind, as count() was told
  std::array<SideCounters, 2> sides;   // [0] fetches, [1] data
  std::array<LevelCounters, kLevels> levels;
  uint64_t walks = 0;
  uint64_t walks_hit = 0;     // ... that inserted what they found
  uint64_t walks_absent = 0;  // ... with P = 0
  uint64_t table_misses = 0;  // ... that found no translation of the linear table's page
  // The linear table where it is a copy (see Mmu::load()):
  uint64_t linear_lookups = 0;  // searches of the kernel's table, because the word was none
  uint64_t linear_fills = 0;    // ... that found the page
  uint64_t walks_refused = 0;   // ... that ended at another tag or a reserved encoding
  uint64_t identity_lookups = 0;
  uint64_t identity_misses = 0;
  std::array<uint64_t, mmu::kFaultReasons> faults{};  // by FaultReason
  VhptCounters vhpt;
  void add(const MmuCounters& o);
};

// What tlb::Payload::extra says of an entry.
enum : uint8_t {
  kEntryPresent = 1,
  kEntryAccessed = 2,
  kEntryTable = 4,  // maps a page of the linear table
};

class Mmu {
 public:
  // `direct`: the kernel's page tables are Linux's radix tables, whose leaf words stay where they
  // are. `code`: where the handlers lie. `options`, `frames` and `sink` must outlive it. Errors:
  // Error when there is no memory for the VHPT.
  Mmu(const Options& options, mem::FrameMemory& frames, mem::ReferenceSink& sink, bool direct,
      PhysAddr code);
  Mmu(const Mmu&) = delete;
  Mmu& operator=(const Mmu&) = delete;

  // --- The program's accesses
  class Hits {
   public:
    bool fetch(VirtAddr va, uint64_t time) const { return fetch_.hits(key(va), false, time); }
    bool data(VirtAddr va, bool write, uint64_t time) const {
      return data_.hits(key(va), write, time);
    }

   private:
    friend class Mmu;
    Hits(const Mmu& mmu)
        : fetch_(mmu.fetch_filter_->view()),
          data_(mmu.data_filter_->view()),
          key_tag_(mmu.key_tag_) {}
    [[nodiscard]] uint64_t key(VirtAddr va) const { return (va.value() >> 12) | key_tag_; }
    tlb::HitFilter::View fetch_;
    tlb::HitFilter::View data_;
    uint64_t key_tag_;
  };
  [[nodiscard]] Hits hits() const { return Hits(*this); }
  [[nodiscard]] uint64_t time() const {
    return std::max(fetch_filter_->time(), data_filter_->time());
  }
  void set_time(uint64_t time) {
    fetch_filter_->set_time(time);
    data_filter_->set_time(time);
  }
  bool fetch_hits(VirtAddr va) { return hits().fetch(va, fetch_filter_->tick()); }
  bool load_hits(VirtAddr va) { return hits().data(va, false, data_filter_->tick()); }
  bool store_hits(VirtAddr va) { return hits().data(va, true, data_filter_->tick()); }

  mmu::Translation access(VirtAddr va, AccessKind kind, bool retry);

  void count(AccessKind kind, uint64_t n) { counters_.accesses[static_cast<unsigned>(kind)] += n; }

  // Changes whenever a translation may have been taken away from this CPU other than by eviction.
  [[nodiscard]] uint64_t generation() const { return generation_; }

  // --- What the kernel does to this CPU
  // Writes region registers 0 to 4. `table`: what handlers search; `linear`: what the short
  // format's linear table is made of, null where that is `table` itself: a copy of it, with leaf
  // tables of Linux's shape, filled a word at a time by handlers that find nothing there. Its words
  // are base pages, as the short format knows only the region's preferred size; accessed and dirty
  // bits are set in `table` first. Both must outlive their
  // use.
  void load(Context context, pt::PageTable& table, mmu::TableCopy* linear);
  // What translates addresses in `range`, in the kernel's region, whoever runs; and what of it the
  // walker reads in the short format, where it cannot read the table itself.
  void set_gate(VirtRange range, pt::PageTable& table, mmu::TableCopy* linear);
  // No address space: every access faults as not present.
  void unload();
  // ptc: what overlaps [range) under the RID of its region in that context, on both sides.
  void purge(VirtRange range, Context context);
  // The VHPT's entries of these pages.
  void purge_vhpt(VirtRange range, Context context);
  // ptc.e and, in long format, the whole VHPT.
  void purge_all();

  [[nodiscard]] Rid rid_of(VirtAddr va, Context context) const;
  [[nodiscard]] Rid rid_of(VirtAddr va) const { return registers_[region_of(va)].rid; }
  [[nodiscard]] const RegionRegister& region_register(unsigned region) const {
    return registers_[region];
  }
  // The context a RID of user space belongs to.
  [[nodiscard]] Context context_of(Rid rid) const;
  [[nodiscard]] const Hash& hash() const { return hash_; }

  // Everything access() does from now on is told; null: no longer.
  void narrate(mmu::Narrator* narrator) { path_.narrate(narrator); }

  // --- For checks and reports
  void for_each_entry(
      const std::function<void(const char* where, const tlb::EntryView& entry)>& visit) const;
  [[nodiscard]] LongVhpt* vhpt() { return vhpt_ ? &*vhpt_ : nullptr; }
  [[nodiscard]] const LongVhpt* vhpt() const { return vhpt_ ? &*vhpt_ : nullptr; }
  [[nodiscard]] MmuCounters counters() const;
  [[nodiscard]] const mmu::MissPath& path() const { return path_; }

 private:
  [[nodiscard]] pt::PageTable& table_of(VirtAddr va) {
    return gate_.contains(va) ? *gate_table_ : *table_;
  }
  [[nodiscard]] mmu::TableCopy* linear_of(VirtAddr va) {
    return gate_.contains(va) ? gate_linear_ : linear_;
  }
  // What the linear table is made of.
  [[nodiscard]] const pt::PageTable& linear_source(VirtAddr va) {
    if (const mmu::TableCopy* const linear = linear_of(va)) return linear->table();
    return table_of(va);
  }
  using Hit = tlb::Level::Hit;
  struct Side {
    tlb::Level* first = nullptr;
    tlb::Level* second = nullptr;  // may be null
    SideCounters* counters = nullptr;
    bool data = false;
    std::array<const char*, 2> names{};  // of the levels, for narrators
  };
  // A leaf as a handler finds it: what it inserts, and where it was.
  struct Found {
    bool present = false;  // P of the word
    uint64_t translation = 0;
    PageShift size;
    pt::WalkStep word{};   // of the page table: the last one read
    pt::WalkStep above{};  // ... and the one before
  };

  [[nodiscard]] uint64_t key_of(VirtAddr va) const { return (va.value() >> 12) | key_tag_; }
  [[nodiscard]] bool implemented(VirtAddr va) const;
  // Whether Linux's page tables have a place for it; its handlers look at the unused bits first.
  bool mappable(VirtAddr va);
  void remark_lookup(const char* level, const Hit& hit);
  [[nodiscard]] tlb::Level& last_data_level() { return l2d_ ? *l2d_ : l1d_; }
  template <class Action>
  void on_every_level(Action action);
  void pin_kernel();
  void purge_entries(VirtAddr va, Rid rid);  // on both sides, as ptc.l

  Hit second_level(Side& side, VirtAddr va, Rid rid, bool retry);

  // --- Misses (miss.cc). A null hit: the kernel must see to it.
  Hit refill(Side& side, VirtAddr va, Rid rid);
  Hit walk_long(Side& side, VirtAddr va, Rid rid);
  Hit handle_long(Side& side, VirtAddr va, Rid rid);
  Hit walk_short(Side& side, VirtAddr va, Rid rid);
  Hit handle_short(Side& side, VirtAddr va, Rid rid, VirtAddr iha);
  bool fill_linear(VirtAddr va);
  Hit page_not_present(Side& side, VirtAddr va, Rid rid);
  Hit set_bits(Side& side, VirtAddr va, Rid rid, bool dirty);
  Hit alternate(Side& side, VirtAddr va, Rid rid);
  Hit alternate_as_linux(Side& side, VirtAddr va, Rid rid);
  // Where a handler has read a leaf's word, and how.
  struct ReadWord {
    Found found;  // by a search; else `address` was known
    PhysAddr address{0};
    std::optional<VirtAddr> through;  // of a virtual load
  };
  ReadWord read_linear(VirtAddr va, Rid rid);
  void read_again(const ReadWord& word, const pt::PageTable& table, VirtAddr va);
  void read_leaf(PhysAddr word, std::optional<VirtAddr> through);
  [[nodiscard]] uint64_t word_offset(const tlb::Payload& entry, VirtAddr at) const;
  // A page table looked up, touching nothing; and searched by the handler of `step`.
  [[nodiscard]] Found look(const pt::PageTable& table, VirtAddr va) const;
  Found search(const pt::PageTable& table, VirtAddr va, unsigned step);
  [[nodiscard]] Found found_of(const pt::Lookup& lookup, VirtAddr va) const;
  [[nodiscard]] static Found found_at(Found found, const pt::WalkPath& path);
  [[nodiscard]] uint64_t base_page_of(const Found& found, VirtAddr va) const;
  void read_again(const Found& found, const pt::PageTable& table, VirtAddr va, unsigned words);
  Hit insert(Side& side, VirtAddr va, Rid rid, uint64_t translation, PageShift size);
  void touch_identity(PhysAddr address);
  void note_kernel_work(VirtAddr va);

  mmu::Translation finish(Side& side, VirtAddr va, const Hit& hit);
  mmu::Translation fault(mmu::FaultReason reason);

  const Options* options_;
  mem::FrameMemory* frames_;
  bool direct_;
  Hash hash_;
  EntryFormat format_;
  mmu::MissPath path_;
  tlb::Level l1i_;
  tlb::Level l1d_;
  std::optional<tlb::Level> l2i_;
  std::optional<tlb::Level> l2d_;
  std::optional<LongVhpt> vhpt_;
  std::array<Side, 2> sides_;  // fetches, data

  std::array<RegionRegister, kRegions> registers_;
  pt::PageTable* table_ = nullptr;  // null: no address space
  mmu::TableCopy* linear_ = nullptr;
  VirtRange gate_{};
  pt::PageTable* gate_table_ = nullptr;
  mmu::TableCopy* gate_linear_ = nullptr;

  tlb::HitFilter* fetch_filter_;
  tlb::HitFilter* data_filter_;
  uint64_t key_tag_;                 // of the context, above the 52 bits of a 4K page's number
  std::vector<Context> tag_owners_;  // the context that last had each tag
  mmu::FaultReason miss_fault_ = mmu::FaultReason::NotPresent;  // what a miss that fails is
  uint64_t generation_ = 0;
  MmuCounters counters_;
};

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_MMU_H_
