#include "arch/x86/entry_format.h"

#include <fmt/format.h>
#include <span>

#include "arch/x86/entry_bits.h"

namespace mmusim::x86 {

namespace {

using As = WordField::As;
constexpr WordField kTableFields[] = {
    field<PresentBit>("P", As::Flag),    field<WriteBit>("W", As::Flag),
    field<UserBit>("U", As::Flag),       field<AccessedBit>("A", As::Flag),
    field<NoExecuteBit>("XD", As::Flag), field<AddressBits>("-> table in frame", As::Pointer)};
constexpr WordField kLeafFields[] = {
    field<PresentBit>("P", As::Flag),    field<WriteBit>("W", As::Flag),
    field<UserBit>("U", As::Flag),       field<AccessedBit>("A", As::Flag),
    field<DirtyBit>("D", As::Flag),      field<PageSizeBit>("PS", As::Flag),
    field<GlobalBit>("G", As::Flag),     field<SpecialBit>("special", As::Flag),
    field<NoExecuteBit>("XD", As::Flag), field<AddressBits>("-> frame", As::Pointer)};

std::string text_of_page(std::span<const uint64_t> words) {
  return describe_entry(words[0], /*lowest=*/true);
}
std::string text_above(std::span<const uint64_t> words) {
  return describe_entry(words[0], /*lowest=*/false);
}
constexpr WordKind kEntryKinds[kMostLevels] = {{.name = "PTE", .text = text_of_page},
                                               {.name = "PDE", .text = text_above},
                                               {.name = "PDPTE", .text = text_above},
                                               {.name = "PML4E", .text = text_above},
                                               {.name = "PML5E", .text = text_above}};

}  // namespace

EntryFormat::EntryFormat(Paging paging) : pae_(paging.is_pae()) {
  present_mask = PresentBit::kMask | ProtNoneBit::kMask;
  accessed_mask = AccessedBit::kMask;
  dirty_mask = DirtyBit::kMask;
  special_mask = SpecialBit::kMask;
  write_mask = WriteBit::kMask;
  pfn_mask = AddressBits::kMask & ((uint64_t{1} << paging.most_physical_bits()) - 1);
  pfn_shift = 12;
  entry_bytes = paging.entry_bytes();
  page = k4K;
  rights = {.read = {},
            .write = {.set = WriteBit::kMask},
            .exec = {.clear = paging.has_no_execute() ? NoExecuteBit::kMask : 0},
            .user = {.set = UserBit::kMask}};
  granted = PresentBit::kMask;
  refused = ProtNoneBit::kMask;
  global_mask = GlobalBit::kMask;
  large_mask = PageSizeBit::kMask;
  table_bits =
      PresentBit::kMask | WriteBit::kMask | UserBit::kMask | AccessedBit::kMask | DirtyBit::kMask;
  table_mask = AddressBits::kMask;
}

pt::Entry EntryFormat::make_table(PhysAddr next, PageShift covers) const {
  const pt::Entry e = MaskedFormat::make_table(next, covers);
  return pae_ && covers == k1G ? (e & AddressBits::kMask) | PresentBit::kMask : e;
}

std::string EntryFormat::describe(pt::Entry e, PageShift size) const {
  return describe_entry(e, size == k4K);
}

// Bit 7 is PS above the lowest level alone, and bit 8 not G where P is not set.
std::string describe_entry(pt::Entry e, bool lowest) {
  if (e == pt::kNone) return "empty";
  const bool present = PresentBit::get(e) != 0;
  if (!present && ProtNoneBit::get(e) == 0) return fmt::format("not present, {:#x}", e);
  if (!lowest && PageSizeBit::get(e) == 0) return fields_text(kTableFields, e);
  if (lowest) e &= ~PageSizeBit::kMask;
  if (present) return fields_text(kLeafFields, e);
  return "not present, PROT_NONE " + fields_text(kLeafFields, e & ~ProtNoneBit::kMask);
}

const WordKind& entry_kind(unsigned level) {
  return kEntryKinds[level];
}

pt::RadixGeometry radix_geometry(Paging paging, bool gigabyte_pages) {
  pt::RadixGeometry geometry =
      pt::uniform_geometry(k4K, paging.index_bits(), paging.levels, gigabyte_pages ? 3 : 2);
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
