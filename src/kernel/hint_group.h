// Groups: superpages mapped by the entries of their base pages, each of which says the size
// (pt::LeafFields::hint), so that a TLB may take the whole from any one of them.
//
// All entries of a group agree in rights and attributes, but for accessed and dirty, and their
// frames are those of one aligned block in order. A group lies in one area. Whoever changes a part
// of one splits it before (demotion.h): the entries say smaller groups or base pages then, each
// accessed or dirty if any was, and the whole is flushed. No memory is needed for that.
#ifndef MMUSIM_KERNEL_HINT_GROUP_H_
#define MMUSIM_KERNEL_HINT_GROUP_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "base/types.h"
#include "kernel/core.h"

namespace mmusim::kernel {

struct HintGroup {
  VirtAddr base;
  PageShift size;
  [[nodiscard]] VirtRange range() const { return {base, base + size.bytes()}; }
};

// What the entry of the base page at `page` says it is part of; nothing: of none.
std::optional<HintGroup> hinted_group(const Core& core, VirtAddr page, pt::Entry entry);

// The same, cheaper where the address space has no groups: of an entry, and of what was found.
inline std::optional<HintGroup> group_at(const Core& core, const AddressSpace& mm, VirtAddr page,
                                         pt::Entry entry) {
  return mm.groups == 0 ? std::nullopt : hinted_group(core, page, entry);
}
inline std::optional<HintGroup> group_of(const Core& core, const AddressSpace& mm,
                                         const pt::Lookup& found) {
  if (found.entry == pt::kNone || found.size != core.page()) return std::nullopt;
  return group_at(core, mm, found.base, found.entry);
}
// That whose first entry this is. For those who go through all of them.
inline std::optional<HintGroup> group_from(const Core& core, const AddressSpace& mm, VirtAddr page,
                                           pt::Entry entry) {
  const auto group = group_at(core, mm, page, entry);
  return group && group->base == page ? group : std::nullopt;
}

// Instead of the group its entries say the smaller ones in `left`, in order, and else base pages.
void split_group(Core& core, AddressSpace& mm, const HintGroup& group,
                 const std::vector<HintGroup>& left, SplitCause why);

// All entries of the range, which are pages of one aligned block, say from now on that they are
// part of a superpage of that size, or nothing: of none. The caller counts it, and flushes.
void set_hint(Core& core, AddressSpace& mm, const VirtRange& range, std::optional<PageShift> size);

// Gives all entries of the group these rights, and marks them accessed, and dirty if `dirty`, as
// one leaf would be (Linux on arm64: contpte_ptep_set_access_flags).
void upgrade_group(Core& core, AddressSpace& mm, const HintGroup& group, Rights rights, bool dirty);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_HINT_GROUP_H_
