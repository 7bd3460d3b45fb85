// x86::Mmu against the naive model, reference by reference, through the same calls the replay loop
// makes (the fast path first, access() when it does not know).
//
// Streams are generated from printed seeds: several address spaces with 4K, 2M (4M) and 1G leaves
// and global pages, locality, stores to clean pages, page faults, retries, flushes of every kind,
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
#include "tests/differential/x86_pair.h"
#include "tests/effort.h"

namespace mmusim::x86 {
namespace {

// The address spaces of a stream and what happens in them.
class Stream {
 public:
  Stream(Pair& pair, uint64_t seed)
      : pair_(pair),
        random_(seed),
        long_(pair.options().paging.is_long()),
        large_size_(pair.options().paging.levels == 2 ? 22 : 21) {
    const unsigned small = 40 + static_cast<unsigned>(random_.below(1200));
    for (unsigned i = 0; i < small; ++i) {
      // Three clusters, the third sparse so that walks need many different tables.
      const uint64_t at = random_.below(3);
      addresses_.push_back(at == 0 ? 0x400000 + 0x1000 * random_.below(256)
                           : at == 1
                               ? far(0x7ffff0000000, 0xb0000000) + 0x1000 * random_.below(1024)
                               : far(0x100000000000, 0x40000000) +
                                     far(0x7ffff000, 0x2ff000) * random_.below(400));
    }
    std::sort(addresses_.begin(), addresses_.end());
    addresses_.erase(std::unique(addresses_.begin(), addresses_.end()), addresses_.end());
    for (size_t i = addresses_.size(); i > 1; --i)
      std::swap(addresses_[i - 1], addresses_[random_.below(i)]);
    for (unsigned i = 0; i < 24; ++i)
      large_.push_back(far(0x200000000000, 0x90000000) + (random_.below(64) << large_size_));
    for (unsigned i = 0; i < 4; ++i)
      huge_.push_back(0x300000000000 + 0x40000000 * i);
    for (unsigned space = 0; space < kSpaces; ++space) {
      for (const uint64_t va : addresses_)
        pair_.map(space, va, small_page());
      for (const uint64_t va : large_)
        pair_.map(space, va, leaf(large_size_));
      if (pair_.options().gigabyte_pages)
        for (const uint64_t va : huge_)
          pair_.map(space, va, leaf(30));
    }
    for (unsigned i = 0; i < 6; ++i) {
      naive::Page page = small_page();
      page.global = true;
      globals_.push_back(far(0x6000'0000'0000, 0xa800'0000) + 0x1000 * i);
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
  // An address of 64 bits, or what stands for it where there are 32.
  [[nodiscard]] uint64_t far(uint64_t of_64, uint64_t of_32) const { return long_ ? of_64 : of_32; }
  naive::Page leaf(unsigned size) {
    naive::Page page;
    page.size = size;
    page.pfn = (1 + random_.below(far(1u << 15, 1u << 9))) << (size - 12);
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
      bytes = uint64_t{1} << large_size_;
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
    for (const unsigned size : {12u, large_size_, 30u}) {
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
  bool long_;
  unsigned large_size_;
  std::vector<uint64_t> addresses_, large_, huge_, globals_;
  size_t point_ = 0;
};

void compare(const std::function<void(config::Config&)>& configure, uint64_t seed,
             unsigned references) {
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Pair pair(configure);
  Stream(pair, seed).run(references);
  EXPECT_GT(pair.fast_hits(), references / 100);
  EXPECT_EQ(pair.real().counters().pdpte_reloads, 0u);  // all tables are there from the start
}

constexpr const char* kPolicies[] = {"lru", "plru", "fifo", "random", "used"};

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
    for (uint64_t seed = 1; seed <= tests::effort(3); ++seed)
      compare(
          [&](config::Config& config) {
            config.load(path);
            set_policy(config, policy);
          },
          seed, 60'000);
  }
}
INSTANTIATE_TEST_SUITE_P(X86MmuDifferential, Machines,
                         ::testing::Values("skylake-sp", "zen2", "tiny", "core2", "pentium4"),
                         [](const auto& machine) {
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
  const char* const with_base[] = {"4K", "4K,2M", "4K,2M,1G", "4K,1G", "4K,4M"};
  const char* const without[] = {"2M", "1G", "2M,1G", "4K", "4M", "2M,4M"};
  const auto set = [&](const char* key, const std::string& value) {
    config.set(prefix + key, value, "test");
  };
  const bool exists = base || random.below(3) != 0;
  set(".entries", std::to_string(exists ? sets * ways : 0));
  set(".ways", std::to_string(ways));
  set(".pages", base ? with_base[random.below(std::size(with_base))]
                     : without[random.below(std::size(without))]);
  set(".replacement", kPolicies[random.below(std::size(kPolicies))]);
  set(".index", random.below(3) == 0 ? "xor" : "low");
  set(".seed", std::to_string(random.next()));
}

TEST_P(Geometries, AgreeWithTheNaiveModel) {
  for (uint64_t seed = GetParam() * 12; seed < GetParam() * 12 + tests::effort(12); ++seed)
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
          const char* const levels[] = {"2", "3", "4", "4", "5"};
          config.set("paging.levels", levels[random.below(std::size(levels))], "test");
          config.set("tlb.l2.fetches", random.below(4) == 0 ? "false" : "true", "test");
          config.set("paging.gigabyte_pages", random.below(4) == 0 ? "false" : "true", "test");
        },
        seed, 25'000);
}
INSTANTIATE_TEST_SUITE_P(X86MmuDifferential, Geometries,
                         ::testing::Range(uint64_t{0}, uint64_t{5}));

}  // namespace
}  // namespace mmusim::x86
