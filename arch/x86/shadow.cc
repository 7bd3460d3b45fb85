#include "arch/x86/shadow.h"

#include <algorithm>

#include "arch/x86/steps.h"
#include "base/error.h"

namespace mmusim::x86 {

namespace {

constexpr unsigned kAll = Rights::kRead | Rights::kWrite | Rights::kExec | Rights::kUser;

[[noreturn]] void out_of_memory() {
  throw Error("", "out of simulated memory for the tables the hardware walks",
              "give the machine more with mem.bytes");
}

}  // namespace

ShadowMemory::ShadowMemory(const Options& options, mem::FrameMemory& frames,
                           mem::ReferenceSink& sink)
    : format_(options.paging),
      allocator_(frames, mem::FrameUse::SoftTlb),
      environment_{.sink = &sink,
                   .allocator = &allocator_,
                   .format = &format_,
                   .geometry = radix_geometry(options.paging, options.gigabyte_pages),
                   .page = k4K},
      shape_(environment_.geometry, k4K, "paging.levels", format_.entry_bytes) {}

PhysAddr ShadowMemory::new_root(MmId mm) {
  const auto root = allocator_.allocate(shape_.level(shape_.top()).table_bytes, mm);
  if (!root) out_of_memory();
  note_bytes();
  return *root;
}

void ShadowMemory::note_bytes() {
  counters.bytes = allocator_.bytes_in_use();
  counters.peak_bytes = std::max(counters.peak_bytes, counters.bytes);
}

Shadow::Shadow(ShadowMemory& memory, MmId mm, pt::PageTable& table)
    : memory_(memory),
      kernel_table_(table),
      radix_(memory.environment(), memory.shape(), mm, memory.new_root(mm)) {}

bool Shadow::fill(VirtAddr va, AccessKind kind, bool preload, mmu::MissPath& path) {
  const EntryFormat& format = memory_.format();
  ShadowCounters& counters = memory_.counters;
  if (!preload) {
    ++counters.lookups;
    path.step(kShadowFaultStep);
  }
  path.step(kShadowLookupStep);
  const pt::Lookup found = path.walk(kernel_table_, va, kShadowLookupStep);
  if (found.entry == pt::kNone || !format.is_present(found.entry)) return false;
  pt::LeafFields leaf = format.parse_leaf(found.entry, found.size);
  const Rights rights(leaf.rights.bits() & found.mask.bits());
  if (!rights.allows(kind)) return false;

  path.step(kShadowFillStep);
  const bool mark = !leaf.accessed || (writes(kind) && !leaf.dirty);
  leaf.accessed = true;
  leaf.dirty = leaf.dirty || writes(kind);
  if (mark) {
    // Nothing happens between taking the handle and using it.
    const pt::Status status =
        kernel_table_.install(found.handle, found.entry, format.make_leaf(leaf));
    MMUSIM_ASSERT(status == pt::Status::Ok);
  }

  // The largest piece of the leaf that the hardware can map.
  PageShift size = k4K;
  for (const pt::RadixLevel& level : memory_.environment().geometry)
    if (level.leaf_allowed && level.shift <= found.size.log2()) size = PageShift(level.shift);
  const pt::Slot slot = slot_for(va, size);
  size = slot.handle.size;
  const VirtAddr base = slot.handle.base;
  leaf.pfn += (base - found.base) >> k4K.log2();
  leaf.size = size;
  leaf.rights = leaf.dirty ? rights : rights.without(Rights::kWrite);

  if (slot.entry != pt::kNone && writes(kind)) ++counters.dirty_fills;
  const pt::Status status = radix_.install(slot.handle, slot.entry, format.make_leaf(leaf));
  MMUSIM_ASSERT(status == pt::Status::Ok);
  ++(preload ? counters.preloads : counters.fills);
  memory_.note_bytes();
  return true;
}

// A slot of this size at `va`, or of a base page where the kernel has changed leaf sizes since,
// which needs no flush while translations stay as they are.
pt::Slot Shadow::slot_for(VirtAddr va, PageShift size) {
  pt::Slot slot = radix_.ensure(va, size);
  if (slot.status == pt::Status::Overlap) {
    pt::Entry old = pt::kNone;
    const pt::Status status = radix_.clear(slot.handle, old);
    MMUSIM_ASSERT(status == pt::Status::Ok);
    slot = radix_.ensure(va, size);
  }
  if (slot.status == pt::Status::Occupied) slot = radix_.ensure(va, k4K);
  if (slot.status != pt::Status::Ok) out_of_memory();
  return slot;
}

void Shadow::purge(VirtRange range, pt::Gather& gather) {
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

void Shadow::drop(pt::Gather& gather) {
  ++memory_.counters.dropped;
  radix_.drop_all(gather);
}

void Shadow::for_each(
    const std::function<void(VirtAddr base, PageShift size, Pfn pfn, Rights rights)>& visit) const {
  const EntryFormat& format = memory_.format();
  radix_.for_each_leaf([&](VirtAddr base, PageShift size, pt::Entry e) {
    const pt::LeafFields leaf = format.parse_leaf(e, size);
    visit(base, size, leaf.pfn, Rights(leaf.rights.bits() & kAll));
  });
}

}  // namespace mmusim::x86
