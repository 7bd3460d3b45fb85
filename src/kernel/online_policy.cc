#include "kernel/online_policy.h"

#include "kernel/hint_group.h"
#include "kernel/promotion.h"

namespace mmusim::kernel {

void OnlinePolicy::missed(AddressSpace& mm, const Vma& vma, VirtAddr va) {
  const pt::Lookup found = mm.table->peek(va);
  if (found.entry == pt::kNone) return;
  const auto group = group_of(*core_, mm, found);
  const PageShift mapped = group ? group->size : found.size;
  const std::vector<BlockSize>& sizes = core_->sizes.candidates;
  const BlockSize* ripe = nullptr;
  for (const BlockSize& size : sizes) {
    if (size.size <= mapped || !may_promote(mm, vma, va, size)) continue;
    ++core_->counters.charged_misses;
    uint64_t& charge = charges_[{mm.id, size.size, align_down(va, size.size)}];
    if (++charge < core_->settings.superpage_misses * core_->pages(size.size)) continue;
    charge = 0;
    ripe = &size;
  }
  if (ripe == nullptr) return;
  const VirtAddr base = align_down(va, ripe->size);
  const Survey survey(*core_, mm, {base, base + ripe->size.bytes()});
  promote(*core_, mm, vma, survey, base, *ripe);
}

void OnlinePolicy::leaving(AddressSpace& mm, const VirtRange& range) {
  for (const BlockSize& size : core_->sizes.candidates) {
    const auto from = charges_.lower_bound({mm.id, size.size, align_down(range.begin, size.size)});
    const auto to = charges_.lower_bound({mm.id, size.size, range.end});
    charges_.erase(from, to);
  }
}

}  // namespace mmusim::kernel
