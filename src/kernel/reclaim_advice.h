// madvise(FREE, COLD, PAGEOUT) on a part of an area (Linux: madvise_free_pte_range and
// madvise_cold_or_pageout_pte_range, mm/madvise.c).
//
// A huge page's folio that the part does not cover whole is split first, unless other processes
// show pages of it: then nothing happens to it. FREE takes the dirty bits away: what is still clean
// when somebody wants the memory holds nothing. COLD makes pages the first to be reclaimed. PAGEOUT
// reclaims those nobody else shows: with swap space as reclaim does; without, what has another
// place goes: pages of files and shared memory are unmapped, and leave the cache if they are clean;
// private pages go only if they were given up by FREE. A huge page is split all the same, since
// Linux tries that before it finds that there is no slot.
#ifndef MMUSIM_KERNEL_RECLAIM_ADVICE_H_
#define MMUSIM_KERNEL_RECLAIM_ADVICE_H_

#include <cstdint>

#include "base/types.h"
#include "kernel/core.h"

namespace mmusim::kernel {

enum class ReclaimAdvice : uint8_t { Cold, PageOut, Free };
// madvise on a part of one area, which may be reclaimed.
void advise_reclaim(Core& core, AddressSpace& mm, const Vma& vma, VirtRange range,
                    ReclaimAdvice advice);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_RECLAIM_ADVICE_H_
