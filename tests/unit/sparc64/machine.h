// A sun4u machine small enough to work out by hand: TLBs from a few lines of configuration, and
// page tables of any backend with leaves put in one by one.
#ifndef MMUSIM_TESTS_UNIT_SPARC64_MACHINE_H_
#define MMUSIM_TESTS_UNIT_SPARC64_MACHINE_H_

#include <cstdint>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "arch/sparc64/architecture.h"
#include "base/error.h"
#include "config/schema.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"

namespace mmusim::sparc64::testing {

inline constexpr unsigned kR = Rights::kRead | Rights::kUser;
inline constexpr unsigned kRW = kR | Rights::kWrite;
inline constexpr unsigned kRX = kR | Rights::kExec;

class World {
 public:
  // `text`: INI; what is not said has the defaults. `backend`: of the kernel's page tables.
  explicit World(const std::string& text = "", const std::string& backend = "mlpt",
                 unsigned cpus = 1) {
    mem::FrameMemory::declare(schema_);
    mem::ReferenceSink::declare(schema_);
    declare(schema_);
    for (const pt::Backend& b : pt::backends())
      b.declare(schema_);
    config_ = std::make_unique<config::Config>(schema_);
    config_->load_text("[mem]\nbytes = 64M\n", "world.cfg");
    config_->load_text(text, "test.cfg");
    options_ = read_options(*config_);
    frames_ = std::make_unique<mem::FrameMemory>(*config_, kPage);
    sink_ = std::make_unique<mem::ReferenceSink>(*config_);
    allocator_ = std::make_unique<pt::TableAllocator>(*frames_);
    for (const pt::Backend& b : pt::backends())
      if (backend == b.name)
        factory_ = b.make(*config_, {.sink = sink_.get(),
                                     .allocator = allocator_.get(),
                                     .format = &format_,
                                     .geometry = Architecture::geometry(options_),
                                     .page = kPage});
    tlbs_ = std::make_unique<Tlbs>(options_, cpus, *frames_, *sink_);
    for (uint64_t id = 0; id < 3; ++id)
      tables_.push_back(factory_->create(MmId(id)));
    run(0);
  }

  void run(uint64_t mm, uint32_t cpu = 0) { tlbs_->activate(CpuId(cpu), MmId(mm), *tables_[mm]); }
  void map(VirtAddr va, uint64_t pfn, unsigned rights, bool used = true, unsigned mm = 0,
           PageShift size = kPage) {
    const pt::Slot slot = tables_[mm]->ensure(va, size);
    ASSERT_EQ(slot.status, pt::Status::Ok);
    const pt::Entry leaf = format_.make_leaf(
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
  Mmu& mmu(uint32_t cpu = 0) { return tlbs_->mmu(CpuId(cpu)); }
  Tlbs& tlbs() { return *tlbs_; }
  mem::FrameMemory& frames() { return *frames_; }
  mem::ReferenceSink& sink() { return *sink_; }
  pt::PageTable& table(unsigned mm = 0) { return *tables_[mm]; }
  const EntryFormat& format() const { return format_; }
  pt::TableAllocator& allocator() { return *allocator_; }

  uint64_t counter(const std::string& name) {
    stats::Report report;
    tlbs_->report(report);
    return report.value(name);
  }
  uint64_t reads(mem::Origin origin) const { return sum(origin, false); }
  uint64_t writes(mem::Origin origin) const { return sum(origin, true); }
  // Everything a TLB or a TSB can still give, as base -> frame.
  std::map<uint64_t, uint64_t> reachable() {
    std::map<uint64_t, uint64_t> all;
    tlbs_->for_each_entry(
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
  Options options_;
  EntryFormat format_;
  std::unique_ptr<mem::FrameMemory> frames_;
  std::unique_ptr<mem::ReferenceSink> sink_;
  std::unique_ptr<pt::TableAllocator> allocator_;
  std::unique_ptr<pt::Factory> factory_;
  std::unique_ptr<Tlbs> tlbs_;
  std::vector<std::unique_ptr<pt::PageTable>> tables_;
};

// What an action adds to the counters.
struct Cost {
  uint64_t instructions = 0;
  uint64_t traps = 0;
  uint64_t handler_reads = 0;
  uint64_t handler_writes = 0;
  bool operator==(const Cost&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Cost& c) {
    return out << c.instructions << " instructions, " << c.traps << " traps, handler reads "
               << c.handler_reads << " and writes " << c.handler_writes;
  }
};

template <class Action>
Cost cost_of(World& world, Action action) {
  const auto now = [&] {
    return Cost{world.mmu().path().instructions(), world.mmu().path().traps(),
                world.reads(mem::Origin::Handler), world.writes(mem::Origin::Handler)};
  };
  const Cost before = now();
  action();
  const Cost after = now();
  return {after.instructions - before.instructions, after.traps - before.traps,
          after.handler_reads - before.handler_reads, after.handler_writes - before.handler_writes};
}

}  // namespace mmusim::sparc64::testing

#endif  // MMUSIM_TESTS_UNIT_SPARC64_MACHINE_H_
