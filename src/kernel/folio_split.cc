#include "kernel/folio_split.h"

#include <algorithm>

#include "kernel/file_areas.h"
#include "kernel/zap.h"

namespace mmusim::kernel {

namespace {

class Splitter {
 public:
  Splitter(Core& core, AddressSpace& mm, const Vma& vma)
      : core_(core), mm_(mm), vma_(vma), file_(core.cache.file(vma.file)) {}

  void run(VirtRange part) {
    const uint64_t end = index_of(part.end);
    for (uint64_t index = index_of(part.begin); index < end;) {
      if (!shows(mm_, vma_, index)) {
        ++index;
        continue;
      }
      const Folio folio = file_.folio_of(index);
      uint64_t shown = index;
      while (shown < std::min(end, folio.end) && shows(mm_, vma_, shown))
        ++shown;
      const bool whole = shown - index == folio.pages();
      if (!whole && !file_.is_dirty(folio) && !others_map(folio))
        split_folio(core_, vma_.file, folio);
      index = whole ? shown : index + 1;
    }
  }

 private:
  [[nodiscard]] uint64_t index_of(VirtAddr va) const {
    return vma_.pgoff + core_.pages(va - vma_.start);
  }

  // Whether the area shows the file's page, not a copy.
  [[nodiscard]] bool shows(const AddressSpace& mm, const Vma& vma, uint64_t index) const {
    const VirtAddr page = vma.start + ((index - vma.pgoff) << core_.page().log2());
    const pt::Lookup leaf = mm.table->peek(page);
    const pt::EntryFormat& format = *core_.platform.format;
    if (leaf.entry == pt::kNone || !format.is_present(leaf.entry) || format.is_special(leaf.entry))
      return false;
    return file_.frame_of(index) ==
           format.parse_leaf(leaf.entry, leaf.size).pfn + core_.pages(page - leaf.base);
  }

  [[nodiscard]] bool others_map(const Folio& folio) const {
    bool found = false;
    each_area_of(core_, vma_.file, folio,
                 [&](const AddressSpace& mm, const Vma& vma, VirtRange at) {
                   const uint64_t first = vma.pgoff + core_.pages(at.begin - vma.start);
                   for (uint64_t i = first;
                        !found && &mm != &mm_ && i < first + core_.pages(at.bytes()); ++i)
                     found = shows(mm, vma, i);
                 });
    return found;
  }

  Core& core_;
  AddressSpace& mm_;
  const Vma& vma_;
  File& file_;
};

}  // namespace

void split_folio(Core& core, FileId id, const Folio& folio) {
  File& file = core.cache.file(id);
  unmap_everywhere(core, id, folio, ZapPages::OfFile);
  file.split_into_pages(folio);
  if (folio.end > file.pages && file.kind == FileKind::Shmem)
    core.files.drop_span(id, {std::max(folio.first, file.pages), folio.end});
}

void split_huge_folio(Core& core, FileId id, uint64_t index) {
  split_folio(core, id, core.cache.file(id).folio_of(index));
  ++core.counters.folio_splits;
}

void split_shown_in_part(Core& core, AddressSpace& mm, const Vma& vma, VirtRange part) {
  if (vma.is_anonymous()) return;
  const File& file = core.cache.file(vma.file);
  if (file.order_pages == 1 && file.folios.empty()) return;
  Splitter(core, mm, vma).run(part);
}

}  // namespace mmusim::kernel
