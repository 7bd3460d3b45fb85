#include "kernel/guard.h"

#include "base/linux_abi.h"
#include "kernel/entries.h"
#include "kernel/fault_context.h"
#include "kernel/reclaim.h"
#include "kernel/share.h"
#include "kernel/zap.h"

namespace mmusim::kernel {

using namespace abi;

namespace {

constexpr uint32_t kNever = kVmHugeTlb | kVmPfnMap | kVmDontExpand;

// Whether something is mapped, or in swap space, that guards would hide.
bool holds_pages(const Core& core, AddressSpace& mm, VirtRange range) {
  const pt::EntryFormat& format = *core.platform.format;
  const auto cursor = mm.table->cursor(range);
  pt::Run run;
  bool found = false;
  while (!found && cursor->next(run)) {
    run.for_each([&](uint32_t, const pt::Entry& e) {
      found = found || (e != pt::kNone && !is_guard(format, e));
    });
    run.report(*core.platform.sink, mem::Origin::Kernel, run.count, 0);
  }
  return found;
}

// Guards wherever there is none; false: there is no memory for a table. REQUIRES: no pages.
bool fill(Core& core, AddressSpace& mm, VirtRange range) {
  const pt::Entry guard = guard_entry(*core.platform.format);
  const auto cursor = mm.table->cursor(range, pt::CursorMode::Build);
  pt::Run run;
  while (cursor->next(run)) {
    uint64_t writes = 0;
    run.for_each([&](uint32_t, pt::Entry& e) {
      if (e == pt::kNone) ++writes;
      e = guard;
    });
    core.counters.guards_installed += writes;
    run.report(*core.platform.sink, mem::Origin::Kernel, run.count, writes);
  }
  return cursor->status() == pt::Status::Ok;
}

// Whether memory could ever hold the entries: an answer at once where it could not.
bool could_fit(const Core& core, VirtRange range) {
  const uint64_t entries = core.pages(range.bytes());
  const uint64_t memory = core.platform.frames->total_frames() << core.page().log2();
  return entries <= memory / core.platform.format->entry_bytes;
}

}  // namespace

int64_t install_guards(Core& core, AddressSpace& mm, Vma& vma, VirtRange range) {
  if (vma.has(kNever | kVmLocked)) return -kEINVAL;
  if (!could_fit(core, range)) return -kENOMEM;
  // The tables say now what cannot be faulted in again: fork must copy them.
  vma.flags |= kVmMaybeGuard;
  if (vma.is_anonymous()) prepare_anon(core, mm, vma);
  leave_tables(core, mm, range);
  for (unsigned attempt = 0;; ++attempt) {
    if (holds_pages(core, mm, range)) {
      ZapBatch batch(core, mm);
      zap(batch, vma, range, ZapPages::Contents);
      batch.finish();
    }
    const bool done = fill(core, mm, range);
    core.accounts.note_tables();
    if (done) return 0;
    if (!make_room(core, attempt)) return -kENOMEM;
  }
}

int64_t remove_guards(Core& core, AddressSpace& mm, const Vma& vma, VirtRange range) {
  if (vma.has(kNever)) return -kEINVAL;
  const pt::EntryFormat& format = *core.platform.format;
  // As Zap, so that a page table which dismantles what is empty does so.
  const auto cursor = mm.table->cursor(range, pt::CursorMode::Zap);
  pt::Run run;
  while (cursor->next(run)) {
    uint64_t writes = 0;
    run.for_each([&](uint32_t, pt::Entry& e) {
      if (!is_guard(format, e)) return;
      e = pt::kNone;
      ++writes;
    });
    run.report(*core.platform.sink, mem::Origin::Kernel, run.count, writes);
  }
  return 0;
}

}  // namespace mmusim::kernel
