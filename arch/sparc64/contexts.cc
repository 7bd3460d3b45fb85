#include "arch/sparc64/contexts.h"

#include <algorithm>

namespace mmusim::sparc64 {

Context Contexts::free_from(Context from, Context end) const {
  while (from < end && owners_[from] != mmu::kNobody)
    ++from;
  return from;
}

std::optional<Context> Contexts::take(MmId mm) {
  const Context first = (last_ + 1) % kCount;
  // Linux's search may begin at 0, whose bit is always set.
  Context found = free_from(std::max(first, Context{1}), kCount);
  if (found == kCount) {
    found = free_from(1, first);
    if (found >= first) return std::nullopt;
  }
  owners_[found] = mm;
  last_ = found;
  return found;
}

void Contexts::wrap(std::span<const Context> kept) {
  ++version_;
  last_ = 0;
  std::vector<MmId> owners(kCount, mmu::kNobody);
  for (const Context context : kept)
    owners[context] = owners_[context];
  owners_ = std::move(owners);
}

}  // namespace mmusim::sparc64
