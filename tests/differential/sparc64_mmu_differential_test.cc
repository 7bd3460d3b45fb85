// sparc64::Mmu against the naive model, reference by reference, through the same calls the replay
// loop makes: generated streams, from printed seeds, with old and clean pages, huge pages, faults
// and retries, changes of protection, flushes and switches; and the first references of the shipped
// trace.
#include <gtest/gtest.h>
#include <memory>
#include <ostream>
#include <string>
#include <unordered_map>
#include <vector>

#include "arch/sparc64/architecture.h"
#include "base/random.h"
#include "tests/differential/machine_text.h"
#include "tests/differential/naive_sparc64.h"
#include "tests/differential/trace_references.h"
#include "tests/unit/arch_world.h"

namespace mmusim::naive {
// NOLINTNEXTLINE(readability-identifier-naming): GoogleTest's name
void PrintTo(const SoftOutcome& o, std::ostream* out) {
  *out << o.fault << " misses " << o.misses << " TSB " << o.hits << "/" << o.probes << " huge "
       << o.huge_hits << "/" << o.huge_probes << " walks " << o.walks << " updates " << o.updates;
}
}  // namespace mmusim::naive

namespace mmusim::sparc64 {
namespace {

using mmusim::testing::kR;
using World = mmusim::testing::ArchWorld<Architecture>;
constexpr unsigned kSpaces = 3;  // as many as a World has
constexpr unsigned kRWX = kR | Rights::kWrite | Rights::kExec;

class Pair {
 public:
  Pair(const std::string& machine, const std::string& more)
      : world_(mmusim::testing::machine_text(machine),
               more + "\n[sparc64]\nlinear_map = false\n[mem]\nbytes = 1G\n", "mlpt", 1),
        tables_(kSpaces) {
    config::Schema schema;
    mem::ReferenceSink::declare(schema);
    Options::keys().declare(schema);
    config::Config config(schema);
    config.load_text(mmusim::testing::machine_text(machine), machine);
    config.load_text(more, "more");
    const Options options = Options::keys().read(config);
    naive::SoftShape shape;
    for (const tlb::Geometry& array : options.tlb[kItlb])
      shape.itlb.push_back(mmusim::testing::naive_shape(array));
    for (const tlb::Geometry& array : options.tlb[kDtlb])
      shape.dtlb.push_back(mmusim::testing::naive_shape(array));
    shape.image_entries = options.image_entries;
    shape.tsbs = options.tsb_count();
    shape.mapped = !options.tsb_physical;
    naive_ = std::make_unique<naive::SoftMmu>(shape);
    naive_->load(tables_.data(), 0);
  }

  void load(unsigned space) {
    if (space == current_) return;
    current_ = space;
    world_.run(space);
    naive_->load(&tables_[space], space);
  }
  // The page of 8K, or the half of a huge one.
  [[nodiscard]] naive::Page* find(uint64_t va) {
    for (const PageShift size : {kPage, kLargePage}) {
      const auto found = tables_[current_].find(va & ~size.offset_mask());
      if (found != tables_[current_].end() && found->second.size == size.log2())
        return &found->second;
    }
    return nullptr;
  }
  // In the address space that runs; flushed where there was something. `pfn`: of the whole leaf.
  void map(uint64_t va, PageShift size, uint64_t pfn, unsigned rights, bool accessed, bool dirty) {
    const bool there = find(va) != nullptr;
    const VirtAddr base(va & ~size.offset_mask());
    const pt::Slot slot = world_.table(current_).ensure(base, size);
    ASSERT_EQ(slot.status, pt::Status::Ok);
    const pt::Entry leaf = world_.format().make_leaf({.pfn = Pfn(pfn),
                                                      .size = size,
                                                      .rights = Rights(rights),
                                                      .accessed = accessed,
                                                      .dirty = dirty});
    ASSERT_EQ(world_.table(current_).install(slot.handle, slot.entry, leaf), pt::Status::Ok);
    const PageShift part = size == kPage ? kPage : kLargePage;
    for (uint64_t at = 0; at < size.bytes(); at += part.bytes()) {
      naive::Page page;
      page.pfn = pfn + (at >> kPage.log2());
      page.size = part.log2();
      page.write = (rights & Rights::kWrite) != 0;
      page.execute = (rights & Rights::kExec) != 0;
      page.accessed = accessed;
      page.dirty = dirty;
      tables_[current_][base.value() + at] = page;
    }
    if (there) flush(base.value(), size);
  }
  void unmap(uint64_t va) {
    const naive::Page* const page = find(va);
    if (page == nullptr) return;
    const PageShift size = page->size == kPage.log2() ? kPage : kHugePage;
    const uint64_t base = va & ~size.offset_mask();
    world_.unmap(VirtAddr(base), current_);
    tables_[current_].erase(base);
    if (size == kHugePage) tables_[current_].erase(base + kLargePage.bytes());
    flush(base, size);
  }

  naive::SoftOutcome access(uint64_t va, char kind, bool retry) {
    const naive::SoftOutcome expected = naive_->access(va, kind, retry);
    EXPECT_EQ(real(va, kind, retry), expected) << kind << " at " << std::hex << va;
    return expected;
  }
  [[nodiscard]] uint64_t fast_hits() const { return fast_hits_; }
  World& world() { return world_; }

 private:
  void flush(uint64_t base, PageShift size) {
    world_.tlbs().flush_range(MmId(current_), {VirtAddr(base), VirtAddr(base) + size.bytes()}, size,
                              false);
    for (uint64_t at = 0; at < size.bytes(); at += kLargePage.bytes()) {
      // As after a fault: what has only gained rights is no matter to a range.
      world_.tlbs().flush_local_page(CpuId(0), MmId(current_), VirtAddr(base + at));
      naive_->flush(base + at, current_);
    }
  }
  naive::SoftOutcome real(uint64_t address, char kind, bool retry) {
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
    const mmu::Translation t = mmu.access(va, of, retry);
    const Mmu::Counters after = mmu.counters();
    const mmu::SideCounters& b = before.sides[kind == 'f' ? 0 : 1];
    const mmu::SideCounters& a = after.sides[kind == 'f' ? 0 : 1];
    naive::SoftOutcome o;
    const auto plus = [](uint64_t more, uint64_t less) {
      return static_cast<unsigned>(more - less);
    };
    o.misses = plus(a.misses + a.retry_misses, b.misses + b.retry_misses);
    o.probes = plus(after.tsb_lookups, before.tsb_lookups);
    o.hits = plus(after.tsb_hits, before.tsb_hits);
    o.huge_probes = plus(after.huge_lookups, before.huge_lookups);
    o.huge_hits = plus(after.huge_hits, before.huge_hits);
    o.walks = plus(after.walks, before.walks);
    o.updates = plus(after.updates, before.updates);
    if (t.fault == mmu::FaultReason::NotPresent) o.fault = 'n';
    if (t.fault == mmu::FaultReason::Protection) o.fault = 'p';
    if (t.ok()) {
      const naive::Page* const page = find(address);
      const uint64_t into = address & ((uint64_t{1} << page->size) - 1);
      EXPECT_EQ(t.pfn.value(), page->pfn + (into >> kPage.log2()));
    }
    return o;
  }

  World world_;
  std::unique_ptr<naive::SoftMmu> naive_;
  std::vector<naive::SoftMmu::Table> tables_;
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
    {"ultrasparc_i", "ultrasparc-i", ""},
    {"ultrasparc_iii", "ultrasparc-iii", ""},
    {"one_tsb", "ultrasparc-i",
     "[sparc64]\ntsb = one\n[sparc64.itlb]\nreplacement = random\n[sparc64.dtlb]\nreplacement = "
     "plru\n"},
    {"no_tsb", "ultrasparc-iii",
     "[sparc64]\ntsb = none\n[sparc64.dtlb.set0]\nentries = 32\nindex = xor\nreplacement = used\n"
     "[sparc64.itlb]\nreplacement = fifo\n"},
    {"small", "ultrasparc-i",
     "[sparc64.itlb]\nentries = 8\nways = 8\n[sparc64.dtlb]\nentries = 12\nways = 12\nreplacement "
     "= "
     "random\n[sparc64.tsb]\nphysical = true\n"},
};

class Sparc64MmuDifferential : public ::testing::TestWithParam<Case> {};

TEST_P(Sparc64MmuDifferential, AgreesOnGeneratedStreams) {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    Pair pair(GetParam().machine, GetParam().more);
    Random random(seed);
    std::vector<uint64_t> places;
    for (unsigned i = 0; i < 300; ++i)
      places.push_back(random.below(4) == 0 ? 0x4000'0000 + random.below(uint64_t{1} << 27)
                                            : 0x10'0000 + random.below(uint64_t{1} << 23));
    uint64_t next_pfn = 0x100;
    size_t point = 0;
    for (unsigned i = 0; i < 30'000 && !HasFailure(); ++i) {
      if (random.below(200) == 0) point = random.below(places.size());
      const uint64_t dice = random.below(100);
      const uint64_t reach = dice < 70 ? 8 : dice < 95 ? 60 : places.size();
      const uint64_t va = places[(point + random.below(reach)) % places.size()];
      // Every second 8M above 1G is a huge page.
      const bool huge = va >= 0x4000'0000 && (va >> 23) % 2 == 1;
      const PageShift size = huge ? kHugePage : kPage;
      if (random.below(300) == 0) pair.load(static_cast<unsigned>(random.below(kSpaces)));
      if (random.below(150) == 0) pair.unmap(va);
      if (!huge && random.below(150) == 0)
        if (const naive::Page* const page = pair.find(va))
          pair.map(va, size, page->pfn, kR | (random.below(2) == 0 ? 0u : unsigned{Rights::kExec}),
                   true, true);
      const char kind = dice % 10 < 3 ? 'f' : dice % 10 < 8 ? 'l' : 's';
      if (pair.access(va, kind, false).fault == '-' || random.below(4) == 0) continue;
      next_pfn += huge ? (next_pfn + 0x7ff) / 0x400 * 0x400 - next_pfn : 1;
      pair.map(va, size, next_pfn, kRWX, true, kind == 's' || random.below(2) == 0);
      next_pfn += size.bytes() >> kPage.log2();
      EXPECT_EQ(pair.access(va, kind, true).fault, '-');
    }
    EXPECT_EQ(pair.world().counter("tsb.grown"), 0u);
    EXPECT_GT(pair.world().counter("tsb.walks"), 100u);
    EXPECT_GT(pair.fast_hits(), 1000u);
  }
}

TEST_P(Sparc64MmuDifferential, AgreesOnTheShippedTrace) {
  Pair pair(GetParam().machine, GetParam().more);
  std::unordered_map<uint32_t, unsigned> spaces;
  uint64_t next = 1;
  mmusim::testing::each_reference(
      naive::kReferences, [&](uint32_t pid, uint64_t address, char kind) {
        const uint64_t va = address & ((uint64_t{1} << 43) - 1);
        pair.load(spaces.try_emplace(pid, spaces.size() % kSpaces).first->second);
        const bool huge = (va >> 23) % 4 == 1;
        const PageShift size = huge ? kHugePage : kPage;
        // Of every third page the first store is a protection trap.
        if (pair.find(va) == nullptr) {
          pair.map(va, size, huge ? next << 10 : next, kRWX, true, next % 3 != 0);
          ++next;
        }
        if (pair.access(va, kind, false).fault == '-') return;
        const naive::Page page = *pair.find(va);
        const uint64_t half = huge ? (va & kLargePage.bytes()) >> kPage.log2() : 0;
        pair.map(va, size, page.pfn - half, kRWX, true, true);
        EXPECT_EQ(pair.access(va, kind, true).fault, '-');
      });
  EXPECT_GT(pair.world().counter("tlb.dtlb.misses"), 30u);
  EXPECT_GT(pair.world().counter("fault.protection"), 0u);
  EXPECT_GT(pair.fast_hits(), naive::kReferences / 2u);
}

INSTANTIATE_TEST_SUITE_P(Machines, Sparc64MmuDifferential, ::testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace mmusim::sparc64
