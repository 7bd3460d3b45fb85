// TLBs of every size at once, as an MMU: what stands in a machine for the architecture's own where
// curves are measured. It asks the kernel's page table for each page it does not remember, so the
// kernel sees the faults it would see, and tells every family of every page looked up.
//
// Of an address space that is not loaded all goes when it is loaded again, whatever was flushed of
// it, as with Linux's generations on x86; of a dead one nothing does, and it grows old.
//
// An access whose fault the kernel has yet to fix makes no entry, and leaves none: the access again
// does. (x86 drops an entry that has faulted; elsewhere the kernel flushes it.)
#ifndef MMUSIM_SIM_CURVE_EVERY_SIZE_H_
#define MMUSIM_SIM_CURVE_EVERY_SIZE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "base/bits.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/miss_path.h"
#include "mmu/mmu.h"
#include "pt/entry.h"
#include "sim/curve/curve.h"
#include "sim/curve/page_numbers.h"
#include "tlb/lru_sets.h"

namespace mmusim::sim {

// Look-ups that are told together: pages' addresses and, in the lowest bit, whether it is of data.
class ToldLookups {
 public:
  static constexpr size_t kMost = 1024;

  [[nodiscard]] bool full() const { return count_ == kMost; }
  void add(VirtAddr page, bool data) { of_[count_++] = page.value() | (data ? 1 : 0); }
  void clear() { count_ = 0; }
  // tell(address in the page, whether it is of data), in order.
  template <class Tell>
  void each(Tell tell) const {
    for (const uint64_t lookup : std::span(of_.data(), count_))
      tell(VirtAddr(lookup), (lookup & 1) != 0);
  }

 private:
  std::array<uint64_t, kMost> of_;
  size_t count_ = 0;
};

// All TLBs of pages of one size: those of every size, and the first levels they stand behind.
class PageTlbs {
 public:
  PageTlbs(PageShift page, const CurveOptions& options);

  // Look-ups of an address space's pages.
  void access(MmId mm, const ToldLookups& lookups);
  // One that makes an entry and is not counted.
  void retry(MmId mm, VirtAddr va, bool data);
  // One that faults.
  void fault(MmId mm, VirtAddr va, bool data, bool retry);
  // Whether another look-up would change nothing: the page is first wherever it is looked up first.
  [[nodiscard]] bool is_last(MmId mm, VirtAddr va, bool data) const;
  void flush_range(MmId mm, VirtRange range);
  void flush_space(MmId mm);

  // Once all is done. `lookups`: of the program, by fetches and data.
  void take(const std::array<uint64_t, 2>& lookups, std::vector<Curve>& curves);

 private:
  using Page = tlb::LruFamily::Page;
  struct Stacks {
    CurveSide side;
    std::unique_ptr<tlb::LruFamily> family;

    [[nodiscard]] bool take(bool data) const {
      return side == CurveSide::Unified || (side == CurveSide::Data) == data;
    }
  };

  void make_room(size_t pages);
  void flush(Page page);
  template <class Action>
  void each_page(Action action);
  template <class Gone>
  void flush_if(Gone gone);

  PageShift page_;
  PageNumbers numbers_;
  std::vector<tlb::LruSets> first_;  // of fetches and of data, or none
  std::array<uint64_t, 2> first_misses_{};
  std::vector<Stacks> stacks_;
};

// The last page of each side, and what it may be used for again without telling anybody: by
// addresses. Where both sides share the TLB looked up first, the other must not come between.
class LastPages {
 public:
  [[nodiscard]] bool may_fetch(uint64_t page) const { return page == fetched_; }
  [[nodiscard]] bool may_use(uint64_t page, bool write) const {
    return page == (write ? stored_ : loaded_);
  }
  void forget() { fetched_ = loaded_ = stored_ = kNone; }
  void forget_fetched() { fetched_ = kNone; }
  void forget_data() { loaded_ = stored_ = kNone; }
  void note_fetched(uint64_t page) { fetched_ = page; }
  // It has been loaded from or stored to, and has these rights.
  void note_data(uint64_t page, bool stored, Rights rights) {
    if (loaded_ != page) loaded_ = kNone;
    if (stored_ != page) stored_ = kNone;
    if (rights.allows(AccessKind::Load)) loaded_ = page;
    if (stored) stored_ = page;
  }

 private:
  static constexpr uint64_t kNone = ~uint64_t{0};  // no page begins there
  uint64_t fetched_ = kNone;
  uint64_t loaded_ = kNone;  // of the last page of data
  uint64_t stored_ = kNone;  // likewise
};

class EverySize : public mmu::TlbMaintenance {
 public:
  // `format` must outlive it.
  EverySize(const pt::EntryFormat& format, PageShift page, VirtAddr top)
      : format_(format), page_(page), in_pages_(~page.offset_mask()), top_(top) {}

  // Before the first access. Errors: UsageError for a page size no curve can have.
  void measure(const CurveOptions& options);
  // Once all is done.
  std::vector<Curve> take();

  // --- Of a Cpu (contracts.h)
  class Hits {
   public:
    bool fetch(VirtAddr va, uint64_t /*time*/) const {
      return all_->last_.may_fetch(all_->page(va)) || all_->tell_fetch(va);
    }
    bool data(VirtAddr va, bool write, uint64_t /*time*/) const {
      return all_->last_.may_use(all_->page(va), write) || all_->tell_data(va, write);
    }
    bool one(bool of_data, bool write, VirtAddr va, uint64_t time) const {
      return of_data ? data(va, write, time) : fetch(va, time);
    }

   private:
    friend class EverySize;
    explicit Hits(EverySize& all) : all_(&all) {}
    EverySize* all_;
  };
  EverySize& mmu(CpuId /*id*/) { return *this; }
  [[nodiscard]] Hits hits() { return Hits(*this); }
  [[nodiscard]] bool fetch_hits(VirtAddr va) { return hits().fetch(va, 0); }
  [[nodiscard]] bool load_hits(VirtAddr va) { return hits().data(va, false, 0); }
  [[nodiscard]] bool store_hits(VirtAddr va) { return hits().data(va, true, 0); }
  // No entry has one: it only tells the loop that nothing else was used.
  [[nodiscard]] uint64_t time() const { return time_; }
  [[nodiscard]] uint64_t time_of(bool /*data*/) const { return time_; }
  void set_time(uint64_t time) { time_ = time; }
  void count(AccessKind kind, uint64_t n) { lookups_[kind == AccessKind::Fetch ? 0 : 1] += n; }
  [[nodiscard]] uint64_t generation() const { return generation_; }
  [[nodiscard]] bool has_first_level_each() const { return !shared_; }
  // Sets of one are among those it has.
  [[nodiscard]] bool tells_apart(PageShift /*page*/, uint64_t /*sets*/) const { return false; }
  // Whether the page is first in all its stacks, and accesses to it are allowed.
  [[nodiscard]] bool settled(VirtAddr va, bool data, bool write) {
    const bool known =
        data ? last_.may_use(page(va), false) && (!write || last_.may_use(page(va), true))
             : last_.may_fetch(page(va));
    return known || would_change_nothing(va, data, write);
  }
  [[nodiscard]] bool used_at(VirtAddr va, bool data, bool write, uint64_t /*time*/) {
    return settled(va, data, write);
  }
  [[nodiscard]] uint64_t last_misses(AccessKind /*kind*/) const {
    return 0;
  }  // each size has its own
  void narrate(mmu::Narrator* /*narrator*/) {}
  mmu::Translation access(VirtAddr va, AccessKind kind, bool retry);

  // --- Of TlbMaintenance
  void set_gate(VirtRange range, pt::PageTable& kernel_table) override {
    gate_ = range;
    gate_table_ = &kernel_table;
  }
  bool activate(CpuId cpu, MmId mm, pt::PageTable& table) override;
  using TlbMaintenance::flush_range;
  void flush_range(MmId mm, VirtRange range, PageShift stride, bool freed_tables,
                   mmu::RangeFlush why) override;
  void flush_mm(MmId mm) override;
  void flush_local_page(CpuId cpu, MmId mm, VirtAddr va, bool code) override;
  void forget(MmId mm) override;
  void for_each_entry(const TranslationVisit& /*visit*/) const override {}
  [[nodiscard]] bool walk_caches_reach(PhysAddr /*address*/, uint64_t /*bytes*/) const override {
    return false;
  }
  void report(stats::Report& /*report*/) const override {}

 private:
  // What the page table has said of a page of an address space that is there.
  struct Leaf {
    uint64_t page = ~uint64_t{0};  // its address
    MmId mm{};
    Rights rights;
  };
  static constexpr size_t kLeaves = 4096;

  [[nodiscard]] uint64_t page(VirtAddr va) const { return va.value() & in_pages_; }
  [[nodiscard]] Leaf& leaf_at(uint64_t page) { return leaves_[(page >> page_.log2()) % kLeaves]; }
  // The leaf of an address, if it is remembered.
  [[nodiscard]] const Leaf* known_leaf(uint64_t page) {
    const Leaf& leaf = leaf_at(page);
    return leaf.page == page && leaf.mm == mm_ ? &leaf : nullptr;
  }
  // A look-up that may change something, of which is remembered that it is allowed; false, and
  // nothing done: it is not.
  [[gnu::noinline]] bool tell_fetch(VirtAddr va) {
    const Leaf* const leaf = known_leaf(page(va));
    if (leaf == nullptr || !leaf->rights.allows(AccessKind::Fetch)) return false;
    add(leaf->page, false);
    note_fetched(leaf->page);
    return true;
  }
  [[gnu::noinline]] bool tell_data(VirtAddr va, bool write) {
    const Leaf* const leaf = known_leaf(page(va));
    if (leaf == nullptr || !leaf->rights.has(write ? Rights::kWrite : Rights::kRead)) return false;
    add(leaf->page, true);
    note_data(leaf->page, write, leaf->rights);
    return true;
  }
  void add(uint64_t page, bool data) {
    if (told_.full()) [[unlikely]]
      tell_all();
    told_.add(VirtAddr(page), data);
  }
  // What has been remembered of look-ups goes to those it is for: before anything else does.
  [[gnu::noinline]] void tell_all();
  [[nodiscard]] mmu::Translation look_in_table(VirtAddr va) const;
  [[nodiscard]] bool would_change_nothing(VirtAddr va, bool data, bool write);
  [[nodiscard]] bool waits(MmId mm);
  // Nothing that was learnt before need hold any longer.
  void forget_known();
  // The next access like it is known to change nothing.
  void note_fetched(uint64_t page) {
    last_.note_fetched(page);
    if (shared_) last_.forget_data();
  }
  void note_data(uint64_t page, bool write, Rights rights) {
    last_.note_data(page, write, rights);
    if (shared_) last_.forget_fetched();
  }

  const pt::EntryFormat& format_;
  PageShift page_;
  uint64_t in_pages_;  // the bits of an address that say which page it is in
  VirtAddr top_;
  VirtRange gate_{};
  pt::PageTable* gate_table_ = nullptr;
  MmId mm_{};
  pt::PageTable* table_ = nullptr;
  bool shared_ = false;  // the TLB looked up first serves both sides
  LastPages last_;
  ToldLookups told_;
  std::vector<Leaf> leaves_ = std::vector<Leaf>(kLeaves);  // by the low bits of page numbers
  std::set<MmId> stale_;  // not loaded, and flushed since they were
  uint64_t generation_ = 0;
  uint64_t time_ = 0;
  std::array<uint64_t, 2> lookups_{};  // of fetches, of data
  std::vector<PageTlbs> sizes_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_CURVE_EVERY_SIZE_H_
