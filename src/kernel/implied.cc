#include "kernel/implied.h"

#include <algorithm>

namespace mmusim::kernel {

namespace {

uint32_t flag_for(AccessKind kind) {
  if (kind == AccessKind::Fetch) return kVmExec;
  return writes(kind) ? kVmWrite : kVmRead;
}

}  // namespace

Vma* imply_area(Core& core, AddressSpace& mm, VirtAddr va, AccessKind kind) {
  const mmu::AddressLayout& layout = core.platform.layout;
  if (va < layout.lowest || va >= layout.top) return nullptr;
  if (layout.huge_region.range.contains(va)) return nullptr;  // no page of it would fit there
  if (mm.vmas.size() >= core.settings.max_map_count) return nullptr;

  const uint64_t chunk = block_of_pages(core.settings.implied_chunk, core.page())
                         << core.page().log2();
  VirtRange range{VirtAddr(va.value() & ~(chunk - 1)), {}};
  range.end = range.begin + chunk;
  range.begin = std::max(range.begin, align_up(layout.lowest, core.page()));
  range.end = std::min(range.end, layout.top);
  if (const Vma* below = mm.vmas.find_before(va)) range.begin = std::max(range.begin, below->end);
  if (const Vma* above = mm.vmas.find_from(va)) range.end = std::min(range.end, above->start);

  Vma vma;
  vma.start = range.begin;
  vma.end = range.end;
  vma.pgoff = core.pages(vma.start.value());
  if (kind == AccessKind::Fetch) {
    if (mm.program == FileId(0)) core.files.set_program(mm, core.cache.unnamed(FileKind::Regular));
    vma.file = mm.program;
    vma.flags = kVmImplied | kVmRead | kVmExec;
  } else {
    vma.flags = kVmImplied | kVmRead | kVmWrite | kVmAccount;
  }
  core.files.area_added(vma, core.pages(range.bytes()));
  Vma& made = mm.vmas.insert_and_merge(vma);
  ++core.counters.implied_areas;
  core.accounts.note_vmas(mm);
  return &made;
}

Vma& widen_area(Core& core, AddressSpace& mm, Vma& vma, AccessKind kind) {
  vma.flags |= flag_for(kind);
  ++core.counters.implied_widened;
  const VirtRange range = vma.range();
  mm.vmas.merge(range.end);
  mm.vmas.merge(range.begin);
  core.accounts.note_vmas(mm);
  return *mm.vmas.find(range.begin);
}

}  // namespace mmusim::kernel
