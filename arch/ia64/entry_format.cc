#include "arch/ia64/entry_format.h"

#include "arch/ia64/formats.h"
#include "arch/ia64/words.h"

namespace mmusim::ia64 {

namespace {

constexpr unsigned kIndexBits = 11;  // 16 KiB of 8-byte entries
constexpr uint64_t kUserLevel = 3;
constexpr unsigned kMostHint = 32;  // Itanium 2 inserts pages of 4G
}  // namespace

EntryFormat::EntryFormat(bool refuses) : refuses_(refuses) {
  present_mask = PresentBit::kMask | ProtNoneBit::kMask;
  accessed_mask = AccessedBit::kMask;
  dirty_mask = DirtyBit::kMask;
  special_mask = SpecialBit::kMask;
  write_mask = AccessRightsField::set(0, 2);
  pfn_shift = kPage.log2();
  pfn_mask = FrameField::kMask & ~kPage.offset_mask();
  page = kPage;
  rights = {.read = {},
            .write = {.set = write_mask},
            .exec = {.set = AccessRightsField::set(0, 1)},
            .user = {.set = PrivilegeField::set(0, kUserLevel)}};
  granted = PresentBit::kMask;
  refused = ProtNoneBit::kMask;
  rights_rest = AccessRightsField::kMask;
  large_mask = PageSizeField::kMask;
  table_bits = PresentBit::kMask;
  table_mask = pfn_mask;
  shown = words::kTranslationFields;
}

// Access rights no leaf is made with are read too.
Rights EntryFormat::granted_by(pt::Entry e) const {
  const Rights may = rights_of(e);
  return rights.user.hold(e) ? may.with(Rights::kUser) : may;
}

pt::Entry EntryFormat::size_bits(PageShift size) const {
  const pt::Entry bits = PageSizeField::set(0, size.log2());
  return refuses_ && size > kPage ? MemoryAttributeField::set(bits, kRefusedAttribute) : bits;
}

std::vector<PageShift> EntryFormat::hint_sizes() const {
  std::vector<PageShift> sizes;
  for (unsigned log2 = kPage.log2() + 1; log2 <= kMostHint; ++log2)
    sizes.emplace_back(log2);
  return sizes;
}

std::optional<PageShift> EntryFormat::hint_in(pt::Entry e) const {
  const auto log2 = static_cast<unsigned>(PageSizeField::get(e));
  if (log2 <= kPage.log2()) return std::nullopt;
  return PageShift(log2);
}

Rights rights_of(uint64_t translation) {
  constexpr unsigned kR = Rights::kRead;
  constexpr unsigned kW = Rights::kWrite;
  constexpr unsigned kX = Rights::kExec;
  // R,W and R,X,W at privilege level 0 only (4, 5); X at the page's own level only (6); X (7).
  constexpr unsigned kUserMay[] = {kR, kR | kX, kR | kW,      kR | kW | kX,
                                   kR, kR | kX, kR | kW | kX, kX};
  if (PresentBit::get(translation) == 0) return Rights();
  const uint64_t access = AccessRightsField::get(translation);
  // Of a more privileged page only code that promotes can be run, and nothing else done.
  if (PrivilegeField::get(translation) != kUserLevel)
    return Rights(access == 7 ? kX | Rights::kUser : 0u);
  return Rights(kUserMay[access] | Rights::kUser);
}

unsigned region_bits(unsigned levels) {
  return kPage.log2() + kIndexBits * levels - 3;
}

pt::RadixGeometry radix_geometry(unsigned levels) {
  pt::RadixGeometry geometry = pt::uniform_geometry(kPage, kIndexBits, levels, 1);
  geometry.back().region_bits = 3;
  return geometry;
}

mmu::AddressLayout address_layout(unsigned levels, std::optional<PageShift> huge) {
  const uint64_t region = uint64_t{1} << region_bits(levels);
  mmu::AddressLayout layout;
  layout.page = kPage;
  layout.lowest = VirtAddr(0x10000);
  // The end of what can be mapped of region 4, the last one of user space.
  layout.top = region_base(kHugeRegion) + region;
  // Region 3 holds data and, at its end, the stack.
  layout.stack_top = region_base(3) + (region - kPage.bytes());
  // Region 1 holds what is mapped. Linux fills it from the bottom up; here, as everywhere, from the
  // top down.
  layout.mmap_base = region_base(1) + (region - kPage.bytes());
  // Programs are linked for region 2 and 3, and nothing can be mapped behind what the levels reach.
  layout.program_base = region_base(2);
  layout.heap_base = region_base(3);
  // The gate page, for system calls by epc: twice, to read and to run, 64 KiB apart, at the start
  // of region 5, which is the kernel's (GATE_ADDR, FIXADDR_USER_END).
  layout.gate = {.range = {region_base(5), region_base(5) + (uint64_t{128} << 10)},
                 .readable = true,
                 .mapped = true};
  if (huge) layout.huge_region = {.range = {region_base(kHugeRegion), layout.top}, .page = *huge};
  for (unsigned r = 0; r < layout.holes.size(); ++r)
    layout.holes[r] = {region_base(r) + region, region_base(r + 1)};
  return layout;
}

}  // namespace mmusim::ia64
