#include "arch/ppc64/entry_format.h"

#include <vector>

#include "arch/ppc64/words.h"

namespace mmusim::ppc64 {

EntryFormat::EntryFormat(PageShift base) {
  const PteForm& form = pte_form(base);
  present_mask = pte::Present::kMask;
  accessed_mask = pte::Accessed::kMask;
  dirty_mask = pte::Dirty::kMask;
  special_mask = form.special;
  write_mask = pte::Write::kMask;
  pfn_mask = ~pt::Entry{0} << form.frame_shift;
  pfn_shift = form.frame_shift;
  page = base;
  leaf_bits = pte::Present::kMask | pte::Coherent::kMask;
  rights = {.read = {.set = pte::User::kMask},
            .write = {.set = pte::User::kMask | pte::Write::kMask},
            .exec = {.set = pte::User::kMask | pte::Exec::kMask},
            .user = {}};
  rights_rest = form.hint;
  large_mask = pte::Present::kMask;
  table_bits = kLinearMap.value();
  table_mask = ~table_bits;
  shown = words::entry_fields(base);
}

pt::RadixGeometry radix_geometry(PageShift page) {
  // With 64K pages, tables are smaller than a page: half of a leaf table's 4K is for what Linux
  // keeps of pages hashed in pieces.
  struct Level {
    unsigned index_bits;
    unsigned table_log2;
  };
  const std::vector<Level> levels = page == k64K
                                        ? std::vector<Level>{{8, 12}, {10, 13}, {12, 15}}
                                        : std::vector<Level>{{9, 0}, {7, 0}, {9, 0}, {9, 0}};
  pt::RadixGeometry geometry;
  unsigned shift = page.log2();
  for (const Level& level : levels) {
    geometry.push_back({.shift = shift,
                        .index_bits = level.index_bits,
                        .leaf_allowed = geometry.empty(),
                        .table_log2 = level.table_log2});
    shift += level.index_bits;
  }
  return geometry;
}

mmu::AddressLayout address_layout(PageShift page) {
  mmu::AddressLayout layout;
  layout.page = page;
  layout.lowest = VirtAddr(0x10000);
  layout.top = VirtAddr(uint64_t{1} << kUserBits);
  layout.stack_top = layout.top;
  // The gap left for the stack is never less than 128 MiB.
  layout.mmap_base = layout.top - (uint64_t{128} << 20);
  // At VDSO64_MBASE (asm/vdso.h), 1 MiB; code and, last, the page of data. Three pages is assumed.
  layout.specials[0] = {
      .name = "[vdso]", .pages = 3, .exec = true, .at = VirtAddr(uint64_t{1} << 20)};
  return layout;
}

}  // namespace mmusim::ppc64
