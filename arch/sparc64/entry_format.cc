#include "arch/sparc64/entry_format.h"

#include "arch/sparc64/formats.h"
#include "arch/sparc64/words.h"

namespace mmusim::sparc64 {

EntryFormat::EntryFormat() {
  present_mask = tte::Present::kMask;
  accessed_mask = tte::Accessed::kMask | tte::Valid::kMask;
  dirty_mask = tte::Modified::kMask | tte::Writable::kMask;
  special_mask = tte::Special::kMask;
  write_mask = tte::Write::kMask;
  store_mask = tte::Writable::kMask;
  pfn_mask = tte::Frame::kMask;
  pfn_shift = kPage.log2();
  page = kPage;
  leaf_bits = tte::Present::kMask | tte::CacheablePhysical::kMask | tte::CacheableVirtual::kMask;
  rights = {.read = {.set = tte::Read::kMask},
            .write = {.set = tte::Write::kMask},
            .exec = {.set = tte::Exec::kMask},
            .user = {}};
  granted = tte::Read::kMask;
  global_mask = tte::Global::kMask;
  large_mask = tte::Huge::kMask;
  table_bits = tte::Present::kMask;
  table_mask = ~table_bits;
  shown = words::kTteFields;
}

pt::Entry EntryFormat::size_bits(PageShift size) const {
  return MaskedFormat::size_bits(size) | tte::Size::set(0, size_code_of(size));
}

std::vector<PageShift> EntryFormat::hint_sizes() const {
  return {kSizes.begin() + 1, kSizes.end()};
}

std::optional<PageShift> EntryFormat::hint_in(pt::Entry e) const {
  if (tte::Size::get(e) == 0) return std::nullopt;
  return size_of(e);
}

pt::Entry EntryFormat::completed(pt::Entry e) const {
  e &= ~(tte::Valid::kMask | tte::Writable::kMask);
  if (tte::Read::get(e) != 0 && tte::Accessed::get(e) != 0) e |= tte::Valid::kMask;
  if (tte::Write::get(e) != 0 && tte::Modified::get(e) != 0) e |= tte::Writable::kMask;
  return e;
}

std::optional<uint64_t> tte_of(const EntryFormat& format, const pt::Lookup& found, VirtAddr va) {
  if (!format.is_present(found.entry)) return std::nullopt;
  const unsigned code =
      size_code_of(format.parse_leaf(found.entry, found.size).hint.value_or(found.size));
  const uint64_t word = format.part_of(found, va, kSizes[code]);
  if (tte::Valid::get(word) == 0) return std::nullopt;
  return tte::Size::set(word, code);
}

pt::RadixGeometry radix_geometry() {
  pt::RadixGeometry geometry = pt::uniform_geometry(kPage, 10, 4, 2);
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
