#include "arch/ppc64/tlbs.h"

#include <algorithm>
#include <bit>

#include "arch/ppc64/report.h"
#include "base/error.h"

namespace mmusim::ppc64 {

namespace {

constexpr uint64_t kHandlerBytes = uint64_t{16} << 10;

PhysAddr reserve_code(mem::FrameMemory& frames) {
  const auto code =
      frames.reserve(std::max(kHandlerBytes, frames.page().bytes()), mem::FrameUse::Reserved);
  if (!code) throw mem::out_of_memory("the interrupt handlers");
  return *code;
}

}  // namespace

// The hardware never reads the kernel's page tables, whatever they are.
Tlbs::Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames,
           mem::ReferenceSink& sink, bool /*direct*/)
    : options_(options),
      sink_(&sink),
      htab_(options.htab_bytes, options.tera_segments, frames, sink),
      cpus_(cpus) {
  MMUSIM_ASSERT(cpus > 0 && cpus <= 64);
  const PhysAddr code = reserve_code(frames);
  for (uint32_t id = 0; id < cpus; ++id)
    cpus_[id].mmu =
        std::make_unique<Mmu>(options_, htab_, frames, sink, code, [this, id](VirtAddr va) {
          work_on(CpuId(id));
          return invalidate(spaces_.at(cpus_[id].current), va);
        });
}

Context Tlbs::context(MmId mm) const {
  const auto found = spaces_.find(mm);
  return found == spaces_.end() ? 0 : found->second.context;
}

bool Tlbs::activate(CpuId id, MmId mm, pt::PageTable& table) {
  MMUSIM_ASSERT(id.value() < cpus_.size());
  Cpu& cpu = cpus_[id.value()];
  if (cpu.current == mm) return true;
  ++counters_.switches;
  Space& space = spaces_[mm];
  if (space.context == 0) {
    const std::optional<Context> context = contexts_.take(mm);
    if (!context)
      throw Error("", "there are more address spaces alive than PowerPC Linux has contexts");
    space.context = *context;
    ++counters_.contexts;
  }
  space.ran_on |= uint64_t{1} << id.value();
  cpu.current = mm;
  cpu.mmu->load(space.context, table);
  return true;
}

bool Tlbs::is_local(const Space& space) const {
  return space.ran_on == uint64_t{1} << asker().value();
}

bool Tlbs::invalidate(const Space& space, VirtAddr va) {
  if (is_local(space)) {
    ++counters_.tlbiel;
    cpus_[asker().value()].mmu->invalidate(va, space.context);
    return true;
  }
  ++counters_.tlbie;
  for (Cpu& cpu : cpus_)
    cpu.mmu->invalidate(va, space.context);
  return false;
}

void Tlbs::flush_pages(Space& space, VirtRange range) {
  Mmu& here = *cpus_[asker().value()].mmu;
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
                     [&here](PhysAddr entry) { here.kernel_access(entry); });
    invalidate(space, va);
  }
}

void Tlbs::flush_range(MmId mm, VirtRange range, PageShift stride, bool /*freed_tables*/,
                       mmu::RangeFlush /*why*/) {
  ++counters_.requests;
  const auto found = spaces_.find(mm);
  if (range.empty() || found == spaces_.end()) return;
  flush_pages(found->second, {align_down(range.begin, stride), align_up(range.end, stride)});
}

void Tlbs::flush_mm(MmId mm) {
  ++counters_.requests;
  const auto found = spaces_.find(mm);
  if (found == spaces_.end()) return;
  flush_pages(found->second, {VirtAddr(0), VirtAddr(uint64_t{1} << kUserBits)});
}

void Tlbs::forget(MmId mm) {
  const auto found = spaces_.find(mm);
  if (found != spaces_.end())
    flush_pages(found->second, {VirtAddr(0), VirtAddr(uint64_t{1} << kUserBits)});
  for (Cpu& cpu : cpus_) {
    if (cpu.current != mm) continue;
    cpu.current = kNobody;
    cpu.mmu->unload();
  }
  if (found == spaces_.end()) return;
  if (found->second.context != 0) contexts_.release(found->second.context);
  spaces_.erase(found);
}

void Tlbs::for_each_entry(const std::function<void(const mmu::CachedTranslation&)>& visit) const {
  const auto show = [&](CpuId cpu, const char* where, Context context, VirtAddr base, Pfn pfn,
                        Rights rights) {
    const MmId mm = contexts_.owner(context);
    // Entries of a context nobody has are there to be found: they could be used by the next owner.
    visit({.cpu = cpu,
           .mm = mm,
           .base = base,
           .size = options_.page,
           .pfn = pfn,
           .rights = rights,
           .where = where});
  };
  for (uint32_t id = 0; id < cpus_.size(); ++id)
    cpus_[id].mmu->for_each_entry([&](const char* where, const tlb::EntryView& entry) {
      if (entry.space == kLinearSpace) return;  // the kernel's, for good
      show(CpuId(id), where, static_cast<Context>(entry.space), entry.base, entry.payload.pfn,
           entry.payload.rights);
    });
  htab_.for_each([&](Context context, VirtAddr page, uint64_t second) {
    show(CpuId(0), "hash table", context, page, hpte_frame(second, options_.page),
         rights_of(second));
  });
}

void Tlbs::report(stats::Report& report) const {
  MmuCounters sum;
  mmu::PathReport paths(steps_of(options_.linear_map));
  for (const Cpu& cpu : cpus_) {
    sum.add(cpu.mmu->counters());
    paths.add(cpu.mmu->path());
  }
  mmu::Summary summary = summary_of(sum, htab_, paths, counters_);
  summary.cpus = static_cast<unsigned>(cpus_.size());
  mmu::report_summary(summary, *sink_, report);
  report_mmu(sum, report);
  if (options_.linear_map) report_linear(sum.linear, report);
  report_htab(htab_, report);
  report_flushes(counters_, report);
  paths.report(report);
}

}  // namespace mmusim::ppc64
