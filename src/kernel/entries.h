// What the entries of page tables mean to the kernel: for which accesses a leaf is made, and what
// one that is found stands for.
//
// An entry is none; or present: a page, zeros (special) or a huge page, private or a folio of
// shared memory (huge_file.h); or neither: it names a swap slot (swap.h), or is a guard (guard.h).
#ifndef MMUSIM_KERNEL_ENTRIES_H_
#define MMUSIM_KERNEL_ENTRIES_H_

#include "base/types.h"
#include "kernel/core.h"
#include "pt/entry.h"

namespace mmusim::kernel {

// A guard has the format's special bit, which no slot's entry has.
inline pt::Entry guard_entry(const pt::EntryFormat& format) {
  return format.special_mask;
}
inline bool is_guard(const pt::EntryFormat& format, pt::Entry e) {
  return !format.is_present(e) && format.is_special(e);
}

// The rights a leaf of `vma` may have: never write where the kernel must see the first write.
// `exclusive`: an anonymous page nobody else holds; `dirty`: the leaf is dirty already.
inline Rights leaf_rights(const Core& core, const Vma& vma, bool exclusive, bool dirty) {
  if (!vma.has(kVmRights)) return Rights();
  unsigned bits = Rights::kRead | Rights::kUser;
  if (vma.has(kVmExec)) bits |= Rights::kExec;
  const bool write_seen =
      vma.is_shared() ? dirty || core.files.kind_of(vma) == PageKind::Shmem : exclusive;
  if (vma.has(kVmWrite) && write_seen) bits |= Rights::kWrite;
  return Rights(bits);
}

// A leaf for a frame that the kernel does not count: zeros, or a special mapping's.
inline pt::Entry special_leaf(const Core& core, const Vma& vma, Pfn pfn) {
  return core.platform.format->make_leaf({.pfn = pfn,
                                          .size = core.page(),
                                          .rights = leaf_rights(core, vma, false, false),
                                          .accessed = true,
                                          .special = true});
}

// Whether a leaf larger than a page was found.
inline bool is_huge(const Core& core, const pt::Lookup& found) {
  return found.entry != pt::kNone && found.size != core.page();
}

// Whether the huge leaf shows a folio of shared memory.
inline bool shows_huge_folio(const Core& core, pt::Entry leaf, PageShift size) {
  const pt::EntryFormat& format = *core.platform.format;
  if (format.is_special(leaf)) return false;
  const Pfn first = format.parse_leaf(leaf, size).pfn;
  return core.platform.frames->frame(first).use == mem::FrameUse::File;
}

// visit(run, i, first) for each leaf of the range that shows frames, `first` the first of them: not
// for guards, entries that name swap space, and zero pages. A huge leaf that sticks out of the
// range is met whole. `visit` may change the entry. Told: the words read are reported.
enum class LeafReads : uint8_t { Told, Untold };
template <class Visit>
void each_leaf(Core& core, AddressSpace& mm, VirtRange range, LeafReads reads, Visit visit) {
  const pt::EntryFormat& format = *core.platform.format;
  const auto cursor = mm.table->cursor(range);
  pt::Run run;
  while (cursor->next(run)) {
    for (uint32_t i = 0; i < run.count; ++i) {
      const pt::Entry e = run.get(i);
      if (e == pt::kNone || !format.is_present(e) || format.is_special(e)) continue;
      visit(run, i, format.parse_leaf(e, run.size).pfn);
    }
    if (reads == LeafReads::Told)
      run.report(*core.platform.sink, mem::Origin::Kernel, run.count, 0);
  }
}

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_ENTRIES_H_
