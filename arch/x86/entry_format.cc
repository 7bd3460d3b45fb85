#include "arch/x86/entry_format.h"

#include <fmt/format.h>

#include "arch/x86/entry_bits.h"

namespace mmusim::x86 {

namespace {

constexpr pt::Entry kRightsBits =
    PresentBit::kMask | WriteBit::kMask | UserBit::kMask | ProtNoneBit::kMask | NoExecuteBit::kMask;

}  // namespace

EntryFormat::EntryFormat(Paging paging) : paging_(paging) {
  present_mask = PresentBit::kMask | ProtNoneBit::kMask;
  accessed_mask = AccessedBit::kMask;
  dirty_mask = DirtyBit::kMask;
  special_mask = SpecialBit::kMask;
  write_mask = WriteBit::kMask;
  pfn_mask = AddressBits::kMask & ((uint64_t{1} << paging.most_physical_bits()) - 1);
  pfn_shift = 12;
  entry_bytes = paging.entry_bytes();
}

// The bits that say what may be done. A global leaf's G is added by the caller.
pt::Entry EntryFormat::bits_of(Rights rights) const {
  const pt::Entry no_execute = paging_.has_no_execute() ? NoExecuteBit::kMask : 0;
  if ((rights.bits() & (Rights::kRead | Rights::kWrite | Rights::kExec)) == 0)
    return ProtNoneBit::kMask | no_execute | UserBit::kMask;
  pt::Entry e = PresentBit::kMask;
  if (rights.has(Rights::kWrite)) e |= WriteBit::kMask;
  if (rights.has(Rights::kUser)) e |= UserBit::kMask;
  if (!rights.has(Rights::kExec)) e |= no_execute;
  return e;
}

pt::Entry EntryFormat::make_leaf(const pt::LeafFields& fields) const {
  // Only the kernel's own pages are global.
  pt::Entry e = bits_of(fields.global ? fields.rights : fields.rights.with(Rights::kUser));
  e = AddressBits::set(e, fields.pfn.value());
  if (fields.accessed) e |= AccessedBit::kMask;
  if (fields.dirty) e |= DirtyBit::kMask;
  if (fields.special) e |= SpecialBit::kMask;
  if (fields.global && PresentBit::get(e) != 0) e |= GlobalBit::kMask;
  if (fields.size != k4K) e |= PageSizeBit::kMask;
  return e;
}

pt::LeafFields EntryFormat::parse_leaf(pt::Entry e, PageShift size) const {
  pt::LeafFields fields;
  // Bit 12 of a large page's entry is PAT, and the address starts at the page's size.
  fields.pfn = Pfn(AddressBits::get(e) & ~(size.offset_mask() >> 12));
  fields.size = size;
  fields.accessed = is_accessed(e);
  fields.dirty = is_dirty(e);
  fields.special = is_special(e);
  if (PresentBit::get(e) != 0) {
    unsigned bits = Rights::kRead;
    if (WriteBit::get(e) != 0) bits |= Rights::kWrite;
    if (UserBit::get(e) != 0) bits |= Rights::kUser;
    if (NoExecuteBit::get(e) == 0) bits |= Rights::kExec;
    fields.rights = Rights(bits);
    fields.global = GlobalBit::get(e) != 0;
  } else {
    fields.rights = Rights(UserBit::get(e) != 0 ? unsigned{Rights::kUser} : 0u);
  }
  return fields;
}

pt::Entry EntryFormat::with_rights(pt::Entry e, Rights rights) const {
  const bool was_global = PresentBit::get(e) != 0 && GlobalBit::get(e) != 0;
  const bool user = UserBit::get(e) != 0;
  pt::Entry next = (e & ~kRightsBits) | bits_of(user ? rights.with(Rights::kUser) : rights);
  if (was_global && PresentBit::get(next) != 0) next |= GlobalBit::kMask;
  return next;
}

pt::Entry EntryFormat::make_table(PhysAddr next, PageShift covers) const {
  if (paging_.is_pae() && covers == k1G)
    return (next.value() & AddressBits::kMask) | PresentBit::kMask;
  return (next.value() & AddressBits::kMask) | PresentBit::kMask | WriteBit::kMask |
         UserBit::kMask | AccessedBit::kMask | DirtyBit::kMask;
}

PhysAddr EntryFormat::table_address(pt::Entry e) const {
  return PhysAddr(e & AddressBits::kMask);
}

bool EntryFormat::is_leaf(pt::Entry e, PageShift size) const {
  return size == k4K || PageSizeBit::get(e) != 0;
}

std::string EntryFormat::describe(pt::Entry e, PageShift size) const {
  return describe_entry(e, size == k4K);
}

std::string describe_entry(pt::Entry e, bool lowest) {
  if (e == pt::kNone) return "empty";
  const bool present = PresentBit::get(e) != 0;
  if (!present && ProtNoneBit::get(e) == 0) return fmt::format("not present, {:#x}", e);
  const bool leaf = lowest || PageSizeBit::get(e) != 0;
  std::string text = present ? "P" : "not present, PROT_NONE";
  const auto flag = [&](uint64_t set, const char* name) {
    if (set != 0) text += fmt::format(" {}", name);
  };
  flag(WriteBit::get(e), "W");
  flag(UserBit::get(e), "U");
  flag(AccessedBit::get(e), "A");
  if (leaf) flag(DirtyBit::get(e), "D");
  if (!lowest) flag(PageSizeBit::get(e), "PS");
  if (leaf && present) flag(GlobalBit::get(e), "G");
  if (leaf) flag(SpecialBit::get(e), "special");
  flag(NoExecuteBit::get(e), "XD");
  return text + fmt::format(" -> {} {:#x}", leaf ? "frame" : "table in frame", AddressBits::get(e));
}

pt::RadixGeometry radix_geometry(Paging paging, bool gigabyte_pages) {
  pt::RadixGeometry geometry;
  for (unsigned level = 0; level < paging.levels; ++level)
    geometry.push_back({.shift = paging.shift(level),
                        .index_bits = paging.index_bits(),
                        .leaf_allowed = level < 2 || (level == 2 && gigabyte_pages)});
  if (paging.is_pae()) geometry.back() = {.shift = k1G.log2(), .index_bits = 2};
  return geometry;
}

mmu::AddressLayout address_layout(Paging paging) {
  mmu::AddressLayout layout;
  layout.fetches_fault_as_reads = true;
  layout.page = k4K;
  layout.lowest = VirtAddr(0x10000);
  // One guard page below the end of the lower canonical half. With five levels Linux still gives
  // addresses below this line unless a program asks for higher ones. Of 32 bits the kernel has the
  // uppermost GiB (CONFIG_VMSPLIT_3G).
  layout.top = VirtAddr(paging.is_long() ? 0x7ffffffff000 : 0xc0000000);
  layout.stack_top = layout.top;
  // The gap left for the stack is never less than 128 MiB.
  layout.mmap_base = layout.top - (uint64_t{128} << 20);
  // Where the System V ABI has an executable begin.
  layout.program_base = VirtAddr(paging.is_long() ? 0x400000 : 0x8048000);
  if (paging.is_long()) {
    // Sizes as /proc/PID/maps of Linux 6.18 shows them; they change with its version.
    layout.specials = {{{.name = "[vvar]", .pages = 4},
                        {.name = "[vvar_vclock]", .pages = 2},
                        {.name = "[vdso]", .pages = 2, .exec = true}}};
    // The vsyscall page (VSYSCALL_ADDR, Documentation/arch/x86/x86_64/mm.rst). By default nothing
    // is mapped there: a call faults, and the kernel does what was called (vsyscall=xonly, 5.2).
    constexpr VirtAddr kVsyscall(0xffff'ffff'ff60'0000);
    layout.gate = {.range = {kVsyscall, kVsyscall + k4K.bytes()}};
  } else {
    // The vdso where it was before programs had it mapped, and later by CONFIG_COMPAT_VDSO: a page
    // of the kernel's fixed mappings (VDSO_HIGH_BASE, up to Linux 3.14).
    constexpr VirtAddr kVdso(0xffff'e000);
    layout.gate = {.range = {kVdso, kVdso + k4K.bytes()}, .readable = true, .mapped = true};
  }
  return layout;
}

}  // namespace mmusim::x86
