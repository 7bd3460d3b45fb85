#include "kernel/leaf_table.h"

namespace mmusim::kernel {

bool shows_nothing(Core& core, AddressSpace& mm, const pt::Lookup& found, VirtRange block) {
  if (found.empty.begin <= block.begin && block.end <= found.empty.end) return true;
  const auto cursor = mm.table->cursor(block);
  pt::Run run;
  bool empty = true;
  while (empty && cursor->next(run)) {
    run.for_each([&](uint32_t, const pt::Entry& e) { empty = empty && e == pt::kNone; });
    run.report(*core.platform.sink, mem::Origin::Kernel, run.count, 0);
  }
  return empty;
}

bool is_leaf_table(Core& core, AddressSpace& mm, const pt::Lookup& found, VirtRange block) {
  return found.has_slot && had_leaf_table(core, mm, found, block);
}

bool had_leaf_table(Core& core, AddressSpace& mm, const pt::Lookup& found, VirtRange block) {
  if (found.entry != pt::kNone) return true;
  if (found.has_slot && found.table_size.bytes() <= block.bytes()) return true;
  return !shows_nothing(core, mm, found, block);
}

bool has_leaf_table(Core& core, AddressSpace& mm, VirtAddr page, PageShift size) {
  const VirtAddr base = align_down(page, size);
  return is_leaf_table(core, mm, mm.table->find(page), {base, base + size.bytes()});
}

}  // namespace mmusim::kernel
