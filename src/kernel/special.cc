#include "kernel/special.h"

namespace mmusim::kernel {

bool is_special(std::string_view name) {
  return name == "[vdso]" || name.starts_with("[vvar");
}

void make_special(Core& core, std::string_view name, Mapping& mapping) {
  const bool counted = name == "[vdso]";
  mapping.file = core.cache.named(name, counted ? FileKind::Vdso : FileKind::Vvar);
  mapping.flags |= counted ? kVmDontExpand : kVmPfnMap | kVmDontExpand;
  mapping.pgoff = 0;
}

void add_special_areas(Core& core, AddressSpace& mm) {
  if (!core.settings.special_pages) return;
  const auto bytes_of = [&](const mmu::SpecialArea& area) {
    return area.pages * core.page().bytes();
  };
  // One gap holds all that have no place of their own.
  uint64_t bytes = 0;
  for (const mmu::SpecialArea& area : core.platform.layout.specials)
    if (area.at == VirtAddr(0)) bytes += bytes_of(area);
  VirtAddr next = bytes == 0 ? VirtAddr(0) : find_gap(core, mm, bytes).value_or(VirtAddr(0));
  for (const mmu::SpecialArea& area : core.platform.layout.specials) {
    if (area.name == nullptr) continue;
    const VirtAddr start = area.at != VirtAddr(0) ? area.at : next;
    if (start == next) next += bytes_of(area);
    Mapping mapping{{start, start + bytes_of(area)}, kVmRead, FileId(0), 0};
    if (area.exec) mapping.flags |= kVmExec;
    if (start == VirtAddr(0) || mm.vmas.overlaps(mapping.range)) continue;
    make_special(core, area.name, mapping);
    map_area(core, mm, mapping);
  }
}

bool at_gate(const Core& core, VirtAddr va, AccessKind kind) {
  if (!core.settings.special_pages) return false;
  const mmu::Gate& gate = core.platform.layout.gate;
  return gate.range.contains(va) &&
         (kind == AccessKind::Fetch || (gate.readable && kind == AccessKind::Load));
}

}  // namespace mmusim::kernel
