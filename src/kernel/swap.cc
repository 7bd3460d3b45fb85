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
  const uint64_t slot = free_.empty() ? next_ : *free_.begin();
  take(slot);
  return SlotId(slot);
}

// Below `next_` those that are free are known; from there on all are.
std::optional<uint64_t> SwapSpace::free_run(uint64_t count) const {
  const auto aligned_up = [count](uint64_t slot) { return (slot + count - 1) & ~(count - 1); };
  uint64_t first = aligned_up(1);
  for (auto at = free_.lower_bound(first); at != free_.end(); at = free_.lower_bound(first)) {
    uint64_t slot = first;
    while (slot < first + count && at != free_.end() && *at == slot) {
      ++slot;
      ++at;
    }
    if (slot == first + count || slot == next_) break;
    first = std::max(first + count, at == free_.end() ? next_ : *at & ~(count - 1));
  }
  if (free_.lower_bound(first) == free_.end()) first = std::max(first, aligned_up(next_));
  if (first + count - 1 > total_) return std::nullopt;
  return first;
}

void SwapSpace::take(uint64_t slot) {
  free_.erase(slot);
  for (; next_ <= slot; ++next_)
    if (next_ != slot) free_.insert(next_);
  slots_[slot] = {};
  peak_ = std::max<uint64_t>(peak_, slots_.size());
}

std::optional<SlotId> SwapSpace::allocate(unsigned order) {
  const uint64_t count = uint64_t{1} << order;
  const auto first = free_run(count);
  if (!first) return std::nullopt;
  for (uint64_t slot = *first; slot < *first + count; ++slot)
    take(slot);
  return SlotId(*first);
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
