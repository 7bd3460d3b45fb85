#include "kernel/fork.h"

#include <array>
#include <vector>

#include "kernel/zap.h"

namespace mmusim::kernel {

namespace {

// Linux's vma_needs_copy: private pages and uncounted frames cannot be faulted in again.
bool needs_copy(const Vma& vma) {
  return vma.anon != AnonVmaId(0) || vma.has(kVmPfnMap);
}

// Copies the leaves of areas; false when memory ran out.
class TableCopy {
 public:
  TableCopy(Core& core, AddressSpace& parent, AddressSpace& child)
      : core_(core), parent_(parent), child_(child) {}

  void add(const Vma& vma) {
    areas_.push_back({.cow = !vma.is_shared(), .kind = core_.kind_of(vma)});
    ranges_.push_back(vma.range());
  }

  bool run() {
    const pt::Status status = parent_.table->copy_ranges(
        *child_.table, ranges_, [this](size_t area, pt::Run& from, pt::Run& to) {
          copy_run(areas_[area], from, to);
          return true;
        });
    for (unsigned k = 0; k < kPageKinds; ++k) {
      if (copied_[k] != 0) core_.add_rss(child_, static_cast<PageKind>(k), copied_[k]);
    }
    return status == pt::Status::Ok;
  }

 private:
  struct Area {
    bool cow;
    PageKind kind;
  };

  void copy_run(const Area& area, pt::Run& from, pt::Run& to) {
    const pt::EntryFormat& format = *core_.platform.format;
    mem::FrameMemory& frames = *core_.platform.frames;
    uint64_t parent_writes = 0;
    uint64_t child_writes = 0;
    pt::Run::for_each_pair(from, to, [&](uint32_t, pt::Entry& mine, pt::Entry& copy) {
      pt::Entry e = mine;
      if (e == pt::kNone || !format.is_present(e)) return;
      if (!format.is_special(e)) {
        mem::Frame& frame = frames.frame(format.pfn_of(e));
        ++frame.references;
        ++frame.mappings;
        const bool anonymous = frame.use == mem::FrameUse::Anonymous;
        if (anonymous) frame.exclusive = false;
        ++copied_[static_cast<unsigned>(anonymous ? PageKind::Anonymous : area.kind)];
      }
      if (area.cow && format.is_writable(e)) {
        e = mine = format.write_protected(e);
        ++parent_writes;
      }
      if (!area.cow) e &= ~format.dirty_mask;
      copy = e & ~format.accessed_mask;
      ++child_writes;
    });
    from.report(*core_.platform.sink, mem::Origin::Kernel, from.count, parent_writes);
    to.report(*core_.platform.sink, mem::Origin::Kernel, 0, child_writes);
    core_.counters.fork_protected += parent_writes;
    core_.counters.fork_entries += child_writes;
  }

  Core& core_;
  AddressSpace& parent_;
  AddressSpace& child_;
  std::vector<Area> areas_;
  std::vector<VirtRange> ranges_;
  std::array<int64_t, kPageKinds> copied_{};
};

}  // namespace

std::unique_ptr<AddressSpace> fork_space(Core& core, AddressSpace& parent) {
  auto child = core.make_space();
  if (child == nullptr) return nullptr;
  child->brk_start = parent.brk_start;
  child->brk = parent.brk;
  child->stack_top = parent.stack_top;
  core.set_program(*child, parent.program);
  TableCopy tables(core, parent, *child);
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
    if (!vma.has(kVmWipeOnFork) && needs_copy(vma)) tables.add(vma);
  }
  const bool ok = tables.run();
  // Before anybody may run: the parent's writable translations are stale now.
  core.flush_mm(parent);
  core.note_vmas(*child);
  core.note_tables();
  if (ok) return child;
  tear_down(core, *child);
  return nullptr;
}

}  // namespace mmusim::kernel
