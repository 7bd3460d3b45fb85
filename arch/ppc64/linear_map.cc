#include "arch/ppc64/linear_map.h"

#include <fmt/format.h>

#include "arch/ppc64/steps.h"

namespace mmusim::ppc64 {

namespace {

tlb::Leaf leaf_of(Pfn first, Rights rights) {
  return {.pfn = first, .size = kLargePage, .rights = rights, .dirty = true};
}

}  // namespace

void LinearMap::fetch(unsigned step, PhysAddr code, uint64_t bytes) {
  if (!runs_translated(step)) return;
  const VirtAddr end = kLinearMap + code.value() + bytes;
  for (VirtAddr va = kLinearMap + code.value(); va < end;
       va = align_down(va, parts_.page) + parts_.page.bytes()) {
    ++counters_.fetch_lookups;
    if (!look_up(instructions_, va)) ++counters_.fetch_misses;
  }
}

VirtAddr LinearMap::reach(PhysAddr address) {
  const VirtAddr va = kLinearMap + address.value();
  ++counters_.lookups;
  if (!look_up(data_, va)) ++counters_.misses;
  return va;
}

[[gnu::noinline]] bool LinearMap::look_up_another(Erat& erat, VirtAddr va) {
  const tlb::Level::Hit& known = erat.found_of(va);
  bool hit = true;
  if (known && erat.level.still_has(known, va, kLinearSpace)) [[likely]]
    erat.level.touch(known);
  else
    hit = look_up_all(erat, va);
  erat.last = hit ? va.value() >> erat.size.log2() : Erat::kNone;
  erat.time = erat.level.time();
  return hit;
}

[[gnu::noinline]] bool LinearMap::look_up_all(Erat& erat, VirtAddr va) {
  tlb::Level& level = erat.level;
  if (const tlb::Level::Hit hit = level.find(va, kLinearSpace)) {
    erat.size = hit.payload->size;
    erat.found_of(va) = hit;
    level.touch(hit);
    return true;
  }
  if (parts_.path.narrated())
    parts_.path.remark(fmt::format("{}: miss at {:#x}, in the kernel", erat.name, va.value()));
  const unsigned interrupted = parts_.path.last();
  const uint64_t before = counters_.slb_misses + counters_.tlb_misses;
  refill(level, va);
  if (counters_.slb_misses + counters_.tlb_misses != before) parts_.path.resume(interrupted);
  return false;
}

void LinearMap::refill(tlb::Level& erat, VirtAddr va) {
  if (!parts_.slb.has(va)) {
    ++counters_.slb_misses;
    parts_.path.step(kLinearSegment);
    parts_.path.more_instructions(kLinearSegment, parts_.slb.fill_linear(va));
  }
  if (const tlb::Level::Hit hit = parts_.tlb.find(va, kLinearSpace)) {
    parts_.tlb.touch(hit);
    const tlb::Payload& entry = *hit.payload;
    const uint64_t into_page = align_down(va, entry.size).value() & kLargePage.offset_mask();
    erat.fill(va, kLinearSpace,
              leaf_of(entry.pfn - (into_page >> parts_.page.log2()), entry.rights));
    return;
  }
  ++counters_.tlb_misses;
  parts_.path.hardware_step(kLinearWalk);
  const uint64_t second = parts_.htab.search_linear(va, parts_.path);
  const unsigned exec = hpte::NoExecute::get(second) != 0 ? 0 : Rights::kExec;
  const tlb::Leaf leaf = leaf_of(hpte_frame(second, kLargePage, parts_.page),
                                 Rights(Rights::kRead | Rights::kWrite | exec));
  parts_.tlb.fill(va, kLinearSpace, leaf);
  erat.fill(va, kLinearSpace, leaf);
}

}  // namespace mmusim::ppc64
