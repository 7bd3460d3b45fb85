// All CPUs of a machine, with the address space each runs, and all address spaces that have run:
// what every architecture's TlbMaintenance is made of. An architecture derives its Tlbs from
// Cpus<...> and writes how address spaces are numbered and loaded, and how flushes are carried out.
//
// Mmu: of one CPU, derived from mmu::Cpu. Space: what is kept of an address space, derived from
// mmu::Space. More: what is kept of a CPU, beside its Mmu and what it runs. All outlive the members
// of who derives; what Spaces hold and needs something of the machine's is made by Space::Maker,
// which outlives them.
//
// Not thread-safe.
#ifndef MMUSIM_MMU_CPUS_H_
#define MMUSIM_MMU_CPUS_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/levels.h"
#include "mmu/miss_path.h"
#include "mmu/mmu.h"
#include "mmu/numbers.h"
#include "mmu/summary.h"
#include "pt/gather.h"
#include "pt/page_table.h"
#include "tlb/level.h"

namespace mmusim::mmu {

struct NothingMore {};

struct Space {
  using Maker = NothingMore;       // of copies of page tables, for example; where there are any
  pt::PageTable* table = nullptr;  // null: has not run yet
  uint64_t ran_on = 0;             // CPUs, a bit each; since when, the architecture says
  bool shared = false;             // by several threads (TlbMaintenance::shared)
};

// Memory for handlers' code or data, for as long as the machine lasts. Errors: Error when there is
// none, naming `whose`.
PhysAddr reserve(mem::FrameMemory& frames, uint64_t bytes, const char* whose);

template <class MmuT, class SpaceT = Space, class More = NothingMore>
class Cpus : public TlbMaintenance {
 public:
  [[nodiscard]] MmuT& mmu(CpuId cpu) { return *cpus_[cpu.value()].mmu; }

  void shared(MmId mm, bool more_than_one) override { spaces_[mm].shared = more_than_one; }
  void forget(MmId mm) override {
    for (Cpu& cpu : cpus_)
      if (cpu.current == mm) leave(cpu);
    const auto found = spaces_.find(mm);
    if (found == spaces_.end()) return;
    release(mm, found->second);
    spaces_.erase(found);
  }

  void for_each_entry(const TranslationVisit& visit) const override {
    for_each_usable([&](CpuId cpu, MmId mm, const char* where, const tlb::EntryView& entry) {
      if (!maps_table(entry.payload)) visit(translation(cpu, mm, where, entry));
    });
  }
  [[nodiscard]] std::vector<TlbMaintenance::SizeFills> fills_by_size() const override {
    std::map<PageShift, uint64_t> fills;
    for (const Cpu& cpu : cpus_)
      cpu.mmu->for_each_size([&](PageShift size, uint64_t count) { fills[size] += count; });
    std::vector<TlbMaintenance::SizeFills> all;
    all.reserve(fills.size());
    for (const auto& [size, count] : fills)
      all.push_back({size, count});
    return all;
  }
  [[nodiscard]] bool walk_caches_reach(PhysAddr address, uint64_t bytes) const override {
    bool reach = false;
    for_each_usable([&](CpuId, MmId, const char*, const tlb::EntryView& entry) {
      if (!maps_table(entry.payload)) return;
      const PhysAddr table = frames_->address_of(entry.payload.pfn);
      reach = reach || table - address < bytes || address - table < frames_->page().bytes();
    });
    return reach;
  }

 protected:
  struct Cpu : More {
    std::unique_ptr<MmuT> mmu;
    MmId current = kNobody;
  };

  // Both must outlive it.
  Cpus(mem::FrameMemory& frames, mem::ReferenceSink& sink) : frames_(&frames), sink_(&sink) {}
  // Once, by the constructor of who derives. make: (CpuId) -> std::unique_ptr<MmuT>. REQUIRES:
  // count is 1 to kMostCpus.
  template <class Make>
  void make_cpus(unsigned count, Make make) {
    MMUSIM_ASSERT(count > 0 && count <= kMostCpus);
    cpus_.resize(count);
    for (uint32_t id = 0; id < count; ++id)
      cpus_[id].mmu = make(CpuId(id));
  }

  void for_each_last_entry(CpuId id, const TlbMaintenance::SizeVisit& visit) const override {
    const Cpu& cpu = cpus_[id.value()];
    cpu.mmu->for_each_last_entry([&](const tlb::EntryView& entry) {
      const auto mm = user_of(cpu, entry);
      if (mm && *mm != kNobody && !maps_table(entry.payload)) visit(entry.payload.size);
    });
  }

  // --- For who derives to say
  // What an address space that has died had, but for CPUs: these have left it by now.
  virtual void release(MmId /*mm*/, SpaceT& /*space*/) {}
  // Whose an entry is that the CPU could still use: kNobody's, if nobody has its number. Nothing:
  // it cannot be used, or is the kernel's own.
  [[nodiscard]] virtual std::optional<MmId> user_of(const Cpu& cpu,
                                                    const tlb::EntryView& entry) const = 0;
  // Whether the entry maps a page of a page table, which is walked through it: a walk cache.
  [[nodiscard]] virtual bool maps_table(const tlb::Payload& /*entry*/) const { return false; }

  // --- CPUs
  [[nodiscard]] Cpu& cpu(CpuId id) {
    MMUSIM_ASSERT(id.value() < cpus_.size());
    return cpus_[id.value()];
  }
  [[nodiscard]] size_t number_of(const Cpu& cpu) const {
    return static_cast<size_t>(&cpu - cpus_.data());
  }
  // Who asks for the flush.
  [[nodiscard]] Cpu& here() { return cpus_[asker().value()]; }
  [[nodiscard]] static uint64_t bit_of(size_t cpu) { return uint64_t{1} << cpu; }
  [[nodiscard]] uint64_t bit_of(const Cpu& cpu) const { return bit_of(number_of(cpu)); }
  [[nodiscard]] uint64_t asker_bit() const { return bit_of(asker().value()); }
  // How many of these CPUs must be interrupted, as they are not the asker's.
  [[nodiscard]] uint64_t others(uint64_t cpus) const {
    return static_cast<uint64_t>(std::popcount(cpus & ~asker_bit()));
  }
  static constexpr uint64_t kAllCpus = ~uint64_t{0};
  // action(Cpu&), on each of these CPUs.
  template <class Action>
  void on_each(uint64_t cpus, Action action) {
    for (size_t id = 0; id < cpus_.size(); ++id)
      if ((cpus & bit_of(id)) != 0) action(cpus_[id]);
  }
  void leave(Cpu& cpu) {
    cpu.current = kNobody;
    cpu.mmu->unload();
  }

  // --- Address spaces
  // Null: it has never run, nor was anything else told of it.
  [[nodiscard]] SpaceT* find_space(MmId mm) {
    const auto found = spaces_.find(mm);
    return found == spaces_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const SpaceT* find_space(MmId mm) const {
    const auto found = spaces_.find(mm);
    return found == spaces_.end() ? nullptr : &found->second;
  }
  // Whether some CPU has it loaded.
  [[nodiscard]] bool is_loaded(MmId mm) const {
    return std::any_of(cpus_.begin(), cpus_.end(),
                       [mm](const Cpu& cpu) { return cpu.current == mm; });
  }
  // Whether nobody but the asker's thread can be running in it.
  [[nodiscard]] bool only_here(MmId mm) const {
    return cpus_[asker().value()].current == mm && !spaces_.at(mm).shared;
  }

  // --- Copies of page tables (table_copy.h, shadow.h), where each Space has one or none.
  template <class Copy>
  [[nodiscard]] std::vector<MmId> with_copy(std::unique_ptr<Copy> SpaceT::*copy) const {
    std::vector<MmId> all;
    for (const auto& [mm, space] : spaces_)
      if (space.*copy != nullptr) all.push_back(mm);
    return all;
  }
  // Where there is a copy (else null), what is in `range` goes out of it, or all; then
  // flush(gather) of the hardware's TLBs, and only then are the tables that were emptied freed.
  template <class Copy, class Flush>
  static void purge_copy(Copy* copy, VirtRange range, Flush flush) {
    pt::Gather gather;
    if (copy != nullptr) copy->purge(range, gather);
    flush(gather);
    gather.release_tables();
  }
  template <class Copy, class Flush>
  static void drop_copy(Copy* copy, Flush flush) {
    pt::Gather gather;
    if (copy != nullptr) copy->drop(gather);
    flush(gather);
    gather.release_tables();
  }
  // shrink(): all are emptied; their roots go too, but those a CPU has loaded. flush(mm, space)
  // before their memory is used again. Whether that was any memory.
  template <class Copy, class Flush>
  bool drop_copies(std::unique_ptr<Copy> SpaceT::*copy, Flush flush) {
    bool gave = false;
    for (auto& [mm, space] : spaces_) {
      if (space.*copy == nullptr) continue;
      const bool loaded = is_loaded(mm);
      pt::Gather gather;
      (space.*copy)->drop(gather);
      if (gather.freed_tables() || !loaded) {
        gave = true;
        flush(mm, space);
      }
      gather.release_tables();
      if (!loaded) (space.*copy).reset();
    }
    return gave;
  }

  // --- For checks and reports
  [[nodiscard]] static CachedTranslation translation(CpuId cpu, MmId mm, const char* where,
                                                     const tlb::EntryView& entry) {
    return {.cpu = cpu,
            .mm = mm,
            .base = entry.base,
            .size = entry.payload.size,
            .pfn = entry.payload.pfn,
            .rights = entry.payload.rights,
            .where = where};
  }
  // Of all CPUs.
  [[nodiscard]] typename MmuT::Counters counters() const {
    typename MmuT::Counters sum;
    for (const Cpu& cpu : cpus_)
      sum.add(cpu.mmu->counters());
    return sum;
  }
  [[nodiscard]] PathReport paths(std::span<const Step> steps) const {
    PathReport paths(steps);
    for (const Cpu& cpu : cpus_)
      paths.add(cpu.mmu->path());
    return paths;
  }
  // What all architectures count, as far as levels and miss paths tell; the rest is to be added.
  [[nodiscard]] Summary summary_of(std::span<const LevelDecl> levels, const Arrays& arrays,
                                   std::span<const Step> steps) const {
    Summary summary = mmu::summary_of(levels, arrays, counters(), paths(steps));
    summary.cpus = static_cast<unsigned>(cpus_.size());
    return summary;
  }

  mem::FrameMemory* frames_;
  mem::ReferenceSink* sink_;
  std::vector<Cpu> cpus_;
  std::optional<typename SpaceT::Maker> maker_;  // nothing: this machine needs none
  std::map<MmId, SpaceT> spaces_;

 private:
  template <class Visit>
  void for_each_usable(Visit visit) const {
    for (uint32_t id = 0; id < cpus_.size(); ++id)
      cpus_[id].mmu->for_each_entry([&](const char* where, const tlb::EntryView& entry) {
        if (const auto mm = user_of(cpus_[id], entry)) visit(CpuId(id), *mm, where, entry);
      });
  }
};

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_CPUS_H_
