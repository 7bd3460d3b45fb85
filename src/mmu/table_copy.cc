#include "mmu/table_copy.h"

#include <algorithm>
#include <fmt/format.h>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace mmusim::mmu {

void CopyCounters::report(const char* name, stats::Report& report) const {
  const auto add = [&](const char* what, uint64_t value, const char* unit, const char* meaning,
                       const std::string& denominator = "") {
    report.add(fmt::format("{}.{}", name, what), value, unit, meaning, denominator);
  };
  add("joined", joined, "tables",
      "Tables of a copy taken from another address space's, because the kernel's tables of that "
      "block are shared (kernel.shared_tables).");
  add("left", left, "tables",
      "... and given up again by a flush of a range that touched their block.",
      fmt::format("{}.joined", name));
  add("purged", purged, "entries", "Entries removed from copies by flushes of ranges.");
  add("dropped", dropped, "events",
      "Copies emptied whole by flushes of address spaces, or for want of memory.");
  report.state(fmt::format("{}.bytes.peak", name), peak_bytes, "bytes",
               "Most memory the copies took at one time, beside the page tables' own.");
  if (no_room != 0)
    add("no_room", no_room, "entries",
        "Entries there was no memory for in the copy, until the kernel had made some.");
}

TableCopies::TableCopies(std::unique_ptr<const pt::EntryFormat> format, pt::RadixGeometry geometry,
                         PageShift page, const char* option, mem::FrameMemory& frames,
                         mem::ReferenceSink& sink)
    : format_(std::move(format)),
      allocator_(frames, mem::FrameUse::SoftTlb),
      environment_{.sink = &sink,
                   .allocator = &allocator_,
                   .format = format_.get(),
                   .geometry = std::move(geometry),
                   .page = page},
      shape_(environment_.geometry, page, option, format_->entry_bytes) {}

std::unique_ptr<TableCopy> TableCopies::make(MmId mm, const pt::PageTable& original) {
  const auto root = allocator_.allocate(shape_.level(shape_.top()).table_bytes, mm);
  if (!root) return nullptr;
  note_bytes();
  return std::make_unique<TableCopy>(*this, mm, original, *root);
}

void TableCopies::note_bytes() {
  counters.peak_bytes = std::max(counters.peak_bytes, allocator_.bytes_in_use());
}

namespace {

using mem::ReferenceSink;

}  // namespace

TableCopy::TableCopy(TableCopies& copies, MmId mm, const pt::PageTable& original, PhysAddr root)
    : copies_(copies),
      mm_(mm),
      original_(original),
      radix_(copies.environment_, copies.shape_, mm, root, &copies.sharing_) {
  copies_.members_[mm] = this;
}

TableCopy::~TableCopy() {
  copies_.members_.erase(mm_);
}

// Whoever has restricted rights has other entries, and shares with nobody.
bool TableCopy::join(VirtAddr va, const pt::Lookup& found, mem::Origin who) {
  if (!found.shared || found.mask != Rights::all()) return false;
  const ReferenceSink::ActingAs acting(*copies_.environment_.sink, who);
  std::vector<pt::Sharer> users;
  const std::vector<PageShift> sizes = radix_.share_sizes();
  for (auto size = sizes.rbegin(); size != sizes.rend(); ++size) {
    if (*size > found.tree_size || radix_.has_table(va, *size)) continue;
    if (users.empty()) users = original_.sharers(va);
    const VirtAddr block = align_down(va, *size);
    for (const pt::Sharer& user : users) {
      const auto other = copies_.members_.find(user.mm);
      if (other == copies_.members_.end() || other->second == this) continue;
      TableCopy& copy = *other->second;
      const VirtAddr there = user.base + (block - found.tree_base);
      if (!copy.radix_.has_table(there, *size) ||
          copy.original_.peek(user.base + (va - found.tree_base)).mask != Rights::all())
        continue;
      if (radix_.share(block, copy.radix_, there, *size, Rights::all()) != pt::Status::Ok) continue;
      ++copies_.counters.joined;
      copies_.note_bytes();
      return true;
    }
  }
  return false;
}

void TableCopy::leave_shared(VirtRange range, pt::Gather& gather) {
  std::vector<VirtAddr> blocks;
  radix_.for_each_shared(range, [&](VirtRange block) { blocks.push_back(block.begin); });
  for (const VirtAddr block : blocks) {
    const pt::Status status = radix_.leave(block, gather);
    MMUSIM_ASSERT(status == pt::Status::Ok);
    ++copies_.counters.left;
  }
}

// The kernel may have changed leaf sizes since, which needs no flush while translations stay as
// they are.
std::optional<pt::Slot> TableCopy::slot_for(VirtAddr va, PageShift size, mem::Origin who) {
  const ReferenceSink::ActingAs acting(*copies_.environment_.sink, who);
  pt::Slot slot = radix_.ensure(va, size);
  if (slot.status == pt::Status::Overlap) {
    pt::Entry old = pt::kNone;
    const pt::Status status = radix_.clear(slot.handle, old);
    MMUSIM_ASSERT(status == pt::Status::Ok);
    slot = radix_.ensure(va, size);
  }
  if (slot.status == pt::Status::Occupied) slot = radix_.ensure(va, copies_.page());
  copies_.note_bytes();
  if (slot.status == pt::Status::NoMemory) {
    ++copies_.counters.no_room;
    return std::nullopt;
  }
  MMUSIM_ASSERT(slot.status == pt::Status::Ok);
  return slot;
}

void TableCopy::put(const pt::Slot& slot, pt::Entry entry, mem::Origin who) {
  const ReferenceSink::ActingAs acting(*copies_.environment_.sink, who);
  const pt::Status status = radix_.install(slot.handle, slot.entry, entry);
  MMUSIM_ASSERT(status == pt::Status::Ok);
}

bool TableCopy::put_page(VirtAddr va, pt::Entry entry, mem::Origin who) {
  const auto slot = slot_for(va, copies_.page(), who);
  if (slot) put(*slot, entry, who);
  return slot.has_value();
}

void TableCopy::forget(VirtAddr va) {
  const pt::Lookup there = radix_.peek(va);
  if (there.entry == pt::kNone) return;
  pt::Entry old = pt::kNone;
  const pt::Status status = radix_.clear(there.handle, old);
  MMUSIM_ASSERT(status == pt::Status::Ok);
}

void TableCopy::purge(VirtRange range, pt::Gather& gather) {
  leave_shared(range, gather);
  const auto cursor = radix_.cursor(range, pt::CursorMode::Zap);
  pt::Run run;
  while (cursor->next(run)) {
    uint64_t writes = 0;
    run.for_each([&](uint32_t, pt::Entry& e) {
      writes += e != pt::kNone ? 1 : 0;
      e = pt::kNone;
    });
    run.report(*copies_.environment_.sink, mem::Origin::Kernel, run.count, writes);
    copies_.counters.purged += writes;
  }
  radix_.trim(range, VirtAddr(0), VirtAddr(0), gather);
}

void TableCopy::drop(pt::Gather& gather) {
  ++copies_.counters.dropped;
  radix_.drop_all(gather);
}

}  // namespace mmusim::mmu
