// Reclaim: frames taken back from programs when none is free (Linux: mm/vmscan.c).
//
// Pages are tried in the order of the page list. One that was used since it was tried last gets a
// second chance: its accessed bits are cleared (without a flush, as on x86) and it goes to the end.
// Else every leaf that shows it is taken away, found by the reverse map; file pages are dropped
// (written first if dirty), anonymous and shared ones go to swap space. Flushes are one per address
// space for the whole batch, and nothing is freed before them. Locked pages, those with references
// that no leaf explains, the hugetlb pool and tables stay. Huge pages are split first.
//
// It runs only between operations on page tables, never inside of one: whoever found no memory
// leaves everything as it was, asks for room and tries again. Deterministic.
#ifndef MMUSIM_KERNEL_RECLAIM_H_
#define MMUSIM_KERNEL_RECLAIM_H_

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "kernel/core.h"
#include "kernel/zap_batch.h"

namespace mmusim::kernel {

// After the `attempt`th failure (from 0) for want of memory: whether to try again. Each time frees
// twice as many; 16 attempts, as Linux's MAX_RECLAIM_RETRIES. Where no page can be freed (or there
// is no swap space) software TLBs are asked for the memory they can do without.
bool make_room(Core& core, unsigned attempt);

class Reclaimer {
 public:
  explicit Reclaimer(Core& core) : core_(&core) {}

  // Takes the page from all who map it, if that is possible. `force`: even if it was just used.
  bool evict(Pfn pfn, bool force);
  // Flushes and frees; evict() must be followed by it.
  void finish();

 private:
  using Mappers = std::vector<Rmap::Mapper>;

  void split_huge_leaves(Pfn pfn, Mappers& mappers);
  bool was_used(const Mappers& mappers);
  // Replaces all leaves by `next`; whether one was dirty.
  bool replace_leaves(Pfn pfn, const Mappers& mappers, PageKind kind, pt::Entry next);
  bool evict_anonymous(Pfn pfn, const Mappers& mappers);
  bool evict_file_page(Pfn pfn, const Mappers& mappers);
  ZapBatch& batch(AddressSpace& mm);

  Core* core_;
  std::map<MmId, std::unique_ptr<ZapBatch>> batches_;
  std::vector<Pfn> from_cache_;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_RECLAIM_H_
