#include "arch/alpha/tlbs.h"

#include <algorithm>

namespace mmusim::alpha {

namespace {

constexpr uint64_t kPalCode = uint64_t{32} << 10;

constexpr mmu::FaultDecl kFaults[] = {
    {mmu::FaultReason::NotPresent},
    {mmu::FaultReason::Protection,
     "Page faults because the entry did not allow the access; retries included."},
    {mmu::FaultReason::NonCanonical, "Faults for addresses that are not user space's."},
};

}  // namespace

int Numbers::of(MmId mm) const {
  const auto found = std::find(owners.begin(), owners.end(), mm);
  return found == owners.end() ? -1 : static_cast<int>(found - owners.begin());
}

void Numbers::take_from(MmId mm) {
  std::replace(owners.begin(), owners.end(), mm, mmu::kNobody);
}

Tlbs::Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames,
           mem::ReferenceSink& sink, bool direct)
    : Cpus(frames, sink), options_(options) {
  const PhysAddr code = mmu::reserve(frames, kPalCode, "PALcode");
  make_cpus(cpus,
            [&](CpuId) { return std::make_unique<Mmu>(options_, frames, sink, direct, code); });
}

Asn Tlbs::new_number(Cpu& cpu, MmId mm) {
  if (cpu.next > options_.most_asn()) {
    ++counters_.roll_overs;
    cpu.mmu->invalidate_process();
    cpu.owners.fill(mmu::kNobody);
    cpu.next = 0;
  }
  ++counters_.numbers;
  cpu.take_from(mm);
  cpu.owners[cpu.next] = mm;
  return cpu.next++;
}

bool Tlbs::activate(CpuId id, MmId mm, pt::PageTable& table) {
  Cpu& cpu = this->cpu(id);
  if (cpu.current == mm) return true;
  ++counters_.switches;
  spaces_[mm].table = &table;
  cpu.current = mm;
  const int number = cpu.of(mm);
  cpu.mmu->load(number >= 0 ? static_cast<Asn>(number) : new_number(cpu, mm), table);
  return true;
}

template <class Action>
void Tlbs::flush_everywhere(MmId mm, Action action) {
  const bool alone = only_here(mm);
  if (!alone) counters_.interrupts += cpus_.size() - 1;
  for (Cpu& cpu : cpus_) {
    if (cpu.current == mm && (&cpu == &here() || !alone)) {
      action(cpu);
      continue;
    }
    cpu.take_from(mm);
    if (cpu.current == mm) leave(cpu);
  }
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
    cpu.mmu->load(new_number(cpu, mm), *spaces_.at(mm).table);
  });
}

void Tlbs::flush_local_page(CpuId /*cpu*/, MmId mm, VirtAddr va, bool code) {
  flush_page(mm, va, kPage, code);
}

void Tlbs::release(MmId mm, mmu::Space& /*space*/) {
  for (Cpu& cpu : cpus_)
    cpu.take_from(mm);
}

std::optional<MmId> Tlbs::user_of(const Cpu& cpu, const tlb::EntryView& entry) const {
  const MmId mm = cpu.owners[entry.space];
  if (mm == mmu::kNobody) return std::nullopt;
  return mm;
}

mmu::Summary Tlbs::summary() const {
  mmu::Summary summary = summary_of(kTlbs, options_.tlb, kStepList);
  summary.flushes = counters_.page_flushes + counters_.space_flushes;
  summary.flushed_pages = counters_.invalidates;
  summary.emptied = counters_.renewals + counters_.roll_overs;
  summary.interrupts = counters_.interrupts;
  return summary;
}

void Tlbs::report(stats::Report& report) const {
  const Mmu::Counters sum = counters();
  mmu::report_summary(summary(), *sink_, report);
  mmu::report_levels(kTlbs, options_.tlb, sum, report);
  stats::report<MmuCounts>(sum, report);
  mmu::report_faults(kFaults, sum, report);
  stats::report(counters_, report);
  paths(kStepList).report(report);
}

}  // namespace mmusim::alpha
