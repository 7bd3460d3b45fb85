#include "kernel/rmap.h"

#include <algorithm>
#include <memory>

namespace mmusim::kernel {

template <class Each>
void Rmap::each_key(const Vma& vma, Each each) {
  if (vma.has(kVmHugeTlb)) return;  // the pool's pages are never reclaimed
  if (!vma.is_anonymous()) each(Key{true, vma.file.value()});
  if (vma.anon != AnonVmaId(0)) each(Key{false, vma.anon_root.value()});
}

class Rmap::Watcher final : public AreaWatcher {
 public:
  Watcher(std::map<Key, Areas>& areas, AddressSpace& mm) : areas_(&areas), mm_(&mm) {}

  void area_added(const Vma& vma) override {
    each_key(vma, [&](const Key& key) { (*areas_)[key][{mm_->id, vma.start}] = mm_; });
  }
  void area_removed(const Vma& vma) override {
    each_key(vma, [&](const Key& key) {
      const auto found = areas_->find(key);
      found->second.erase({mm_->id, vma.start});
      if (found->second.empty()) areas_->erase(found);
    });
  }

 private:
  std::map<Key, Areas>* areas_;
  AddressSpace* mm_;
};

void Rmap::watch(AddressSpace& mm) {
  mm.watcher = std::make_unique<Watcher>(areas_, mm);
  mm.vmas.report_to(*mm.watcher);
}

void Rmap::add_anonymous(Pfn pfn, const Vma& vma, VirtAddr page) {
  pages.add(pfn, {.file = false,
                  .id = vma.anon_root.value(),
                  .index = vma.pgoff + ((page - vma.start) >> page_.log2())});
}

std::vector<Rmap::Mapper> Rmap::mappers(Pfn pfn) const {
  std::vector<Mapper> found;
  const PageRecord* record = pages.find(pfn);
  if (record == nullptr) return found;
  const auto areas = areas_.find({record->file, record->id});
  if (areas == areas_.end()) return found;
  for (const auto& [place, mm] : areas->second) {
    const Vma* vma = std::as_const(mm->vmas).find(place.second);
    const uint64_t within = record->index - vma->pgoff;  // huge where the area begins behind it
    if (within >= vma->range().bytes() >> page_.log2()) continue;
    const VirtAddr page = vma->start + (within << page_.log2());
    const pt::Lookup leaf = mm->table->find(page);
    if (leaf.entry == pt::kNone || !format_->is_present(leaf.entry) ||
        format_->is_special(leaf.entry))
      continue;
    const Pfn first = format_->parse_leaf(leaf.entry, leaf.size).pfn;
    if (first + ((page - leaf.base) >> page_.log2()) != pfn) continue;
    // Whether or not the tables are shared: a slot is one mapping.
    const bool seen = std::any_of(found.begin(), found.end(), [&](const Mapper& m) {
      return leaf.shared && m.leaf.handle.place == leaf.handle.place;
    });
    if (!seen) found.push_back({mm, vma, page, leaf});
  }
  return found;
}

}  // namespace mmusim::kernel
