#include "arch/ppc64/entry_format.h"

#include <vector>

#include "arch/ppc64/words.h"

namespace mmusim::ppc64 {

// Set in pointers to tables, which where leaves may stand too must be told from what is not
// present; in leaves it is of the hint.
constexpr pt::Entry kTablePointer = uint64_t{1} << 63;

EntryFormat::EntryFormat(PageShift base, bool mpss) : hints_(mpss) {
  const PteForm& form = pte_form(base);
  present_mask = pte::Present::kMask | (mpss ? kTablePointer : 0);
  accessed_mask = pte::Accessed::kMask;
  dirty_mask = pte::Dirty::kMask;
  special_mask = form.special;
  write_mask = pte::Write::kMask;
  pfn_mask = form.frame_mask();
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

pt::Entry EntryFormat::size_bits(PageShift size) const {
  const pt::Entry bits = MaskedFormat::size_bits(size);
  return hints_ && size <= kLargePage ? pte::Order::set(bits, size.log2() - page.log2()) : bits;
}

// No page is larger than 16M.
std::vector<PageShift> EntryFormat::hint_sizes() const {
  std::vector<PageShift> sizes;
  if (hints_)
    for (unsigned log2 = page.log2() + 1; log2 <= kLargePage.log2(); ++log2)
      sizes.emplace_back(log2);
  return sizes;
}

std::optional<PageShift> EntryFormat::hint_in(pt::Entry e) const {
  const auto order = static_cast<unsigned>(pte::Order::get(e));
  if (order == 0) return std::nullopt;
  return PageShift(page.log2() + order);
}

pt::RadixGeometry radix_geometry(PageShift page, bool mpss) {
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
    geometry.push_back(
        {.shift = shift,
         .index_bits = level.index_bits,
         .leaf_allowed = geometry.empty() || (mpss && PageShift(shift) == kLargePage),
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
