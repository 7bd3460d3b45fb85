#include "mmu/table_copy.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace mmusim::mmu {

TableCopies::TableCopies(const pt::EntryFormat& format, pt::RadixGeometry geometry, PageShift page,
                         const char* option, mem::FrameMemory& frames, mem::ReferenceSink& sink)
    : allocator_(frames, mem::FrameUse::SoftTlb),
      environment_{.sink = &sink,
                   .allocator = &allocator_,
                   .format = &format,
                   .geometry = std::move(geometry),
                   .page = page},
      shape_(environment_.geometry, page, option, format.entry_bytes) {}

std::unique_ptr<TableCopy> TableCopies::make(MmId mm) {
  const auto root = allocator_.allocate(shape_.level(shape_.top()).table_bytes, mm);
  if (!root) return nullptr;
  note_bytes();
  return std::make_unique<TableCopy>(*this, mm, *root);
}

void TableCopies::note_bytes() {
  counters.peak_bytes = std::max(counters.peak_bytes, allocator_.bytes_in_use());
}

TableCopy::TableCopy(TableCopies& copies, MmId mm, PhysAddr root)
    : copies_(copies), radix_(copies.environment_, copies.shape_, mm, root) {}

// The kernel may have changed leaf sizes since, which needs no flush while translations stay as
// they are.
std::optional<pt::Slot> TableCopy::slot_for(VirtAddr va, PageShift size) {
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

void TableCopy::put(const pt::Slot& slot, pt::Entry entry) {
  const pt::Status status = radix_.install(slot.handle, slot.entry, entry);
  MMUSIM_ASSERT(status == pt::Status::Ok);
}

bool TableCopy::put_page(VirtAddr va, pt::Entry entry) {
  const auto slot = slot_for(va, copies_.page());
  if (slot) put(*slot, entry);
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
