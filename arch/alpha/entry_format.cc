#include "arch/alpha/entry_format.h"

#include <fmt/format.h>

#include "arch/alpha/formats.h"

namespace mmusim::alpha {

namespace {

// What of a right is refused.
pt::Entry faults_of(Rights rights) {
  pt::Entry e = 0;
  if (!rights.has(Rights::kRead)) e |= pte::FaultOnRead::kMask;
  if (!rights.has(Rights::kWrite)) e |= pte::FaultOnWrite::kMask;
  if (!rights.has(Rights::kExec)) e |= pte::FaultOnExecute::kMask;
  return e;
}

Rights granted(pt::Entry e) {
  unsigned bits = Rights::kUser;
  if (pte::FaultOnRead::get(e) == 0) bits |= Rights::kRead;
  if (pte::FaultOnWrite::get(e) == 0) bits |= Rights::kWrite;
  if (pte::FaultOnExecute::get(e) == 0) bits |= Rights::kExec;
  return Rights(bits);
}

}  // namespace

EntryFormat::EntryFormat() {
  present_mask = pte::Valid::kMask;
  accessed_mask = pte::kAccessBits;
  dirty_mask = pte::kDirtyBits;
  special_mask = pte::Special::kMask;
  no_write_mask = pte::FaultOnWrite::kMask;
  pfn_mask = pte::Frame::kMask;
  pfn_shift = 32;
}

pt::Entry EntryFormat::make_leaf(const pt::LeafFields& fields) const {
  pt::Entry e = pte::Valid::kMask | faults_of(fields.rights);
  e = pte::Frame::set(e, fields.pfn.value());
  e = pte::Hint::set(e, hint_for(fields.size));
  if (fields.accessed) e |= accessed_mask;
  if (fields.dirty) e |= dirty_mask;
  if (fields.global) e |= pte::AddressSpaceMatch::kMask;
  if (fields.special) e |= special_mask;
  return e;
}

pt::LeafFields EntryFormat::parse_leaf(pt::Entry e, PageShift size) const {
  pt::LeafFields fields;
  fields.pfn = Pfn(pte::Frame::get(e) & ~(size.offset_mask() >> kPage.log2()));
  fields.size = size;
  fields.rights = granted(e);
  fields.accessed = is_accessed(e);
  fields.dirty = is_dirty(e);
  fields.global = pte::AddressSpaceMatch::get(e) != 0;
  fields.special = is_special(e);
  return fields;
}

pt::Entry EntryFormat::with_rights(pt::Entry e, Rights rights) const {
  return (e & ~pte::kFaultOnAny) | faults_of(rights);
}

pt::Entry EntryFormat::make_table(PhysAddr next, PageShift /*covers*/) const {
  return pte::Frame::set(pte::kTable, next.value() >> kPage.log2());
}

PhysAddr EntryFormat::table_address(pt::Entry e) const {
  return PhysAddr(pte::Frame::get(e) << kPage.log2());
}

bool EntryFormat::is_leaf(pt::Entry e, PageShift size) const {
  return size == kPage || pte::Hint::get(e) != 0;
}

std::string EntryFormat::describe(pt::Entry e, PageShift /*size*/) const {
  return describe_entry(e);
}

std::string describe_entry(pt::Entry entry) {
  if (entry == pt::kNone) return "none";
  return fmt::format(
      "v={} for={} fow={} foe={} asm={} gh={} kre={} ure={} kwe={} uwe={} dirty={} accessed={}{} "
      "pfn={:#x}",
      pte::Valid::get(entry), pte::FaultOnRead::get(entry), pte::FaultOnWrite::get(entry),
      pte::FaultOnExecute::get(entry), pte::AddressSpaceMatch::get(entry), pte::Hint::get(entry),
      pte::KernelRead::get(entry), pte::UserRead::get(entry), pte::KernelWrite::get(entry),
      pte::UserWrite::get(entry), pte::Dirty::get(entry), pte::Accessed::get(entry),
      pte::Special::get(entry) != 0 ? " special" : "", pte::Frame::get(entry));
}

Rights rights_of(pt::Entry entry) {
  if (pte::Valid::get(entry) == 0) return Rights();
  unsigned bits = granted(entry).bits();
  if (pte::UserRead::get(entry) == 0) bits &= ~unsigned{Rights::kRead | Rights::kExec};
  if (pte::UserWrite::get(entry) == 0) bits &= ~unsigned{Rights::kWrite};
  return Rights(bits);
}

pt::RadixGeometry radix_geometry() {
  pt::RadixGeometry geometry;
  for (unsigned level = 0; level < kLevels; ++level)
    geometry.push_back({.shift = kPage.log2() + kIndexBits * level,
                        .index_bits = kIndexBits,
                        .leaf_allowed = level == 0});
  return geometry;
}

mmu::AddressLayout address_layout() {
  mmu::AddressLayout layout;
  layout.page = kPage;
  layout.lowest = VirtAddr(0x10000);
  layout.top = VirtAddr(uint64_t{1} << kUserBits);
  // Programs are linked for 0x120000000, and the stack ends right below.
  layout.program_base = VirtAddr(0x1'2000'0000);
  layout.stack_top = layout.program_base;
  // Linux fills the upper half of user space from the bottom up; here, as everywhere, mappings go
  // from that border down.
  layout.mmap_base = VirtAddr(uint64_t{1} << (kUserBits - 1));
  return layout;
}

}  // namespace mmusim::alpha
