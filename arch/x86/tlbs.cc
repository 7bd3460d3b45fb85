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
    : options_(options_over(options, direct)),
      format_(options_.paging),
      frames_(&frames),
      sink_(&sink),
      shadow_maker_(direct || options_.native_walk
                        ? nullptr
                        : std::make_unique<mmu::Shadows>(
                              format_, radix_geometry(options_.paging, options_.gigabyte_pages),
                              k4K, "paging.levels", options_.shadow_prefill, kShadowSteps, frames,
                              sink)),
      cpus_(cpus) {
  MMUSIM_ASSERT(cpus > 0);
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
  for (uint32_t id = 0; id < cpus; ++id) {
    Cpu& cpu = cpus_[id];
    cpu.mmu = std::make_unique<Mmu>(options_, frames, sink, direct_map_ ? &*direct_map_ : nullptr,
                                    CpuId(id));
    cpu.slots.resize(options_.pcid ? options_.pcid_slots : 1);
  }
}

uint64_t Tlbs::generation_of(MmId mm) const {
  const auto found = generations_.find(mm);
  return found == generations_.end() ? 0 : found->second;
}

bool Tlbs::prepare_shadow(MmId mm, pt::PageTable& table) {
  if (shadow_maker_ == nullptr || shadows_.contains(mm)) return true;
  auto made = shadow_maker_->make(mm, table);
  if (made == nullptr) return false;
  shadows_.emplace(mm, std::move(made));
  return true;
}

// The kernel's part of the tables hardware walks is in its own format, whatever programs' tables
// are: the leaves are copied.
void Tlbs::set_gate(VirtRange range, pt::PageTable& kernel_table) {
  if (!direct_map_) direct_map_.emplace(options_, *frames_, cpus());
  for (VirtAddr page = range.begin; page < range.end; page += k4K.bytes())
    direct_map_->add_user_page(page, kernel_table.peek(page).entry);
  for (Cpu& cpu : cpus_)
    cpu.mmu->set_gate(range, direct_map_->root());
}

bool Tlbs::activate(CpuId id, MmId mm, pt::PageTable& table) {
  MMUSIM_ASSERT(id.value() < cpus_.size());
  if (!prepare_shadow(mm, table)) return false;
  Cpu& cpu = cpus_[id.value()];
  const bool was_idle = std::exchange(cpu.idle, false);
  if (cpu.current == mm) {
    if (was_idle) resume(cpu);
    return true;
  }
  ++counters_.switches;
  cpu.current = mm;
  std::vector<bool>& mask = masks_[mm];
  mask.resize(cpus_.size());
  mask[id.value()] = true;
  const uint64_t generation = generation_of(mm);
  const auto found = shadows_.find(mm);
  mmu::Shadow* const shadow = found == shadows_.end() ? nullptr : found->second.get();
  if (options_.paging.is_pae() && shadow == nullptr && !options_.native_walk) populate(mm, table);
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
  MMUSIM_ASSERT(id.value() < cpus_.size());
  Cpu& cpu = cpus_[id.value()];
  cpu.idle = cpu.current != kNobody;
}

void Tlbs::resume(Cpu& cpu) {
  Slot& slot = cpu.slots[cpu.current_slot];
  const uint64_t generation = generation_of(cpu.current);
  if (slot.generation == generation) return;
  slot.generation = generation;
  ++counters_.idle_caught_up;
  flush_all(*cpu.mmu, pcid_of(cpu.current_slot));
}

void Tlbs::leave(Cpu& cpu) {
  cpu.current = kNobody;
  cpu.idle = false;
  cpu.mmu->unload();
}

// Raises the generation; `action` on each CPU that runs the address space, which thereby catches
// up.
template <class Action>
void Tlbs::flush_now(MmId mm, bool freed_tables, Action action) {
  const uint64_t generation = ++generations_[mm];
  const auto mask = masks_.find(mm);
  for (size_t id = 0; id < cpus_.size(); ++id) {
    Cpu& cpu = cpus_[id];
    if (cpu.current == mm) {
      const bool here = id == asker().value();
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
    } else if (freed_tables && mask != masks_.end() && mask->second[id]) {
      mask->second[id] = false;
      if (id != asker().value()) {
        ++counters_.interrupts;
        ++counters_.strangers;
      }
    }
    if (!options_.pcid) continue;
    for (const Slot& slot : cpu.slots)
      if (slot.mm == mm) ++counters_.deferred_flushes;
  }
}

void Tlbs::flush_range(MmId mm, VirtRange range, PageShift stride, bool freed_tables,
                       mmu::RangeFlush why) {
  // flush_tlb_range says that tables went, whatever it is called for.
  freed_tables = freed_tables || why == mmu::RangeFlush::Change;
  if (shadow_maker_ == nullptr) {
    flush_hardware_range(mm, range, stride, freed_tables);
    return;
  }
  pt::Gather gather;
  const auto shadow = shadows_.find(mm);
  if (shadow != shadows_.end()) shadow->second->purge(range, gather);
  flush_hardware_range(mm, range, stride, gather.freed_tables() || why == mmu::RangeFlush::Change);
  gather.release_tables();
}

void Tlbs::flush_mm(MmId mm) {
  pt::Gather gather;
  const auto shadow = shadows_.find(mm);
  if (shadow != shadows_.end()) shadow->second->drop(gather);
  flush_hardware_mm(mm, /*freed_tables=*/true);
  gather.release_tables();
}

// Roots go too, but those a CPU has loaded.
bool Tlbs::shrink() {
  bool gave = false;
  for (auto it = shadows_.begin(); it != shadows_.end();) {
    const auto& [mm, shadow] = *it;
    pt::Gather gather;
    shadow->drop(gather);
    const bool loaded = std::any_of(cpus_.begin(), cpus_.end(),
                                    [mm = mm](const Cpu& cpu) { return cpu.current == mm; });
    if (gather.freed_tables() || !loaded) flush_hardware_mm(mm, /*freed_tables=*/true);
    gave = gave || gather.freed_tables() || !loaded;
    gather.release_tables();
    it = loaded ? std::next(it) : shadows_.erase(it);
  }
  return gave;
}

void Tlbs::flush_hardware_range(MmId mm, VirtRange range, PageShift stride, bool freed_tables) {
  if (range.empty() && !freed_tables) return;
  const VirtAddr begin = align_down(range.begin, stride);
  const uint64_t pages = range.empty() ? 0 : (align_up(range.end, stride) - begin) >> stride.log2();
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
void Tlbs::populate(MmId mm, pt::PageTable& table) {
  if (!populated_.emplace(mm, &table).second) return;
  const VirtAddr top = address_layout(options_.paging).top;
  for (VirtAddr va{0}; va < top; va += k1G.bytes())
    static_cast<void>(table.ensure(va, k2M));
}

void Tlbs::mop_up(MmId mm) {
  const auto populated = populated_.find(mm);
  if (populated == populated_.end()) return;
  pt::Gather gather;
  populated->second->trim({VirtAddr(0), address_layout(options_.paging).top}, VirtAddr(0),
                          VirtAddr(0), gather);
  gather.release_tables();
  populated_.erase(populated);
}

bool Tlbs::pdptes_stale(MmId mm) const {
  return std::any_of(cpus_.begin(), cpus_.end(),
                     [mm](const Cpu& cpu) { return cpu.current == mm && cpu.mmu->pdptes_stale(); });
}

void Tlbs::flush_local_page(CpuId id, MmId mm, VirtAddr va, bool /*code*/) {
  MMUSIM_ASSERT(id.value() < cpus_.size());
  Cpu& cpu = cpus_[id.value()];
  if (cpu.current == mm) cpu.mmu->invalidate_faulting(va);
}

std::optional<Tlbs::KnownTable> Tlbs::known_table(PhysAddr address, uint64_t bytes) const {
  std::optional<KnownTable> known;
  for (const Cpu& cpu : cpus_)
    cpu.mmu->for_each_known_table([&](Pcid pcid, VirtAddr base, PhysAddr table) {
      const MmId mm = user_of(cpu, pcid);
      if (mm != kNobody && table - address < bytes) known = {mm, base};
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
  for (size_t id = 0; id < cpus_.size(); ++id) {
    Cpu& cpu = cpus_[id];
    if (cpu.current == mm) {
      // The last flush freed all tables: a CPU it spared is interrupted after all.
      const bool behind = cpu.slots[cpu.current_slot].generation != generation_of(mm);
      if (cpu.idle && behind && id != asker().value()) {
        ++counters_.interrupts;
        ++counters_.idle_left;
      }
      leave(cpu);
    }
    for (Slot& slot : cpu.slots)
      if (slot.mm == mm) slot = {};
  }
  generations_.erase(mm);
  masks_.erase(mm);
  mop_up(mm);
  shadows_.erase(mm);
}

MmId Tlbs::user_of(const Cpu& cpu, Pcid pcid) const {
  if (!options_.pcid && cpu.current == kNobody) return kNobody;
  if (options_.pcid && (pcid == 0 || pcid > cpu.slots.size())) return kNobody;
  const Slot& slot = cpu.slots[options_.pcid ? pcid - 1u : 0u];
  if (slot.mm == kNobody || slot.generation != generation_of(slot.mm)) return kNobody;
  return slot.mm;
}

void Tlbs::for_each_entry(const std::function<void(const mmu::CachedTranslation&)>& visit) const {
  for (uint32_t id = 0; id < cpus_.size(); ++id) {
    const Cpu& cpu = cpus_[id];
    cpu.mmu->for_each_entry([&](const char* where, const tlb::EntryView& entry) {
      if (direct_map_ && direct_map_->is_kernels(entry.base)) return;
      // A global entry is of whoever runs.
      const MmId mm =
          entry.payload.global ? cpu.current : user_of(cpu, static_cast<Pcid>(entry.space));
      if (mm == kNobody) return;
      visit({.cpu = CpuId(id),
             .mm = mm,
             .base = entry.base,
             .size = entry.payload.size,
             .pfn = entry.payload.pfn,
             .rights = entry.payload.rights,
             .where = where});
    });
  }
}

std::vector<MmId> Tlbs::copied() const {
  std::vector<MmId> all;
  for (const auto& [mm, shadow] : shadows_)
    all.push_back(mm);
  return all;
}

void Tlbs::for_each_copied(MmId mm, const TranslationVisit& visit) const {
  shadows_.at(mm)->for_each([&](VirtAddr base, PageShift size, Pfn pfn, Rights rights) {
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
      if (user_of(cpu, pcid) != kNobody && table - address < bytes) reach = true;
    });
  return reach;
}

void Tlbs::report(stats::Report& report) const {
  MmuCounters sum;
  mmu::PathReport path(steps(options_));
  for (const Cpu& cpu : cpus_) {
    sum.add(cpu.mmu->counters());
    path.add(cpu.mmu->path());
  }
  const mmu::ShadowCounters shadows =
      shadow_maker_ == nullptr ? mmu::ShadowCounters{} : shadow_maker_->counters();
  mmu::Summary summary = summary_of(options_, sum, counters_, shadows, path);
  summary.cpus = static_cast<unsigned>(cpus_.size());
  mmu::report_summary(summary, *sink_, report);
  path.report(report);
  report_mmu(options_, sum, report);
  report_flushes(options_, counters_, sum, report);
  if (cpus_.size() > 1) report_idle(counters_, report);
  report_shadows(shadows, report);
}

}  // namespace mmusim::x86
