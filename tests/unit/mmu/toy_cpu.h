// A CPU of no real architecture: two first levels of four pages, and a second one for both sides.
#ifndef MMUSIM_TESTS_UNIT_MMU_TOY_CPU_H_
#define MMUSIM_TESTS_UNIT_MMU_TOY_CPU_H_

#include <string>
#include <vector>

#include "mmu/cpu.h"
#include "mmu/levels.h"

namespace mmusim::mmu::toy {

inline constexpr PageShift k4K{12};
inline constexpr PageShift k64K{16};

enum ToyLevel : unsigned { kToyL1I, kToyL1D, kToyL2, kToyL2I };

inline constexpr LevelCount kToyFirst[] = {
    {Of::Lookups, "Of {}."}, {Of::Hits},       {Of::Misses}, {Of::Outside, nullptr, "not_there"},
    {Of::Retries},           {Of::RetryMisses}};
inline constexpr LevelCount kToySecond[] = {{Of::Lookups, "Of {}."}, {Of::Hits},      {Of::Misses},
                                            {Of::RetryMisses},       {Of::Evictions}, {Of::Fills}};
inline constexpr LevelDecl kToyLevels[] = {
    {.name = "l1i",
     .shown = "first I",
     .fetches = true,
     .counts = kToyFirst,
     .arrays = {{{"toy.l1i", "first-level instruction TLB", {4, 4, "4K"}}}}},
    {.name = "l1d",
     .shown = "first D",
     .data = true,
     .counts = kToyFirst,
     .arrays = {{{"toy.l1d", "first-level data TLB", {4, 4, "4K"}},
                 {"toy.l1d.large", "the same for large pages", {0, 1, "64K"}}}}},
    {.name = "l2",
     .shown = "second",
     .fetches = true,
     .data = true,
     .second = true,
     .counts = kToySecond,
     .arrays = {{{"toy.l2", "second-level TLB", {8, 8, "4K,64K"}}}}},
    {.name = "l2i",
     .shown = "second I",
     .fetches = true,
     .second = true,
     .counts = kToySecond,
     .arrays = {{{"toy.l2i", "second-level instruction TLB", {0, 1, "4K"}}}}}};

inline tlb::Geometry toy_array(uint32_t entries, std::vector<PageShift> pages) {
  tlb::Geometry geometry;
  geometry.entries = entries;
  geometry.ways = entries;
  geometry.pages = std::move(pages);
  return geometry;
}
inline Arrays toy_arrays() {
  Arrays arrays;
  arrays[kToyL1I] = {toy_array(4, {k4K})};
  arrays[kToyL1D] = {toy_array(4, {k4K})};
  arrays[kToyL2] = {toy_array(8, {k4K, k64K})};
  return arrays;
}

inline constexpr Step kToySteps[] = {{"handler", "A handler runs", 7, true},
                                     page_fault("The kernel is entered", 3, true)};

struct ToyCounts {
  stats::Count handled{"toy.handled", "events", "Misses a handler answered."};
};

// Whatever is mapped is in `pages`.
class ToyMmu final : public Cpu<12, ToyCounts> {
 public:
  explicit ToyMmu(mem::FrameMemory& frames, mem::ReferenceSink& sink,
                  const Arrays& arrays = toy_arrays())
      : Cpu(kToyLevels, arrays, {}, k4K, kToySteps, frames, sink, {}) {}

  Translation access(VirtAddr va, AccessKind kind, bool retry) {
    const SideLevels& side = this->side(kind);
    if (retry) ++side.counters->retry_lookups;
    if (va.value() >> 32 != 0) {
      count_outside(side, retry);
      return fault(FaultReason::NonCanonical);
    }
    if (!loaded) return nothing_loaded(side, retry);
    Hit hit = look_up(side, va, space, retry);
    if (!hit) {
      const Hit second = look_up_second(side, va, space, retry);
      hit = second ? fill_first(side, va, space, second) : handle(side, va);
    }
    if (!hit) return fault(FaultReason::NotPresent);
    if (!hit.payload->rights.allows(kind)) return fault(FaultReason::Protection);
    return finish(side, va, hit);
  }
  void load(tlb::Space to) {
    loaded = true;
    space = to;
    change_space(to << kKeyPageBits);
  }
  void unload() {
    loaded = false;
    change_space(uint64_t{0xfff} << kKeyPageBits);
  }
  void purge(VirtAddr va) {
    on_every_level([&](tlb::Level& level) { level.invalidate_page(va, space); });
  }
  [[nodiscard]] Counters counters() const { return all_counters(); }

  std::vector<std::pair<VirtRange, tlb::Leaf>> pages;
  bool loaded = false;
  tlb::Space space = 0;

 private:
  Hit handle(const SideLevels& side, VirtAddr va) {
    path_.step(0);
    for (const auto& [range, leaf] : pages)
      if (range.contains(va)) {
        ++counters_.handled;
        return fill(side, va, space, leaf);
      }
    return {};
  }
};

}  // namespace mmusim::mmu::toy

#endif  // MMUSIM_TESTS_UNIT_MMU_TOY_CPU_H_
