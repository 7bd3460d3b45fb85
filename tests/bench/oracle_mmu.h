// The yardstick of the miss benchmark: a Cpu for the replay loop that counts TLB misses and does
// nothing else about them. Its levels are those of the machine it stands in for, made of the same
// parts; a page that none has is filled in from an oracle, which knows without a page table that
// every page is mapped to the frame of its own number, for everything. So what a replay takes
// longer with the real Cpu is the miss path: walks, handlers, their references and counters.
#ifndef MMUSIM_TESTS_BENCH_ORACLE_MMU_H_
#define MMUSIM_TESTS_BENCH_ORACLE_MMU_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/types.h"
#include "mmu/mmu.h"
#include "tlb/level.h"

namespace mmusim::bench {

// Which arrays a machine has; a second level may be none, or one for both sides.
struct Levels {
  std::vector<tlb::Geometry> first_fetch;
  std::vector<tlb::Geometry> first_data;
  std::vector<tlb::Geometry> second_fetch;  // empty: as second_data, and the same
  std::vector<tlb::Geometry> second_data;   // empty: none
};

class OracleMmu {
 public:
  OracleMmu(const Levels& levels, PageShift page)
      : page_(page),
        first_{tlb::Level(levels.first_fetch, page, true),
               tlb::Level(levels.first_data, page, true)} {
    if (!levels.second_data.empty()) second_.emplace(levels.second_data, page, false);
    if (!levels.second_fetch.empty()) second_fetch_.emplace(levels.second_fetch, page, false);
  }

  // It is every CPU's.
  OracleMmu& mmu(CpuId) { return *this; }
  [[nodiscard]] bool watches_reach() const { return false; }
  void note_miss(CpuId) {}

  class Hits {
   public:
    bool fetch(VirtAddr va, uint64_t time) const {
      return fetch_.hits(va.value() >> 12, false, time);
    }
    bool data(VirtAddr va, bool write, uint64_t time) const {
      return data_.hits(va.value() >> 12, write, time);
    }
    bool knows_data(VirtAddr va) const { return data_.knows(va.value() >> 12); }
    bool one(bool of_data, bool write, VirtAddr va, uint64_t time) const {
      return of_data ? data(va, write, time) : fetch(va, time);
    }

   private:
    friend class OracleMmu;
    explicit Hits(OracleMmu& mmu)
        : fetch_(mmu.first_[0].filter().view()), data_(mmu.first_[1].filter().view()) {}
    tlb::HitFilter::View fetch_;
    tlb::HitFilter::View data_;
  };
  [[nodiscard]] Hits hits() { return Hits(*this); }
  [[nodiscard]] uint64_t time() {
    return std::max(first_[0].filter().time(), first_[1].filter().time());
  }
  void set_time(uint64_t time) {
    for (tlb::Level& level : first_)
      level.filter().set_time(time);
  }
  bool fetch_hits(VirtAddr va) { return hits().fetch(va, first_[0].filter().tick()); }
  bool load_hits(VirtAddr va) { return hits().data(va, false, first_[1].filter().tick()); }
  bool store_hits(VirtAddr va) { return hits().data(va, true, first_[1].filter().tick()); }

  mmu::Translation access(VirtAddr va, AccessKind kind, bool /*retry*/) {
    const bool data = kind != AccessKind::Fetch;
    tlb::Level& first = first_[data ? 1 : 0];
    tlb::Level::Hit hit = first.find(va, 0);
    if (hit) {
      first.touch(hit);
    } else {
      ++first_misses_;
      hit = refill(first, !data && second_fetch_ ? second_fetch_ : second_, va,
                   last_misses_[data ? 1 : 0]);
    }
    first.filter_install(hit, va.value() >> 12, true, data);
    return {.fault = mmu::FaultReason::None,
            .size = page_,
            .rights = hit.payload->rights,
            .pfn = hit.payload->pfn};
  }

  void expect(VirtAddr /*va*/) {}
  void count(AccessKind kind, uint64_t n) { accesses_[static_cast<unsigned>(kind)] += n; }
  [[nodiscard]] uint64_t generation() const { return 0; }
  [[nodiscard]] bool has_first_level_each() const { return true; }

  [[nodiscard]] uint64_t first_misses() const { return first_misses_; }
  // Of the kind's side.
  [[nodiscard]] uint64_t last_misses(AccessKind kind) const {
    return last_misses_[kind == AccessKind::Fetch ? 0 : 1];
  }

 private:
  tlb::Level::Hit refill(tlb::Level& first, std::optional<tlb::Level>& second, VirtAddr va,
                         uint64_t& last_misses) {
    const tlb::Leaf leaf{
        .pfn = Pfn(va.value() >> page_.log2()),
        .size = page_,
        .rights = Rights(Rights::kRead | Rights::kWrite | Rights::kExec | Rights::kUser),
        .dirty = true,
        .global = false,
        .extra = 0};
    if (second) {
      const tlb::Level::Hit hit = second->find(va, 0);
      if (hit) {
        second->touch(hit);
        return first.fill(va, 0, leaf);
      }
      second->fill(va, 0, leaf);
    }
    ++last_misses;
    return first.fill(va, 0, leaf);
  }

  PageShift page_;
  std::array<tlb::Level, 2> first_;  // fetches, data
  std::optional<tlb::Level> second_;
  std::optional<tlb::Level> second_fetch_;
  std::array<uint64_t, 4> accesses_{};
  uint64_t first_misses_ = 0;
  std::array<uint64_t, 2> last_misses_{};  // by side
};

}  // namespace mmusim::bench

#endif  // MMUSIM_TESTS_BENCH_ORACLE_MMU_H_
