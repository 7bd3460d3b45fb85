// x86::Mmu against the naive model, reference by reference, through the same calls the replay loop
// makes (the fast path first, access() when it does not know).
//
// Streams are generated from printed seeds: several address spaces with 4K, 2M and 1G leaves and
// global pages, locality, stores to clean pages, page faults, retries, flushes of every kind,
// context switches, leaves changed with and without a flush.
#include <algorithm>
#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "arch/x86/mmu.h"
#include "arch/x86/options.h"
#include "base/random.h"
#include "config/schema.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "tests/differential/naive_mmu.h"

namespace mmusim::x86 {
namespace {

naive::MmuShape shape_of(const Options& options) {
  naive::MmuShape shape;
  shape.levels = options.levels;
  const auto convert = [](const std::vector<tlb::Geometry>& from,
                          std::vector<naive::ArrayShape>& to) {
    for (const tlb::Geometry& geometry : from) {
      naive::ArrayShape array;
      array.entries = geometry.entries;
      array.ways = geometry.ways;
      array.policy = tlb::name_of(geometry.replacement);
      array.seed = geometry.seed;
      for (const PageShift size : geometry.pages)
        array.sizes.push_back(size.log2());
      to.push_back(array);
    }
  };
  convert(options.l1i, shape.l1i);
  convert(options.l1d, shape.l1d);
  convert(options.l2, shape.l2);
  convert(options.l2i, shape.l2i);
  shape.walk_cache.assign(options.walk_cache.begin(), options.walk_cache.end());
  return shape;
}

constexpr unsigned kSpaces = 4;  // PCIDs 1 .. 4

class Pair {
 public:
  explicit Pair(const std::function<void(config::Config&)>& configure) {
    mem::FrameMemory::declare(schema_);
    mem::ReferenceSink::declare(schema_);
    declare(schema_);
    schema_.text("machine.name", "", "As sim declares it.");
    schema_.text("machine.arch", "", "As sim declares it.");
    config_ = std::make_unique<config::Config>(schema_);
    configure(*config_);
    options_ = read_options(*config_);
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

  // A leaf in both page tables; `page.pfn` aligned to its size.
  void map(unsigned space, uint64_t va, const naive::Page& page) {
    tables_[space][va] = page;
    word(space, va, page.size) = page.pfn << 12 | 1u | (page.write ? 2u : 0u) | 4u |
                                 (page.accessed ? 1u << 5 : 0u) | (page.dirty ? 1u << 6 : 0u) |
                                 (page.size > 12 ? 1u << 7 : 0u) | (page.global ? 1u << 8 : 0u) |
                                 (page.execute ? 0u : uint64_t{1} << 63);
  }
  void unmap(unsigned space, uint64_t va) {
    word(space, va, 12) = 0;
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
    real_->for_each_entry([&](const char* where, const TlbEntryView& entry) {
      const TlbPayload& payload = entry.payload;
      real.emplace_back(where, entry.base.value(), payload.size.log2(),
                        payload.global ? -1 : static_cast<int>(entry.pcid), payload.pfn.value(),
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
        const uint64_t entry = word(space, va, page.size);
        EXPECT_EQ((entry >> 5 & 1) != 0, page.accessed);
        EXPECT_EQ((entry >> 6 & 1) != 0, page.dirty);
      }
  }

 private:
  PhysAddr new_table() {
    return frames_->address_of(frames_->allocate(0, mem::FrameUse::Table, 1).value());
  }
  uint64_t& word(unsigned space, uint64_t va, unsigned size) {
    PhysAddr table = roots_[space];
    for (unsigned level = options_.levels - 1;; --level) {
      uint64_t& entry = *frames_->words(table + (va >> (12 + 9 * level) & 511) * 8);
      if (12 + 9 * level == size) return entry;
      if (entry == 0) entry = new_table().value() | 0x67;
      table = PhysAddr(entry & 0xffffffffff000);
    }
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
    const MmuCounters before = real_->counters();
    const mmu::Translation t = real_->access(va,
                                             kind == 'f'   ? AccessKind::Fetch
                                             : kind == 'l' ? AccessKind::Load
                                                           : AccessKind::Store,
                                             retry);
    const MmuCounters after = real_->counters();
    const SideCounters& b = before.sides[kind == 'f' ? 0 : 1];
    const SideCounters& a = after.sides[kind == 'f' ? 0 : 1];
    EXPECT_EQ(a.retry_lookups - b.retry_lookups, retry ? 1u : 0u);
    const bool missed = retry ? a.retry_misses != b.retry_misses : a.misses != b.misses;
    const bool missed_again =
        retry ? a.retry_second_misses != b.retry_second_misses : a.second_misses != b.second_misses;
    outcome.served = !missed ? '1' : missed_again || options_.l2.empty() ? 'w' : '2';
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

// The address spaces of a stream and what happens in them.
class Stream {
 public:
  Stream(Pair& pair, uint64_t seed) : pair_(pair), random_(seed) {
    const unsigned small = 40 + static_cast<unsigned>(random_.below(1200));
    for (unsigned i = 0; i < small; ++i) {
      // Three clusters, the third sparse so that walks need many different tables.
      const uint64_t at = random_.below(3);
      addresses_.push_back(at == 0   ? 0x400000 + 0x1000 * random_.below(256)
                           : at == 1 ? 0x7ffff0000000 + 0x1000 * random_.below(1024)
                                     : 0x100000000000 + 0x7ffff000 * random_.below(400));
    }
    std::sort(addresses_.begin(), addresses_.end());
    addresses_.erase(std::unique(addresses_.begin(), addresses_.end()), addresses_.end());
    for (size_t i = addresses_.size(); i > 1; --i)
      std::swap(addresses_[i - 1], addresses_[random_.below(i)]);
    for (unsigned i = 0; i < 24; ++i)
      large_.push_back(0x200000000000 + 0x200000 * random_.below(64));
    for (unsigned i = 0; i < 4; ++i)
      huge_.push_back(0x300000000000 + 0x40000000 * i);
    for (unsigned space = 0; space < kSpaces; ++space) {
      for (const uint64_t va : addresses_)
        pair_.map(space, va, small_page());
      for (const uint64_t va : large_)
        pair_.map(space, va, leaf(21));
      if (pair_.options().gigabyte_pages)
        for (const uint64_t va : huge_)
          pair_.map(space, va, leaf(30));
    }
    for (unsigned i = 0; i < 6; ++i) {
      naive::Page page = small_page();
      page.global = true;
      globals_.push_back(0x6000'0000'0000 + 0x1000 * i);
      for (unsigned space = 0; space < kSpaces; ++space)
        pair_.map(space, globals_.back(), page);
    }
    pair_.load(0);
  }

  void run(unsigned references) {
    for (unsigned i = 0; i < references && !::testing::Test::HasFailure(); ++i) {
      SCOPED_TRACE(::testing::Message() << "reference " << i);
      if (random_.below(200) == 0) disturb();
      if (random_.below(4000) == 0) pair_.compare_contents();
      const uint64_t va = address();
      const uint64_t dice = random_.below(10);
      const char kind = dice < 3 ? 'f' : dice < 8 ? 'l' : 's';
      const naive::Outcome outcome = pair_.access(va, kind, false);
      if (outcome.fault != '-') repair(va, kind);
    }
    pair_.compare_contents();
    pair_.compare_page_tables();
  }

 private:
  naive::Page leaf(unsigned size) {
    naive::Page page;
    page.size = size;
    page.pfn = (1 + random_.below(1u << 15)) << (size - 12);
    page.write = random_.below(4) != 0;
    page.execute = random_.below(4) != 0;
    page.accessed = random_.below(2) != 0;
    page.dirty = page.write && random_.below(2) != 0;
    return page;
  }
  naive::Page small_page() { return leaf(12); }

  uint64_t address() {
    const uint64_t dice = random_.below(100);
    uint64_t base = 0;
    uint64_t bytes = 4096;
    if (dice < 12) {
      base = large_[random_.below(large_.size())];
      bytes = 0x200000;
    } else if (dice < 16 && pair_.options().gigabyte_pages) {
      base = huge_[random_.below(huge_.size())];
      bytes = 0x40000000;
    } else if (dice < 20) {
      base = globals_[random_.below(globals_.size())];
    } else if (dice < 21) {
      return 0x400000 + 0x1000 * random_.below(300);  // may be unmapped; the table exists
    } else {
      // Mostly near a working point that wanders.
      if (random_.below(300) == 0) point_ = random_.below(addresses_.size());
      const uint64_t reach = dice < 70 ? 6 : dice < 95 ? 40 : addresses_.size();
      base = addresses_[(point_ + random_.below(reach)) % addresses_.size()];
    }
    return base + random_.below(bytes);
  }

  // The kernel's part of a page fault, and the retry.
  void repair(uint64_t va, char kind) {
    if (random_.below(4) == 0) return;  // refused
    for (const unsigned size : {12u, 21u, 30u}) {
      const uint64_t base = va >> size << size;
      naive::Page* page = pair_.page(pair_.current(), base);
      if (page == nullptr || page->size != size) continue;
      naive::Page next = *page;
      (kind == 'f' ? next.execute : next.write) = true;
      pair_.map(pair_.current(), base, next);
      EXPECT_EQ(pair_.access(va, kind, true).fault, '-');
      return;
    }
    if (va < 0x400000 || va >= 0x500000) return;
    naive::Page page = small_page();
    page.write = page.execute = true;
    pair_.map(pair_.current(), va >> 12 << 12, page);
    EXPECT_EQ(pair_.access(va, kind, true).fault, '-');
  }

  void disturb() {
    const unsigned space = pair_.current();
    switch (random_.below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        pair_.load(static_cast<unsigned>(random_.below(kSpaces)));
        break;
      case 4:
      case 5: {
        const uint64_t va = address();
        pair_.real().invlpg(VirtAddr(va));
        pair_.naive().invlpg(va);
        break;
      }
      case 6: {
        const auto pcid = static_cast<unsigned>(1 + random_.below(kSpaces));
        pair_.real().invalidate_pcid(static_cast<Pcid>(pcid));
        pair_.naive().invalidate_pcid(pcid);
        break;
      }
      case 7:
        if (random_.below(4) == 0) {
          pair_.real().invalidate_non_global();
          pair_.naive().invalidate_non_global();
        } else if (random_.below(4) == 0) {
          pair_.real().invalidate_all();
          pair_.naive().invalidate_all();
        }
        break;
      case 8: {  // munmap
        const uint64_t va = addresses_[random_.below(addresses_.size())];
        if (va < 0x400000 || va >= 0x500000) break;
        pair_.unmap(space, va);
        pair_.real().invlpg(VirtAddr(va));
        pair_.naive().invlpg(va);
        break;
      }
      case 9: {  // another frame, flushed
        const uint64_t va = addresses_[random_.below(addresses_.size())];
        pair_.map(space, va, small_page());
        pair_.real().invlpg(VirtAddr(va));
        pair_.naive().invlpg(va);
        break;
      }
      case 10: {  // changed without a flush: what is cached stays, in both alike
        const uint64_t va = addresses_[(point_ + random_.below(8)) % addresses_.size()];
        pair_.map(space, va, small_page());
        break;
      }
      case 11: {  // fork: write-protected all over, then flushed
        for (const uint64_t va : addresses_)
          if (naive::Page* page = pair_.page(space, va)) {
            naive::Page next = *page;
            next.write = false;
            pair_.map(space, va, next);
          }
        pair_.real().invalidate_pcid(static_cast<Pcid>(space + 1));
        pair_.naive().invalidate_pcid(space + 1);
        break;
      }
    }
  }

  Pair& pair_;
  Random random_;
  std::vector<uint64_t> addresses_, large_, huge_, globals_;
  size_t point_ = 0;
};

void compare(const std::function<void(config::Config&)>& configure, uint64_t seed,
             unsigned references) {
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Pair pair(configure);
  Stream(pair, seed).run(references);
  EXPECT_GT(pair.fast_hits(), references / 100);
}

constexpr const char* kPolicies[] = {"lru", "plru", "fifo", "random"};

void set_policy(config::Config& config, const std::string& policy) {
  for (const config::Key& key : config.schema().keys())
    if (key.name.ends_with(".replacement")) config.set(key.name, policy, "test");
}

class Machines : public ::testing::TestWithParam<std::string> {};

TEST_P(Machines, AgreeWithTheNaiveModelUnderEveryPolicy) {
  const std::string path =
      std::string(MMUSIM_SOURCE_DIR) + "/configs/machines/" + GetParam() + ".cfg";
  for (const char* policy : kPolicies) {
    SCOPED_TRACE(policy);
    for (uint64_t seed = 1; seed <= 3; ++seed)
      compare(
          [&](config::Config& config) {
            config.load(path);
            set_policy(config, policy);
          },
          seed, 60'000);
  }
}
INSTANTIATE_TEST_SUITE_P(X86MmuDifferential, Machines,
                         ::testing::Values("skylake-sp", "zen2", "tiny"), [](const auto& machine) {
                           std::string name = machine.param;
                           std::erase(name, '-');
                           return name;
                         });

// Geometries nobody built: any number of ways, several arrays holding the same size, levels with
// gaps in their sizes (fragments), no second level, no walk caches.
class Geometries : public ::testing::TestWithParam<uint64_t> {};

void random_array(config::Config& config, Random& random, const std::string& prefix, bool base,
                  bool small) {
  const unsigned sets = 1u << random.below(small ? 3 : 6);
  const unsigned ways = 1 + static_cast<unsigned>(random.below(12));
  const char* const with_base[] = {"4K", "4K,2M", "4K,2M,1G", "4K,1G"};
  const char* const without[] = {"2M", "1G", "2M,1G", "4K"};
  const auto set = [&](const char* key, const std::string& value) {
    config.set(prefix + key, value, "test");
  };
  const bool exists = base || random.below(3) != 0;
  set(".entries", std::to_string(exists ? sets * ways : 0));
  set(".ways", sets == 1 && random.below(2) == 0 ? "0" : std::to_string(ways));
  set(".pages", base ? with_base[random.below(4)] : without[random.below(4)]);
  set(".replacement", kPolicies[random.below(4)]);
  set(".seed", std::to_string(random.next()));
}

TEST_P(Geometries, AgreeWithTheNaiveModel) {
  for (uint64_t seed = GetParam() * 12; seed < (GetParam() + 1) * 12; ++seed)
    compare(
        [seed](config::Config& config) {
          Random random(seed + 1000);
          random_array(config, random, "tlb.l1i", true, true);
          random_array(config, random, "tlb.l1i.large", false, true);
          random_array(config, random, "tlb.l1i.huge", false, true);
          random_array(config, random, "tlb.l1d", true, true);
          random_array(config, random, "tlb.l1d.large", false, true);
          random_array(config, random, "tlb.l1d.huge", false, true);
          const bool second = random.below(8) != 0;
          random_array(config, random, "tlb.l2", true, false);
          random_array(config, random, "tlb.l2.huge", false, false);
          const bool split = second && random.below(2) == 0;
          random_array(config, random, "tlb.l2i", true, false);
          random_array(config, random, "tlb.l2i.huge", false, false);
          if (!second)
            for (const char* key : {"tlb.l2.entries", "tlb.l2.huge.entries"})
              config.set(key, "0", "test");
          if (!split)
            for (const char* key : {"tlb.l2i.entries", "tlb.l2i.huge.entries"})
              config.set(key, "0", "test");
          for (const char* key : {"pde", "pdpte", "pml4e", "pml5e"})
            config.set("psc." + std::string(key) + ".entries", std::to_string(random.below(9)),
                       "test");
          config.set("paging.levels", random.below(3) == 0 ? "5" : "4", "test");
          config.set("paging.gigabyte_pages", random.below(4) == 0 ? "false" : "true", "test");
        },
        seed, 25'000);
}
INSTANTIATE_TEST_SUITE_P(X86MmuDifferential, Geometries,
                         ::testing::Range(uint64_t{0}, uint64_t{5}));

}  // namespace
}  // namespace mmusim::x86
