// Reclaim: frames taken back from programs when none is free (Linux: mm/vmscan.c).
//
// Pages are tried in the order of the page list. One that was used since it was tried last gets a
// second chance: its accessed bits are cleared (without a flush, as on x86) and it goes to the end.
// Else every leaf that shows it is taken away, found by the reverse map; file pages are dropped
// (written first if dirty), anonymous and shared ones go to swap space. Flushes are one per address
// space for the whole batch, and nothing is freed before them. Locked pages, those with references
// that no leaf explains, the hugetlb pool and tables stay.
//
// A folio of private memory goes as a whole, unused if none of its pages was used, into slots side
// by side; the superpages that show it are split for the entries that name them (Linux 6.10;
// kernel.superpage.swap). Where there are no such slots it is divided first; of one of which a part
// has gone, been given up (MADV_FREE) or is in swap space already, pages go one by one. They come
// back one by one (as in Linux, but from memory like zram). Huge pages of shared memory are split
// first.
//
// It runs only between operations on page tables, never inside of one: whoever found no memory
// leaves everything as it was, asks for room and tries again. Deterministic.
#ifndef MMUSIM_KERNEL_RECLAIM_H_
#define MMUSIM_KERNEL_RECLAIM_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "kernel/core.h"
#include "kernel/demotion.h"
#include "kernel/zap_batch.h"

namespace mmusim::kernel {

// After the `attempt`th failure (from 0) for want of memory: whether to try again. Each time frees
// twice as many; 16 attempts, as Linux's MAX_RECLAIM_RETRIES. Where no page can be freed (or there
// is no swap space) software TLBs are asked for the memory they can do without.
bool make_room(Core& core, unsigned attempt);

class Reclaimer {
 public:
  explicit Reclaimer(Core& core) : core_(&core) {}

  // Takes the page from all who map it, if that is possible, with it all of the folio of private
  // memory it is one of; how many pages. `force`: even if one was just used.
  uint64_t evict(Pfn pfn, bool force);
  // Flushes and frees; evict() must be followed by it.
  void finish();

 private:
  using Mappers = std::vector<Rmap::Mapper>;

  // All who map the page; nothing: they are not all known, or it has to stay.
  std::optional<Mappers> mappers_of(Pfn pfn);
  bool evict_page(Pfn pfn, bool force);
  [[nodiscard]] bool is_whole_folio(Pfn first, uint64_t pages) const;
  // Nothing: it does not go as a whole.
  std::optional<uint64_t> evict_folio(Pfn first, uint64_t pages, bool force);
  // Its pages are single ones from now on. `shown`: one of them, and who shows it.
  void divide_folio(Pfn first, uint64_t pages, Pfn shown, const Rmap::Mapper& mapper);
  void write_out(Pfn pfn, const Mappers& mappers, SlotId slot);

  // Superpages that show the page; all of them become base pages, or as far as they must.
  void split_huge_leaves(Pfn pfn, Mappers& mappers, bool all);
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
