#include "mmu/cpu.h"

#include "base/error.h"

namespace mmusim::mmu {

namespace {

unsigned page_fault_in(std::span<const Step> steps) {
  const auto found =
      std::find_if(steps.begin(), steps.end(), [](const Step& step) { return step.enters_kernel; });
  MMUSIM_ASSERT(found != steps.end());
  return static_cast<unsigned>(found - steps.begin());
}

}  // namespace

CpuBase::CpuBase(std::span<const LevelDecl> levels, const Arrays& arrays, const Locked& locked,
                 PageShift page, std::span<const Step> steps, mem::FrameMemory& frames,
                 mem::ReferenceSink& sink, const HandlerCode& code)
    : path_(steps, frames, sink, code),
      page_(page),
      decls_(levels),
      page_fault_step_(page_fault_in(steps)) {
  MMUSIM_ASSERT(levels.size() <= kMostLevels);
  for (size_t i = 0; i < levels.size(); ++i)
    if (!arrays[i].empty()) levels_[i].emplace(arrays[i], page, !levels[i].second, locked[i]);
  for (const Side which : {kFetches, kData}) {
    const size_t first = level_of(levels, arrays, which, /*second=*/false);
    const size_t second = level_of(levels, arrays, which, /*second=*/true);
    MMUSIM_ASSERT(first != kMostLevels);
    SideLevels& side = sides_[which];
    side.first = &*levels_[first];
    side.shown_first = levels[first].shown;
    side.counters = &common_.sides[which];
    side.data = which == kData;
    if (second == kMostLevels) continue;
    side.second = &*levels_[second];
    side.shown_second = levels[second].shown;
  }
  fetch_filter_ = &sides_[kFetches].first->filter();
  data_filter_ = &sides_[kData].first->filter();
}

void CpuBase::for_each_size(const SizeVisit& visit) const {
  const tlb::Level* seen = nullptr;
  for (const SideLevels& side : sides_) {
    if (&side.last() == seen) continue;
    seen = &side.last();
    seen->for_each_size(visit);
  }
}

void CpuBase::for_each_last_entry(const std::function<void(const tlb::EntryView&)>& visit) const {
  const tlb::Level* seen = nullptr;
  for (const SideLevels& side : sides_) {
    if (&side.last() == seen) continue;
    seen = &side.last();
    seen->for_each([&](const tlb::EntryView& entry) {
      if (!entry.locked) visit(entry);
    });
  }
}

void CpuBase::for_each_entry(const EntryVisit& visit) const {
  for (size_t i = 0; i < decls_.size(); ++i)
    if (levels_[i])
      levels_[i]->for_each([&](const tlb::EntryView& entry) {
        if (!entry.locked) visit(decls_[i].name, entry);
      });
}

void CpuBase::remark_lookup(const char* level, VirtAddr va, const Hit& hit) {
  path_.remark(std::string(level) + ": " + lookup_text(va, hit));
}

std::string CpuBase::lookup_text(VirtAddr /*va*/, const Hit& hit) const {
  return hit ? "hit" : "miss";
}

CpuCounters CpuBase::common_counters() const {
  CpuCounters all = common_;
  for (size_t i = 0; i < levels_.size(); ++i)
    if (levels_[i])
      all.levels[i] = {.fills = levels_[i]->fills(),
                       .evictions = levels_[i]->evictions(),
                       .invalidated = levels_[i]->invalidated()};
  return all;
}

}  // namespace mmusim::mmu
