#include "arch/ia64/tlbs.h"

#include <algorithm>
#include <bit>

#include "arch/ia64/report.h"
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

PhysAddr reserve_code(mem::FrameMemory& frames) {
  const auto code = frames.reserve(kVectorTable, mem::FrameUse::Reserved);
  if (!code) throw mem::out_of_memory("the interruption vector table");
  return *code;
}

}  // namespace

Tlbs::Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames,
           mem::ReferenceSink& sink, bool direct)
    : options_(options), sink_(&sink), contexts_(options.rid_bits), cpus_(cpus) {
  MMUSIM_ASSERT(cpus > 0 && cpus <= 64);
  if (options_.walker == Walker::Short && !direct)
    linear_tables_.emplace(format_, radix_geometry(options_.levels), kPage, "ia64.levels", frames,
                           sink);
  const PhysAddr code = reserve_code(frames);
  for (Cpu& cpu : cpus_)
    cpu.mmu = std::make_unique<Mmu>(options_, frames, sink, direct, code);
}

Context Tlbs::context(MmId mm) const {
  const auto found = spaces_.find(mm);
  return found == spaces_.end() ? 0 : found->second.context;
}

void Tlbs::set_gate(VirtRange range, pt::PageTable& kernel_table) {
  if (linear_tables_) {
    // Filled at once, as nothing of it ever goes.
    gate_linear_ = linear_tables_->make(kernel::kKernelSpace, kernel_table);
    bool room = gate_linear_ != nullptr;
    for (VirtAddr va = range.begin; room && va < range.end; va += kPage.bytes())
      room = gate_linear_->put_page(va, kernel_table.peek(va).entry, mem::Origin::Kernel);
    if (!room) throw mem::out_of_memory("the kernel's linear table");
  }
  for (Cpu& cpu : cpus_)
    cpu.mmu->set_gate(range, kernel_table, gate_linear_.get());
}

bool Tlbs::activate(CpuId id, MmId mm, pt::PageTable& table) {
  MMUSIM_ASSERT(id.value() < cpus_.size());
  Cpu& cpu = cpus_[id.value()];
  Space& space = spaces_[mm];
  if (cpu.current == mm && space.context != 0) return true;
  if (linear_tables_ && space.linear == nullptr) {
    space.linear = linear_tables_->make(mm, table);
    if (space.linear == nullptr) return false;
  }
  ++counters_.switches;
  space.table = &table;
  load(id, mm, space);
  return true;
}

void Tlbs::load(CpuId id, MmId mm, Space& space) {
  Cpu& cpu = cpus_[id.value()];
  if (space.context == 0) {
    const Contexts::Given given = contexts_.give(mm);
    ++counters_.contexts;
    if (given.wrapped)
      for (Cpu& other : cpus_)
        other.wrapped = true;
    space.context = given.context;
    space.ran_on = 0;
  }
  if (cpu.wrapped) {
    cpu.wrapped = false;
    ++counters_.wrap_purges;
    cpu.mmu->purge_all();
  }
  space.ran_on |= uint64_t{1} << id.value();
  cpu.current = mm;
  cpu.mmu->load(space.context, *space.table, space.linear.get());
}

void Tlbs::flush_range(MmId mm, VirtRange range, PageShift stride, bool freed_tables,
                       mmu::RangeFlush why) {
  const auto found = spaces_.find(mm);
  if (range.empty() || found == spaces_.end()) return;
  Space& space = found->second;
  range = {align_down(range.begin, stride), align_up(range.end, stride)};
  const bool unmap = why == mmu::RangeFlush::Unmap || freed_tables;
  if (space.linear == nullptr) {
    flush_hardware_range(space, mm, range, unmap);
    return;
  }
  pt::Gather gather;
  space.linear->purge(range, gather);
  if (gather.freed_tables()) {
    range.begin = std::min(range.begin, gather.range().begin);
    range.end = std::max(range.end, gather.range().end);
  }
  flush_hardware_range(space, mm, range, unmap || gather.freed_tables());
  gather.release_tables();
}

void Tlbs::flush_hardware_range(Space& space, MmId mm, VirtRange range, bool linear_too) {
  if (space.context == 0) return;  // what had the old one cannot be reached
  if (range.bytes() >= kEverythingFrom || region_of(range.begin) != region_of(range.end - 1)) {
    flush_everything();
    return;
  }
  ++counters_.range_flushes;
  for (uint32_t id = 0; id < cpus_.size(); ++id)
    if ((space.ran_on >> id & 1) != 0) cpus_[id].mmu->purge_vhpt(range, space.context);
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

  const bool local = space.ran_on == asker_bit() && cpus_[asker().value()].current == mm;
  (local ? counters_.ptc_local : counters_.ptc_global) += purges;
  for (uint32_t id = 0; id < cpus_.size(); ++id)
    if (!local || (space.ran_on >> id & 1) != 0) cpus_[id].mmu->purge(purged, space.context);
}

void Tlbs::flush_everything() {
  ++counters_.full_flushes;
  counters_.interrupts += cpus_.size() - 1;
  counters_.emptied += cpus_.size();
  for (Cpu& cpu : cpus_)
    cpu.mmu->purge_all();
}

void Tlbs::flush_mm(MmId mm) {
  const auto found = spaces_.find(mm);
  if (found == spaces_.end()) return;
  Space& space = found->second;
  pt::Gather gather;
  if (space.linear != nullptr) space.linear->drop(gather);
  change_context(mm, space);
  gather.release_tables();
}

void Tlbs::flush_dead(MmId mm) {
  const auto found = spaces_.find(mm);
  if (found == spaces_.end()) return;
  Space& space = found->second;
  pt::Gather gather;
  if (space.linear != nullptr) space.linear->drop(gather);
  if (space.context != 0) {
    ++counters_.contexts_ended;
    contexts_.give_up(space.context);
    space.context = 0;
  }
  gather.release_tables();
}

void Tlbs::change_context(MmId mm, Space& space) {
  if (space.context == 0) return;
  ++counters_.context_flushes;
  contexts_.give_up(space.context);
  space.context = 0;
  const bool alone = cpus_[asker().value()].current == mm && !space.shared;
  if (!alone)
    counters_.interrupts += static_cast<uint64_t>(std::popcount(space.ran_on & ~asker_bit()));
  for (uint32_t id = 0; id < cpus_.size(); ++id) {
    if (cpus_[id].current != mm) continue;
    if (id != asker().value() && alone) {
      leave(cpus_[id]);
      continue;
    }
    ++counters_.emptied;
    load(CpuId(id), mm, space);
  }
}

// Roots go too, but those a CPU has loaded.
bool Tlbs::shrink() {
  bool gave = false;
  for (auto& [mm, space] : spaces_) {
    if (space.linear == nullptr) continue;
    const bool loaded = std::any_of(cpus_.begin(), cpus_.end(),
                                    [mm = mm](const Cpu& cpu) { return cpu.current == mm; });
    pt::Gather gather;
    space.linear->drop(gather);
    if (gather.freed_tables() || !loaded) {
      gave = true;
      change_context(mm, space);
    }
    gather.release_tables();
    if (!loaded) space.linear.reset();
  }
  return gave;
}

void Tlbs::flush_local_page(CpuId id, MmId mm, VirtAddr va, bool /*code*/) {
  MMUSIM_ASSERT(id.value() < cpus_.size());
  const auto found = spaces_.find(mm);
  if (found == spaces_.end()) return;
  Space& space = found->second;
  if (space.linear != nullptr) space.linear->forget(va);
  const VirtAddr page = align_down(va, kPage);
  flush_hardware_range(space, mm, {page, page + kPage.bytes()}, /*linear_too=*/false);
}

void Tlbs::leave(Cpu& cpu) {
  cpu.current = kNobody;
  cpu.mmu->unload();
}

void Tlbs::forget(MmId mm) {
  for (Cpu& cpu : cpus_)
    if (cpu.current == mm) leave(cpu);
  const auto found = spaces_.find(mm);
  if (found == spaces_.end()) return;
  if (found->second.context != 0) contexts_.give_up(found->second.context);
  spaces_.erase(found);
}

MmId Tlbs::user_of(const Cpu& cpu, Rid rid) const {
  const Context context = cpu.mmu->context_of(rid);
  const MmId mm = contexts_.owner(context);
  return cpu.wrapped && mm != cpu.current ? kNobody : mm;
}

void Tlbs::for_each_entry(const std::function<void(const mmu::CachedTranslation&)>& visit) const {
  for (uint32_t id = 0; id < cpus_.size(); ++id) {
    const Cpu& cpu = cpus_[id];
    cpu.mmu->for_each_entry([&](const char* where, const tlb::EntryView& entry) {
      const tlb::Payload& payload = entry.payload;
      const MmId mm = user_of(cpu, static_cast<Rid>(entry.space));
      if (mm == kNobody || (payload.extra & kEntryPresent) == 0 ||
          (payload.extra & kEntryTable) != 0)
        return;
      visit({.cpu = CpuId(id),
             .mm = mm,
             .base = entry.base,
             .size = payload.size,
             .pfn = payload.pfn,
             .rights = payload.rights,
             .where = where});
    });
    if (cpu.mmu->vhpt() == nullptr) continue;
    cpu.mmu->vhpt()->for_each([&](VirtAddr page, Rid rid, const LongVhpt::Entry& entry) {
      const MmId mm = user_of(cpu, rid);
      if (mm == kNobody || PresentBit::get(entry.translation) == 0) return;
      const uint64_t frame = FrameField::get(entry.translation) << 12 & ~entry.size.offset_mask();
      visit({.cpu = CpuId(id),
             .mm = mm,
             .base = align_down(page, entry.size),
             .size = entry.size,
             .pfn = Pfn(frame >> kPage.log2()),
             .rights = rights_of(entry.translation),
             .where = "vhpt"});
    });
  }
}

std::vector<MmId> Tlbs::copied() const {
  std::vector<MmId> all;
  for (const auto& [mm, space] : spaces_)
    if (space.linear != nullptr) all.push_back(mm);
  return all;
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

bool Tlbs::walk_caches_reach(PhysAddr address, uint64_t bytes) const {
  bool reach = false;
  for (const Cpu& cpu : cpus_)
    cpu.mmu->for_each_entry([&](const char*, const tlb::EntryView& entry) {
      if ((entry.payload.extra & kEntryTable) == 0) return;
      if (user_of(cpu, static_cast<Rid>(entry.space)) == kNobody) return;
      const PhysAddr table(entry.payload.pfn.value() << kPage.log2());
      reach = reach || table - address < bytes || address - table < kPage.bytes();
    });
  return reach;
}

void Tlbs::report(stats::Report& report) const {
  MmuCounters sum;
  mmu::PathReport paths(kStepList);
  uint64_t vhpt_bytes = 0;
  for (const Cpu& cpu : cpus_) {
    sum.add(cpu.mmu->counters());
    paths.add(cpu.mmu->path());
    if (cpu.mmu->vhpt() != nullptr) vhpt_bytes += cpu.mmu->vhpt()->bytes();
  }
  const mmu::CopyCounters linear = linear_tables_ ? linear_tables_->counters : mmu::CopyCounters{};
  mmu::Summary summary = summary_of(options_, sum, paths, counters_, linear, vhpt_bytes);
  summary.cpus = static_cast<unsigned>(cpus_.size());
  mmu::report_summary(summary, *sink_, report);
  report_mmu(options_, sum, report);
  report_flushes(counters_, contexts_.wraps(), report);
  report_soft_tlb(options_, sum, linear, vhpt_bytes, report);
  paths.report(report);
}

}  // namespace mmusim::ia64
