#include "kernel/fork.h"

#include "kernel/zap.h"

namespace mmusim::kernel {

namespace {

// Linux's vma_needs_copy: private pages and uncounted frames cannot be faulted in again.
bool needs_copy(const Vma& vma) {
  return vma.anon != AnonVmaId(0) || vma.has(kVmPfnMap);
}

// Copies the leaves of one area; false when memory ran out.
bool copy_tables(Core& core, AddressSpace& parent, AddressSpace& child, const Vma& vma) {
  const pt::EntryFormat& format = *core.platform.format;
  mem::FrameMemory& frames = *core.platform.frames;
  const bool cow = !vma.is_shared();
  const PageKind file_kind = core.kind_of(vma);
  std::array<int64_t, kPageKinds> copied{};
  uint64_t protect = 0;
  uint64_t entries = 0;
  const auto copy_run = [&](pt::Run& from, pt::Run& to) {
    uint64_t parent_writes = 0;
    uint64_t child_writes = 0;
    for (uint32_t i = 0; i < from.count; ++i) {
      pt::Entry e = from.get(i);
      if (e == pt::kNone || !format.is_present(e)) continue;
      if (!format.is_special(e)) {
        mem::Frame& frame = frames.frame(format.pfn_of(e));
        ++frame.references;
        ++frame.mappings;
        const bool anonymous = frame.use == mem::FrameUse::Anonymous;
        if (anonymous) frame.exclusive = false;
        ++copied[static_cast<unsigned>(anonymous ? PageKind::Anonymous : file_kind)];
      }
      if (cow && format.is_writable(e)) {
        e = format.write_protected(e);
        from.set(i, e);
        ++parent_writes;
      }
      if (!cow) e &= ~format.dirty_mask;
      to.set(i, e & ~format.accessed_mask);
      ++child_writes;
    }
    from.report(*core.platform.sink, mem::Origin::Kernel, from.count, parent_writes);
    to.report(*core.platform.sink, mem::Origin::Kernel, 0, child_writes);
    protect += parent_writes;
    entries += child_writes;
    return true;
  };
  const pt::Status status = parent.table->copy_range(*child.table, vma.range(), copy_run);
  for (unsigned k = 0; k < kPageKinds; ++k) {
    if (copied[k] != 0) core.add_rss(child, static_cast<PageKind>(k), copied[k]);
  }
  core.counters.fork_entries += entries;
  core.counters.fork_protected += protect;
  return status == pt::Status::Ok;
}

}  // namespace

std::unique_ptr<AddressSpace> fork_space(Core& core, AddressSpace& parent) {
  auto child = core.make_space();
  if (child == nullptr) return nullptr;
  child->brk_start = parent.brk_start;
  child->brk = parent.brk;
  child->stack_top = parent.stack_top;
  core.set_program(*child, parent.program);
  bool ok = true;
  for (const auto& [start, vma] : parent.vmas.areas()) {
    if (vma.has(kVmDontCopy)) continue;
    Vma copy = vma;
    copy.flags &= ~static_cast<uint32_t>(kVmLocked);
    if (vma.has(kVmWipeOnFork)) {
      copy.anon = AnonVmaId(0);
      copy.anon_chain = 0;
    } else if (vma.anon != AnonVmaId(0)) {
      copy.anon = core.new_anon_vma();
      copy.anon_chain = vma.anon_chain + 1;
    }
    core.area_added(copy, core.pages(copy.range().bytes()));
    child->vmas.insert(copy);
    if (vma.has(kVmWipeOnFork) || !needs_copy(vma)) continue;
    ok = copy_tables(core, parent, *child, vma);
    if (!ok) break;
  }
  // Before anybody may run: the parent's writable translations are stale now.
  core.flush_mm(parent);
  core.note_vmas(*child);
  core.note_tables();
  if (ok) return child;
  tear_down(core, *child);
  return nullptr;
}

}  // namespace mmusim::kernel
