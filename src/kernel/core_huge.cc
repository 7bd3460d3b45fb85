// The memory side of huge pages: their frames, and the tables set aside for splitting them.
#include <algorithm>
#include <fmt/format.h>

#include "base/error.h"
#include "kernel/core.h"

namespace mmusim::kernel {

// Known when the first address space is there: only a table says what leaves it has.
void Core::find_huge_size(const pt::PageTable& table) {
  huge_known_ = true;
  const std::vector<PageShift> sizes = table.capabilities().leaf_sizes;
  const bool has = platform.huge && *platform.huge > page() &&
                   platform.huge->log2() - page().log2() <= mem::FrameMemory::kMaxOrder &&
                   std::find(sizes.begin(), sizes.end(), *platform.huge) != sizes.end();
  if (has) {
    huge_ = platform.huge;
    reserve_ = table.split_reserve(*huge_, page());
  }
  if (settings.hugetlb_pages == 0) return;
  if (!has)
    throw UsageError("kernel.hugetlb_pages", "this machine's page table has no huge pages",
                     "leave it at 0");
  if (!pool.fill(settings.hugetlb_pages, huge_order()))
    throw UsageError("kernel.hugetlb_pages",
                     fmt::format("there is no memory for {} huge pages of {} KiB",
                                 settings.hugetlb_pages, huge_->bytes() >> 10),
                     "give the machine more with mem.bytes");
}

std::optional<Pfn> Core::new_huge(const AddressSpace& mm) {
  const auto first =
      platform.frames->allocate(huge_order(), mem::FrameUse::Anonymous, mm.id.value());
  if (!first) return std::nullopt;
  for (uint64_t i = 0; i < huge_pages(); ++i) {
    mem::Frame& frame = platform.frames->frame(*first + i);
    frame.references = 1;
    frame.mappings = 1;
    frame.exclusive = true;
    frame.large = true;
  }
  tracks_stores = true;
  return first;
}

std::optional<Pfn> Core::new_huge_folio(FileId file) {
  const auto first = platform.frames->allocate(huge_order(), mem::FrameUse::File, file.value());
  if (!first) return std::nullopt;
  for (uint64_t i = 0; i < huge_pages(); ++i) {
    mem::Frame& frame = platform.frames->frame(*first + i);
    frame.references = 1;
    frame.written = true;
  }
  return first;
}

std::optional<Pfn> Core::huge_zero_page() {
  if (!huge_zero_page_)
    huge_zero_page_ = platform.frames->allocate(huge_order(), mem::FrameUse::Reserved, 0);
  return huge_zero_page_;
}

void Core::put_huge(Pfn first) {
  mem::FrameMemory& frames = *platform.frames;
  const uint64_t count = huge_pages();
  uint64_t unused = 0;
  for (uint64_t i = 0; i < count; ++i)
    unused += frames.frame(first + i).references == 1 ? 1 : 0;
  if (unused == count && frames.frame(first).order == huge_order()) {
    if (platform.before_free) platform.before_free(first, huge_order());
    if (swap != nullptr) {
      for (uint64_t i = 0; i < count; ++i)
        rmap->pages.remove(first + i);
    }
    frames.free(first, huge_order());
    counters.frames_freed += count;
    return;
  }
  for (uint64_t i = 0; i < count; ++i)
    put_frame(first + i);
}

void Core::put_pool_page(Pfn first) {
  if (--platform.frames->frame(first).references != 0) return;
  if (platform.before_free) platform.before_free(first, huge_order());
  pool.give_back(first);
}

bool Core::add_huge_leaf(AddressSpace& mm) {
  const size_t before = mm.deposits.size();
  for (uint64_t i = 0; i < reserve_.blocks; ++i) {
    const auto block = platform.tables->allocate(reserve_.bytes, mm.id);
    if (!block) {
      for (; mm.deposits.size() > before; mm.deposits.pop_back())
        platform.tables->free(mm.deposits.back(), reserve_.bytes);
      return false;
    }
    mm.deposits.push_back(*block);
  }
  ++mm.huge_leaves;
  mm.deposit_bytes += reserve_.blocks * reserve_.bytes;
  counters.deposit_bytes += reserve_.blocks * reserve_.bytes;
  counters.huge_bytes += huge_->bytes();
  return true;
}

void Core::remove_huge_leaf(AddressSpace& mm) {
  for (uint64_t i = 0; i < reserve_.blocks; ++i) {
    platform.tables->free(mm.deposits.back(), reserve_.bytes);
    mm.deposits.pop_back();
  }
  --mm.huge_leaves;
  mm.deposit_bytes -= reserve_.blocks * reserve_.bytes;
  counters.deposit_bytes -= reserve_.blocks * reserve_.bytes;
  counters.huge_bytes -= huge_->bytes();
}

void Core::add_folio_leaf(AddressSpace& mm) {
  ++mm.huge_leaves;
  ++mm.folio_leaves;
  counters.huge_bytes += huge_->bytes();
}

void Core::remove_folio_leaf(AddressSpace& mm) {
  --mm.huge_leaves;
  --mm.folio_leaves;
  counters.huge_bytes -= huge_->bytes();
}

std::optional<FileId> Core::pool_memory(uint64_t bytes, bool noreserve) {
  const FileId file = shared_memory(bytes);
  if (noreserve || pool.reserve(file, 0, pages(bytes))) return file;
  cache.forget(file);
  ++counters.hugetlb_refused;
  return std::nullopt;
}

void Core::add_pool_pages(AddressSpace& mm, int64_t huge) {
  const auto added = static_cast<uint64_t>(huge);
  mm.hugetlb_pages += added * huge_pages();
  counters.hugetlb_bytes += added * huge_->bytes();
}

}  // namespace mmusim::kernel
