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

// All TLBs of pages of one size: those of every size, and the first levels they stand behind.
class PageTlbs {
 public:
  PageTlbs(PageShift page, const CurveOptions& options);

  // A look-up of the page; a retry makes an entry and is not counted.
  void access(PageNumbers& numbers, MmId mm, VirtAddr va, AccessKind kind, bool retry) {
    const uint64_t page = numbers.of(mm, va, page_);
    const bool data = is_data(kind);
    if (!first_.empty()) {
      if (first_[data ? 1 : 0].use(page)) return;
      if (!retry) ++first_misses_[data ? 1 : 0];
    }
    for (const Stacks& stacks : stacks_) {
      if (!stacks.take(data)) continue;
      if (retry)
        stacks.family->use(page);
      else
        stacks.family->access(page);
    }
  }
  // A look-up that faults.
  void fault(PageNumbers& numbers, MmId mm, VirtAddr va, AccessKind kind, bool retry);
  // Whether another look-up would change nothing: the page is first wherever it is looked up first.
  [[nodiscard]] bool is_last(PageNumbers& numbers, MmId mm, VirtAddr va, AccessKind kind) const;
  void flush_range(PageNumbers& numbers, MmId mm, VirtRange range);
  void flush_space(const PageNumbers& numbers, MmId mm);

  // Once all is done. `lookups`: of the program, by fetches and data.
  void take(const std::array<uint64_t, 2>& lookups, std::vector<Curve>& curves);

 private:
  struct Stacks {
    CurveSide side;
    std::unique_ptr<tlb::LruFamily> family;

    [[nodiscard]] bool take(bool data) const {
      return side == CurveSide::Unified || (side == CurveSide::Data) == data;
    }
  };
  static constexpr bool is_data(AccessKind kind) { return kind != AccessKind::Fetch; }

  void flush(uint64_t page);
  template <class Gone>
  void flush_if(Gone gone);

  PageShift page_;
  std::vector<tlb::LruSets> first_;  // of fetches and of data, or none
  std::array<uint64_t, 2> first_misses_{};
  std::vector<Stacks> stacks_;
};

// The last page of each side, and what it may be used for again without telling anybody.
struct LastPages {
  static constexpr uint64_t kNone = ~uint64_t{0};

  [[nodiscard]] uint64_t page(VirtAddr va) const { return va.value() >> log2; }
  // Whether an access is known to change nothing. Where both sides share the TLB looked up first,
  // the other must not have come between.
  [[nodiscard]] bool known(VirtAddr va, AccessKind kind) const {
    const uint64_t mine = kind == AccessKind::Fetch ? fetched : data;
    return page(va) == mine && (!unified || last == mine) &&
           (kind == AccessKind::Fetch || (kind == AccessKind::Load ? loaded : stored));
  }

  unsigned log2 = 12;
  bool unified = false;
  uint64_t fetched = kNone;
  uint64_t data = kNone;
  uint64_t last = kNone;  // of the two
  bool loaded = false;    // `data` may be loaded from again
  bool stored = false;    // ... stored to
};

class EverySize : public mmu::TlbMaintenance {
 public:
  // `format` must outlive it.
  EverySize(const pt::EntryFormat& format, PageShift page, VirtAddr top)
      : format_(format), page_(page), top_(top) {}

  // Before the first access. Errors: UsageError for a page size no curve can have.
  void measure(const CurveOptions& options);
  // Once all is done.
  std::vector<Curve> take();

  // --- Of a Cpu (contracts.h)
  class Hits {
   public:
    bool fetch(VirtAddr va, uint64_t /*time*/) const { return all_->hit(va, AccessKind::Fetch); }
    bool data(VirtAddr va, bool write, uint64_t /*time*/) const {
      return all_->hit(va, write ? AccessKind::Store : AccessKind::Load);
    }
    // Nothing has to be expected of those that are not.
    [[nodiscard]] bool knows_data(VirtAddr /*va*/) const { return true; }
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
  [[nodiscard]] bool has_first_level_each() const { return !pages_.unified; }
  // Sets of one are among those it has.
  [[nodiscard]] bool tells_apart(PageShift /*page*/, uint64_t /*sets*/) const { return false; }
  // Whether the page is first in all its stacks, and accesses to it are allowed.
  [[nodiscard]] bool settled(VirtAddr va, bool data, bool write) {
    const AccessKind kind = !data   ? AccessKind::Fetch
                            : write ? AccessKind::Store
                                    : AccessKind::Load;
    return (pages_.known(va, kind) && (!write || pages_.loaded)) ||
           would_change_nothing(va, data, write);
  }
  [[nodiscard]] bool used_at(VirtAddr va, bool data, bool write, uint64_t /*time*/) {
    return settled(va, data, write);
  }
  // Where the sides are apart, nothing but a program's accesses is used here.
  [[nodiscard]] bool still_settled(bool /*data*/, uint64_t /*time*/) const { return true; }
  [[nodiscard]] uint64_t last_misses(AccessKind /*kind*/) const {
    return 0;
  }  // each size has its own
  void narrate(mmu::Narrator* /*narrator*/) {}
  void expect(VirtAddr /*va*/) {}
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
  // What the page table says of a page of an address space.
  struct Leaf {
    uint64_t page = LastPages::kNone;
    MmId mm{};
    mmu::Translation found;
  };
  static constexpr size_t kLeaves = 4096;

  // An access of which is remembered that it is allowed; false, and nothing done: it is not.
  bool hit(VirtAddr va, AccessKind kind) {
    if (pages_.known(va, kind)) return true;
    const Leaf& leaf = leaves_[pages_.page(va) % kLeaves];
    if (leaf.page != pages_.page(va) || leaf.mm != mm_ || !leaf.found.ok() ||
        !leaf.found.rights.allows(kind))
      return false;
    for (PageTlbs& size : sizes_)
      size.access(numbers_, mm_, va, kind, false);
    note_page(va, kind, leaf.found.rights);
    return true;
  }
  [[nodiscard]] mmu::Translation translation_of(VirtAddr va, AccessKind kind);
  [[nodiscard]] mmu::Translation look_in_table(VirtAddr va) const;
  [[nodiscard]] bool would_change_nothing(VirtAddr va, bool data, bool write);
  [[nodiscard]] bool waits(MmId mm);
  // Nothing that was learnt before need hold any longer.
  void forget_known();
  void note_page(VirtAddr va, AccessKind kind, Rights rights);

  const pt::EntryFormat& format_;
  PageShift page_;
  VirtAddr top_;
  VirtRange gate_{};
  pt::PageTable* gate_table_ = nullptr;
  MmId mm_{};
  pt::PageTable* table_ = nullptr;
  LastPages pages_;
  std::vector<Leaf> leaves_ = std::vector<Leaf>(kLeaves);  // by the low bits of page numbers
  std::set<MmId> stale_;  // not loaded, and flushed since they were
  uint64_t generation_ = 0;
  uint64_t time_ = 0;
  std::array<uint64_t, 2> lookups_{};  // of fetches, of data
  PageNumbers numbers_;
  std::vector<PageTlbs> sizes_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_CURVE_EVERY_SIZE_H_
