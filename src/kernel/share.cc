#include "kernel/share.h"

#include <algorithm>
#include <optional>

#include "base/bits.h"
#include "base/error.h"
#include "base/units.h"
#include "kernel/leaf_table.h"

namespace mmusim::kernel {

namespace {

constexpr unsigned kMostListed = 50;  // log2 of the largest block a message names
constexpr uint32_t kAlike = kVmRights | kVmShared | kVmLocks | kVmImplied;

PageShift block_size(const Core& core) {
  return PageShift(log2_floor(core.settings.shared_table_bytes));
}

bool may_share(const Vma& vma) {
  return !vma.is_anonymous() && vma.anon == AnonVmaId(0) &&
         !vma.has(kVmHugeTlb | kVmPfnMap | kVmMaybeGuard);
}

// Pages of the block in `mm`, in its RSS from now on or no longer.
void account_block(Core& core, AddressSpace& mm, PageKind kind, VirtRange block, int64_t sign) {
  const pt::EntryFormat& format = *core.platform.format;
  int64_t pages = 0;
  const auto cursor = mm.table->cursor(block);
  pt::Run run;
  while (cursor->next(run))
    run.for_each([&](uint32_t, pt::Entry& e) {
      if (e != pt::kNone && format.is_present(e) && !format.is_special(e)) ++pages;
    });
  if (pages != 0) core.accounts.add_rss(mm, kind, sign * pages);
}

// Joins the block as `other` has it in the area; false if it has nothing there, or not so.
bool join_block(Core& core, AddressSpace& mm, const Vma& vma, VirtAddr block, AddressSpace& other,
                const Vma& area) {
  const PageShift size = block_size(core);
  const uint64_t index = vma.pgoff + core.pages(block - vma.start);
  if (&other == &mm || !may_share(area) || ((area.flags ^ vma.flags) & kAlike) != 0 ||
      index < area.pgoff)
    return false;
  const VirtAddr there = area.start + ((index - area.pgoff) << core.page().log2());
  if (!is_aligned(there, size) || there >= area.end || area.end - there < size.bytes())
    return false;
  pt::Run run;
  if (!other.table->cursor({there, there + size.bytes()})->next(run)) return false;
  if (mm.table->share(block, *other.table, there, size, Rights::all()) != pt::Status::Ok)
    return false;
  account_block(core, mm, core.files.kind_of(vma), {block, block + size.bytes()}, 1);
  mm.shared_blocks.insert(block);
  other.shared_blocks.insert(there);
  ++core.counters.tables_joined;
  core.accounts.note_tables();
  return true;
}

}  // namespace

void choose_shared_blocks(Core& core, const pt::PageTable& table) {
  if (core.settings.shared_table_bytes == 0) return;
  const std::vector<PageShift> sizes = table.capabilities().share_sizes;
  if (sizes.empty())
    throw UsageError("kernel.shared_tables", "page tables of this kind cannot be shared",
                     "mlpt and gpt can: set machine.page_table");
  const PageShift wanted = block_size(core);
  std::optional<PageShift> chosen;
  std::string list;
  for (const PageShift size : sizes) {
    if (size >= wanted && (!chosen || size < *chosen)) chosen = size;
    if (size > core.page() && size.log2() < kMostListed)
      list += (list.empty() ? "" : ", ") + format_size(size.bytes());
  }
  if (!chosen)
    throw UsageError("kernel.shared_tables",
                     "page tables of this kind on this machine share no blocks as large as " +
                         format_size(wanted.bytes()),
                     "they share blocks of " + list);
  core.settings.shared_table_bytes = chosen->bytes();
}

bool join_tables(Core& core, AddressSpace& mm, const Vma& vma, VirtAddr page) {
  if (!may_share(vma)) return false;
  const PageShift size = block_size(core);
  const VirtAddr block = align_down(page, size);
  if (block < vma.start || vma.end < block || vma.end - block < size.bytes()) return false;
  if (has_leaf_table(core, mm, page, size)) return false;
  bool joined = false;
  core.rmap->each_area(vma.file, [&](AddressSpace& other, const Vma& area) {
    joined = join_block(core, mm, vma, block, other, area);
    return !joined;
  });
  return joined;
}

void leave_tables(Core& core, AddressSpace& mm, VirtRange range, ZapBatch& batch) {
  if (mm.shared_blocks.empty()) return;
  const PageShift size = block_size(core);
  auto next = mm.shared_blocks.lower_bound(align_down(range.begin, size));
  while (next != mm.shared_blocks.end() && *next < range.end) {
    const VirtAddr block = *next;
    next = mm.shared_blocks.erase(next);
    if (mm.table->sharers(block).size() < 2) continue;  // the others have left
    const Vma* vma = mm.vmas.find(std::max(block, range.begin));
    const VirtRange whole{block, block + size.bytes()};
    account_block(core, mm, core.files.kind_of(*vma), whole, -1);
    batch.leave(block);
    ++core.counters.tables_left;
  }
}

void leave_tables(Core& core, AddressSpace& mm, VirtRange range) {
  if (mm.shared_blocks.empty()) return;
  ZapBatch batch(core, mm);
  leave_tables(core, mm, range, batch);
  batch.finish();
}

void for_each_sharer(Core& core, const AddressSpace& mm, VirtAddr page,
                     const std::function<void(AddressSpace& other, VirtAddr page)>& visit) {
  if (core.settings.shared_table_bytes == 0) return;
  const uint64_t offset = page.value() & block_size(core).offset_mask();
  for (const pt::Sharer& user : mm.table->sharers(page))
    if (user.mm != mm.id) visit(*core.spaces.at(user.mm), user.base + offset);
}

}  // namespace mmusim::kernel
