#include "arch/x86/direct_map.h"

#include "arch/x86/entry_bits.h"
#include "base/error.h"

namespace mmusim::x86 {

DirectMap::DirectMap(const Options& options, mem::FrameMemory& frames)
    : paging_(options.paging),
      frames_(frames),
      base_(options.paging.levels == 5 ? 0xff11'0000'0000'0000 : 0xffff'8880'0000'0000),
      root_(new_table()) {
  MMUSIM_ASSERT(paging_.is_long());
  const PageShift size = options.gigabyte_pages ? k1G : k2M;
  const unsigned leaf = paging_.level_of_size(size);
  const uint64_t bytes = frames.total_frames() << frames.page().log2();
  for (uint64_t at = 0; at < bytes; at += size.bytes()) {
    const VirtAddr va = base_ + at;
    PhysAddr table = root_;
    for (unsigned level = paging_.levels - 1; level > leaf; --level)
      table = table_below(table, va, level);
    *frames.words(table + paging_.index(va, leaf) * 8) =
        AddressBits::set(0, at >> 12) | PresentBit::kMask | WriteBit::kMask | AccessedBit::kMask |
        DirtyBit::kMask | PageSizeBit::kMask | GlobalBit::kMask | NoExecuteBit::kMask;
  }
}

PhysAddr DirectMap::table_below(PhysAddr table, VirtAddr va, unsigned level) {
  uint64_t* const word = frames_.words(table + paging_.index(va, level) * 8);
  if (*word == 0)
    *word = new_table().value() | PresentBit::kMask | WriteBit::kMask | AccessedBit::kMask |
            DirtyBit::kMask;
  return PhysAddr(*word & AddressBits::kMask);
}

PhysAddr DirectMap::new_table() {
  const auto table = frames_.reserve(k4K.bytes(), mem::FrameUse::Table);
  if (!table)
    throw Error("", "out of simulated memory for the kernel's mapping of memory",
                "give the machine more with mem.bytes");
  return *table;
}

}  // namespace mmusim::x86
