#include "arch/ia64/linear_table.h"

#include <algorithm>

#include "arch/ia64/formats.h"
#include "base/error.h"

namespace mmusim::ia64 {

namespace {

[[noreturn]] void out_of_memory() {
  throw Error("", "out of simulated memory for the linear table the VHPT walker reads",
              "give the machine more with mem.bytes");
}

}  // namespace

LinearMemory::LinearMemory(unsigned levels, mem::FrameMemory& frames, mem::ReferenceSink& sink)
    : allocator_(frames, mem::FrameUse::SoftTlb),
      environment_{.sink = &sink,
                   .allocator = &allocator_,
                   .format = &format_,
                   .geometry = radix_geometry(levels),
                   .page = kPage},
      shape_(environment_.geometry, kPage, "ia64.levels") {}

PhysAddr LinearMemory::new_root(MmId mm) {
  const auto root = allocator_.allocate(shape_.level(shape_.top()).table_bytes, mm);
  if (!root) out_of_memory();
  note_bytes();
  return *root;
}

void LinearMemory::note_bytes() {
  counters.peak_bytes = std::max(counters.peak_bytes, allocator_.bytes_in_use());
}

LinearTable::LinearTable(LinearMemory& memory, MmId mm)
    : memory_(memory), radix_(memory.environment(), memory.shape(), mm, memory.new_root(mm)) {}

void LinearTable::put(VirtAddr va, pt::Entry base_page) {
  const pt::Slot slot = radix_.ensure(va, kPage);
  if (slot.status != pt::Status::Ok) out_of_memory();
  const pt::Status status = radix_.install(slot.handle, slot.entry, base_page);
  MMUSIM_ASSERT(status == pt::Status::Ok);
  memory_.note_bytes();
}

void LinearTable::purge(VirtRange range, pt::Gather& gather) {
  const auto cursor = radix_.cursor(range, pt::CursorMode::Zap);
  pt::Run run;
  while (cursor->next(run)) {
    uint64_t writes = 0;
    run.for_each([&](uint32_t, pt::Entry& e) {
      writes += e != pt::kNone ? 1 : 0;
      e = pt::kNone;
    });
    run.report(*memory_.environment().sink, mem::Origin::Kernel, run.count, writes);
    memory_.counters.purged += writes;
  }
  radix_.trim(range, VirtAddr(0), VirtAddr(0), gather);
}

void LinearTable::drop(pt::Gather& gather) {
  ++memory_.counters.dropped;
  radix_.drop_all(gather);
}

void LinearTable::forget(VirtAddr va) {
  const pt::Lookup there = radix_.peek(va);
  if (there.entry == pt::kNone) return;
  pt::Entry old = pt::kNone;
  const pt::Status status = radix_.clear(there.handle, old);
  MMUSIM_ASSERT(status == pt::Status::Ok);
}

void LinearTable::for_each(const std::function<void(VirtAddr base, pt::Entry entry)>& visit) const {
  radix_.for_each_leaf([&](VirtAddr base, PageShift, pt::Entry e) { visit(base, e); });
}

}  // namespace mmusim::ia64
