// ppc64::Mmu against the naive model, reference by reference, through the same calls the replay
// loop makes: generated streams, from printed seeds, with clean pages, faults and retries, changes
// of protection, flushes and switches; and the first references of the shipped trace.
#include <gtest/gtest.h>
#include <memory>
#include <ostream>
#include <string>
#include <unordered_map>
#include <vector>

#include "arch/ppc64/architecture.h"
#include "base/random.h"
#include "tests/differential/machine_text.h"
#include "tests/differential/naive_ppc64.h"
#include "tests/differential/trace_references.h"
#include "tests/unit/arch_world.h"

namespace mmusim::naive {
// NOLINTNEXTLINE(readability-identifier-naming): GoogleTest's name
void PrintTo(const HashedOutcome& o, std::ostream* out) {
  *out << o.fault << " erat " << o.erat_misses << " tlb " << o.tlb_misses << " slb "
       << o.segment_misses << " searches " << o.searches << " hash faults " << o.hash_faults
       << " inserts " << o.inserts << " updates " << o.updates;
}
}  // namespace mmusim::naive

namespace mmusim::ppc64 {
namespace {

using mmusim::testing::kR;
using World = mmusim::testing::ArchWorld<Architecture>;
constexpr unsigned kSpaces = 3;  // as many as a World has
constexpr unsigned kRWX = kR | Rights::kWrite | Rights::kExec;

class Pair {
 public:
  explicit Pair(const std::string& machine, const std::string& more)
      : world_(mmusim::testing::machine_text(machine),
               more + "\n[ppc64]\nlinear_map = false\n[mem]\nbytes = 1G\n", "mlpt", 1),
        tables_(kSpaces) {
    config::Schema schema;
    mem::ReferenceSink::declare(schema);
    Options::keys().declare(schema);
    config::Config config(schema);
    const std::string text = mmusim::testing::machine_text(machine);
    config.load_text(text, machine);
    config.load_text(more, "more");
    const Options options = Options::keys().read(config);
    page_ = options.page;
    naive::HashedShape shape;
    shape.ierat = mmusim::testing::naive_shape(options.tlb[kIerat].front());
    shape.derat = mmusim::testing::naive_shape(options.tlb[kDerat].front());
    shape.tlb = mmusim::testing::naive_shape(options.tlb[kTlb].front());
    shape.slb_entries = options.slb_entries;
    shape.tera_segments = options.tera_segments;
    shape.page = page_.log2();
    for (const PageShift size : actual_pages(options))
      shape.actual.push_back(size.log2());
    huge_ = radix_geometry(page_, options.mpss)[1].leaf_allowed;
    naive_ = std::make_unique<naive::HashedMmu>(shape);
    naive_->load(tables_.data(), 0);
  }

  [[nodiscard]] unsigned current() const { return current_; }
  void load(unsigned space) {
    if (space == current_) return;
    current_ = space;
    world_.run(space);
    naive_->load(&tables_[space], space);
  }
  [[nodiscard]] naive::Page* find(uint64_t va, uint64_t* base = nullptr) {
    return naive::HashedMmu::find(tables_[current_], va, base);
  }
  // Of what is mapped there: so that no block has pages of two sizes, every third block of 16M is
  // one page, where there are such.
  [[nodiscard]] PageShift size_at(uint64_t va) const {
    return huge_ && (va >> kLargePage.log2()) % 3 == 1 ? kLargePage : page_;
  }
  // In the address space that runs; flushed where there was something. `pfn`: a base page's; a
  // larger page takes more.
  void map(uint64_t va, uint64_t pfn, unsigned rights, bool used) {
    const bool there = find(va) != nullptr;
    const PageShift size = size_at(va);
    const uint64_t base = naive::floor_to(va, size.log2());
    naive::Page page;
    page.pfn = size == page_ ? pfn : pfn << (size.log2() - page_.log2());
    world_.map(VirtAddr(base), page.pfn, rights, used, current_, size);
    page.size = size.log2();
    page.write = (rights & Rights::kWrite) != 0;
    page.execute = (rights & Rights::kExec) != 0;
    page.accessed = page.dirty = used;
    tables_[current_][base] = page;
    if (there) flush(va);
  }
  // The same page with other rights.
  void protect(uint64_t va, unsigned rights) {
    const naive::Page page = *find(va);
    map(va, page.size == page_.log2() ? page.pfn : page.pfn >> (page.size - page_.log2()), rights,
        true);
  }
  void unmap(uint64_t va) {
    uint64_t base = 0;
    if (find(va, &base) == nullptr) return;
    world_.unmap(VirtAddr(base), current_);
    tables_[current_].erase(base);
    flush(va);
  }

  naive::HashedOutcome access(uint64_t va, char kind, bool retry) {
    const naive::HashedOutcome expected = naive_->access(va, kind, retry);
    EXPECT_EQ(real(va, kind, retry, expected), expected) << kind << " at " << std::hex << va;
    return expected;
  }
  [[nodiscard]] uint64_t fast_hits() const { return fast_hits_; }
  World& world() { return world_; }

 private:
  void flush(uint64_t va) {
    const PageShift size = size_at(va);
    const VirtAddr base(naive::floor_to(va, size.log2()));
    world_.tlbs().flush_range(MmId(current_), {base, base + size.bytes()}, size, false);
    naive_->flush(va, size.log2(), current_);
  }
  naive::HashedOutcome real(uint64_t address, char kind, bool retry,
                            const naive::HashedOutcome& expected) {
    const VirtAddr va(address);
    Mmu& mmu = world_.mmu();
    if (!retry && (kind == 'f'   ? mmu.fetch_hits(va)
                   : kind == 'l' ? mmu.load_hits(va)
                                 : mmu.store_hits(va))) {
      ++fast_hits_;
      return {};
    }
    const AccessKind of = kind == 'f'   ? AccessKind::Fetch
                          : kind == 'l' ? AccessKind::Load
                                        : AccessKind::Store;
    const Mmu::Counters before = mmu.counters();
    const HtabCounts table_before = world_.tlbs().htab().counters();
    const mmu::Translation t = mmu.access(va, of, retry);
    const Mmu::Counters after = mmu.counters();
    const HtabCounts table = world_.tlbs().htab().counters();
    const mmu::SideCounters& b = before.sides[kind == 'f' ? 0 : 1];
    const mmu::SideCounters& a = after.sides[kind == 'f' ? 0 : 1];
    naive::HashedOutcome o;
    const auto plus = [](uint64_t more, uint64_t less) {
      return static_cast<unsigned>(more - less);
    };
    o.erat_misses = plus(a.misses + a.retry_misses, b.misses + b.retry_misses);
    o.tlb_misses =
        plus(a.second_misses + a.retry_second_misses, b.second_misses + b.retry_second_misses);
    o.segment_misses = plus(after.slb.misses, before.slb.misses);
    o.hash_faults = plus(after.hash_faults, before.hash_faults);
    o.searches = plus(table.lookups, table_before.lookups);
    o.inserts = plus(table.inserts, table_before.inserts);
    o.updates = plus(table.updates, table_before.updates);
    if (t.fault == mmu::FaultReason::NotPresent) o.fault = 'n';
    if (t.fault == mmu::FaultReason::Protection) o.fault = 'p';
    if (t.ok() && expected.fault == '-') {
      uint64_t base = 0;
      const naive::Page* const page = find(address, &base);
      EXPECT_EQ(t.pfn.value(), page->pfn + ((address - base) >> page_.log2()));
    }
    return o;
  }

  World world_;
  PageShift page_;
  bool huge_ = false;  // there are huge pages
  std::unique_ptr<naive::HashedMmu> naive_;
  std::vector<naive::HashedMmu::Table> tables_;
  unsigned current_ = 0;
  uint64_t fast_hits_ = 0;
};

struct Case {
  const char* name;
  const char* machine;
  const char* more;
};
void PrintTo(const Case& one, std::ostream* out) {
  *out << one.name;
}
const Case kCases[] = {
    {"ppc970", "ppc970", ""},
    {"power8", "power8", ""},
    {"power8_64K", "power8", "[ppc64]\npage = 64K\n"},
    {"small", "ppc970",
     "[ppc64]\ntera_segments = true\n[ppc64.slb]\nentries = 8\n[ppc64.ierat]\nentries = 8\n"
     "replacement = random\n[ppc64.derat]\nentries = 12\nways = 12\nreplacement = plru\n"
     "[ppc64.tlb]\nentries = 32\nways = 2\nindex = xor\nreplacement = used\n"},
};

class Ppc64MmuDifferential : public ::testing::TestWithParam<Case> {};

TEST_P(Ppc64MmuDifferential, AgreesOnGeneratedStreams) {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    Pair pair(GetParam().machine, GetParam().more);
    Random random(seed);
    std::vector<uint64_t> places;
    // Few segments with many pages each, and many with one; from 1T up too.
    for (unsigned i = 0; i < 300; ++i)
      places.push_back(random.below(3) == 0 ? random.below(uint64_t{1} << 46)
                                            : 0x1000'0000 + random.below(uint64_t{1} << 26));
    uint64_t next_pfn = 0x100;
    size_t point = 0;
    for (unsigned i = 0; i < 30'000 && !HasFailure(); ++i) {
      if (random.below(200) == 0) point = random.below(places.size());
      const uint64_t dice = random.below(100);
      const uint64_t reach = dice < 70 ? 8 : dice < 95 ? 60 : places.size();
      const uint64_t va = places[(point + random.below(reach)) % places.size()];
      if (random.below(300) == 0) pair.load(static_cast<unsigned>(random.below(kSpaces)));
      if (random.below(150) == 0) pair.unmap(va);
      if (random.below(150) == 0 && pair.find(va) != nullptr)
        pair.protect(va, kR | (random.below(2) == 0 ? 0u : unsigned{Rights::kExec}));
      const char kind = dice % 10 < 3 ? 'f' : dice % 10 < 8 ? 'l' : 's';
      if (pair.access(va, kind, false).fault == '-' || random.below(4) == 0) continue;
      pair.map(va, next_pfn++, kRWX, random.below(2) == 0);
      EXPECT_EQ(pair.access(va, kind, true).fault, '-');
    }
    EXPECT_EQ(pair.world().counter("htab.evictions"), 0u);
    EXPECT_GT(pair.world().counter("slb.misses"), 20u);
    EXPECT_GT(pair.world().counter("htab.updates"), 20u);
    EXPECT_GT(pair.fast_hits(), 100u);
  }
}

TEST_P(Ppc64MmuDifferential, AgreesOnTheShippedTrace) {
  Pair pair(GetParam().machine, GetParam().more);
  std::unordered_map<uint32_t, unsigned> spaces;
  uint64_t next_pfn = 0x100;
  mmusim::testing::each_reference(
      naive::kReferences, [&](uint32_t pid, uint64_t address, char kind) {
        const uint64_t va = address & ((uint64_t{1} << kUserBits) - 1);
        pair.load(spaces.try_emplace(pid, spaces.size() % kSpaces).first->second);
        // Of every third page the first store is a hash fault of its own.
        if (pair.find(va) == nullptr) {
          pair.map(va, next_pfn, kRWX, next_pfn % 3 != 0);
          ++next_pfn;
        }
        EXPECT_EQ(pair.access(va, kind, false).fault, '-');
      });
  EXPECT_GT(pair.world().counter("tlb.derat.misses"), 50u);
  EXPECT_GT(pair.world().counter("htab.updates"), 0u);
  EXPECT_EQ(pair.world().counter("htab.evictions"), 0u);
  EXPECT_GT(pair.fast_hits(), naive::kReferences / 2u);
}

INSTANTIATE_TEST_SUITE_P(Machines, Ppc64MmuDifferential, ::testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace mmusim::ppc64
