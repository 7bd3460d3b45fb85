#include "kernel/swap.h"

#include <algorithm>

#include "base/error.h"

namespace mmusim::kernel {

SwapSpace::SwapSpace(const pt::EntryFormat& format, uint64_t slots)
    : format_(&format), total_(slots) {
  const uint64_t most = format.pfn_mask >> format.pfn_shift;
  if (slots > most)
    throw UsageError("kernel.swap_pages",
                     fmt::format("an entry of this machine's page tables can name {} pages of swap "
                                 "space, not {}",
                                 most, slots),
                     "give it less");
}

std::optional<SlotId> SwapSpace::allocate() {
  if (slots_.size() == total_) return std::nullopt;
  uint64_t slot = next_;
  if (free_.empty()) {
    ++next_;
  } else {
    slot = *free_.begin();
    free_.erase(free_.begin());
  }
  slots_[slot] = {};
  peak_ = std::max<uint64_t>(peak_, slots_.size());
  return SlotId(slot);
}

void SwapSpace::drop(SlotId slot) {
  const auto it = slots_.find(slot.value());
  MMUSIM_ASSERT(it != slots_.end() && it->second.holders != 0);
  if (--it->second.holders != 0) return;
  if (it->second.copy) copies_.erase(*it->second.copy);
  slots_.erase(it);
  free_.insert(slot.value());
}

std::optional<Pfn> SwapSpace::copy_of(SlotId slot) const {
  return slots_.at(slot.value()).copy;
}

std::optional<SlotId> SwapSpace::slot_behind(Pfn pfn) const {
  const auto it = copies_.find(pfn);
  if (it == copies_.end()) return std::nullopt;
  return it->second;
}

void SwapSpace::remember(SlotId slot, Pfn pfn) {
  slots_.at(slot.value()).copy = pfn;
  copies_[pfn] = slot;
}

void SwapSpace::forget(Pfn pfn) {
  const auto it = copies_.find(pfn);
  if (it == copies_.end()) return;
  slots_.at(it->second.value()).copy.reset();
  copies_.erase(it);
}

}  // namespace mmusim::kernel
