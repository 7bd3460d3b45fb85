// A machine of one architecture small enough to work out by hand: TLBs from a few lines of
// configuration, and page tables of any backend with leaves put in one by one.
#ifndef MMUSIM_TESTS_UNIT_ARCH_WORLD_H_
#define MMUSIM_TESTS_UNIT_ARCH_WORLD_H_

#include <algorithm>
#include <cstdint>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "base/types.h"
#include "config/schema.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/miss_path.h"
#include "mmu/mmu.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"
#include "stats/report.h"

namespace mmusim::testing {

inline constexpr unsigned kR = Rights::kRead | Rights::kUser;
inline constexpr unsigned kRW = kR | Rights::kWrite;
inline constexpr unsigned kRX = kR | Rights::kExec;

template <class Arch>
class ArchWorld {
 public:
  // `defaults`, `text`: INI; what neither says has the schema's defaults. `backend`: of the
  // kernel's page tables.
  ArchWorld(const std::string& defaults, const std::string& text, const std::string& backend,
            unsigned cpus) {
    mem::FrameMemory::declare(schema_);
    mem::ReferenceSink::declare(schema_);
    Arch::declare(schema_);
    for (const pt::Backend& b : pt::backends())
      b.declare(schema_);
    config_ = std::make_unique<config::Config>(schema_);
    config_->load_text(defaults, "world.cfg");
    config_->load_text(text, "test.cfg");
    options_ = Arch::read_options(*config_);
    format_ = std::make_unique<typename Arch::Format>(Arch::format(options_));
    const PageShift page = Arch::layout(options_).page;
    frames_ = std::make_unique<mem::FrameMemory>(*config_, page);
    sink_ = std::make_unique<mem::ReferenceSink>(*config_);
    allocator_ = std::make_unique<pt::TableAllocator>(*frames_);
    for (const pt::Backend& b : pt::backends())
      if (backend == b.name)
        factory_ =
            b.make(*config_, {.sink = sink_.get(),
                              .allocator = allocator_.get(),
                              .format = format_.get(),
                              .geometry = Arch::geometry(options_),
                              .page = page,
                              .leaf_sizes = pt::leaf_sizes_of(Arch::geometry(options_), page),
                              .architecture = Arch::kName});
    const pt::RadixGeometry* walkable = factory_->hardware_walkable();
    tlbs_ = std::make_unique<typename Arch::Tlbs>(
        options_, cpus, *frames_, *sink_,
        walkable != nullptr && *walkable == Arch::geometry(options_));
    allocator_->before_reuse(
        [this](PhysAddr address, uint64_t bytes) { tlbs_->table_freed(address, bytes); });
    for (uint64_t id = 0; id < 3; ++id)
      tables_.push_back(factory_->create(MmId(id)));
    run(0);
  }

  // The kernel works on that CPU from then on.
  void run(uint64_t mm, uint32_t cpu = 0) {
    tlbs_->work_on(CpuId(cpu));
    tlbs_->activate(CpuId(cpu), MmId(mm), *tables_[mm]);
    running_[cpu] = mm;
    for (uint64_t id = 0; id < tables_.size(); ++id) {
      const auto runs = [id](const auto& one) { return one.second == id; };
      const bool shared = std::count_if(running_.begin(), running_.end(), runs) > 1;
      if (shared != shared_.contains(id)) tlbs_->shared(MmId(id), shared);
      if (shared)
        shared_.insert(id);
      else
        shared_.erase(id);
    }
  }
  void map(VirtAddr va, uint64_t pfn, unsigned rights, bool used = true, unsigned mm = 0,
           std::optional<PageShift> of_size = std::nullopt) {
    const PageShift size = of_size.value_or(frames_->page());
    const pt::Slot slot = tables_[mm]->ensure(va, size);
    ASSERT_EQ(slot.status, pt::Status::Ok);
    const pt::Entry leaf = format_->make_leaf(
        {.pfn = Pfn(pfn), .size = size, .rights = Rights(rights), .accessed = used, .dirty = used});
    ASSERT_EQ(tables_[mm]->install(slot.handle, slot.entry, leaf), pt::Status::Ok);
  }
  void unmap(VirtAddr va, unsigned mm = 0) {
    const pt::Lookup there = tables_[mm]->peek(va);
    pt::Entry old = pt::kNone;
    ASSERT_EQ(tables_[mm]->clear(there.handle, old), pt::Status::Ok);
  }
  mmu::Translation access(VirtAddr va, AccessKind kind, bool retry = false, uint32_t cpu = 0) {
    return mmu(cpu).access(va, kind, retry);
  }
  typename Arch::Cpu& mmu(uint32_t cpu = 0) { return tlbs_->mmu(CpuId(cpu)); }
  typename Arch::Tlbs& tlbs() { return *tlbs_; }
  mem::FrameMemory& frames() { return *frames_; }
  mem::ReferenceSink& sink() { return *sink_; }
  pt::PageTable& table(unsigned mm = 0) { return *tables_[mm]; }
  const typename Arch::Format& format() const { return *format_; }
  pt::TableAllocator& allocator() { return *allocator_; }

  uint64_t counter(const std::string& name) {
    stats::Report report;
    tlbs_->report(report);
    return report.value(name);
  }
  uint64_t reads(mem::Origin origin) const { return sum(origin, false); }
  uint64_t writes(mem::Origin origin) const { return sum(origin, true); }
  // Everything TLBs, hardware's and software's, can still give, as base -> frame.
  std::map<uint64_t, uint64_t> reachable() {
    std::map<uint64_t, uint64_t> all;
    tlbs_->for_each_translation(
        [&](const mmu::CachedTranslation& t) { all[t.base.value()] = t.pfn.value(); });
    return all;
  }

 private:
  [[nodiscard]] uint64_t sum(mem::Origin origin, bool write) const {
    uint64_t sum = 0;
    for (unsigned level = 0; level < mem::kMaxLevels; ++level)
      sum += sink_->count(origin, level, write);
    return sum;
  }

  config::Schema schema_;
  std::unique_ptr<config::Config> config_;
  typename Arch::Options options_;
  std::unique_ptr<typename Arch::Format> format_;
  std::unique_ptr<mem::FrameMemory> frames_;
  std::unique_ptr<mem::ReferenceSink> sink_;
  std::unique_ptr<pt::TableAllocator> allocator_;
  std::unique_ptr<pt::Factory> factory_;
  std::unique_ptr<typename Arch::Tlbs> tlbs_;
  std::vector<std::unique_ptr<pt::PageTable>> tables_;
  std::map<uint32_t, uint64_t> running_;  // address space, by CPU
  std::set<uint64_t> shared_;             // those that run on several
};

// What an action adds to the counters; entries of page faults included.
struct Cost {
  uint64_t instructions = 0;
  uint64_t traps = 0;
  uint64_t walker_reads = 0;
  uint64_t handler_reads = 0;
  uint64_t handler_writes = 0;
  bool operator==(const Cost&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Cost& c) {
    return out << c.instructions << " instructions, " << c.traps << " traps, walker reads "
               << c.walker_reads << ", handler reads " << c.handler_reads << " and writes "
               << c.handler_writes;
  }
};

template <class World, class Action>
Cost cost_of(World& world, Action action) {
  const auto now = [&] {
    const mmu::MissPath& path = world.mmu().path();
    return Cost{path.instructions() + path.instructions(/*of_faults=*/true),
                path.traps() + path.traps(/*of_faults=*/true), world.reads(mem::Origin::Walker),
                world.reads(mem::Origin::Handler), world.writes(mem::Origin::Handler)};
  };
  const Cost before = now();
  action();
  const Cost after = now();
  return {after.instructions - before.instructions, after.traps - before.traps,
          after.walker_reads - before.walker_reads, after.handler_reads - before.handler_reads,
          after.handler_writes - before.handler_writes};
}

}  // namespace mmusim::testing

#endif  // MMUSIM_TESTS_UNIT_ARCH_WORLD_H_
