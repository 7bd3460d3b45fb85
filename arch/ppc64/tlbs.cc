#include "arch/ppc64/tlbs.h"

#include <algorithm>

#include "base/error.h"

namespace mmusim::ppc64 {

namespace {

constexpr uint64_t kHandlerBytes = uint64_t{16} << 10;

constexpr VirtRange kUserSpace{VirtAddr(0), VirtAddr(uint64_t{1} << kUserBits)};

constexpr mmu::FaultDecl kFaults[] = {
    {mmu::FaultReason::NotPresent},
    {mmu::FaultReason::Protection,
     "Page faults because the page table did not allow the access; retries included."},
    {mmu::FaultReason::NonCanonical, "Faults for addresses that are not user space's."},
};

}  // namespace

// The hardware never reads the kernel's page tables, whatever they are.
Tlbs::Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames,
           mem::ReferenceSink& sink, bool /*direct*/)
    : Cpus(frames, sink),
      options_(options),
      htab_(options.htab_bytes, options.tera_segments, frames, sink) {
  const PhysAddr code = mmu::reserve(frames, std::max(kHandlerBytes, frames.page().bytes()),
                                     "the interrupt handlers");
  make_cpus(cpus, [&](CpuId id) {
    return std::make_unique<Mmu>(options_, htab_, frames, sink, code, [this, id](VirtAddr va) {
      work_on(id);
      return invalidate(spaces_.at(cpu(id).current), va);
    });
  });
}

Context Tlbs::context(MmId mm) const {
  const Space* const space = find_space(mm);
  return space == nullptr ? 0 : space->context;
}

bool Tlbs::activate(CpuId id, MmId mm, pt::PageTable& table) {
  Cpu& cpu = this->cpu(id);
  if (cpu.current == mm) return true;
  ++counters_.switches;
  Space& space = spaces_[mm];
  if (space.context == 0) {
    const std::optional<Context> context = contexts_.free_from(1);
    if (!context)
      throw Error("", "there are more address spaces alive than PowerPC Linux has contexts");
    contexts_.give(*context, mm);
    space.context = *context;
    ++counters_.contexts;
  }
  space.ran_on |= bit_of(id.value());
  cpu.current = mm;
  cpu.mmu->load(space.context, table);
  return true;
}

bool Tlbs::invalidate(const Space& space, VirtAddr va) {
  if (is_local(space)) {
    ++counters_.tlbiel;
    here().mmu->invalidate(va, space.context);
    return true;
  }
  ++counters_.tlbie;
  for (Cpu& cpu : cpus_)
    cpu.mmu->invalidate(va, space.context);
  return false;
}

void Tlbs::flush_pages(Space& space, VirtRange range) {
  Mmu& asking = *here().mmu;
  unsigned in_batch = 0;
  bool tera = false;
  for (const VirtAddr va : htab_.hinted_pages(space.context, range)) {
    const Segment segment = user_segment(va, space.context, options_.tera_segments);
    if (in_batch == 0 || in_batch == kBatch || segment.tera != tera) {
      ++counters_.batches;
      in_batch = 0;
      tera = segment.tera;
    }
    ++in_batch;
    htab_.invalidate({space.context, va, segment},
                     [&asking](PhysAddr entry) { asking.kernel_access(entry); });
    invalidate(space, va);
  }
}

void Tlbs::flush_range(MmId mm, VirtRange range, PageShift stride, bool /*freed_tables*/,
                       mmu::RangeFlush /*why*/) {
  ++counters_.requests;
  Space* const space = find_space(mm);
  if (range.empty() || space == nullptr) return;
  flush_pages(*space, {align_down(range.begin, stride), align_up(range.end, stride)});
}

void Tlbs::flush_mm(MmId mm) {
  ++counters_.requests;
  if (Space* const space = find_space(mm)) flush_pages(*space, kUserSpace);
}

void Tlbs::forget(MmId mm) {
  if (Space* const space = find_space(mm)) flush_pages(*space, kUserSpace);
  Cpus::forget(mm);
}

void Tlbs::release(MmId /*mm*/, Space& space) {
  if (space.context != 0) contexts_.release(space.context);
}

// Entries of a context nobody has are there to be found: they could be used by the next owner.
std::optional<MmId> Tlbs::user_of(const Cpu& /*cpu*/, const tlb::EntryView& entry) const {
  if (entry.space == kLinearSpace) return std::nullopt;  // the kernel's, for good
  return contexts_.owner(static_cast<Context>(entry.space));
}

void Tlbs::for_each_entry(const TranslationVisit& visit) const {
  Cpus::for_each_entry(visit);
  htab_.for_each([&](Context context, VirtAddr page, const Htab::Found& entry) {
    visit({.cpu = CpuId(0),
           .mm = contexts_.owner(context),
           .base = align_down(page, entry.actual),
           .size = entry.actual,
           .pfn = hpte_frame(entry.second, entry.actual, options_.page),
           .rights = rights_of(entry.second),
           .where = "hash table"});
  });
}

mmu::Summary Tlbs::summary() const {
  const HtabCounts table = htab_.counters();
  mmu::Summary summary = summary_of(kTlbs, options_.tlb, steps_of(options_.linear_map));
  summary.hardware_walks = table.lookups + counters().linear.tlb_misses;
  summary.soft_lookups = table.lookups;
  summary.soft_hits = table.primary_hits + table.secondary_hits;
  summary.soft_bytes = table.bytes;
  summary.flushes = counters_.requests;
  summary.flushed_pages = counters_.tlbie + counters_.tlbiel;
  summary.broadcasts = counters_.tlbie;
  return summary;
}

void Tlbs::report(stats::Report& report) const {
  const Mmu::Counters sum = counters();
  mmu::report_summary(summary(), *sink_, report);
  mmu::report_levels(kTlbs, options_.tlb, sum, report);
  stats::report<HashCounts>(sum, report);
  mmu::report_faults(kFaults, sum, report);
  if (options_.linear_map) stats::report(sum.linear, report);
  stats::report(htab_.counters(), report);
  stats::report(counters_, report);
  paths(steps_of(options_.linear_map)).report(report);
}

}  // namespace mmusim::ppc64
