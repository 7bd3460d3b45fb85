#include "arch/x86/walker.h"

#include <algorithm>
#include <fmt/format.h>

#include "arch/x86/entry_bits.h"
#include "arch/x86/entry_format.h"
#include "base/error.h"

namespace mmusim::x86 {

namespace {

constexpr uint64_t kPdpteBytes = 8;
constexpr unsigned kPdpteLevel = 2;

}  // namespace

mmu::RadixFormat radix_format(const Options& options) {
  const Paging paging = options.paging;
  const uint64_t unaddressable = ~((uint64_t{1} << options.physical_bits) - 1);
  const EntryFormat entries(paging);
  mmu::RadixFormat format{
      .levels = {},
      .count = paging.walked(),
      .entry_bytes = paging.entry_bytes(),
      .page = k4K,
      .caches = "paging-structure caches",
      .present = entries.granted,
      // With PAE none are left to software between the address and XD.
      .reserved = (paging.is_pae() ? NoExecuteBit::kMask - 1 : AddressBits::kMask) & unaddressable,
      .frame_mask = entries.table_mask,
      .frame_shift = k4K.log2(),
      .leaf_rights = entries.rights,
      .table_rights = entries.rights,
      .accessed = entries.accessed_mask,
      .dirty = entries.dirty_mask,
      .global = entries.global_mask,
      .table_accessed = entries.accessed_mask};
  const pt::RadixGeometry geometry = radix_geometry(paging, options.gigabyte_pages);
  for (unsigned number = 0; number < format.count; ++number) {
    mmu::RadixLevel& level = format.levels[number];
    level.kind = &entry_kind(number);
    level.shift = geometry[number].shift;
    level.index_bits = geometry[number].index_bits;
    if (number == 0) {
      level.reserved_in_table = ~uint64_t{0};
      continue;
    }
    level.table_mask = PageSizeBit::kMask;
    level.table_value = 0;
    // Bit 12 of a large leaf is PAT; from 13 up to the frame's lowest bit must be zero.
    level.reserved_in_leaf = geometry[number].leaf_allowed
                                 ? (uint64_t{1} << level.shift) - (uint64_t{1} << 13)
                                 : ~uint64_t{0};
  }
  return format;
}

Walker::Walker(const Options& options, mem::FrameMemory& frames, mmu::MissPath& path)
    : frames_(&frames),
      path_(&path),
      pae_(options.paging.is_pae()),
      radix_(radix_format(options), options.walk_cache, frames, path) {}

void Walker::load_pdptes(PhysAddr root) {
  if (!pae_) return;
  if (root.value() >> 32 != 0)
    throw Error(
        "mem.bytes",
        fmt::format("a page-directory-pointer table has come to lie at {:#x}, but CR3 has 32 "
                    "bits",
                    root.value()),
        "give the machine 4G at most, or more only as long as little of it is used");
  for (unsigned i = 0; i < kPdptes; ++i) {
    const PhysAddr address = root + i * kPdpteBytes;
    const uint64_t* word = frames_->find_words(address);
    pdptes_[i] = word == nullptr ? 0 : *word;
    ++pdpte_loads_;
    path_->touch(address, kPdpteBytes, false, pdptes_[i],
                 {.origin = mem::Origin::Walker,
                  .level = kPdpteLevel,
                  .dependent = false,
                  .what = &entry_kind(kPdpteLevel)});
  }
}

// They are aligned to what they take together, so that the words lie side by side.
bool Walker::pdptes_differ(PhysAddr root) const {
  const uint64_t* const words = frames_->find_words(root);
  if (words != nullptr) return !std::equal(pdptes_.begin(), pdptes_.end(), words);
  return std::any_of(pdptes_.begin(), pdptes_.end(), [](uint64_t pdpte) { return pdpte != 0; });
}

void Walker::for_each_pdpte(const std::function<void(PhysAddr)>& visit) const {
  for (const uint64_t entry : pdptes_)
    if (PresentBit::get(entry) != 0) visit(PhysAddr(entry & AddressBits::kMask));
}

const mmu::WalkResult& Walker::walk_plain_pae(PhysAddr root, VirtAddr va, Pcid pcid,
                                              AccessKind kind) {
  mmu::WalkStart start = radix_.begin<false>(root, va, pcid);
  if (radix_.from_root(start)) {
    const mmu::FaultReason fault = pass_pdpte(va, start);
    if (fault != mmu::FaultReason::None) return radix_.refuse(fault);
  }
  return radix_.go_on_unwatched(start, va, kind);
}

// The walk begins where the register says that the address has its page directory.
mmu::FaultReason Walker::pass_pdpte(VirtAddr va, mmu::WalkStart& start) {
  const uint64_t pdpte = pdptes_[va.value() >> k1G.log2()];
  if (path_->narrated())
    path_->remark(fmt::format("PDPTE register {}: {}", va.value() >> k1G.log2(),
                              entry_kind(kPdpteLevel).describe({&pdpte, 1})));
  if (PresentBit::get(pdpte) == 0) return mmu::FaultReason::NotPresent;
  if ((pdpte & (kPdpteReserved | radix_.format().reserved | NoExecuteBit::kMask)) != 0)
    return mmu::FaultReason::Malformed;
  start.table = PhysAddr(pdpte & AddressBits::kMask);
  return mmu::FaultReason::None;
}

}  // namespace mmusim::x86
