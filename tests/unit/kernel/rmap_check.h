// The reverse map against a scan of all page tables.
#ifndef MMUSIM_TESTS_UNIT_KERNEL_RMAP_CHECK_H_
#define MMUSIM_TESTS_UNIT_KERNEL_RMAP_CHECK_H_

#include <map>
#include <set>
#include <utility>

#include "kernel/machine.h"

namespace mmusim::kernel::testing {

// Every counted frame of a base or huge page is found where the page tables show it, and nowhere
// else. The number of places compared goes to `places`.
inline void expect_rmap_agrees(Machine& m, uint64_t* places = nullptr) {
  using Places = std::set<std::pair<MmId, VirtAddr>>;
  std::map<Pfn, Places> scanned;
  std::set<const AddressSpace*> seen;
  std::set<uint64_t> shared;  // slots several use, of which one is found
  for (const auto& [pid, process] : m.kernel->system().processes()) {
    if (process.mm == nullptr || !seen.insert(process.mm).second) continue;
    for (const auto& [start, vma] : process.mm->vmas.areas()) {
      if (vma.has(kVmHugeTlb)) continue;
      const auto cursor = process.mm->table->cursor(vma.range());
      pt::Run run;
      while (cursor->next(run)) {
        for (uint32_t i = 0; i < run.count; ++i) {
          const pt::Entry e = run.get(i);
          if (e == pt::kNone || !m.format.is_present(e) || m.format.is_special(e)) continue;
          const uint64_t place = process.mm->table->peek(run.address(i)).handle.place;
          if (run.shared && !shared.insert(place).second) continue;
          for (uint64_t part = 0; part < run.size.bytes() / kPage; ++part)
            scanned[m.format.pfn_of(e) + part].insert(
                {process.mm->id, run.address(i) + part * kPage});
        }
      }
    }
  }
  const Rmap& rmap = *m.kernel->system().core.rmap;
  for (const auto& [pfn, expected] : scanned) {
    Places found;
    for (const Rmap::Mapper& mapper : rmap.mappers(pfn)) {
      ASSERT_TRUE(found.insert({mapper.mm->id, mapper.page}).second) << "found twice";
      ASSERT_TRUE(mapper.vma->range().contains(mapper.page));
    }
    ASSERT_EQ(found, expected) << "frame " << pfn.value();
    if (places != nullptr) *places += found.size();
  }
  // What is in no page table has no mapper.
  for (Pfn pfn(1); pfn.value() < m.frames->total_frames(); pfn += 1) {
    if (scanned.contains(pfn) || rmap.pages.find(pfn) == nullptr) continue;
    ASSERT_TRUE(m.frames->in_use(pfn)) << "a free frame is in the list";
    ASSERT_TRUE(rmap.mappers(pfn).empty());
  }
}

}  // namespace mmusim::kernel::testing

#endif  // MMUSIM_TESTS_UNIT_KERNEL_RMAP_CHECK_H_
