#include "arch/x86/direct_map.h"

#include <algorithm>
#include <cstring>

#include "arch/x86/entry_bits.h"
#include "base/error.h"

namespace mmusim::x86 {

namespace {

VirtAddr base_of(Paging paging) {
  if (!paging.is_long()) return VirtAddr(0xc000'0000);
  return VirtAddr(paging.levels == 5 ? 0xff11'0000'0000'0000 : 0xffff'8880'0000'0000);
}

// Fixed addresses are numbered downwards from FIXADDR_TOP, in pages. What is before FIX_KMAP_BEGIN
// depends on the configuration: assumed are a hole, debug port, early console, FireWire, the local
// APIC, 64 I/O APICs and the IDT. A CPU has KM_TYPE_NR slots (arch/x86/include/asm/kmap_types.h).
constexpr VirtAddr kFixedTop{0xffff'f000};
constexpr uint64_t kFirstSlot = 70;
constexpr uint64_t kSlotsOfCpu = 20;

}  // namespace

DirectMap::DirectMap(const Options& options, mem::FrameMemory& frames, unsigned cpus)
    : paging_(options.paging), frames_(frames), base_(base_of(paging_)), root_(new_table()) {
  MMUSIM_ASSERT(cpus > 0);
  const PageShift size = !paging_.is_long()       ? PageShift(paging_.shift(1))
                         : options.gigabyte_pages ? k1G
                                                  : k2M;
  const unsigned level = paging_.level_of_size(size);
  uint64_t bytes = frames.total_frames() << frames.page().log2();
  if (!paging_.is_long()) bytes = std::min(bytes, kLowmem);
  for (uint64_t at = 0; at < bytes; at += size.bytes())
    write(place(base_ + at, level), leaf(PhysAddr(at), level));
  if (paging_.is_long()) return;
  for (uint64_t cpu = 0; cpu < cpus; ++cpu) {
    const VirtAddr page = kFixedTop - ((kFirstSlot + kSlotsOfCpu * cpu) << k4K.log2());
    slots_.push_back({page, place(page, 0)});
  }
}

bool DirectMap::is_kernels(VirtAddr va) const {
  if (paging_.is_long()) return va >= base_;
  return (va >= base_ && va < base_ + kLowmem) ||
         std::find(user_pages_.begin(), user_pages_.end(), align_down(va, k4K)) !=
             user_pages_.end() ||
         std::any_of(slots_.begin(), slots_.end(),
                     [va](const Slot& slot) { return align_down(va, k4K) == slot.page; });
}

uint64_t DirectMap::put(const Slot& slot, std::optional<PhysAddr> there) {
  const uint64_t entry = there ? leaf(*there, 0) : 0;
  write(slot.entry, entry);
  return entry;
}

uint64_t DirectMap::leaf(PhysAddr page, unsigned level) const {
  return AddressBits::set(0, page.value() >> k4K.log2()) | PresentBit::kMask | WriteBit::kMask |
         AccessedBit::kMask | DirtyBit::kMask | GlobalBit::kMask |
         (level > 0 ? PageSizeBit::kMask : 0) |
         (paging_.has_no_execute() ? NoExecuteBit::kMask : 0);
}

// A word holds one entry of 8 bytes, or two of 4, the lower one first.
void DirectMap::write(PhysAddr at, uint64_t entry) {
  auto* const word =
      reinterpret_cast<std::byte*>(frames_.words(PhysAddr(at.value() & ~uint64_t{7})));
  std::memcpy(word + (at.value() & 7), &entry, paging_.entry_bytes());
}

uint64_t DirectMap::read(PhysAddr at) const {
  const auto* const word =
      reinterpret_cast<const std::byte*>(frames_.words(PhysAddr(at.value() & ~uint64_t{7})));
  uint64_t entry = 0;
  std::memcpy(&entry, word + (at.value() & 7), paging_.entry_bytes());
  return entry;
}

PhysAddr DirectMap::place(VirtAddr va, unsigned level, bool user) {
  PhysAddr table = root_;
  for (unsigned above = paging_.walked() - 1;; --above) {
    const PhysAddr at = table + paging_.index(va, above) * paging_.entry_bytes();
    if (above == level) return at;
    uint64_t entry = read(at);
    if (entry == 0)
      entry = new_table().value() | PresentBit::kMask | WriteBit::kMask | AccessedBit::kMask |
              DirtyBit::kMask;
    if (user) entry |= UserBit::kMask;
    write(at, entry);
    table = PhysAddr(entry & AddressBits::kMask);
  }
}

void DirectMap::add_user_page(VirtAddr page, uint64_t entry) {
  write(place(page, 0, /*user=*/true), entry);
  user_pages_.push_back(page);
}

PhysAddr DirectMap::new_table() {
  const auto table = frames_.reserve(k4K.bytes(), mem::FrameUse::Table);
  if (!table) throw mem::out_of_memory("the kernel's mapping of memory");
  return *table;
}

}  // namespace mmusim::x86
