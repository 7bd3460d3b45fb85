#include "kernel/spaces.h"

#include <utility>
#include <vector>

#include "base/error.h"
#include "kernel/reclaim.h"
#include "kernel/share.h"
#include "kernel/superpage_policies.h"
#include "kernel/zap.h"
#include "mmu/random_base.h"

namespace mmusim::kernel {

std::unique_ptr<AddressSpace> make_space(Core& core) {
  const MmId id = core.next_space;
  auto table = core.platform.page_tables->create(id);
  for (unsigned attempt = 0; table == nullptr && make_room(core, attempt); ++attempt)
    table = core.platform.page_tables->create(id);
  if (table == nullptr) return nullptr;
  if (core.spaces_made() == 0) {
    choose_shared_blocks(core, *table);
    core.find_sizes(*table);
    core.policy = make_superpage_policy(core);
  }
  core.next_space = MmId(id.value() + 1);
  auto mm = std::make_unique<AddressSpace>(id, core.page(), std::move(table));
  mm->root_bytes = mm->table->stats().root_bytes;
  core.accounts.space_made(*mm);
  mm->mmap_base = mmu::random_mmap_base(core.platform.layout, core.settings.aslr_bits, core.places);
  if (core.rmap != nullptr) core.rmap->watch(*mm);
  core.spaces[id] = mm.get();
  return mm;
}

void tear_down(Core& core, AddressSpace& mm) {
  ZapBatch batch(core, mm, ZapBatch::Scope::WholeSpace);
  std::vector<Vma> all;
  all.reserve(mm.vmas.size());
  if (core.policy != nullptr) core.policy->leaving(mm, {VirtAddr(0), VirtAddr(~uint64_t{0})});
  mm.vmas.for_each([&](Vma& vma) {
    zap(batch, vma, vma.range());
    all.push_back(vma);
  });
  batch.trim_areas(all, VirtAddr(0), VirtAddr(0));
  batch.finish();
  mm.vmas.for_each(
      [&](Vma& vma) { core.files.area_removed(vma, core.pages(vma.range().bytes())); });
  while (!mm.vmas.empty())
    mm.vmas.erase(mm.vmas.areas().rbegin()->first);
  core.accounts.note_vmas(mm);
  core.files.set_program(mm, FileId(0));
  core.platform.tlbs->forget(mm.id);
  MMUSIM_ASSERT(mm.table->table_bytes() == 0 && mm.huge_leaves == 0 && mm.groups == 0 &&
                mm.hugetlb_pages == 0);
  core.spaces.erase(mm.id);
  core.accounts.space_gone(mm);
}

}  // namespace mmusim::kernel
