#include "kernel/special.h"

#include "base/error.h"
#include "kernel/unmapped_area.h"

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
  VirtAddr next;
  if (bytes != 0)
    next = unmapped_area(core, mm, {.length = bytes, .backing = Backing::SharedMemory})
               .value_or(VirtAddr(0));
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

void map_gate(Core& core) {
  const mmu::Gate& gate = core.platform.layout.gate;
  if (!core.settings.special_pages || !gate.mapped) return;
  if (!core.platform.page_tables->can_map(gate.range.end - 1)) return;
  // What is there for good (put_kernel_page() of IA-64 maps it once, at boot).
  core.kernel_table = core.platform.page_tables->create(kKernelSpace);
  const auto frame = core.platform.frames->allocate(0, mem::FrameUse::Reserved, 0);
  if (core.kernel_table == nullptr || !frame) throw mem::out_of_memory("the gate page");
  unsigned rights = Rights::kExec | Rights::kUser;
  if (gate.readable) rights |= Rights::kRead;
  const pt::Entry leaf = core.platform.format->make_leaf({.pfn = *frame,
                                                          .size = core.page(),
                                                          .rights = Rights(rights),
                                                          .accessed = true,
                                                          .dirty = true,
                                                          .global = true,
                                                          .special = true});
  for (VirtAddr page = gate.range.begin; page < gate.range.end; page += core.page().bytes()) {
    const pt::Slot slot = core.kernel_table->ensure(page, core.page());
    if (slot.status != pt::Status::Ok) throw mem::out_of_memory("the gate page");
    const pt::Status status = core.kernel_table->install(slot.handle, slot.entry, leaf);
    MMUSIM_ASSERT(status == pt::Status::Ok);
  }
  core.platform.tlbs->set_gate(gate.range, *core.kernel_table);
}

bool at_gate(const Core& core, VirtAddr va, AccessKind kind) {
  if (!core.settings.special_pages || core.kernel_table != nullptr) return false;
  const mmu::Gate& gate = core.platform.layout.gate;
  return gate.range.contains(va) &&
         (kind == AccessKind::Fetch || (gate.readable && kind == AccessKind::Load));
}

}  // namespace mmusim::kernel
