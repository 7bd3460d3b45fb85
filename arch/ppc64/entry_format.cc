#include "arch/ppc64/entry_format.h"

#include <fmt/format.h>
#include <vector>

namespace mmusim::ppc64 {

EntryFormat::EntryFormat(PageShift base) : form_(&pte_form(base)) {
  present_mask = pte::Present::kMask;
  accessed_mask = pte::Accessed::kMask;
  dirty_mask = pte::Dirty::kMask;
  special_mask = form_->special;
  write_mask = pte::Write::kMask;
  pfn_mask = ~pt::Entry{0} << form_->frame_shift;
  pfn_shift = form_->frame_shift;
  page = base;
  leaf_bits = pte::Present::kMask | pte::Coherent::kMask;
  rights = {.read = {.set = pte::User::kMask},
            .write = {.set = pte::User::kMask | pte::Write::kMask},
            .exec = {.set = pte::User::kMask | pte::Exec::kMask},
            .user = {}};
  rights_rest = form_->hint;
  large_mask = pte::Present::kMask;
  table_bits = kLinearMap.value();
  table_mask = ~table_bits;
}

std::string EntryFormat::describe(pt::Entry e, PageShift size) const {
  if (e == pt::kNone) return "none";
  if (!is_leaf(e, size) && (e & kLinearMap.value()) == kLinearMap.value())
    return fmt::format("table at {:#x}", table_address(e).value());
  return fmt::format(
      "present={} user={} exec={} coherent={} dirty={} accessed={} rw={} hashpte={} slot={} "
      "secondary={} special={} rpn={:#x}",
      pte::Present::get(e), pte::User::get(e), pte::Exec::get(e), pte::Coherent::get(e),
      pte::Dirty::get(e), pte::Accessed::get(e), pte::Write::get(e),
      (e & form_->hash_pte) != 0 ? 1 : 0, pte::Slot::get(e), pte::Secondary::get(e),
      is_special(e) ? 1 : 0, form_->frame_of(e));
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
