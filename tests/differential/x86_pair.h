// The x86 MMU and the naive model side by side: each access is made by both, through the same calls
// the replay loop makes (the fast path first, access() when it does not know), and compared.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_X86_PAIR_H_
#define MMUSIM_TESTS_DIFFERENTIAL_X86_PAIR_H_

#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "arch/x86/mmu.h"
#include "arch/x86/options.h"
#include "config/schema.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "tests/differential/naive_mmu.h"

namespace mmusim::x86 {

inline naive::MmuShape shape_of(const Options& options) {
  naive::MmuShape shape;
  shape.levels = options.paging.is_pae() ? 2 : options.paging.levels;
  shape.index_bits = options.paging.levels == 2 ? 10 : 9;
  shape.l2_fetches = options.l2_fetches;
  const auto convert = [](const std::vector<tlb::Geometry>& from,
                          std::vector<naive::ArrayShape>& to) {
    for (const tlb::Geometry& geometry : from) {
      naive::ArrayShape array;
      array.entries = geometry.entries;
      array.ways = geometry.ways;
      array.policy = tlb::name_of(geometry.replacement);
      array.seed = geometry.seed;
      array.xored = geometry.index == tlb::Index::Xor;
      for (const PageShift size : geometry.pages)
        array.sizes.push_back(size.log2());
      to.push_back(array);
    }
  };
  convert(options.tlb[kL1I], shape.l1i);
  convert(options.tlb[kL1D], shape.l1d);
  convert(options.tlb[kL2], shape.l2);
  convert(options.tlb[kL2I], shape.l2i);
  shape.walk_cache.assign(options.walk_cache.begin(), options.walk_cache.end());
  return shape;
}

inline constexpr unsigned kSpaces = 4;  // PCIDs 1 .. 4

class Pair {
 public:
  explicit Pair(const std::function<void(config::Config&)>& configure) {
    mem::FrameMemory::declare(schema_);
    mem::ReferenceSink::declare(schema_);
    Options::keys().declare(schema_);
    schema_.text("machine.name", "", "As sim declares it.");
    schema_.text("machine.arch", "", "As sim declares it.");
    config_ = std::make_unique<config::Config>(schema_);
    configure(*config_);
    options_ = Options::keys().read(*config_);
    frames_ = std::make_unique<mem::FrameMemory>(*config_, k4K);
    sink_ = std::make_unique<mem::ReferenceSink>(*config_);
    real_ = std::make_unique<Mmu>(options_, *frames_, *sink_);
    naive_ = std::make_unique<naive::Mmu>(shape_of(options_));
    for (unsigned space = 0; space < kSpaces; ++space) {
      roots_.push_back(new_table());
      tables_.emplace_back();
    }
  }

  [[nodiscard]] const Options& options() const { return options_; }

  // A leaf in both page tables; `page.pfn` aligned to its size. Without XD all can be executed.
  void map(unsigned space, uint64_t va, naive::Page page) {
    page.execute = page.execute || options_.paging.levels == 2;
    tables_[space][va] = page;
    put(place(space, va, page.size),
        page.pfn << 12 | 1u | (page.write ? 2u : 0u) | 4u | (page.accessed ? 1u << 5 : 0u) |
            (page.dirty ? 1u << 6 : 0u) | (page.size > 12 ? 1u << 7 : 0u) |
            (page.global ? 1u << 8 : 0u) | (page.execute ? 0u : uint64_t{1} << 63));
  }
  void unmap(unsigned space, uint64_t va) {
    put(place(space, va, 12), 0);
    tables_[space].erase(va);
  }
  naive::Page* page(unsigned space, uint64_t va) {
    const auto found = tables_[space].find(va);
    return found == tables_[space].end() ? nullptr : &found->second;
  }

  void load(unsigned space) {
    current_ = space;
    real_->load({.address = roots_[space], .extra = 0}, static_cast<Pcid>(space + 1));
    naive_->load(&tables_[space], space + 1);
  }
  [[nodiscard]] unsigned current() const { return current_; }
  Mmu& real() { return *real_; }
  naive::Mmu& naive() { return *naive_; }

  // One access by both; how it was served. Fast hits are counted.
  naive::Outcome access(uint64_t va, char kind, bool retry) {
    const naive::Outcome expected = naive_->access(va, kind);
    const naive::Outcome actual = access_real(va, kind, retry);
    EXPECT_EQ(actual.served, expected.served);
    EXPECT_EQ(actual.fault, expected.fault);
    EXPECT_EQ(actual.walk_loads, expected.walk_loads);
    if (!was_fast_) {
      EXPECT_EQ(actual.pfn, expected.pfn);
    }
    return expected;
  }
  [[nodiscard]] uint64_t fast_hits() const { return fast_hits_; }

  void compare_contents() const {
    std::vector<naive::Mmu::Content> real;
    real_->for_each_entry([&](const char* where, const tlb::EntryView& entry) {
      const tlb::Payload& payload = entry.payload;
      real.emplace_back(where, entry.base.value(), payload.size.log2(),
                        payload.global ? -1 : static_cast<int>(entry.space), payload.pfn.value(),
                        (payload.rights.has(Rights::kWrite) ? 1u : 0u) |
                            (payload.rights.has(Rights::kExec) ? 2u : 0u) |
                            (payload.dirty ? 4u : 0u));
    });
    std::sort(real.begin(), real.end());
    EXPECT_EQ(real, naive_->contents());
  }

  // Accessed and dirty bits, in memory and in the map.
  void compare_page_tables() {
    for (unsigned space = 0; space < kSpaces; ++space)
      for (const auto& [va, page] : tables_[space]) {
        const uint64_t entry = get(place(space, va, page.size));
        EXPECT_EQ((entry >> 5 & 1) != 0, page.accessed);
        EXPECT_EQ((entry >> 6 & 1) != 0, page.dirty);
      }
  }

 private:
  PhysAddr new_table() {
    return frames_->address_of(frames_->allocate(0, mem::FrameUse::Table, 1).value());
  }
  // Where the entry for a leaf of that size is; makes tables above it.
  PhysAddr place(unsigned space, uint64_t va, unsigned size) {
    const bool narrow = options_.paging.levels == 2;
    const unsigned bits = narrow ? 10 : 9;
    PhysAddr table = roots_[space];
    for (unsigned level = options_.paging.levels - 1;; --level) {
      const uint64_t index = va >> (12 + bits * level) & ((1u << bits) - 1);
      const PhysAddr at = table + index * (narrow ? 4 : 8);
      if (12 + bits * level == size) return at;
      const bool pdpte = options_.paging.levels == 3 && level == 2;
      if (get(at) == 0) put(at, new_table().value() | (pdpte ? 1u : 0x67u));
      table = PhysAddr(get(at) & 0xffffffffff000);
    }
  }
  uint64_t get(PhysAddr at) const {
    const uint64_t word = *frames_->words(PhysAddr(at.value() & ~uint64_t{7}));
    if (options_.paging.levels != 2) return word;
    return (at.value() & 4) != 0 ? word >> 32 : word & 0xffffffff;
  }
  void put(PhysAddr at, uint64_t entry) {
    uint64_t& word = *frames_->words(PhysAddr(at.value() & ~uint64_t{7}));
    if (options_.paging.levels != 2)
      word = entry;
    else if ((at.value() & 4) != 0)
      word = (word & 0xffffffff) | entry << 32;
    else
      word = word >> 32 << 32 | entry;
  }
  naive::Outcome access_real(uint64_t address, char kind, bool retry) {
    const VirtAddr va(address);
    naive::Outcome outcome;
    outcome.served = '1';
    was_fast_ = !retry && (kind == 'f'   ? real_->fetch_hits(va)
                           : kind == 'l' ? real_->load_hits(va)
                                         : real_->store_hits(va));
    if (was_fast_) {
      ++fast_hits_;
      return outcome;
    }
    const Mmu::Counters before = real_->counters();
    const mmu::Translation t = real_->access(va,
                                             kind == 'f'   ? AccessKind::Fetch
                                             : kind == 'l' ? AccessKind::Load
                                                           : AccessKind::Store,
                                             retry);
    const Mmu::Counters after = real_->counters();
    const mmu::SideCounters& b = before.sides[kind == 'f' ? 0 : 1];
    const mmu::SideCounters& a = after.sides[kind == 'f' ? 0 : 1];
    EXPECT_EQ(a.retry_lookups - b.retry_lookups, retry ? 1u : 0u);
    const bool missed = retry ? a.retry_misses != b.retry_misses : a.misses != b.misses;
    const bool missed_again =
        retry ? a.retry_second_misses != b.retry_second_misses : a.second_misses != b.second_misses;
    const bool one_level = kind == 'f' ? options_.tlb[kL2I].empty() &&
                                             (options_.tlb[kL2].empty() || !options_.l2_fetches)
                                       : options_.tlb[kL2].empty();
    outcome.served = !missed ? '1' : missed_again || one_level ? 'w' : '2';
    if (t.fault == mmu::FaultReason::NotPresent) outcome.fault = 'n';
    if (t.fault == mmu::FaultReason::Protection) outcome.fault = 'p';
    EXPECT_TRUE(t.ok() || outcome.fault != '-');
    for (unsigned level = 0; level < kMostLevels; ++level)
      outcome.walk_loads +=
          static_cast<unsigned>(after.walker.loads[level] - before.walker.loads[level]);
    outcome.pfn = t.pfn.value();
    return outcome;
  }

  config::Schema schema_;
  std::unique_ptr<config::Config> config_;
  Options options_;
  std::unique_ptr<mem::FrameMemory> frames_;
  std::unique_ptr<mem::ReferenceSink> sink_;
  std::unique_ptr<Mmu> real_;
  std::unique_ptr<naive::Mmu> naive_;
  std::vector<PhysAddr> roots_;
  std::vector<naive::Mmu::Table> tables_;
  unsigned current_ = 0;
  bool was_fast_ = false;
  uint64_t fast_hits_ = 0;
};

}  // namespace mmusim::x86

#endif  // MMUSIM_TESTS_DIFFERENTIAL_X86_PAIR_H_
