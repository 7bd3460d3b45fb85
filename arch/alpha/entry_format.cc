#include "arch/alpha/entry_format.h"

#include "arch/alpha/formats.h"
#include "arch/alpha/words.h"

namespace mmusim::alpha {

namespace {

constexpr pt::RightsBits kRights{.read = {.clear = pte::FaultOnRead::kMask},
                                 .write = {.clear = pte::FaultOnWrite::kMask},
                                 .exec = {.clear = pte::FaultOnExecute::kMask},
                                 .user = {}};

}  // namespace

EntryFormat::EntryFormat() {
  present_mask = pte::Valid::kMask;
  accessed_mask = pte::kAccessBits;
  dirty_mask = pte::kDirtyBits;
  special_mask = pte::Special::kMask;
  no_write_mask = pte::FaultOnWrite::kMask;
  pfn_mask = pte::Frame::kMask;
  pfn_shift = 32;
  page = kPage;
  leaf_bits = pte::Valid::kMask;
  rights = kRights;
  global_mask = pte::AddressSpaceMatch::kMask;
  large_mask = pte::Hint::kMask;
  table_bits = pte::kTable;
  table_mask = pte::Frame::kMask;
  table_unit = kPage.log2();
  table_shift = 32;
}

pt::Entry EntryFormat::size_bits(PageShift size) const {
  return pte::Hint::set(0, hint_for(size));
}

std::vector<PageShift> EntryFormat::hint_sizes() const {
  std::vector<PageShift> sizes;
  for (unsigned hint = 1; hint <= kMostHint; ++hint)
    sizes.emplace_back(kPage.log2() + kHintBits * hint);
  return sizes;
}

std::optional<PageShift> EntryFormat::hint_in(pt::Entry e) const {
  if (pte::Hint::get(e) == 0) return std::nullopt;
  return group_of(e);
}

std::string EntryFormat::describe(pt::Entry e, PageShift /*size*/) const {
  return words::kLeafEntry.describe({&e, 1});
}

Rights rights_of(pt::Entry entry) {
  if (pte::Valid::get(entry) == 0) return Rights();
  unsigned bits = kRights.of(entry).bits();
  if (pte::UserRead::get(entry) == 0) bits &= ~unsigned{Rights::kRead | Rights::kExec};
  if (pte::UserWrite::get(entry) == 0) bits &= ~unsigned{Rights::kWrite};
  return Rights(bits);
}

pt::RadixGeometry radix_geometry() {
  return pt::uniform_geometry(kPage, kIndexBits, kLevels, 1);
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
