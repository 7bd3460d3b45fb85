#include "arch/x86/native_walk.h"

#include <numeric>

#include "arch/x86/entry_bits.h"

namespace mmusim::x86 {

namespace {

// As many as the caches of the levels this machine has.
uint32_t cached_tables(const Options& options) {
  const auto begin = options.walk_cache.begin();
  return std::accumulate(begin, begin + options.paging.walked(), uint32_t{0});
}

}  // namespace

NativeWalk::NativeWalk(const Options& options, mmu::MissPath& path)
    : walker_(cached_tables(options), path), reserved_(reserved_bits(options)) {}

Walker::Result NativeWalk::walk(pt::PageTable& table, VirtAddr va, Pcid pcid, AccessKind kind) {
  const pt::Lookup found = walker_.walk(table, va, pcid);
  const pt::Entry entry = found.entry;
  if (PresentBit::get(entry) == 0) return {.fault = mmu::FaultReason::NotPresent, .leaf = {}};
  if ((entry & reserved_) != 0) return {.fault = mmu::FaultReason::Malformed, .leaf = {}};
  const WalkRights above{.write = found.mask.has(Rights::kWrite),
                         .user = found.mask.has(Rights::kUser),
                         .no_execute = !found.mask.has(Rights::kExec)};
  tlb::Leaf leaf = leaf_of_entry(entry, found.size, and_of(above, entry));
  if (!user_may(leaf.rights, kind)) return {.fault = mmu::FaultReason::Protection, .leaf = {}};
  const bool accessed = AccessedBit::get(entry) == 0;
  const bool dirty = writes(kind) && !leaf.dirty;
  if (accessed || dirty)
    walker_.update(table, va, found,
                   entry | (accessed ? AccessedBit::kMask : 0) | (dirty ? DirtyBit::kMask : 0),
                   accessed, dirty);
  leaf.dirty = leaf.dirty || dirty;
  walker_.keep(va, pcid);
  return {.fault = mmu::FaultReason::None, .leaf = leaf};
}

}  // namespace mmusim::x86
