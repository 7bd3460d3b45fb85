#include "arch/sparc64/entry_format.h"

#include <fmt/format.h>

#include "arch/sparc64/formats.h"
#include "base/units.h"

namespace mmusim::sparc64 {

namespace {

constexpr unsigned kAccess = Rights::kRead | Rights::kWrite | Rights::kExec;
constexpr pt::Entry kRightsBits = tte::Read::kMask | tte::Write::kMask | tte::Exec::kMask;

// V and W follow from the rest.
pt::Entry with_hardware_bits(pt::Entry e) {
  e &= ~(tte::Valid::kMask | tte::Writable::kMask);
  if (tte::Read::get(e) != 0 && tte::Accessed::get(e) != 0) e |= tte::Valid::kMask;
  if (tte::Write::get(e) != 0 && tte::Modified::get(e) != 0) e |= tte::Writable::kMask;
  return e;
}

pt::Entry bits_of(Rights rights) {
  if ((rights.bits() & kAccess) == 0) return 0;
  pt::Entry e = tte::Read::kMask;
  if (rights.has(Rights::kWrite)) e |= tte::Write::kMask;
  if (rights.has(Rights::kExec)) e |= tte::Exec::kMask;
  return e;
}

}  // namespace

EntryFormat::EntryFormat() {
  present_mask = tte::Present::kMask;
  accessed_mask = tte::Accessed::kMask | tte::Valid::kMask;
  dirty_mask = tte::Modified::kMask | tte::Writable::kMask;
  special_mask = tte::Special::kMask;
  write_mask = tte::Write::kMask;
  store_mask = tte::Writable::kMask;
  pfn_mask = tte::Frame::kMask;
  pfn_shift = kPage.log2();
}

pt::Entry EntryFormat::make_leaf(const pt::LeafFields& fields) const {
  pt::Entry e = tte::Present::kMask | tte::CacheablePhysical::kMask | tte::CacheableVirtual::kMask |
                bits_of(fields.rights);
  e = tte::Frame::set(e, fields.pfn.value());
  e = tte::Size::set(e, size_code_of(fields.size));
  if (fields.size != kPage) e |= tte::Huge::kMask;
  if (fields.accessed) e |= tte::Accessed::kMask;
  if (fields.dirty) e |= tte::Modified::kMask;
  if (fields.special) e |= tte::Special::kMask;
  if (fields.global) e |= tte::Global::kMask;
  return with_hardware_bits(e);
}

pt::LeafFields EntryFormat::parse_leaf(pt::Entry e, PageShift size) const {
  pt::LeafFields fields;
  fields.pfn = Pfn(tte::Frame::get(e) & ~(size.offset_mask() >> kPage.log2()));
  fields.size = size;
  fields.accessed = is_accessed(e);
  fields.dirty = is_dirty(e);
  fields.special = is_special(e);
  fields.global = tte::Global::get(e) != 0;
  unsigned bits = Rights::kUser;
  if (tte::Read::get(e) != 0) bits |= Rights::kRead;
  if (tte::Write::get(e) != 0) bits |= Rights::kWrite;
  if (tte::Exec::get(e) != 0) bits |= Rights::kExec;
  fields.rights = Rights(bits);
  return fields;
}

pt::Entry EntryFormat::with_rights(pt::Entry e, Rights rights) const {
  return with_hardware_bits((e & ~kRightsBits) | bits_of(rights));
}

pt::Entry EntryFormat::make_table(PhysAddr next, PageShift /*covers*/) const {
  return next.value() | tte::Present::kMask;
}

PhysAddr EntryFormat::table_address(pt::Entry e) const {
  return PhysAddr(e & ~tte::Present::kMask);
}

bool EntryFormat::is_leaf(pt::Entry e, PageShift size) const {
  return size == kPage || tte::Huge::get(e) != 0;
}

std::string EntryFormat::describe(pt::Entry e, PageShift size) const {
  if (e == pt::kNone) return "none";
  return !is_present(e) || is_leaf(e, size)
             ? describe_tte(e)
             : fmt::format("table at {:#x}", table_address(e).value());
}

std::string describe_tte(uint64_t word) {
  return fmt::format(
      "v={} size={} pa={:#x} exec={} modified={} accessed={} read={} write={} present={} l={} "
      "cp={} cv={} e={} p={} w={} g={}{}{}",
      tte::Valid::get(word), format_size(size_of(word).bytes()),
      tte::Frame::get(word) << kPage.log2(), tte::Exec::get(word), tte::Modified::get(word),
      tte::Accessed::get(word), tte::Read::get(word), tte::Write::get(word),
      tte::Present::get(word), tte::Locked::get(word), tte::CacheablePhysical::get(word),
      tte::CacheableVirtual::get(word), tte::SideEffect::get(word), tte::Privileged::get(word),
      tte::Writable::get(word), tte::Global::get(word),
      tte::Special::get(word) != 0 ? " special" : "", tte::Huge::get(word) != 0 ? " huge" : "");
}

std::optional<uint64_t> tte_of(const EntryFormat& format, const pt::Lookup& found, VirtAddr va) {
  if (found.entry == pt::kNone || !format.is_present(found.entry)) return std::nullopt;
  const pt::LeafFields leaf = format.parse_leaf(found.entry, found.size);
  const Rights rights(leaf.rights.bits() & found.mask.bits());
  uint64_t word = rights == leaf.rights ? found.entry : format.with_rights(found.entry, rights);
  if (tte::Valid::get(word) == 0) return std::nullopt;
  const unsigned code = size_code_of(found.size);
  const uint64_t into_leaf = align_down(va, kSizes[code]) - found.base;
  word = tte::Size::set(word, code);
  return tte::Frame::set(word, (leaf.pfn + (into_leaf >> kPage.log2())).value());
}

pt::RadixGeometry radix_geometry() {
  constexpr unsigned kIndexBits = 10;
  constexpr unsigned kLevels = 4;
  pt::RadixGeometry geometry;
  for (unsigned level = 0; level < kLevels; ++level)
    geometry.push_back({.shift = kPage.log2() + kIndexBits * level,
                        .index_bits = kIndexBits,
                        .leaf_allowed = level < 2});
  geometry.back().region_bits = 1;
  geometry.back().sign_extended = true;
  return geometry;
}

mmu::AddressLayout address_layout() {
  mmu::AddressLayout layout;
  layout.page = kPage;
  layout.lowest = VirtAddr(0x10000);
  layout.top = kTaskEnd;
  layout.stack_top = kHoleBegin - kHoleMargin;
  layout.mmap_base = kHoleEnd + kHoleMargin;
  layout.mmap_upward = true;
  layout.program_base = VirtAddr(0x10'0000);
  layout.holes[0] = {kHoleBegin - kHoleMargin, kHoleEnd + kHoleMargin};
  return layout;
}

}  // namespace mmusim::sparc64
