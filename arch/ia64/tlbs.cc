#include "arch/ia64/tlbs.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/bits.h"
#include "base/error.h"
#include "kernel/address_space.h"
#include "pt/gather.h"

namespace mmusim::ia64 {

namespace {

constexpr uint64_t kEverythingFrom = uint64_t{1} << 40;  // a terabyte

// log2 of the page sizes ptc takes: those Linux assumes where the firmware does not say.
constexpr uint64_t kPurgeSizes = 0x1'1555'7000;

PageShift purge_size(uint64_t bytes) {
  unsigned bits = log2_floor(bytes + 0xfff);
  const unsigned most = log2_floor(kPurgeSizes);
  while (bits < most && (kPurgeSizes >> bits & 1) == 0)
    ++bits;
  return PageShift(std::min(bits, most));
}

constexpr uint64_t kVectorTable = uint64_t{32} << 10;

constexpr mmu::FaultDecl kFaults[] = {
    {mmu::FaultReason::NotPresent},
    {mmu::FaultReason::Protection,
     "Page faults because the access rights did not allow the access; retries included."},
    {mmu::FaultReason::NonCanonical,
     "Faults for addresses the processor does not implement, or Linux's page tables have no place "
     "for."},
    {mmu::FaultReason::Malformed, "Faults because an entry had reserved fields set."},
};

}  // namespace

Tlbs::Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames,
           mem::ReferenceSink& sink, bool direct)
    : Cpus(frames, sink), options_(options), contexts_(Context{1} << (options.rid_bits - 3)) {
  if (options_.walker == Walker::Short && !direct && options_.huge_page())
    throw UsageError("ia64.hugetlb_page",
                     "over this page table the short format's linear table is a copy, which knows "
                     "base pages only",
                     "set machine.page_table = mlpt, or another ia64.walker");
  if (options_.walker == Walker::Short && !direct)
    maker_.emplace(std::make_unique<EntryFormat>(options_.refuses()),
                   radix_geometry(options_.levels), kPage, "ia64.levels", frames, sink);
  const PhysAddr code = mmu::reserve(frames, kVectorTable, "the interruption vector table");
  make_cpus(cpus,
            [&](CpuId) { return std::make_unique<Mmu>(options_, frames, sink, direct, code); });
}

Context Tlbs::context(MmId mm) const {
  const Space* const space = find_space(mm);
  return space == nullptr ? 0 : space->context;
}

void Tlbs::set_gate(VirtRange range, pt::PageTable& kernel_table) {
  if (maker_) {
    // Filled at once, as nothing of it ever goes.
    gate_linear_ = maker_->make(kernel::kKernelSpace, kernel_table);
    bool room = gate_linear_ != nullptr;
    for (VirtAddr va = range.begin; room && va < range.end; va += kPage.bytes())
      room = gate_linear_->put_page(va, kernel_table.peek(va).entry, mem::Origin::Kernel);
    if (!room) throw mem::out_of_memory("the kernel's linear table");
  }
  for (Cpu& cpu : cpus_)
    cpu.mmu->set_gate(range, kernel_table, gate_linear_.get());
}

bool Tlbs::activate(CpuId id, MmId mm, pt::PageTable& table) {
  Cpu& cpu = this->cpu(id);
  Space& space = spaces_[mm];
  if (cpu.current == mm && space.context != 0) return true;
  if (maker_ && space.linear == nullptr) {
    space.linear = maker_->make(mm, table);
    if (space.linear == nullptr) return false;
  }
  ++counters_.switches;
  space.table = &table;
  load(cpu, mm, space);
  return true;
}

// After a wrap those given up since the last one are free, every CPU must empty its TLBs before it
// next loads one, and the search begins at 300.
Context Tlbs::take_context(MmId mm) {
  constexpr Context kFirstAfterWrap = 300;
  ++counters_.contexts;
  std::optional<Context> context = contexts_.free_from(next_context_);
  if (!context) {
    ++counters_.wraps;
    for (Cpu& cpu : cpus_)
      cpu.wrapped = true;
    contexts_.free_retired();
    context = contexts_.free_from(kFirstAfterWrap);
    if (!context) context = contexts_.free_from(1);
    if (!context)
      throw Error("",
                  fmt::format("{} address spaces are alive, and each needs a region identifier "
                              "of its own",
                              (1u << (options_.rid_bits - 3)) - 1),
                  "give the machine more with ia64.rid_bits");
  }
  contexts_.give(*context, mm);
  next_context_ = *context + 1;
  return *context;
}

void Tlbs::load(Cpu& cpu, MmId mm, Space& space) {
  if (space.context == 0) {
    space.context = take_context(mm);
    space.ran_on = 0;
  }
  if (cpu.wrapped) {
    cpu.wrapped = false;
    ++counters_.wrap_purges;
    cpu.mmu->purge_all();
  }
  space.ran_on |= bit_of(cpu);
  cpu.current = mm;
  cpu.mmu->load(space.context, *space.table, space.linear.get());
}

void Tlbs::flush_range(MmId mm, VirtRange range, PageShift stride, bool freed_tables,
                       mmu::RangeFlush why) {
  Space* const known = find_space(mm);
  if (range.empty() || known == nullptr) return;
  Space& space = *known;
  range = {align_down(range.begin, stride), align_up(range.end, stride)};
  const bool unmap = why == mmu::RangeFlush::Unmap || freed_tables;
  purge_copy(space.linear.get(), range, [&](const pt::Gather& gather) {
    if (gather.freed_tables()) {
      range.begin = std::min(range.begin, gather.range().begin);
      range.end = std::max(range.end, gather.range().end);
    }
    flush_hardware_range(space, mm, range, unmap || gather.freed_tables());
  });
}

void Tlbs::flush_hardware_range(Space& space, MmId mm, VirtRange range, bool linear_too) {
  if (space.context == 0) return;  // what had the old one cannot be reached
  if (range.bytes() >= kEverythingFrom || region_of(range.begin) != region_of(range.end - 1)) {
    flush_everything();
    return;
  }
  ++counters_.range_flushes;
  on_each(space.ran_on, [&](Cpu& cpu) { cpu.mmu->purge_vhpt(range, space.context); });
  purge_range(space, mm, range, /*table=*/false);
  if (!linear_too || !options_.linear()) return;
  // From the first page's word to behind the last one's.
  const Hash& hash = cpus_.front().mmu->hash();
  const VirtAddr behind = hash.thash(range.end - 1, 0) + sizeof(uint64_t);
  purge_range(space, mm, {hash.thash(range.begin, 0), behind}, /*table=*/true);
}

void Tlbs::purge_range(const Space& space, MmId mm, VirtRange range, bool table) {
  const PageShift size = purge_size(range.bytes());
  const VirtAddr begin = align_down(range.begin, size);
  const uint64_t purges = ((range.end - 1 - begin) >> size.log2()) + 1;
  const VirtRange purged{begin, begin + (purges << size.log2())};
  if (table) counters_.ptc_table += purges;

  const bool local = space.ran_on == asker_bit() && here().current == mm;
  (local ? counters_.ptc_local : counters_.ptc_global) += purges;
  on_each(local ? space.ran_on : kAllCpus,
          [&](Cpu& cpu) { cpu.mmu->purge(purged, space.context); });
}

void Tlbs::flush_everything() {
  ++counters_.full_flushes;
  counters_.interrupts += cpus_.size() - 1;
  counters_.emptied += cpus_.size();
  for (Cpu& cpu : cpus_)
    cpu.mmu->purge_all();
}

void Tlbs::flush_mm(MmId mm) {
  if (Space* const space = find_space(mm))
    drop_copy(space->linear.get(), [&](pt::Gather&) { change_context(mm, *space); });
}

void Tlbs::flush_dead(MmId mm) {
  if (Space* const space = find_space(mm))
    drop_copy(space->linear.get(), [&](pt::Gather&) {
      if (space->context != 0) ++counters_.contexts_ended;
      give_up_context(*space);
    });
}

void Tlbs::change_context(MmId mm, Space& space) {
  if (space.context == 0) return;
  ++counters_.context_flushes;
  give_up_context(space);
  const bool alone = only_here(mm);
  if (!alone) counters_.interrupts += others(space.ran_on);
  for (Cpu& cpu : cpus_) {
    if (cpu.current != mm) continue;
    if (&cpu != &here() && alone) {
      leave(cpu);
      continue;
    }
    ++counters_.emptied;
    load(cpu, mm, space);
  }
}

bool Tlbs::shrink() {
  return drop_copies(&Space::linear, [&](MmId mm, Space& space) { change_context(mm, space); });
}

void Tlbs::flush_local_page(CpuId /*cpu*/, MmId mm, VirtAddr va, bool /*code*/) {
  Space* const known = find_space(mm);
  if (known == nullptr) return;
  Space& space = *known;
  if (space.linear != nullptr) space.linear->forget(va);
  const PageShift size = cpus_.front().mmu->hash().preferred(va);
  const VirtAddr page = align_down(va, size);
  flush_hardware_range(space, mm, {page, page + size.bytes()}, /*linear_too=*/false);
}

void Tlbs::give_up_context(Space& space) {
  if (space.context != 0) contexts_.retire(space.context);
  space.context = 0;
}

void Tlbs::release(MmId /*mm*/, Space& space) {
  give_up_context(space);
}

std::optional<MmId> Tlbs::user_of_rid(const Cpu& cpu, Rid rid) const {
  const MmId mm = contexts_.owner(cpu.mmu->context_of(rid));
  if (mm == mmu::kNobody || (cpu.wrapped && mm != cpu.current)) return std::nullopt;
  return mm;
}

std::optional<MmId> Tlbs::user_of(const Cpu& cpu, const tlb::EntryView& entry) const {
  if ((entry.payload.extra & kEntryPresent) == 0) return std::nullopt;
  return user_of_rid(cpu, static_cast<Rid>(entry.space));
}

void Tlbs::for_each_entry(const TranslationVisit& visit) const {
  Cpus::for_each_entry(visit);
  for (uint32_t id = 0; id < cpus_.size(); ++id) {
    const Cpu& cpu = cpus_[id];
    if (cpu.mmu->vhpt() == nullptr) continue;
    cpu.mmu->vhpt()->for_each([&](VirtAddr page, Rid rid, const LongVhpt::Entry& entry) {
      const auto mm = user_of_rid(cpu, rid);
      if (!mm || PresentBit::get(entry.translation) == 0) return;
      const uint64_t frame = FrameField::get(entry.translation) << 12 & ~entry.size.offset_mask();
      visit({.cpu = CpuId(id),
             .mm = *mm,
             .base = align_down(page, entry.size),
             .size = entry.size,
             .pfn = Pfn(frame >> kPage.log2()),
             .rights = rights_of(entry.translation),
             .where = "vhpt"});
    });
  }
}

void Tlbs::for_each_copied(MmId mm, const TranslationVisit& visit) const {
  spaces_.at(mm).linear->table().for_each_leaf([&](VirtAddr base, PageShift, pt::Entry entry) {
    if (PresentBit::get(entry) == 0) return;
    visit({.cpu = CpuId(0),
           .mm = mm,
           .base = base,
           .size = kPage,
           .pfn = Pfn(FrameField::get(entry) << 12 >> kPage.log2()),
           .rights = rights_of(entry),
           .where = "linear table"});
  });
}

mmu::Summary Tlbs::summary() const {
  const Mmu::Counters sum = counters();
  const uint64_t copies = maker_ ? maker_->counters.peak_bytes : 0;
  const bool hashed = options_.walker == Walker::Long;
  mmu::Summary summary = summary_of(kTlbs, options_.tlb, kStepList);
  summary.hardware_walks = sum.walks;
  if (hashed || copies != 0) {
    summary.soft_lookups = sum.walks;
    summary.soft_hits = sum.walks_hit - sum.walks_absent;
  }
  summary.soft_bytes = hashed ? uint64_t{sum.vhpt.bytes} : copies;
  summary.flushes = counters_.range_flushes + counters_.context_flushes + counters_.full_flushes;
  summary.flushed_pages = counters_.ptc_local + counters_.ptc_global;
  summary.emptied = counters_.emptied + counters_.wrap_purges;
  summary.interrupts = counters_.interrupts;
  summary.broadcasts = counters_.ptc_global;
  return summary;
}

void Tlbs::report(stats::Report& report) const {
  Mmu::Counters sum = counters();
  sum.vhpt.crowded = sum.vhpt.are_crowded() ? 1 : 0;
  mmu::report_summary(summary(), *sink_, report);
  mmu::report_data_kinds("tlb.l1d", sum, report);
  mmu::report_levels(kTlbs, options_.tlb, sum, report);
  stats::report<WalkerCounts>(sum, report);
  mmu::report_faults(kFaults, sum, report);
  stats::report(counters_, report);
  if (options_.walker == Walker::Long) stats::report(sum.vhpt, report);
  if (options_.walker == Walker::Short) {
    stats::report<LinearCounts>(sum, report);
    (maker_ ? maker_->counters : mmu::CopyCounters{}).report("linear", report);
  }
  paths(kStepList).report(report);
}

}  // namespace mmusim::ia64
