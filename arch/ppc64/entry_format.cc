#include "arch/ppc64/entry_format.h"

#include <fmt/format.h>
#include <vector>

namespace mmusim::ppc64 {

namespace {

constexpr pt::Entry kRightsBits = pte::User::kMask | pte::Exec::kMask | pte::Write::kMask;

pt::Entry bits_of(Rights rights) {
  if ((rights.bits() & (Rights::kRead | Rights::kWrite | Rights::kExec)) == 0) return 0;
  pt::Entry e = pte::User::kMask;
  if (rights.has(Rights::kWrite)) e |= pte::Write::kMask;
  if (rights.has(Rights::kExec)) e |= pte::Exec::kMask;
  return e;
}

}  // namespace

EntryFormat::EntryFormat(PageShift page) : form_(&pte_form(page)) {
  present_mask = pte::Present::kMask;
  accessed_mask = pte::Accessed::kMask;
  dirty_mask = pte::Dirty::kMask;
  special_mask = form_->special;
  write_mask = pte::Write::kMask;
  pfn_mask = ~pt::Entry{0} << form_->frame_shift;
  pfn_shift = form_->frame_shift;
}

pt::Entry EntryFormat::make_leaf(const pt::LeafFields& fields) const {
  pt::Entry e = pte::Present::kMask | pte::Coherent::kMask | bits_of(fields.rights);
  e = form_->with_frame(e, fields.pfn.value());
  if (fields.accessed) e |= accessed_mask;
  if (fields.dirty) e |= dirty_mask;
  if (fields.special) e |= special_mask;
  return e;
}

pt::LeafFields EntryFormat::parse_leaf(pt::Entry e, PageShift size) const {
  pt::LeafFields fields;
  fields.pfn = Pfn(form_->frame_of(e) & ~(size.offset_mask() >> form_->page.log2()));
  fields.size = size;
  fields.accessed = is_accessed(e);
  fields.dirty = is_dirty(e);
  fields.special = is_special(e);
  unsigned bits = Rights::kUser;
  if (pte::User::get(e) != 0) {
    bits |= Rights::kRead;
    if (pte::Write::get(e) != 0) bits |= Rights::kWrite;
    if (pte::Exec::get(e) != 0) bits |= Rights::kExec;
  }
  fields.rights = Rights(bits);
  return fields;
}

pt::Entry EntryFormat::with_rights(pt::Entry e, Rights rights) const {
  return (e & ~(kRightsBits | form_->hint)) | bits_of(rights);
}

pt::Entry EntryFormat::make_table(PhysAddr next, PageShift /*covers*/) const {
  return kLinearMap.value() | next.value();
}

PhysAddr EntryFormat::table_address(pt::Entry e) const {
  return PhysAddr(e & ~kLinearMap.value());
}

bool EntryFormat::is_leaf(pt::Entry e, PageShift size) const {
  return size == form_->page || pte::Present::get(e) != 0;
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
