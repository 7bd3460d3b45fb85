#include "arch/x86/walker.h"

#include <cstring>
#include <fmt/format.h>

#include "arch/x86/steps.h"
#include "base/error.h"

namespace mmusim::x86 {

namespace {

constexpr uint64_t kPdpteBytes = 8;
constexpr unsigned kPdpteLevel = 2;

}  // namespace

// With PAE none are left to software between the address and XD.
uint64_t reserved_bits(const Options& options) {
  const uint64_t address = (uint64_t{1} << options.physical_bits) - 1;
  const uint64_t all =
      options.paging.is_pae() ? NoExecuteBit::kMask - (uint64_t{1} << 12) : AddressBits::kMask;
  return all & ~address;
}

WalkRights and_of(WalkRights rights, uint64_t entry) {
  return {.write = rights.write && WriteBit::get(entry) != 0,
          .user = rights.user && UserBit::get(entry) != 0,
          .no_execute = rights.no_execute || NoExecuteBit::get(entry) != 0};
}

tlb::Leaf leaf_of_entry(uint64_t entry, PageShift size, WalkRights rights) {
  return {.pfn = Pfn(AddressBits::get(entry) & ~(size.offset_mask() >> 12)),
          .size = size,
          .rights = Rights(Rights::kRead | (rights.write ? unsigned{Rights::kWrite} : 0u) |
                           (rights.no_execute ? 0u : unsigned{Rights::kExec}) |
                           (rights.user ? unsigned{Rights::kUser} : 0u)),
          .dirty = DirtyBit::get(entry) != 0,
          .global = GlobalBit::get(entry) != 0};
}

void WalkCounters::add(const WalkCounters& o) {
  for (unsigned level = 0; level < kMostLevels; ++level) {
    started[level] += o.started[level];
    loads[level] += o.loads[level];
    accessed_set[level] += o.accessed_set[level];
  }
  dirty_set += o.dirty_set;
  updates += o.updates;
  pdpte_loads += o.pdpte_loads;
}

Walker::Walker(const Options& options, mem::FrameMemory& frames, mmu::MissPath& path)
    : frames_(&frames),
      path_(&path),
      paging_(options.paging),
      most_leaf_level_(options.gigabyte_pages ? 2 : 1),
      reserved_(reserved_bits(options)),
      caches_(options.walk_cache, options.paging) {}

void Walker::load_pdptes(PhysAddr root) {
  if (!paging_.is_pae()) return;
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
    ++counters_.pdpte_loads;
    path_->touch(address, kPdpteBytes, false, pdptes_[i],
                 {.origin = mem::Origin::Walker,
                  .level = kPdpteLevel,
                  .dependent = false,
                  .what = entry_name(kPdpteLevel)});
  }
}

bool Walker::pdptes_stale(PhysAddr root) const {
  if (!paging_.is_pae()) return false;
  for (unsigned i = 0; i < kPdptes; ++i) {
    const uint64_t* word = frames_->find_words(root + i * kPdpteBytes);
    if (pdptes_[i] != (word == nullptr ? 0 : *word)) return true;
  }
  return false;
}

void Walker::for_each_pdpte(const std::function<void(PhysAddr)>& visit) const {
  for (const uint64_t entry : pdptes_)
    if (PresentBit::get(entry) != 0) visit(PhysAddr(entry & AddressBits::kMask));
}

// The 8 bytes an entry lies in; null outside table memory.
const uint64_t* Walker::word_of(PhysAddr address) const {
  return frames_->find_words(PhysAddr(address.value() & ~uint64_t{7}));
}

uint64_t Walker::read(const uint64_t* word, PhysAddr address) const {
  if (paging_.entry_bytes() == sizeof(uint64_t)) return *word;
  uint32_t entry = 0;
  std::memcpy(&entry, reinterpret_cast<const std::byte*>(word) + (address.value() & 7),
              sizeof entry);
  return entry;
}

bool Walker::well_formed(uint64_t entry, unsigned level, bool leaf) const {
  if ((entry & reserved_) != 0) return false;
  if (!leaf || level == 0) return true;
  if (level > most_leaf_level_) return false;
  // Bit 12 of a large leaf is PAT; from 13 up to the frame's lowest bit must be zero.
  const uint64_t between = (uint64_t{1} << paging_.shift(level)) - (uint64_t{1} << 13);
  return (entry & between) == 0;
}

void Walker::set_bits(PhysAddr address, unsigned level, uint64_t entry, uint64_t bits) {
  auto* const word =
      reinterpret_cast<std::byte*>(frames_->words(PhysAddr(address.value() & ~uint64_t{7})));
  const uint64_t next = entry | bits;
  std::memcpy(word + (address.value() & 7), &next, paging_.entry_bytes());  // lower half first
  ++counters_.updates;
  if ((bits & AccessedBit::kMask) != 0) ++counters_.accessed_set[level];
  if ((bits & DirtyBit::kMask) != 0) ++counters_.dirty_set;
  path_->touch(address, paging_.entry_bytes(), true, next,
               {.origin = mem::Origin::Walker,
                .level = static_cast<uint8_t>(level),
                .dependent = false,
                .what = entry_name(level)});
}

Walker::Result Walker::walk(PhysAddr root, VirtAddr va, Pcid pcid, AccessKind kind, Walks walks) {
  const unsigned top = paging_.walked() - 1;
  const std::optional<WalkStart> cached = caches_.find(va, pcid);
  WalkStart start = cached.value_or(WalkStart{top, root, {}});
  ++counters_.started[start.level];
  if (path_->narrated() && cached)
    path_->remark(fmt::format("paging-structure caches know the {}: the walk begins below it",
                              entry_name(start.level + 1)));
  if (paging_.is_pae() && !cached && walks == Walks::Program) {
    const uint64_t pdpte = pdptes_[va.value() >> k1G.log2()];
    if (path_->narrated())
      path_->remark(fmt::format("PDPTE register {}: {}", va.value() >> k1G.log2(),
                                decode_entry(entry_name(kPdpteLevel), {&pdpte, 1})));
    if (PresentBit::get(pdpte) == 0) return {.fault = mmu::FaultReason::NotPresent, .leaf = {}};
    if ((pdpte & (kPdpteReserved | reserved_ | NoExecuteBit::kMask)) != 0)
      return {.fault = mmu::FaultReason::Malformed, .leaf = {}};
    start.table = PhysAddr(pdpte & AddressBits::kMask);
  }
  WalkRights rights = start.rights;
  PhysAddr table = start.table;
  for (unsigned level = start.level;; --level) {
    const PhysAddr address = table + paging_.index(va, level) * paging_.entry_bytes();
    const uint64_t* word = word_of(address);
    if (word == nullptr) return {.fault = mmu::FaultReason::Malformed, .leaf = {}};
    const uint64_t entry = read(word, address);
    ++counters_.loads[level];
    path_->touch(address, paging_.entry_bytes(), false, entry,
                 {.origin = mem::Origin::Walker,
                  .level = static_cast<uint8_t>(level),
                  .dependent = level != start.level,
                  .what = entry_name(level)});

    if (PresentBit::get(entry) == 0) return {.fault = mmu::FaultReason::NotPresent, .leaf = {}};
    const bool leaf = level == 0 || PageSizeBit::get(entry) != 0;
    if (!well_formed(entry, level, leaf)) return {.fault = mmu::FaultReason::Malformed, .leaf = {}};
    rights = and_of(rights, entry);
    const uint64_t accessed = AccessedBit::get(entry) == 0 ? AccessedBit::kMask : 0;

    if (!leaf) {
      if (accessed != 0) set_bits(address, level, entry, accessed);
      table = PhysAddr(entry & AddressBits::kMask);
      passed_[level] = {level - 1, table, rights};
      continue;
    }

    tlb::Leaf found = leaf_of_entry(entry, PageShift(paging_.shift(level)), rights);
    const bool allowed =
        walks == Walks::Kernel ? found.rights.allows(kind) : user_may(found.rights, kind);
    if (!allowed) return {.fault = mmu::FaultReason::Protection, .leaf = {}};
    const uint64_t dirty = writes(kind) && !found.dirty ? DirtyBit::kMask : 0;
    if ((accessed | dirty) != 0) set_bits(address, level, entry, accessed | dirty);
    found.dirty = found.dirty || dirty != 0;
    for (unsigned above = start.level; above > level; --above)
      caches_.fill(va, pcid, above, passed_[above].table, passed_[above].rights);
    return {.fault = mmu::FaultReason::None, .leaf = found};
  }
}

}  // namespace mmusim::x86
