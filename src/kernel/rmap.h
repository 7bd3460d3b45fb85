// The reverse map: from a frame to every place that maps it, and which frames may be reclaimed.
//
// Each page has a key and an index. A page of a file: the file and the page's number in it. An
// anonymous page: the family of anon_vmas it was made in (an area's first anon_vma, which fork
// hands on) and its number there, which is what its area's pgoff says and keeps through mremap. An
// area is filed under its file, and under its family once it has one; so who maps a page is found
// by asking the page table of each area of the key that shows the index (Linux: rmap_walk, with one
// anon_vma for a whole family, as it was before 2.6.34: more areas are asked, the same are found).
//
// Kept only where memory can be reclaimed (kernel.swap_pages) or tables are shared
// (kernel.shared_tables). Not thread-safe.
#ifndef MMUSIM_KERNEL_RMAP_H_
#define MMUSIM_KERNEL_RMAP_H_

#include <compare>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/types.h"
#include "kernel/address_space.h"
#include "kernel/page_list.h"

namespace mmusim::kernel {

class Rmap {
 public:
  Rmap(const pt::EntryFormat& format, PageShift page) : format_(&format), page_(page) {}

  // From now on the areas of `mm`, which has none yet, are known here. Must outlive them.
  void watch(AddressSpace& mm);

  // visit(mm, area) for each area of the file, by address space and address, until it is false.
  template <class Visit>
  void each_area(FileId file, Visit visit) const;

  // One leaf that shows the page; of a table several use only one of theirs.
  struct Mapper {
    AddressSpace* mm = nullptr;
    const Vma* vma = nullptr;
    VirtAddr page;
    pt::Lookup leaf;  // of the page's base page or of a huge page around it
  };
  // All of them, by address space and address. Empty for a frame that is in no list.
  [[nodiscard]] std::vector<Mapper> mappers(Pfn pfn) const;

  // The page of `vma` at `page` is a new anonymous one.
  void add_anonymous(Pfn pfn, const Vma& vma, VirtAddr page);
  // A page the cache keeps.
  void add_file(Pfn pfn, FileId file, uint64_t index) {
    pages.add(pfn, {.file = true, .id = file.value(), .index = index});
  }

  PageList pages;

 private:
  using Key = std::pair<bool, uint64_t>;  // of a file, or of a family
  using Areas = std::map<std::pair<MmId, VirtAddr>, AddressSpace*>;

  class Watcher;  // of one address space

  template <class Each>
  static void each_key(const Vma& vma, Each each);

  const pt::EntryFormat* format_;
  PageShift page_;
  std::map<Key, Areas> areas_;
};

template <class Visit>
void Rmap::each_area(FileId file, Visit visit) const {
  const auto areas = areas_.find({true, file.value()});
  if (areas == areas_.end()) return;
  for (const auto& [place, mm] : areas->second)
    if (!visit(*mm, *mm->vmas.find(place.second))) return;
}

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_RMAP_H_
