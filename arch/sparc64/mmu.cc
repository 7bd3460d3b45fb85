#include "arch/sparc64/mmu.h"

#include <fmt/format.h>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/units.h"

namespace mmusim::sparc64 {

namespace {

constexpr unsigned kContextShift = 64 - 13;
static_assert(kContextShift + kContextBits == 64);

std::string tag_text(uint64_t tag) {
  return fmt::format("va 63:22={:#x} context={} lock={} invalid={}", tsb::Address::get(tag),
                     tsb::Context::get(tag), tsb::Lock::get(tag), tsb::Invalid::get(tag));
}

std::string decode(const char* what, std::span<const uint64_t> words) {
  const uint64_t value = words.front();
  const std::string_view name(what);
  if (name == "TTE") return describe_tte(value);
  if (name == kRootWord) return fmt::format("page table at {:#x}", value);
  if (name == kHugeWord)
    return value == ~uint64_t{0} ? "no TSB of huge pages"
                                 : fmt::format("TSB register {:#x}", value);
  if (name == "TSB tag") return tag_text(value);
  if (name == kTsbEntry) return fmt::format("{}; {}", tag_text(words[0]), describe_tte(words[1]));
  return "";
}

}  // namespace

void SideCounters::add(const SideCounters& o) {
  misses += o.misses;
  retry_lookups += o.retry_lookups;
  retry_misses += o.retry_misses;
  outside += o.outside;
  fills += o.fills;
  evictions += o.evictions;
  invalidated += o.invalidated;
}

void MmuCounters::add(const MmuCounters& o) {
  for (size_t i = 0; i < accesses.size(); ++i)
    accesses[i] += o.accesses[i];
  for (size_t i = 0; i < sides.size(); ++i)
    sides[i].add(o.sides[i]);
  tsb_lookups += o.tsb_lookups;
  tsb_hits += o.tsb_hits;
  huge_lookups += o.huge_lookups;
  huge_hits += o.huge_hits;
  walks += o.walks;
  updates += o.updates;
  linear_lookups += o.linear_lookups;
  linear_misses += o.linear_misses;
  linear_tsb_hits += o.linear_tsb_hits;
  for (size_t i = 0; i < faults.size(); ++i)
    faults[i] += o.faults[i];
}

Mmu::Mmu(const Options& options, mem::FrameMemory& frames, mem::ReferenceSink& sink,
         const Shared& shared, NeedHuge need_huge)
    : options_(&options),
      path_(kStepList, frames, sink, {.base = shared.code}),
      shared_(shared),
      need_huge_(std::move(need_huge)),
      itlb_(options.itlb, kPage, true, options.locked_fetch()),
      dtlb_(options.dtlb, kPage, true, options.locked_data()),
      fetch_filter_(&itlb_.filter()),
      data_filter_(&dtlb_.filter()) {
  path_.decode_with(decode);
  sides_[0] = {.level = &itlb_, .counters = &counters_.sides[0], .data = false};
  sides_[1] = {.level = &dtlb_, .counters = &counters_.sides[1], .data = true};
  lock_image();
}

// The kernel's image, from 4M of physical memory on.
void Mmu::lock_image() {
  for (unsigned i = 0; i < options_->image_entries; ++i) {
    const uint64_t offset = uint64_t{i} << kLargePage.log2();
    const tlb::Leaf leaf{.pfn = Pfn((kLargePage.bytes() + offset) >> kPage.log2()),
                         .size = kLargePage,
                         .rights = Rights(Rights::kRead | Rights::kWrite | Rights::kExec),
                         .dirty = true,
                         .global = false,
                         .extra = 0};
    itlb_.lock(i, kImage + offset, 0, leaf);
    dtlb_.lock(i, kImage + offset, 0, leaf);
  }
  itlb_.take_out(static_cast<unsigned>(options_->itlb.size() - 1), options_->image_entries);
  take_data_entries(options_->image_entries);
}

void Mmu::take_data_entries(unsigned locked) {
  if (locked <= locked_data_) return;
  locked_data_ = locked;
  dtlb_.take_out(static_cast<unsigned>(options_->dtlb.size() - 1), locked);
}

void Mmu::lock_tsb(unsigned slot, const Tsb& tsb) {
  const unsigned place = options_->image_entries + slot;
  path_.step(kSwitchMap);
  if (slot == 0) path_.more_instructions(kSwitchMap, more::kFirstMap);
  take_data_entries(place + 1);
  dtlb_.lock(place, align_down(tsb.mapped_at(), tsb.mapping_size()), 0,
             {.pfn = Pfn(tte::Frame::get(tsb.mapping_tte())),
              .size = tsb.mapping_size(),
              .rights = Rights(Rights::kRead | Rights::kWrite),
              .dirty = true,
              .global = false,
              .extra = 0});
}

// Not sign-extended from the highest bit that processor and page table both have.
bool Mmu::outside(VirtAddr va) const {
  constexpr unsigned kTableBits = 53;
  const unsigned bits = std::min(options_->va_bits, kTableBits);
  const uint64_t upper = va.value() >> (bits - 1);
  return upper != 0 && upper != ~uint64_t{0} >> (bits - 1);
}

mmu::Translation Mmu::access(VirtAddr va, AccessKind kind, bool retry) {
  Side& side = sides_[kind == AccessKind::Fetch ? 0 : 1];
  if (retry) {
    ++side.counters->retry_lookups;
    if (space_.table != nullptr) after_fault(va);
  }
  if (outside(va)) {
    if (!retry) ++side.counters->outside;
    refuse(side, mmu::FaultReason::NonCanonical);
    return fault(miss_fault_);
  }
  if (space_.table == nullptr) {
    ++(retry ? side.counters->retry_misses : side.counters->misses);
    return fault(mmu::FaultReason::NotPresent);
  }
  Hit hit = side.level->find(va, space_.context);
  remark_lookup(side.data ? "data TLB" : "instruction TLB", static_cast<bool>(hit));
  if (hit) {
    side.level->touch(hit);
  } else {
    ++(retry ? side.counters->retry_misses : side.counters->misses);
    hit = refill(side, va);
    if (!hit) return fault(miss_fault_);
  }
  if (!hit.payload->rights.allows(kind)) {  // a store without W; all else is never loaded
    path_.step(kProtection);
    return fault(mmu::FaultReason::Protection);
  }
  return finish(side, va, hit);
}

mmu::Translation Mmu::finish(Side& side, VirtAddr va, const Hit& hit) {
  const tlb::Payload& entry = *hit.payload;
  side.level->filter_install(hit, key_of(va),
                             entry.rights.has(side.data ? Rights::kRead : Rights::kExec),
                             entry.rights.has(Rights::kWrite));
  const uint64_t into_entry = va.value() & entry.size.offset_mask();
  return {.fault = mmu::FaultReason::None,
          .pfn = entry.pfn + (into_entry >> kPage.log2()),
          .size = entry.leaf,
          .rights = entry.rights};
}

mmu::Translation Mmu::fault(mmu::FaultReason reason) {
  ++counters_.faults[static_cast<unsigned>(reason)];
  path_.step(kPageFault);
  return {.fault = reason, .pfn = {}, .size = {}, .rights = {}};
}

void Mmu::load(const Space& space) {
  space_ = space;
  key_tag_ = uint64_t{space.context} << kContextShift;
  path_.step(kSwitch);
  if (space.huge != nullptr) path_.more_instructions(kSwitch, more::kHugeRegister);
  // Where there is no TSB of huge pages Linux leaves alone what maps the last one there was.
  if (!options_->tsb_physical) {
    if (space.base != nullptr) lock_tsb(0, *space.base);
    if (space.huge != nullptr) lock_tsb(1, *space.huge);
  }
  ++generation_;
}

void Mmu::unload() {
  space_ = {};
  key_tag_ = 0;
  ++generation_;
}

void Mmu::demap_page(VirtAddr va, Context context) {
  itlb_.invalidate_page(va, context);
  dtlb_.invalidate_page(va, context);
  ++generation_;
}

void Mmu::demap_context(Context context) {
  itlb_.invalidate_space(context);
  dtlb_.invalidate_space(context);
  ++generation_;
}

void Mmu::for_each_entry(
    const std::function<void(const char* where, const tlb::EntryView& entry)>& visit) const {
  const auto level = [&visit](const char* where, const tlb::Level& entries) {
    entries.for_each([&](const tlb::EntryView& entry) {
      if (!entry.locked && entry.space != 0) visit(where, entry);
    });
  };
  level("itlb", itlb_);
  level("dtlb", dtlb_);
}

MmuCounters Mmu::counters() const {
  MmuCounters counters = counters_;
  for (size_t i = 0; i < sides_.size(); ++i) {
    counters.sides[i].fills = sides_[i].level->fills();
    counters.sides[i].evictions = sides_[i].level->evictions();
    counters.sides[i].invalidated = sides_[i].level->invalidated();
  }
  return counters;
}

}  // namespace mmusim::sparc64
