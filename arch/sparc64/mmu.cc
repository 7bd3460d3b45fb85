#include "arch/sparc64/mmu.h"

#include <fmt/format.h>
#include <string>
#include <utility>

#include "base/error.h"

namespace mmusim::sparc64 {

Mmu::Mmu(const Options& options, mem::FrameMemory& frames, mem::ReferenceSink& sink,
         const Shared& shared, NeedHuge need_huge)
    : Cpu(kTlbs, options.tlb, {options.locked_fetch(), options.locked_data()}, kPage, kStepList,
          frames, sink, {.base = shared.code}),
      options_(&options),
      shared_(shared),
      need_huge_(std::move(need_huge)) {
  static_assert(kKeyPageBits + kContextBits == 64);
  lock_image();
}

// The kernel's image, from 4M of physical memory on.
void Mmu::lock_image() {
  for (unsigned i = 0; i < options_->image_entries; ++i) {
    const uint64_t offset = uint64_t{i} << kLargePage.log2();
    const tlb::Leaf leaf =
        kernel_leaf(PhysAddr(kLargePage.bytes() + offset), kLargePage, Rights::kExec);
    level(kItlb).lock(i, kImage + offset, 0, leaf);
    level(kDtlb).lock(i, kImage + offset, 0, leaf);
  }
  level(kItlb).take_out(static_cast<unsigned>(options_->tlb[kItlb].size() - 1),
                        options_->image_entries);
  take_data_entries(options_->image_entries);
}

void Mmu::take_data_entries(unsigned locked) {
  if (locked <= locked_data_) return;
  locked_data_ = locked;
  level(kDtlb).take_out(static_cast<unsigned>(options_->tlb[kDtlb].size() - 1), locked);
}

void Mmu::lock_tsb(unsigned slot, const Tsb& tsb) {
  const unsigned place = options_->image_entries + slot;
  path_.step(kSwitchMap);
  if (slot == 0) path_.more_instructions(kSwitchMap, more::kFirstMap);
  take_data_entries(place + 1);
  level(kDtlb).lock(place, align_down(tsb.mapped_at(), tsb.mapping_size()), 0,
                    kernel_leaf(tsb.base(), tsb.mapping_size()));
}

// Not sign-extended from the highest bit that processor and page table both have.
bool Mmu::outside(VirtAddr va) const {
  constexpr unsigned kTableBits = 53;
  const unsigned bits = std::min(options_->va_bits, kTableBits);
  const uint64_t upper = va.value() >> (bits - 1);
  return upper != 0 && upper != ~uint64_t{0} >> (bits - 1);
}

mmu::Translation Mmu::access(VirtAddr va, AccessKind kind, bool retry) {
  const SideLevels& side = this->side(kind);
  if (retry) {
    ++side.counters->retry_lookups;
    if (space_.table != nullptr) after_fault(va);
  }
  if (outside(va)) {
    count_outside(side, retry);
    refuse(side, mmu::FaultReason::NonCanonical);
    return fault(miss_fault_);
  }
  if (space_.table == nullptr) return nothing_loaded(side, retry);
  Hit hit = look_up(side, va, space_.context, retry);
  if (!hit) hit = refill(side, va);
  if (!hit) return fault(miss_fault_);
  if (!hit.payload->rights.allows(kind)) {  // a store without W; all else is never loaded
    path_.step(kProtection);
    return fault(mmu::FaultReason::Protection);
  }
  return finish(side, va, hit);
}

void Mmu::load(const Space& space) {
  space_ = space;
  change_space(uint64_t{space.context} << kKeyPageBits);
  path_.step(kSwitch);
  if (space.huge != nullptr) path_.more_instructions(kSwitch, more::kHugeRegister);
  // Where there is no TSB of huge pages Linux leaves alone what maps the last one there was.
  if (!options_->tsb_physical) {
    if (space.base != nullptr) lock_tsb(0, *space.base);
    if (space.huge != nullptr) lock_tsb(1, *space.huge);
  }
}

void Mmu::unload() {
  space_ = {};
  change_space(0);
}

void Mmu::demap_page(VirtAddr va, Context context) {
  on_every_level([&](tlb::Level& level) { level.invalidate_page(va, context); });
}

void Mmu::demap_context(Context context) {
  on_every_level([&](tlb::Level& level) { level.invalidate_space(context); });
}

}  // namespace mmusim::sparc64
