#include "pt/masked_format.h"

#include <fmt/format.h>

#include "base/units.h"

namespace mmusim::pt {

Entry MaskedFormat::bits_of(Rights given) const {
  constexpr unsigned kAccess = Rights::kRead | Rights::kWrite | Rights::kExec;
  const auto bits = [&](Rights::Bit right, const RightsBits::Bits& of) {
    return given.has(right) ? of.set : of.clear;
  };
  return ((given.bits() & kAccess) != 0 ? granted : refused) | bits(Rights::kRead, rights.read) |
         bits(Rights::kWrite, rights.write) | bits(Rights::kExec, rights.exec) |
         bits(Rights::kUser, rights.user);
}

Rights MaskedFormat::granted_by(Entry e) const {
  const Rights all = rights.of(e);
  return (e & granted) == granted ? all : Rights(all.bits() & Rights::kUser);
}

Entry MaskedFormat::size_bits(PageShift size) const {
  return size == page ? 0 : large_mask;
}

Entry MaskedFormat::make_leaf(const LeafFields& fields) const {
  const bool global = fields.global && global_mask != 0;
  Entry e = leaf_bits | bits_of(global ? fields.rights : fields.rights.with(Rights::kUser)) |
            size_bits(fields.hint.value_or(fields.size)) |
            (fields.pfn.value() << pfn_shift & pfn_mask);
  if (fields.accessed) e |= accessed_mask;
  if (fields.dirty) e |= dirty_mask;
  if (fields.special) e |= special_mask;
  if (global && has_global(e)) e |= global_mask;
  return completed(e);
}

// A large leaf may have something else in the frame's lowest bits.
LeafFields MaskedFormat::parse_leaf(Entry e, PageShift size) const {
  return {.pfn = Pfn(pfn_of(e).value() & ~(size.offset_mask() >> page.log2())),
          .size = size,
          .rights = granted_by(e),
          .accessed = is_accessed(e),
          .dirty = is_dirty(e),
          .global = is_global(e),
          .special = is_special(e),
          .hint = size == page ? hint_in(e) : std::nullopt};
}

Entry MaskedFormat::with_rights(Entry e, Rights next) const {
  const Entry kept = e & ~(rights.mask() | granted | refused | rights_rest);
  const Entry changed = kept | bits_of(rights.user.hold(e) ? next.with(Rights::kUser) : next);
  return completed(is_global(e) && has_global(changed) ? changed | global_mask : changed);
}

Entry MaskedFormat::part_of_larger(const Lookup& found, VirtAddr va, PageShift part) const {
  const LeafFields leaf = parse_leaf(found.entry, found.size);
  const Rights kept(leaf.rights.bits() & found.mask.bits());
  const Entry e = kept == leaf.rights ? found.entry : with_rights(found.entry, kept);
  const uint64_t frame = (leaf.pfn + ((va - found.base) >> page.log2())).value() &
                         ~(part.offset_mask() >> page.log2());
  return (e & ~pfn_mask) | (frame << pfn_shift & pfn_mask);
}

Entry MaskedFormat::make_table(PhysAddr next, PageShift /*covers*/) const {
  return table_bits | (next.value() >> table_unit << table_shift & table_mask);
}

PhysAddr MaskedFormat::table_address(Entry e) const {
  return PhysAddr((e & table_mask) >> table_shift << table_unit);
}

bool MaskedFormat::is_leaf(Entry e, PageShift size) const {
  return size == page || (e & large_mask) != 0;
}

std::string MaskedFormat::describe(Entry e, PageShift size) const {
  if (e == kNone) return "none";
  if (!is_leaf(e, size) && (e & table_bits) == table_bits)
    return fmt::format("table at {:#x}", table_address(e).value());
  std::string text = fields_text(shown, e);
  if (const auto hint = size == page && is_present(e) ? hint_in(e) : std::nullopt) {
    const uint64_t parts = hint->bytes() >> page.log2();
    text += fmt::format(": {}, part {} of {}", format_size(hint->bytes()),
                        (pfn_of(e).value() & (parts - 1)) + 1, parts);
  }
  return text;
}

}  // namespace mmusim::pt
