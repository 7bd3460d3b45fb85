#include "arch/alpha/tlbs.h"

#include <algorithm>

#include "arch/alpha/report.h"
#include "base/error.h"

namespace mmusim::alpha {

namespace {

constexpr uint64_t kPalCode = uint64_t{32} << 10;

PhysAddr reserve_code(mem::FrameMemory& frames) {
  const auto code = frames.reserve(kPalCode, mem::FrameUse::Reserved);
  if (!code) throw mem::out_of_memory("PALcode");
  return *code;
}

}  // namespace

Tlbs::Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames,
           mem::ReferenceSink& sink, bool direct)
    : options_(options), sink_(&sink), cpus_(cpus) {
  MMUSIM_ASSERT(cpus > 0 && cpus <= 64);
  const PhysAddr code = reserve_code(frames);
  for (Cpu& cpu : cpus_) {
    cpu.mmu = std::make_unique<Mmu>(options_, frames, sink, direct, code);
    cpu.owners.fill(kNobody);
  }
}

int Tlbs::number_of(const Cpu& cpu, MmId mm) {
  const auto found = std::find(cpu.owners.begin(), cpu.owners.end(), mm);
  return found == cpu.owners.end() ? -1 : static_cast<int>(found - cpu.owners.begin());
}

int Tlbs::number_of(CpuId cpu, MmId mm) const {
  return number_of(cpus_[cpu.value()], mm);
}

void Tlbs::take_number(Cpu& cpu, MmId mm) {
  std::replace(cpu.owners.begin(), cpu.owners.end(), mm, kNobody);
}

Asn Tlbs::new_number(Cpu& cpu, MmId mm) {
  if (cpu.next > options_.most_asn) {
    ++counters_.roll_overs;
    cpu.mmu->invalidate_process();
    cpu.owners.fill(kNobody);
    cpu.next = 0;
  }
  ++counters_.numbers;
  take_number(cpu, mm);
  cpu.owners[cpu.next] = mm;
  return cpu.next++;
}

void Tlbs::load(Cpu& cpu, MmId mm, pt::PageTable& table) {
  const int number = number_of(cpu, mm);
  cpu.current = mm;
  cpu.mmu->load(number >= 0 ? static_cast<Asn>(number) : new_number(cpu, mm), table);
}

bool Tlbs::activate(CpuId id, MmId mm, pt::PageTable& table) {
  MMUSIM_ASSERT(id.value() < cpus_.size());
  Cpu& cpu = cpus_[id.value()];
  if (cpu.current == mm) return true;
  ++counters_.switches;
  tables_[mm] = &table;
  load(cpu, mm, table);
  return true;
}

template <class Action>
void Tlbs::flush_everywhere(MmId mm, Action action) {
  const bool alone = cpus_[asker().value()].current == mm && !shared_.contains(mm);
  if (!alone) counters_.interrupts += cpus_.size() - 1;
  for (size_t id = 0; id < cpus_.size(); ++id) {
    Cpu& cpu = cpus_[id];
    if (cpu.current == mm && (id == asker().value() || !alone)) {
      action(cpu);
      continue;
    }
    take_number(cpu, mm);
    if (cpu.current == mm) leave(cpu);
  }
}

void Tlbs::leave(Cpu& cpu) {
  cpu.current = kNobody;
  cpu.mmu->unload();
}

void Tlbs::shared(MmId mm, bool more_than_one) {
  if (more_than_one)
    shared_.insert(mm);
  else
    shared_.erase(mm);
}

void Tlbs::flush_range(MmId mm, VirtRange range, PageShift /*stride*/, bool /*freed_tables*/,
                       mmu::RangeFlush /*why*/) {
  if (!range.empty()) flush_mm(mm);
}

void Tlbs::flush_page(MmId mm, VirtAddr va, PageShift /*size*/, bool code) {
  if (code && options_.code_takes_number) {
    flush_mm(mm);
    return;
  }
  ++counters_.page_flushes;
  flush_everywhere(mm, [&](Cpu& cpu) {
    ++counters_.invalidates;
    cpu.mmu->invalidate_page(va);
  });
}

void Tlbs::flush_mm(MmId mm) {
  ++counters_.space_flushes;
  flush_everywhere(mm, [&](Cpu& cpu) {
    ++counters_.renewals;
    cpu.mmu->load(new_number(cpu, mm), *tables_.at(mm));
  });
}

void Tlbs::flush_local_page(CpuId id, MmId mm, VirtAddr va, bool code) {
  MMUSIM_ASSERT(id.value() < cpus_.size());
  flush_page(mm, va, kPage, code);
}

void Tlbs::forget(MmId mm) {
  for (Cpu& cpu : cpus_) {
    take_number(cpu, mm);
    if (cpu.current == mm) leave(cpu);
  }
  tables_.erase(mm);
  shared_.erase(mm);
}

void Tlbs::for_each_entry(const std::function<void(const mmu::CachedTranslation&)>& visit) const {
  for (uint32_t id = 0; id < cpus_.size(); ++id)
    cpus_[id].mmu->for_each_entry([&](const char* where, const tlb::EntryView& entry) {
      const MmId mm = cpus_[id].owners[entry.space];
      if (mm == kNobody || (entry.payload.extra & kEntryTable) != 0) return;
      visit({.cpu = CpuId(id),
             .mm = mm,
             .base = entry.base,
             .size = entry.payload.size,
             .pfn = entry.payload.pfn,
             .rights = entry.payload.rights,
             .where = where});
    });
}

bool Tlbs::walk_caches_reach(PhysAddr address, uint64_t bytes) const {
  bool reach = false;
  for (const Cpu& cpu : cpus_)
    cpu.mmu->for_each_entry([&](const char*, const tlb::EntryView& entry) {
      if ((entry.payload.extra & kEntryTable) == 0 || cpu.owners[entry.space] == kNobody) return;
      const PhysAddr table(entry.payload.pfn.value() << kPage.log2());
      reach = reach || table - address < bytes || address - table < kPage.bytes();
    });
  return reach;
}

void Tlbs::report(stats::Report& report) const {
  MmuCounters sum;
  mmu::PathReport paths(kStepList);
  for (const Cpu& cpu : cpus_) {
    sum.add(cpu.mmu->counters());
    paths.add(cpu.mmu->path());
  }
  mmu::Summary summary = summary_of(sum, paths, counters_);
  summary.cpus = static_cast<unsigned>(cpus_.size());
  mmu::report_summary(summary, *sink_, report);
  report_mmu(sum, report);
  report_flushes(counters_, report);
  paths.report(report);
}

}  // namespace mmusim::alpha
