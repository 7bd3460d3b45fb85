#include "arch/x86/tlbs.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "arch/x86/report.h"
#include "arch/x86/steps.h"
#include "base/error.h"
#include "base/units.h"
#include "mmu/summary.h"

namespace mmusim::x86 {
namespace {

constexpr mmu::ShadowSteps kShadowSteps{.fault = kShadowFaultStep,
                                        .lookup = kShadowLookupStep,
                                        .fill = kShadowFillStep,
                                        .join = kShadowJoinStep,
                                        .prefill = kShadowPrefillStep};

Options options_over(Options options, bool direct) {
  options.native_walk = options.native_walk && !direct;
  return options;
}

}  // namespace

Tlbs::Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames,
           mem::ReferenceSink& sink, bool direct)
    : Cpus(frames, sink), options_(options_over(options, direct)) {
  if (!direct && !options_.native_walk)
    maker_.emplace(std::make_unique<EntryFormat>(options_.paging),
                   radix_geometry(options_.paging, options_.gigabyte_pages), k4K, "paging.levels",
                   options_.shadow_prefill, kShadowSteps, frames, sink);
  if ((frames.total_frames() - 1) << k4K.log2() >> options.physical_bits != 0)
    throw UsageError(
        "mem.bytes",
        fmt::format("{} of memory, but page-table entries of this machine hold physical "
                    "addresses of {} bits",
                    format_size(frames.total_frames() << k4K.log2()), options.physical_bits),
        fmt::format("give it {} at most{}", format_size(uint64_t{1} << options.physical_bits),
                    options.physical_bits < options.paging.most_physical_bits()
                        ? ", or raise paging.physical_bits"
                        : ""));
  if (!options_.paging.is_long()) frames.set_high_memory(PhysAddr(kLowmem));
  if (options_.direct_map) direct_map_.emplace(options_, frames, cpus);
  make_cpus(cpus, [&](CpuId id) {
    return std::make_unique<Mmu>(options_, frames, sink, direct_map_ ? &*direct_map_ : nullptr, id);
  });
  for (Cpu& cpu : cpus_)
    cpu.slots.resize(options_.pcid ? options_.pcid_slots : 1);
}

uint64_t Tlbs::generation_of(MmId mm) const {
  const Space* const space = find_space(mm);
  return space == nullptr ? 0 : space->generation;
}

mmu::Shadow* Tlbs::shadow_of(MmId mm) const {
  const Space* const space = find_space(mm);
  return space == nullptr ? nullptr : space->shadow.get();
}

bool Tlbs::prepare_shadow(MmId mm, Space& space, pt::PageTable& table) {
  if (!maker_ || space.shadow != nullptr) return true;
  space.shadow = maker_->make(mm, table);
  return space.shadow != nullptr;
}

// The kernel's part of the tables hardware walks is in its own format, whatever programs' tables
// are: the leaves are copied.
void Tlbs::set_gate(VirtRange range, pt::PageTable& kernel_table) {
  if (!direct_map_) direct_map_.emplace(options_, *frames_, static_cast<unsigned>(cpus_.size()));
  for (VirtAddr page = range.begin; page < range.end; page += k4K.bytes())
    direct_map_->add_user_page(page, kernel_table.peek(page).entry);
  for (Cpu& cpu : cpus_)
    cpu.mmu->set_gate(range, direct_map_->root());
}

bool Tlbs::activate(CpuId id, MmId mm, pt::PageTable& table) {
  Cpu& cpu = this->cpu(id);
  Space& space = spaces_[mm];
  if (!prepare_shadow(mm, space, table)) return false;
  const bool was_idle = std::exchange(cpu.idle, false);
  if (cpu.current == mm) {
    if (was_idle) resume(cpu);
    return true;
  }
  ++counters_.switches;
  cpu.current = mm;
  space.table = &table;
  space.ran_on |= bit_of(cpu);
  const uint64_t generation = space.generation;
  mmu::Shadow* const shadow = space.shadow.get();
  if (options_.paging.is_pae() && shadow == nullptr && !options_.native_walk) populate(space);
  const pt::RootToken root =
      shadow == nullptr ? table.root() : pt::RootToken{.address = shadow->root(), .extra = 0};

  if (!options_.pcid) {
    ++counters_.switches_taken;
    cpu.slots[0] = {mm, generation};
    cpu.mmu->load(root, 0, shadow, &table);
    cpu.mmu->invalidate_non_global();
    return true;
  }

  for (unsigned slot = 0; slot < cpu.slots.size(); ++slot) {
    if (cpu.slots[slot].mm != mm) continue;
    cpu.current_slot = slot;
    cpu.mmu->load(root, pcid_of(slot), shadow, &table);
    if (cpu.slots[slot].generation == generation) {
      ++counters_.switches_kept;
    } else {
      ++counters_.switches_stale;
      ++counters_.pcid_invalidations;
      ++counters_.emptied;
      cpu.mmu->invalidate_pcid(pcid_of(slot));
      cpu.slots[slot].generation = generation;
    }
    return true;
  }

  const unsigned slot = cpu.next_slot;
  cpu.next_slot = (slot + 1) % static_cast<unsigned>(cpu.slots.size());
  cpu.current_slot = slot;
  cpu.slots[slot] = {mm, generation};
  cpu.mmu->load(root, pcid_of(slot), shadow, &table);
  ++counters_.switches_taken;
  ++counters_.pcid_invalidations;
  cpu.mmu->invalidate_pcid(pcid_of(slot));
  return true;
}

void Tlbs::idle(CpuId id) {
  Cpu& cpu = this->cpu(id);
  cpu.idle = cpu.current != mmu::kNobody;
}

void Tlbs::resume(Cpu& cpu) {
  Slots::Slot& slot = cpu.slots[cpu.current_slot];
  const uint64_t generation = generation_of(cpu.current);
  if (slot.generation == generation) return;
  slot.generation = generation;
  ++counters_.idle_caught_up;
  flush_all(*cpu.mmu, pcid_of(cpu.current_slot));
}

void Tlbs::leave(Cpu& cpu) {
  cpu.idle = false;
  Cpus::leave(cpu);
}

// Raises the generation; `action` on each CPU that runs the address space, which thereby catches
// up.
template <class Action>
void Tlbs::flush_now(MmId mm, bool freed_tables, Action action) {
  Space& space = spaces_[mm];
  const uint64_t generation = ++space.generation;
  for (Cpu& cpu : cpus_) {
    const bool here = &cpu == &this->here();
    if (cpu.current == mm) {
      if (cpu.idle && !here && !freed_tables) {
        ++counters_.idle_spared;
        continue;
      }
      if (!here) ++counters_.interrupts;
      if (!cpu.idle || here) {
        action(*cpu.mmu, pcid_of(cpu.current_slot));
        cpu.slots[cpu.current_slot].generation = generation;
        continue;
      }
      ++counters_.idle_left;
      leave(cpu);
    } else if (freed_tables && (space.ran_on & bit_of(cpu)) != 0) {
      space.ran_on &= ~bit_of(cpu);
      if (!here) {
        ++counters_.interrupts;
        ++counters_.strangers;
      }
    }
    if (!options_.pcid) continue;
    for (const Slots::Slot& slot : cpu.slots)
      if (slot.mm == mm) ++counters_.deferred_flushes;
  }
}

void Tlbs::flush_range(MmId mm, VirtRange range, PageShift stride, bool freed_tables,
                       mmu::RangeFlush why) {
  // flush_tlb_range says that tables went, whatever it is called for.
  freed_tables = freed_tables || why == mmu::RangeFlush::Change;
  // Where a copy is walked, its tables are meant.
  purge_copy(shadow_of(mm), range, [&](const pt::Gather& gather) {
    flush_hardware_range(
        mm, range, stride,
        maker_ ? gather.freed_tables() || why == mmu::RangeFlush::Change : freed_tables);
  });
}

void Tlbs::flush_mm(MmId mm) {
  drop_copy(shadow_of(mm),
            [&](const pt::Gather&) { flush_hardware_mm(mm, /*freed_tables=*/true); });
}

bool Tlbs::shrink() {
  return drop_copies(&Space::shadow,
                     [this](MmId mm, Space&) { flush_hardware_mm(mm, /*freed_tables=*/true); });
}

// What an INVLPG takes away for sure of a leaf of that size. Where a copy is walked, the TLBs have
// pages of the hardware's own, of the largest size that is not larger.
PageShift Tlbs::flushed_size(PageShift leaf) const {
  if (!maker_) return leaf;
  const unsigned level = options_.paging.level_of_size(leaf);
  const bool has_it = level < 2 || (options_.paging.is_long() && options_.gigabyte_pages);
  return PageShift(options_.paging.shift(has_it ? level : 1));
}

void Tlbs::flush_hardware_range(MmId mm, VirtRange range, PageShift leaf, bool freed_tables) {
  if (range.empty() && !freed_tables) return;
  const PageShift stride = flushed_size(leaf);
  const VirtAddr begin = align_down(range.begin, leaf);
  const uint64_t pages = range.empty() ? 0 : (align_up(range.end, leaf) - begin) >> stride.log2();
  // Every INVLPG empties the paging-structure caches of its PCID, so that freed tables need nothing
  // more, if there is a page to flush.
  if (pages == 0 || pages > options_.flush_ceiling || pdptes_stale(mm)) {
    flush_hardware_mm(mm, freed_tables);
    return;
  }
  ++counters_.page_flushes;
  flush_now(mm, freed_tables, [&](Mmu& mmu, Pcid) {
    for (uint64_t i = 0; i < pages; ++i)
      mmu.invlpg(begin + (i << stride.log2()));
    counters_.invlpg += pages;
  });
}

void Tlbs::flush_hardware_mm(MmId mm, bool freed_tables) {
  ++counters_.full_flushes;
  flush_now(mm, freed_tables, [&](Mmu& mmu, Pcid pcid) { flush_all(mmu, pcid); });
}

void Tlbs::flush_all(Mmu& mmu, Pcid pcid) {
  ++counters_.pcid_invalidations;
  ++counters_.emptied;
  if (options_.paging.is_pae())
    mmu.reload();
  else
    mmu.invalidate_pcid(pcid);
}

// A directory there is no memory for now comes into being with its first page.
void Tlbs::populate(Space& space) const {
  if (std::exchange(space.populated, true)) return;
  const VirtAddr top = address_layout(options_.paging).top;
  for (VirtAddr va{0}; va < top; va += k1G.bytes())
    static_cast<void>(space.table->ensure(va, k2M));
}

void Tlbs::mop_up(Space& space) const {
  if (!space.populated) return;
  pt::Gather gather;
  space.table->trim({VirtAddr(0), address_layout(options_.paging).top}, VirtAddr(0), VirtAddr(0),
                    gather);
  gather.release_tables();
}

bool Tlbs::pdptes_stale(MmId mm) const {
  return std::any_of(cpus_.begin(), cpus_.end(),
                     [mm](const Cpu& cpu) { return cpu.current == mm && cpu.mmu->pdptes_stale(); });
}

void Tlbs::flush_local_page(CpuId id, MmId mm, VirtAddr va, bool /*code*/) {
  Cpu& cpu = this->cpu(id);
  if (cpu.current == mm) cpu.mmu->invalidate_faulting(va);
}

std::optional<Tlbs::KnownTable> Tlbs::known_table(PhysAddr address, uint64_t bytes) const {
  std::optional<KnownTable> known;
  for (const Cpu& cpu : cpus_)
    cpu.mmu->for_each_known_table([&](Pcid pcid, VirtAddr base, PhysAddr table) {
      const MmId mm = user_of_pcid(cpu, pcid);
      if (mm != mmu::kNobody && table - address < bytes) known = {mm, base};
    });
  return known;
}

void Tlbs::table_freed(PhysAddr address, uint64_t bytes) {
  if (!options_.native_walk) return;
  while (const auto known = known_table(address, bytes)) {
    ++counters_.replaced_tables;
    flush_hardware_range(known->mm, {known->base, known->base + k4K.bytes()}, k4K,
                         /*freed_tables=*/true);
  }
}

void Tlbs::forget(MmId mm) {
  // The last flush freed all tables: a CPU it spared is interrupted after all.
  for (const Cpu& cpu : cpus_)
    if (cpu.current == mm && cpu.idle && &cpu != &here() &&
        cpu.slots[cpu.current_slot].generation != generation_of(mm)) {
      ++counters_.interrupts;
      ++counters_.idle_left;
    }
  Cpus::forget(mm);
}

void Tlbs::release(MmId mm, Space& space) {
  for (Cpu& cpu : cpus_) {
    if (cpu.current == mmu::kNobody) cpu.idle = false;
    for (Slots::Slot& slot : cpu.slots)
      if (slot.mm == mm) slot = {};
  }
  mop_up(space);
}

MmId Tlbs::user_of_pcid(const Cpu& cpu, Pcid pcid) const {
  if (!options_.pcid && cpu.current == mmu::kNobody) return mmu::kNobody;
  if (options_.pcid && (pcid == 0 || pcid > cpu.slots.size())) return mmu::kNobody;
  const Slots::Slot& slot = cpu.slots[options_.pcid ? pcid - 1u : 0u];
  if (slot.mm == mmu::kNobody || slot.generation != generation_of(slot.mm)) return mmu::kNobody;
  return slot.mm;
}

// A global entry is of whoever runs.
std::optional<MmId> Tlbs::user_of(const Cpu& cpu, const tlb::EntryView& entry) const {
  if (direct_map_ && direct_map_->is_kernels(entry.base)) return std::nullopt;
  const MmId mm =
      entry.payload.global ? cpu.current : user_of_pcid(cpu, static_cast<Pcid>(entry.space));
  if (mm == mmu::kNobody) return std::nullopt;
  return mm;
}

void Tlbs::for_each_copied(MmId mm, const TranslationVisit& visit) const {
  spaces_.at(mm).shadow->for_each([&](VirtAddr base, PageShift size, Pfn pfn, Rights rights) {
    visit({.cpu = CpuId(0),
           .mm = mm,
           .base = base,
           .size = size,
           .pfn = pfn,
           .rights = rights,
           .where = "shadow"});
  });
}

bool Tlbs::walk_caches_reach(PhysAddr address, uint64_t bytes) const {
  bool reach = false;
  for (const Cpu& cpu : cpus_)
    cpu.mmu->for_each_walk_cache_entry([&](Pcid pcid, PhysAddr table) {
      if (user_of_pcid(cpu, pcid) != mmu::kNobody && table - address < bytes) reach = true;
    });
  return reach;
}

mmu::Summary Tlbs::summary() const {
  const mmu::ShadowCounters shadows = maker_ ? maker_->counters() : mmu::ShadowCounters{};
  mmu::Summary summary = summary_of(options_.levels(), options_.tlb, steps(options_));
  const Mmu::Counters sum = counters();
  summary.hardware_walks = walks_of(sum);
  if (shadows.copies.peak_bytes != 0) {
    summary.soft_lookups = summary.hardware_walks;
    summary.soft_hits = summary.hardware_walks - sum.refused;
  }
  summary.soft_bytes = shadows.copies.peak_bytes;
  summary.flushes = counters_.page_flushes + counters_.full_flushes;
  summary.flushed_pages = counters_.invlpg;
  summary.emptied = counters_.emptied;
  summary.interrupts = counters_.interrupts;
  return summary;
}

void Tlbs::report(stats::Report& report) const {
  const Mmu::Counters sum = counters();
  mmu::report_summary(summary(), *sink_, report);
  paths(steps(options_)).report(report);
  report_mmu(options_, sum, report);
  stats::report<FlushCounts>(counters_, report);
  if (options_.native_walk) stats::report<NativeFlushCounts>(counters_, report);
  if (options_.paging.is_pae() && !options_.native_walk)
    report.add("flush.pdpte_reloads", sum.pdpte_reloads, "events",
               "Times CR3 was loaded again because the kernel had changed a PDPTE.");
  if (cpus_.size() > 1) stats::report<IdleCounts>(counters_, report);
  (maker_ ? maker_->counters() : mmu::ShadowCounters{}).report(report);
}

}  // namespace mmusim::x86
