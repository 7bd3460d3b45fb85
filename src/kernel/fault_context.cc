#include "kernel/fault_context.h"

namespace mmusim::kernel {

void prepare_anon(Core& core, AddressSpace& mm, Vma& vma) {
  if (vma.anon != AnonVmaId(0)) return;
  const auto compatible = [&](const Vma& a, const Vma& b) {
    return a.end == b.start && a.file == b.file &&
           ((a.flags ^ b.flags) & ~(kVmRights | kVmSticky)) == 0 &&
           a.pgoff + core.pages(a.range().bytes()) == b.pgoff;
  };
  const Vma* next = mm.vmas.next(vma);
  const Vma* before = mm.vmas.find_before(vma.start);
  if (next != nullptr && next->anon_chain == 1 && compatible(vma, *next)) {
    mm.vmas.set_anon(vma, next->anon, next->anon_root, 1);
  } else if (before != nullptr && before->anon_chain == 1 && compatible(*before, vma)) {
    mm.vmas.set_anon(vma, before->anon, before->anon_root, 1);
  } else {
    const AnonVmaId fresh = core.new_anon_vma();
    mm.vmas.set_anon(vma, fresh, fresh, 1);
  }
}

}  // namespace mmusim::kernel
