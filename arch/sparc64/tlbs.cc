#include "arch/sparc64/tlbs.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

#include "base/error.h"
#include "base/units.h"

namespace mmusim::sparc64 {

namespace {

constexpr uint64_t kHandlerBytes = uint64_t{16} << 10;
constexpr unsigned kCpuBlock = 256;       // bytes of a CPU's data for handlers
constexpr unsigned kKernelTsbCode = 3;    // 4096 entries
constexpr uint64_t kHardwarePerHuge = 2;  // 4M pages of a huge one

constexpr mmu::FaultDecl kFaults[] = {
    {mmu::FaultReason::NotPresent,
     "Page faults because there was no valid entry, or it was old; retries included."},
    {mmu::FaultReason::Protection,
     "Page faults of stores without W, to clean pages too, and of fetches from what is not "
     "executable; retries included."},
    {mmu::FaultReason::NonCanonical, "Faults for addresses in the hole."},
};

}  // namespace

Tlbs::Tlbs(const Options& options, unsigned cpus, mem::FrameMemory& frames,
           mem::ReferenceSink& sink, bool /*direct*/)
    : Cpus(frames, sink), options_(options) {
  const uint64_t bytes = frames.total_frames() << kPage.log2();
  if (bytes >> options_.physical_bits > (bytes == uint64_t{1} << options_.physical_bits ? 1 : 0))
    throw UsageError("mem.bytes",
                     fmt::format("{} of memory, but physical addresses have {} bits",
                                 format_size(bytes), options_.physical_bits),
                     "give the machine less, or it more sparc64.physical_bits, up to a TTE's 43");
  kernel_tsb_ = Tsb::make(frames, MmId(0), kKernelTsbCode, kLargePage, {});
  if (kernel_tsb_ == nullptr) throw mem::out_of_memory("the kernel's TSB");
  const PhysAddr code = mmu::reserve(frames, kHandlerBytes, "the trap handlers");
  const PhysAddr blocks = mmu::reserve(
      frames, std::bit_ceil(uint64_t{cpus} * kCpuBlock + kPage.bytes()), "the trap handlers");
  make_cpus(cpus, [&](CpuId id) {
    const Mmu::Shared shared{.code = code,
                             .cpu_block = blocks + id.value() * uint64_t{kCpuBlock},
                             .kernel = kernel_tsb_.get()};
    return std::make_unique<Mmu>(options_, frames, sink, shared,
                                 [this, id] { return make_huge_tsb(cpu(id).current); });
  });
}

Context Tlbs::context(MmId mm) const {
  const Space* const space = find_space(mm);
  return space != nullptr && is_valid(*space) ? space->context : 0;
}

const Tsb* Tlbs::base_tsb(MmId mm) const {
  const Space* const space = find_space(mm);
  return space == nullptr ? nullptr : space->base.tsb.get();
}

const Tsb* Tlbs::huge_tsb(MmId mm) const {
  const Space* const space = find_space(mm);
  return space == nullptr ? nullptr : space->huge.tsb.get();
}

// --- Switches

bool Tlbs::activate(CpuId id, MmId mm, pt::PageTable& table) {
  Cpu& cpu = this->cpu(id);
  Space& space = spaces_[mm];
  const bool knows = is_valid(space) && (space.ran_on & bit_of(id.value())) != 0;
  if (cpu.current == mm && knows) return true;
  ++counters_.switches;
  space.table = &table;
  cpu.current = mm;
  if (options_.tsb != TsbMode::None && space.base.tsb == nullptr) {
    grow(mm, space.base, kPage, space.base_pages);
    if (space.huge_pages != 0 && options_.tsb == TsbMode::Two)
      grow(mm, space.huge, kLargePage, space.huge_pages);
  }
  if (!is_valid(space)) take_context(mm, space);
  load(cpu, space);
  if ((space.ran_on & bit_of(id.value())) != 0) return true;
  space.ran_on |= bit_of(id.value());
  ++counters_.context_demaps;
  cpu.mmu->demap_context(space.context);
  return true;
}

void Tlbs::take_context(MmId mm, Space& space) {
  std::optional<Context> context = contexts_.free_from(last_context_ + 1);
  if (!context) context = contexts_.free_from(1);
  if (!context) {
    wrap_contexts();
    context = contexts_.free_from(1);
    MMUSIM_ASSERT(context.has_value());
  }
  ++counters_.contexts;
  contexts_.give(*context, mm);
  last_context_ = *context;
  space.context = *context;
  space.version = version_;
  space.ran_on = 0;
}

void Tlbs::wrap_contexts() {
  ++counters_.wraps;
  std::vector<Context> kept;
  for (const Cpu& cpu : cpus_) {
    Space* const running = find_space(cpu.current);
    if (running == nullptr || !is_valid(*running)) continue;
    kept.push_back(running->context);
  }
  contexts_.keep_only(kept);
  ++version_;
  for (const Context context : kept)
    find_space(contexts_.owner(context))->version = version_;
}

void Tlbs::load(Cpu& cpu, Space& space) {
  cpu.mmu->load({.context = space.context,
                 .table = space.table,
                 .loaded = &space.loaded,
                 .base = space.base.tsb.get(),
                 .huge = space.huge.tsb.get()});
}

// After a TSB has changed; other CPUs by cross-calls.
void Tlbs::reload_everywhere(MmId mm, Space& space) {
  for (Cpu& cpu : cpus_) {
    if (cpu.current != mm) continue;
    if (&cpu != &here()) ++counters_.cross_calls;
    load(cpu, space);
  }
}

// --- TSBs

void Tlbs::drop_tsb(TsbSlot& slot) {
  if (slot.tsb == nullptr) return;
  tsb_counters_.bytes -= slot.tsb->bytes();
  slot.tsb.reset();
  slot.limit = 0;
}

// tsb_grow: a larger one where resident pages ask for it, or the first one.
bool Tlbs::grow(MmId mm, TsbSlot& slot, PageShift page, uint64_t resident_pages) {
  const auto limit_of = [](unsigned code) {
    const uint64_t entries = tsb::kLeastEntries << code;
    return entries - entries / 4;
  };
  unsigned code = options_.tsb_first();
  while (code < options_.tsb_most() && limit_of(code) <= resident_pages)
    ++code;
  uint64_t limit = code == options_.tsb_most() ? kNoLimit : limit_of(code);
  std::optional<VirtAddr> map;
  if (!options_.tsb_physical) map = page == kPage ? kTsbMap : kHugeTsbMap;
  auto made = Tsb::make(*frames_, mm, code, page, map);
  if (made == nullptr && slot.tsb == nullptr && code > options_.tsb_first()) {
    limit = kNoLimit;
    made = Tsb::make(*frames_, mm, options_.tsb_first(), page, map);
  }
  if (made == nullptr) {
    ++tsb_counters_.failed;
    slot.limit = kNoLimit;
    return false;
  }
  made->report_init(*sink_);
  if (slot.tsb != nullptr) {
    ++tsb_counters_.grown;
    tsb_counters_.copied += made->copy(*slot.tsb, *sink_);
  } else {
    ++tsb_counters_.made;
  }
  tsb_counters_.bytes += made->bytes();
  tsb_counters_.bytes_peak = std::max<uint64_t>(tsb_counters_.bytes_peak, tsb_counters_.bytes);
  std::unique_ptr<Tsb> old = std::move(slot.tsb);
  slot.tsb = std::move(made);
  slot.limit = limit;
  Space* const space = find_space(mm);
  if (space != nullptr && space->context != 0) reload_everywhere(mm, *space);
  if (old != nullptr) tsb_counters_.bytes -= old->bytes();
  return true;
}

bool Tlbs::make_huge_tsb(MmId mm) {
  Space& space = spaces_.at(mm);
  return grow(mm, space.huge, kLargePage, std::max(space.huge_pages, uint64_t{1}));
}

void Tlbs::resident(MmId mm, uint64_t base_pages, uint64_t huge_leaves) {
  if (options_.tsb == TsbMode::None) return;
  Space& space = spaces_[mm];
  const bool two = options_.tsb == TsbMode::Two;
  space.huge_pages = huge_leaves * kHardwarePerHuge;
  // One TSB for both has an entry for each 8K of a huge page that is touched.
  space.base_pages = base_pages + (two ? 0 : huge_leaves << (kHugePage.log2() - kPage.log2()));
  if (space.base.tsb == nullptr) return;  // has not run yet
  if (space.base_pages > space.base.limit) grow(mm, space.base, kPage, space.base_pages);
  if (two && space.huge_pages > space.huge.limit)
    grow(mm, space.huge, kLargePage, space.huge_pages);
}

// --- Flushes

// Pages handlers have loaded, with a byte in the range, of which the page table now says something
// else.
std::vector<Tlbs::Page> Tlbs::changed_pages(const Space& space, VirtRange range) const {
  constexpr uint64_t kWhereAndWhat = tte::Frame::kMask | tte::Size::kMask;
  constexpr uint64_t kMore = tte::Writable::kMask | tte::Exec::kMask;
  std::vector<Page> pages;
  const auto look_at = [&](VirtAddr base, uint64_t loaded) {
    const std::optional<uint64_t> now = tte_of(format_, space.table->peek(base), base);
    if (!now || ((*now ^ loaded) & kWhereAndWhat) != 0 || (loaded & ~*now & kMore) != 0)
      pages.emplace_back(base, loaded);
  };
  // Those that begin before the range, the largest first.
  VirtAddr before = range.begin;
  for (size_t i = std::size(kSizes); i-- > 1;) {
    const VirtAddr base = align_down(range.begin, kSizes[i]);
    if (base == before || base == range.begin) continue;
    before = base;
    const uint64_t loaded = space.loaded.find(base);
    if (loaded != 0 && base + size_of(loaded).bytes() > range.begin) look_at(base, loaded);
  }
  space.loaded.for_each(range, look_at);
  return pages;
}

uint64_t Tlbs::flush_tsbs(Space& space, const Page& page) {
  if (space.base.tsb == nullptr) return 0;
  const PageShift size = size_of(page.second);
  // A huge page is in the base TSB if there was no other.
  if (size == kLargePage && space.huge.tsb != nullptr)
    return space.huge.tsb->flush(page.first, size, *sink_);
  return space.base.tsb->flush(page.first, size, *sink_);
}

void Tlbs::flush_pages(MmId mm, Space& space, std::span<const Page> pages) {
  // Where nobody else has it, other CPUs begin the number anew when they run it again.
  if (only_here(mm)) space.ran_on &= asker_bit();
  while (!pages.empty()) {
    const PageShift size = size_of(pages.front().second);
    size_t count = 0;
    while (count < std::min(kBatch, pages.size()) && size_of(pages[count].second) == size)
      tsb_counters_.flushed += flush_tsbs(space, pages[count++]);
    ++counters_.batches;
    counters_.pages += count;
    if (is_valid(space)) {
      counters_.cross_calls += others(space.ran_on);
      on_each(space.ran_on, [&](Cpu& cpu) {
        counters_.demaps += count;
        for (const Page& page : pages.first(count))
          cpu.mmu->demap_page(page.first, space.context);
      });
    }
    for (const Page& page : pages.first(count))
      space.loaded.erase(page.first);
    pages = pages.subspan(count);
  }
}

void Tlbs::flush_range(MmId mm, VirtRange range, PageShift stride, bool /*freed_tables*/,
                       mmu::RangeFlush /*why*/) {
  ++counters_.requests;
  Space* const space = find_space(mm);
  if (range.empty() || space == nullptr || space->loaded.empty()) return;
  range = {align_down(range.begin, stride), align_up(range.end, stride)};
  flush_pages(mm, *space, changed_pages(*space, range));
}

void Tlbs::flush_mm(MmId mm) {
  ++counters_.requests;
  Space* const space = find_space(mm);
  if (space == nullptr || space->loaded.empty()) return;
  const std::vector<Page> pages = changed_pages(*space, {VirtAddr(0), kTaskEnd});
  const bool nothing_left = space->loaded.all_of(
      [space](VirtAddr base) { return space->table->peek(base).entry == pt::kNone; });
  if (nothing_left)
    end(*space);
  else
    flush_pages(mm, *space, pages);
}

void Tlbs::end(Space& space) {
  ++counters_.ends;
  space.loaded.clear();
  for (TsbSlot* slot : {&space.base, &space.huge})
    if (slot->tsb != nullptr) slot->tsb->clear();
  if (!is_valid(space)) return;
  on_each(space.ran_on, [&](Cpu& cpu) {
    ++counters_.end_demaps;
    cpu.mmu->demap_context(space.context);
  });
}

// The kernel has changed the entry, or found it as it was while this CPU had an older one.
void Tlbs::flush_local_page(CpuId id, MmId mm, VirtAddr va, bool /*code*/) {
  Space* const space = find_space(mm);
  if (space == nullptr) return;
  for (const PageShift size : {kPage, kSizes[1], kSizes[2], kLargePage}) {
    const VirtAddr base = align_down(va, size);
    const uint64_t loaded = space->loaded.find(base);
    if (loaded == 0 || size_of(loaded) < size) continue;
    tsb_counters_.flushed += flush_tsbs(*space, {base, loaded});
    ++counters_.pages;
    if (!is_valid(*space) || (space->ran_on & bit_of(id.value())) == 0) return;
    ++counters_.demaps;
    cpu(id).mmu->demap_page(base, space->context);
    return;
  }
}

void Tlbs::release(MmId /*mm*/, Space& space) {
  if (is_valid(space)) contexts_.release(space.context);
  drop_tsb(space.base);
  drop_tsb(space.huge);
}

// --- Checks and reports

std::optional<MmId> Tlbs::user_of(const Cpu& cpu, const tlb::EntryView& entry) const {
  const MmId mm = contexts_.owner(static_cast<Context>(entry.space));
  const Space* const space = find_space(mm);
  if (space == nullptr || (space->ran_on & bit_of(cpu)) == 0) return std::nullopt;
  return mm;
}

void Tlbs::for_each_entry(const TranslationVisit& visit) const {
  Cpus::for_each_entry(visit);
  for (const auto& [mm, space] : spaces_)
    for (const TsbSlot* slot : {&space.base, &space.huge}) {
      if (slot->tsb == nullptr) continue;
      slot->tsb->for_each([&visit, owner = mm](VirtAddr va, uint64_t word) {
        const unsigned exec = tte::Exec::get(word) != 0 ? unsigned{Rights::kExec} : 0u;
        visit({.cpu = CpuId(0),
               .mm = owner,
               .base = align_down(va, size_of(word)),
               .size = size_of(word),
               .pfn = Pfn(tte::Frame::get(word)),
               .rights = data_rights(word).with(exec),
               .where = "tsb"});
      });
    }
}

mmu::Summary Tlbs::summary() const {
  const Mmu::Counters sum = counters();
  mmu::Summary summary = summary_of(kTlbs, options_.tlb, kStepList);
  summary.soft_lookups = sum.tsb_lookups;
  summary.soft_hits = sum.tsb_hits + sum.huge_hits;
  summary.soft_bytes = tsb_counters_.bytes_peak;
  summary.flushes = counters_.requests;
  summary.flushed_pages = counters_.demaps;
  summary.emptied = counters_.context_demaps + counters_.end_demaps;
  summary.interrupts = counters_.cross_calls;
  return summary;
}

void Tlbs::report(stats::Report& report) const {
  const Mmu::Counters sum = counters();
  mmu::report_summary(summary(), *sink_, report);
  mmu::report_levels(kTlbs, options_.tlb, sum, report);
  stats::report<LinearCounts>(sum, report);
  mmu::report_faults(kFaults, sum, report);
  stats::report<HandlerCounts>(sum, report);
  stats::report(tsb_counters_, report);
  stats::report(counters_, report);
  paths(kStepList).report(report);
}

}  // namespace mmusim::sparc64
